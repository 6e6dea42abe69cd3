/** In a page: holds the places for chunks that only browsers have to their contract. */
import { IndexedChunks } from '../../src/browser-store/indexed-chunks.ts';
import { OpfsChunks } from '../../src/browser-store/opfs-chunks.ts';
import { PageDatabase } from '../../src/browser-store/page-database.ts';
import type { ChunkSpace } from '../../src/browser-store/chunk-space.ts';
import { CHUNK_SPACE_CONTRACT } from '../contracts/chunk-space-contract.ts';

/** Opens it as a new page would, after an old one went without closing anything. */
async function openSpace(kind: 'opfs' | 'indexeddb', leave: (() => void)[]): Promise<ChunkSpace> {
  for (const each of leave.splice(0)) each();
  if (kind === 'opfs') {
    const files = await OpfsChunks.start();
    leave.push(() => void files.close());
    return files;
  }
  const db = await PageDatabase.open();
  leave.push(() => void db.close());
  return new IndexedChunks(db);
}

/** What the page's database answers before and after the browser ends its connection. */
export async function loseConnection(): Promise<string[]> {
  const { open } = IDBFactory.prototype;
  let connection: IDBDatabase | undefined;
  IDBFactory.prototype.open = function (...args) {
    const opening = open.apply(this, args);
    opening.addEventListener('success', () => (connection = opening.result));
    return opening;
  };
  const db = await PageDatabase.open();
  try {
    await db.putSetting('a', Uint8Array.of(1));
    const answers = [String(await db.getSetting('a'))];
    // What browsers do: the connection is closed, and tells of it.
    connection?.close();
    connection?.dispatchEvent(new Event('close'));
    answers.push(String(await db.getSetting('a')));
    await db.putSetting('a', Uint8Array.of(2));
    answers.push(String(await db.getSetting('a')));
    return answers;
  } finally {
    IDBFactory.prototype.open = open;
    await db.close();
  }
}

/** Keeps a setting, has the site's data cleared, and keeps another. @returns whether that failed, and what is there then */
export async function loseData(clear: () => Promise<void>): Promise<{ hasFailed: boolean; names: string[] }> {
  const db = await PageDatabase.open();
  await db.putSetting('a', Uint8Array.of(1));
  await clear();
  const hasFailed = await db.putSetting('a', Uint8Array.of(2)).then(
    () => false,
    () => true,
  );
  const names = (await indexedDB.databases()).map(({ name }) => String(name));
  await db.close();
  return { hasFailed, names };
}

/** @throws where it does not hold */
export async function holds(kind: 'opfs' | 'indexeddb', title: string): Promise<void> {
  const leave: (() => void)[] = [];
  try {
    await CHUNK_SPACE_CONTRACT[title]?.(() => openSpace(kind, leave));
  } finally {
    for (const each of leave) each();
  }
}
