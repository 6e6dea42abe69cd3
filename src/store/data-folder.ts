import { constants } from 'node:fs';
import {
  access,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { absolutePath } from './absolute-path.ts';
import { isErrno, withFsErrors } from './fs-error.ts';
import { newId, type NodeIndex } from './node-index.ts';
import { openIndex, type IndexDamage } from './open-index.ts';
import { syncFolder } from './sync-folder.ts';

/** The format of the data folder that this version reads and writes. */
export const FORMAT_VERSION = 1;

/** Receives what happens inside, one line an event. */
export type Log = (level: 'error' | 'warn' | 'info' | 'debug', message: string) => void;

/**
 * Where things lie in a data folder: `version`, `identity.key` (mode 0600), `index/` (LevelDB, its lock is the
 * folder's), `partials/` (bitmaps, and downloads without a target), `content/` (finished content without a path).
 */
export class DataFolder {
  readonly path: string;
  readonly index: NodeIndex;
  /** What was wrong with the index when it was opened. */
  readonly damage: IndexDamage | undefined;
  /** Device and inode, to know the folder again where it lies inside a tree that is shared. */
  readonly #identity: { dev: bigint; ino: bigint };

  constructor(
    path: string,
    { index, damage }: { index: NodeIndex; damage: IndexDamage | undefined },
    identity: { dev: bigint; ino: bigint },
  ) {
    this.path = path;
    this.index = index;
    this.damage = damage;
    this.#identity = identity;
  }

  bitmapPath(root: CID): string {
    return join(this.path, 'partials', `${root.toString()}.bits`);
  }

  /** The bitmap of a copy that is being made, for another target. */
  nextBitmapPath(root: CID): string {
    return join(this.path, 'partials', `${root.toString()}.next.bits`);
  }

  /** Where a download without a target grows. */
  partialPath(root: CID): string {
    return join(this.path, 'partials', `${root.toString()}.data`);
  }

  contentPath(root: CID): string {
    return join(this.path, 'content', root.toString());
  }

  /** A new name for content whose root is not known yet. */
  newSpoolPath(): string {
    return join(this.path, 'content', `${SPOOL_PREFIX}${newId()}`);
  }

  /** Whether a path leads to what a data folder is made of, or into it. @param real absolute, without links, of what need not be there */
  async isPart(real: string): Promise<boolean> {
    const [part = ''] = relative(await this.realPath(), real).split(sep);
    return PARTS.has(part);
  }

  /** Its path without links, as it is now. */
  realPath(): Promise<string> {
    return withFsErrors('look at', this.path, () => realpath(this.path));
  }

  isThisFolder({ dev, ino }: { dev: bigint; ino: bigint }): boolean {
    return dev === this.#identity.dev && ino === this.#identity.ino;
  }

  /** The node's private key, made on first use. @throws ERR_IDENTITY */
  async identity(): Promise<Uint8Array> {
    const file = join(this.path, IDENTITY);
    return withFsErrors('use', file, async () => {
      const known = await readFile(file).catch(unlessMissing);
      if (!known) return createIdentity(file);
      try {
        privateKeyFromProtobuf(known);
        return known;
      } catch (cause) {
        throw new ShoalError(
          'ERR_IDENTITY',
          `${file} is damaged; restore it, or delete it to start with a new peer id`,
          { cause },
        );
      }
    });
  }
}

const VERSION = 'version';
const IDENTITY = 'identity.key';

/** The names in a data folder. */
const PARTS: ReadonlySet<string> = new Set([VERSION, IDENTITY, 'index', 'partials', 'content']);

const SPOOL_PREFIX = '.spool-';

/**
 * Opens a data folder, makes it where there is none, and takes ownership.
 *
 * @param mustRepair whether the index was found damaged a moment ago. Default: only where an earlier run noted it
 * @throws ERR_NOT_A_DIRECTORY, ERR_DATA_DIR_IN_USE, ERR_DATA_DIR_VERSION, ERR_INDEX_CORRUPT, ERR_READ_ONLY, ERR_ACCESS, ERR_IO
 */
export async function openDataFolder(dataDir: string, mustRepair = false): Promise<DataFolder> {
  const path = absolutePath(dataDir);
  return withFsErrors('use the data folder', path, async () => {
    await makeFolder(path);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    await checkVersion(path);
    const opened = await openIndex(path, mustRepair);
    try {
      for (const name of ['partials', 'content'])
        await mkdir(join(path, name), { recursive: true, mode: 0o700 });
      for (const name of [VERSION, IDENTITY]) await removeBegun(path, `${name}.`);
      await removeBegun(join(path, 'content'), SPOOL_PREFIX);
      return new DataFolder(path, opened, await stat(path, { bigint: true }));
    } catch (error) {
      await opened.index.close();
      throw error;
    }
  });
}

/**
 * Makes the folder and those above it that are missing, one by one: Node's own recursive `mkdir` never ends where a
 * folder that is there takes none, as in /proc.
 */
async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  let above = path;
  let there = await stat(above).catch(unlessMissing);
  while (!there && above !== dirname(above)) {
    missing.unshift(above);
    above = dirname(above);
    there = await stat(above).catch(unlessMissing);
  }
  if (there && !there.isDirectory()) throw notAFolder(path, above);
  for (const folder of missing) {
    try {
      await mkdir(folder, { mode: 0o700 });
    } catch (error) {
      if (isErrno(error, 'EEXIST')) {
        // Another process was faster; or a link that leads nowhere is in its place.
        if ((await stat(folder).catch(unlessMissing))?.isDirectory()) continue;
        throw notAFolder(path, folder);
      }
      if (!isErrno(error, 'ENOENT')) throw error;
      throw new ShoalError(
        'ERR_ACCESS',
        `the data folder ${path} cannot be made: ${dirname(folder)} takes no new folders; choose another with --data`,
        { cause: error },
      );
    }
  }
}

function notAFolder(path: string, what: string): ShoalError {
  const where = what === path ? path : `${path} cannot be made: ${what}`;
  return new ShoalError(
    'ERR_NOT_A_DIRECTORY',
    `the data folder ${where} is not a folder; choose another with --data`,
  );
}

async function checkVersion(path: string): Promise<void> {
  const file = join(path, VERSION);
  // The index first: another process may be starting here, and makes it after the version.
  const hasIndex = (await stat(join(path, 'index')).catch(unlessMissing)) !== undefined;
  const version = (await readFile(file, 'utf8').catch(unlessMissing))?.trim() ?? '';
  if (version === String(FORMAT_VERSION)) return;
  // An empty one is what a crash or a full disk leaves of a first start.
  if (version === '' && !hasIndex) {
    await rename(await writeAside(file, `${FORMAT_VERSION}\n`), file).catch((error: unknown) => {
      // Another process was faster, and deleted what this one was writing.
      if (!isErrno(error, 'ENOENT')) throw error;
    });
    // Before there is an index: without a version that is taken for another Shoal's.
    await syncFolder(path);
    return;
  }
  const found = version === '' ? 'no version' : `version "${version.slice(0, 20)}"`;
  throw new ShoalError(
    'ERR_DATA_DIR_VERSION',
    `the data folder ${path} has ${found}, and this Shoal uses ${FORMAT_VERSION}; use the Shoal that made it, or another folder (--data); nothing was changed`,
  );
}

/** What was being written when the process was killed: input that was taken in, a private key, or the version. */
async function removeBegun(folder: string, prefix: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(prefix)) await rm(join(folder, name), { force: true });
  }
}

/** Writes what is to be `file`, so that it can be put there whole. @returns the path of what was written */
async function writeAside(file: string, content: string | Uint8Array): Promise<string> {
  const aside = `${file}.${newId()}`;
  const handle = await open(aside, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  return aside;
}

/** Written aside first and put in place by `link`, which never replaces a key that is already there. */
async function createIdentity(file: string): Promise<Uint8Array> {
  const bytes = privateKeyToProtobuf(await generateKeyPair('Ed25519'));
  const aside = await writeAside(file, bytes);
  try {
    await link(aside, file);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return await readFile(file);
    if (!isErrno(error, 'EPERM', 'ENOTSUP', 'ENOSYS')) throw error;
    await writeFile(file, bytes, { mode: 0o600, flag: 'wx', flush: true }).catch(async (failure: unknown) => {
      // A key that a full disk cut off would be taken for a damaged one for ever.
      if (!isErrno(failure, 'EEXIST')) await rm(file, { force: true });
      throw failure;
    });
  } finally {
    await unlink(aside);
  }
  // Links name the peer id.
  await syncFolder(dirname(file));
  return bytes;
}

function unlessMissing(error: unknown): undefined {
  // ENOTDIR: what is above it is a file.
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
  throw error;
}
