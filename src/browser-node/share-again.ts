import { CID } from 'multiformats/cid';
import type { ShareAgainOptions, SharedAgain } from '../browser-api.ts';
import { importFiles, sharedFiles, type FileToShare } from '../browser-store/import-files.ts';
import type { FileStamp, KeptShare } from '../browser-store/kept-shares.ts';
import type { PageStore } from '../browser-store/page-store.ts';
import type { SharedFiles } from '../browser-store/shared-files.ts';
import { ShoalError } from '../errors.ts';
import { optionsOf, type Kinds } from '../node/options-of.ts';
import type { ShoalNode } from '../node/shoal-node.ts';
import { KeyLock } from '../store/key-lock.ts';
import { permissionOf } from './file-permission.ts';
import { withPickedErrors } from './picked-error.ts';
import { PickedFolder } from './picked-folder.ts';

type Outcome = Pick<SharedAgain, 'state' | 'problem'>;

const SHARED: Outcome = { state: 'shared', problem: undefined };

/** Who comes while an asset's files are hashed is told what was found: a page asks each time that it shows its start. */
const reading = new KeyLock();

/** What the files of each share were when they were hashed and had changed; they have as long as they are that. */
const changedTo = new WeakMap<KeptShare, ReadonlyMap<string, FileStamp>>();

/** What each file of some that were picked is now. */
export function stampsOf(files: readonly FileToShare[]): Map<string, FileStamp> {
  return new Map(
    files.map(({ path, file }) => [
      path,
      { size: file.size, lastModified: file instanceof File ? file.lastModified : 0 },
    ]),
  );
}

const SHARE_AGAIN_OPTIONS: Kinds<ShareAgainOptions> = {
  cid: 'string',
  ask: 'boolean',
  signal: 'AbortSignal',
};

/** See `PageShoal.shareAgain`. */
export async function shareAgain(
  node: ShoalNode,
  store: PageStore,
  options: ShareAgainOptions | undefined,
): Promise<SharedAgain[]> {
  const { ask = false, cid, signal: given } = optionsOf(options, SHARE_AGAIN_OPTIONS);
  const signal = given ? AbortSignal.any([given, node.closing]) : node.closing;
  signal.throwIfAborted();
  const shares = [...(store.shares?.all ?? [])].filter(([root]) => cid === undefined || root === cid);
  // All are asked for at once: soon after a click it is too late.
  const permitted = await Promise.all(shares.map(([, share]) => mayRead(share, ask)));
  const results: SharedAgain[] = [];
  for (const [i, [text, share]] of shares.entries()) {
    signal.throwIfAborted();
    const { name, bytes } = share;
    const root = CID.parse(text);
    const outcome: Outcome = store.isShared(root)
      ? SHARED
      : permitted[i]
        ? await reading.run(text, () => shareOne(node, store, root, share, signal), signal)
        : {
            state: 'permission',
            problem: `the browser wants to be allowed anew to read ${name ?? 'the files'}`,
          };
    results.push({ cid: text, name, bytes, ...outcome, source: share.handles.map(({ handle }) => handle) });
  }
  return results;
}

async function mayRead({ handles }: KeptShare, ask: boolean): Promise<boolean> {
  // Without a click the browser refuses to ask.
  const all = await Promise.all(
    handles.map(({ handle }) => permissionOf(handle, 'read', ask).catch(() => 'prompt')),
  );
  return all.every((each) => each === 'granted');
}

async function shareOne(
  node: ShoalNode,
  store: PageStore,
  root: CID,
  share: KeptShare,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    if (store.isShared(root)) return SHARED;
    const files = await findFiles(share, signal);
    const stamps = stampsOf(files);
    const isUntouched = areSame(share.stamps, stamps);
    const text = root.toString();
    const known =
      isUntouched && store.shares
        ? await sharedFiles(root, share.name, await store.shares.nodes(text), files)
        : undefined;
    const shared = known ?? (await hashed(root, share, files, stamps, signal));
    signal.throwIfAborted();
    // It may have been removed meanwhile.
    if (!store.shares?.all.has(text)) return { state: 'gone', problem: `${text} was removed` };
    const record = await store.addShared(shared, known ? undefined : { ...share, stamps });
    await node.publish(record, signal);
    return SHARED;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ShoalError)) throw error;
    const { code, message: problem } = error;
    if (code === 'ERR_ACCESS') return { state: 'permission', problem };
    if (code === 'ERR_FILE_CHANGED') node.handleAssetError(root, error);
    return { state: code === 'ERR_FILE_CHANGED' ? 'changed' : 'gone', problem };
  }
}

/** The files as they are now. @throws ERR_NOT_FOUND; ERR_FILE_CHANGED where one is of another size; ERR_ACCESS, ERR_IO */
async function findFiles({ handles, stamps }: KeptShare, signal: AbortSignal): Promise<FileToShare[]> {
  const files: FileToShare[] = [];
  for (const { path: at, handle } of handles) {
    const folder = handle.kind === 'directory' ? new PickedFolder(handle) : undefined;
    const above = at === '' ? '' : `${at}/`;
    const paths = folder ? [...stamps.keys()].filter((path) => path.startsWith(above)) : [at];
    for (const path of paths) {
      signal.throwIfAborted();
      const file =
        handle.kind === 'file'
          ? await withPickedErrors(handle.name, () => handle.getFile())
          : await folder?.file(path.slice(above.length).split('/'));
      if (!file) {
        throw new ShoalError(
          'ERR_NOT_FOUND',
          `${path} is no longer in ${handle.name}, from where it was shared`,
        );
      }
      if (file.size !== stamps.get(path)?.size) throw changed(path || handle.name);
      files.push({ path, file });
    }
  }
  return files;
}

/** Hashes what has another time than it had, or of which nodes are lost. @throws ERR_FILE_CHANGED */
async function hashed(
  root: CID,
  share: KeptShare,
  files: readonly FileToShare[],
  stamps: ReadonlyMap<string, FileStamp>,
  signal: AbortSignal,
): Promise<SharedFiles> {
  const { name, chunkSize, emptyFolders } = share;
  const before = changedTo.get(share);
  if (!before || !areSame(before, stamps)) {
    const shared = await importFiles(files, { name, chunkSize, emptyFolders, onProgress: undefined, signal });
    if (shared.manifest.root.equals(root)) return shared;
    changedTo.set(share, stamps);
  }
  throw changed(name ?? 'what was shared');
}

/** Files of the same sizes: whether they were not written since. */
function areSame(before: ReadonlyMap<string, FileStamp>, now: ReadonlyMap<string, FileStamp>): boolean {
  return [...before].every(([path, { lastModified }]) => now.get(path)?.lastModified === lastModified);
}

function changed(what: string): ShoalError {
  return new ShoalError(
    'ERR_FILE_CHANGED',
    `${what} is no longer what was shared; share it again to publish what it is now`,
  );
}
