import type { ChunkSpace } from './chunk-space.ts';
import { IndexedChunks } from './indexed-chunks.ts';
import { keptMark } from './kept-mark.ts';
import { KeptShares } from './kept-shares.ts';
import type { OpenedPageStore, OpenPageStoreOptions } from './open-page-store.ts';
import { OpfsChunks } from './opfs-chunks.ts';
import { PageDatabase } from './page-database.ts';
import { PageStore } from './page-store.ts';
import { lockStorage } from './storage-lock.ts';

/**
 * Opens what this origin keeps, which this page then owns until the store is closed.
 *
 * @throws why it cannot: another page owns it, or the browser gives no storage
 */
export async function openKeptStore(options: OpenPageStoreOptions): Promise<OpenedPageStore> {
  const { log } = options;
  if (typeof indexedDB !== 'object' || indexedDB === null || typeof navigator.locks?.request !== 'function')
    throw new Error('the browser gives it no storage');
  const unlock = await lockStorage(options.signal);
  if (!unlock) throw new Error('another page of this site, or another node in this page, has the storage');
  let db: PageDatabase | undefined;
  let files: OpfsChunks | undefined;
  try {
    db = await PageDatabase.open();
    let why: string | undefined;
    files = await OpfsChunks.start().catch((error: Error) => {
      why = error.message;
      return undefined;
    });
    if (why !== undefined) log('info', `what this page fetches lies in IndexedDB, not in files: ${why}`);
    const indexed = new IndexedChunks(db);
    const spaces: [ChunkSpace, ...ChunkSpace[]] = files ? [files, indexed] : [indexed];
    const mark = keptMark();
    const store = await PageStore.open({
      records: db,
      shares: await KeptShares.load(db, log),
      spaces,
      log,
      onEvicted: options.onEvicted,
      onKept: (isAny) => mark.set(isAny),
      onFirstDownload: () => options.persist && askToPersist(log),
      onClosed: unlock,
    });
    // The first that is written: where a database without room can be opened, it shows here.
    await store.identity();
    const isNothingHere = await isEmpty(store);
    const wasEvicted = mark.isSet && isNothingHere;
    if (wasEvicted) tellOfEviction(log);
    mark.set(!isNothingHere);
    return { store, kind: spaces[0].kind, why, wasEvicted };
  } catch (error) {
    await files?.close();
    await db?.close();
    unlock();
    throw error;
  }
}

async function isEmpty(store: PageStore): Promise<boolean> {
  // What is shared lies elsewhere.
  for await (const { state } of store.list()) if (state !== 'shared') return false;
  return true;
}

function tellOfEviction(log: OpenPageStoreOptions['log']): void {
  log(
    'warn',
    'what this page had kept is gone: the browser deletes what sites keep when space runs short, unless they may keep it (`persist`), and so does whoever clears the site’s data; it is fetched again when it is asked for',
  );
}

/** Nobody waits for the answer: some browsers ask the person. */
function askToPersist(log: OpenPageStoreOptions['log']): void {
  const asking = async (): Promise<void> => {
    if (await navigator.storage.persisted()) return;
    const isGranted = await navigator.storage.persist();
    if (!isGranted) log('info', 'the browser may delete what this page keeps when space runs short');
  };
  asking().catch((error: unknown) =>
    log('info', `the browser was not asked to keep what is here: ${String(error)}`),
  );
}
