import { randomBytes } from 'node:crypto';
import { open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClassicLevel } from 'classic-level';
import { base32 } from 'multiformats/bases/base32';
import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { sha256 } from '../integrity/sha256.ts';
import { digestEquals } from '../integrity/verified-chunk.ts';
import { decodeEntry, encodeEntry, type AssetEntry } from './asset-entry.ts';
import { freeBytes } from './space.ts';

type Level = ClassicLevel<string, Uint8Array>;

// Every key is PREFIX/…; '0' is the character after '/', so that [PREFIX/, PREFIX0) is all of one prefix.
const RECORD = 'a/';
const NODE = 'n/';
const STAMPS = 's/';
const SETTING = 'x/';

/** Free on the disk before what LevelDB has in memory is put into a table: that is at most 4 MiB. */
const NEW_LOG_BYTES = 8 << 20;

const afterAll = (prefix: string): string => `${prefix.slice(0, -1)}0`;

/** A new name for a set of nodes or file stamps, unique in an index. */
export function newId(): string {
  return randomBytes(8).toString('hex');
}

/**
 * The index of a data folder: asset records, interior nodes, file stamps, settings. A LevelDB, whose lock file is
 * also what makes one process the owner of the folder.
 *
 * Every method throws ERR_INDEX_CORRUPT, ERR_DISK_FULL, ERR_IO, or ERR_CLOSED after {@link close}.
 */
export class NodeIndex {
  readonly #db: Level;
  readonly #onCorrupt: () => Promise<void>;
  /** Why a write failed that may have left a part of a record in the log. */
  #torn: { cause: unknown } | undefined;
  #mending: Promise<void> | undefined;
  /** Records of which nobody knows whether they are in the log, and what they were before. */
  readonly #unsure = new Map<string, Uint8Array | undefined>();
  /** LevelDB is being opened anew, or that failed. */
  #isAway = false;
  #opening: Promise<void> | undefined;
  #isClosed = false;
  /** Values to be read at the end of this turn. */
  #gets: { keys: string[]; values: Promise<(Uint8Array | undefined)[]> } | undefined;

  /**
   * @param db opened by `openIndex`
   * @param onCorrupt called where reading finds damage, to note that the next start must repair
   */
  constructor(db: Level, onCorrupt: () => Promise<void>) {
    this.#db = db;
    this.#onCorrupt = onCorrupt;
  }

  /** All records that can be read; `onDamaged` is told of the others. */
  async loadRecords(onDamaged: (key: string) => void): Promise<Map<string, AssetEntry>> {
    const records = new Map<string, AssetEntry>();
    await this.#run(async () => {
      for await (const [key, value] of this.#db.iterator({ gte: RECORD, lt: afterAll(RECORD) })) {
        const root = key.slice(RECORD.length);
        try {
          records.set(root, decodeEntry(root, value));
        } catch {
          onDamaged(root);
        }
      }
    });
    return records;
  }

  /** Durable when it resolves, together with all that was put before. */
  async putRecord(root: string, entry: AssetEntry): Promise<void> {
    await this.#writeRecord(root, (key) => this.#db.put(key, encodeEntry(entry), { sync: true }));
  }

  /** As {@link putRecord}, but a power cut may lose it. */
  async noteRecord(root: string, entry: AssetEntry): Promise<void> {
    await this.#writeRecord(root, (key) => this.#db.put(key, encodeEntry(entry)));
  }

  /** Deletes a record with its nodes and stamps. */
  async deleteRecord(root: string, entry: AssetEntry): Promise<void> {
    await this.#writeRecord(root, (key) => this.#db.del(key, { sync: true }));
    await this.deleteNodes(entry.nodes);
    for (const place of entry.places) await this.deleteStamps(place.id);
  }

  /** The node's bytes, checked against its CID: what was damaged on disk is as if it were not there. */
  async getNode(set: string, cid: CID): Promise<Uint8Array | undefined> {
    const bytes = await this.#get(nodeKey(set, cid));
    return bytes && digestEquals(sha256(bytes), cid.multihash.digest) ? bytes : undefined;
  }

  /** All that are asked for in one turn are read at once: each read wakes a thread, which takes longer than reading. */
  async #get(key: string): Promise<Uint8Array | undefined> {
    let gets = this.#gets;
    if (!gets) {
      const keys: string[] = [];
      const values = Promise.resolve().then(() => {
        this.#gets = undefined;
        return this.#run(() => this.#db.getMany(keys));
      });
      this.#gets = gets = { keys, values };
    }
    const at = gets.keys.push(key) - 1;
    return (await gets.values)[at];
  }

  async getNodes(set: string, cids: readonly CID[]): Promise<(Uint8Array | undefined)[]> {
    return this.#run(() => this.#db.getMany(cids.map((cid) => nodeKey(set, cid))));
  }

  async putNodes(set: string, nodes: readonly { cid: CID; bytes: Uint8Array }[]): Promise<void> {
    const batch = nodes.map(({ cid, bytes }) => ({
      type: 'put' as const,
      key: nodeKey(set, cid),
      value: bytes,
    }));
    await this.#write(() => this.#db.batch(batch));
  }

  async deleteNodes(set: string): Promise<void> {
    const prefix = `${NODE}${set}/`;
    await this.#write(() => this.#db.clear({ gte: prefix, lt: afterAll(prefix) }));
  }

  async getStamps(id: string): Promise<Uint8Array | undefined> {
    return this.#run(() => this.#db.get(STAMPS + id));
  }

  async putStamps(id: string, stamps: Uint8Array): Promise<void> {
    await this.#write(() => this.#db.put(STAMPS + id, stamps));
  }

  async deleteStamps(id: string): Promise<void> {
    await this.#write(() => this.#db.del(STAMPS + id));
  }

  async getSetting(key: string): Promise<Uint8Array | undefined> {
    return this.#run(() => this.#db.get(SETTING + key));
  }

  async putSetting(key: string, value: Uint8Array | undefined): Promise<void> {
    await this.#write(() =>
      value === undefined ? this.#db.del(SETTING + key) : this.#db.put(SETTING + key, value),
    );
  }

  /** Deletes what an import left behind that was killed before it had a record. */
  async deleteOrphans(records: Iterable<AssetEntry>): Promise<void> {
    const sets = new Set<string>();
    const stamps = new Set<string>();
    for (const entry of records) {
      sets.add(entry.nodes);
      for (const place of entry.places) stamps.add(place.id);
    }
    for (const set of await this.#firstParts(NODE)) if (!sets.has(set)) await this.deleteNodes(set);
    for (const id of await this.#firstParts(STAMPS)) if (!stamps.has(id)) await this.deleteStamps(id);
  }

  async close(): Promise<void> {
    if (this.#torn) await this.#mend(this.#torn).catch(() => {});
    this.#isClosed = true;
    await this.#opening?.catch(() => {});
    await this.#db.close();
  }

  /** The distinct parts that follow a prefix, found by leaping from one to the next. */
  async #firstParts(prefix: string): Promise<string[]> {
    const parts: string[] = [];
    await this.#run(async () => {
      const iterator = this.#db.keys({ gte: prefix, lt: afterAll(prefix) });
      try {
        for (let key = await iterator.next(); key !== undefined; key = await iterator.next()) {
          const part = key.slice(prefix.length).split('/', 1)[0] as string;
          parts.push(part);
          iterator.seek(`${prefix}${part}0`);
        }
      } finally {
        await iterator.close();
      }
    });
    return parts;
  }

  /**
   * As {@link #run}, of what writes. LevelDB goes on writing after a part of a record, as a full disk leaves it, and finds
   * next to nothing of that when it is opened again: so after a failure nothing is written before there is a new log.
   */
  async #write<T>(task: () => Promise<T>): Promise<T> {
    if (this.#torn) await this.#mend(this.#torn);
    return this.#run(async () => {
      try {
        return await task();
      } catch (error) {
        if (levelCode(error) === 'LEVEL_IO_ERROR') this.#torn = { cause: error };
        throw error;
      }
    });
  }

  /** As {@link #write}, of a record. What could not be written is not there later, either. */
  async #writeRecord(root: string, task: (key: string) => Promise<void>): Promise<void> {
    const key = RECORD + root;
    try {
      await this.#write(() => task(key));
    } catch (error) {
      if (this.#torn) await this.#noteUnsure(key).catch(() => {});
      throw error;
    }
  }

  /** A record could not be written: LevelDB gives what it was before, whatever the log says. */
  async #noteUnsure(key: string): Promise<void> {
    if (this.#unsure.has(key)) return;
    this.#unsure.set(key, await this.#db.get(key));
  }

  #mend(torn: { cause: unknown }): Promise<void> {
    this.#mending ??= this.#run(() => this.#beginLog(torn)).finally(() => (this.#mending = undefined));
    return this.#mending;
  }

  /**
   * Has LevelDB put what it has in memory into a table, and begin a log for what comes. After a sync that failed it takes
   * nothing more before it is opened anew.
   *
   * @throws what the write failed with, where there is no room for that yet, or the disk takes nothing
   */
  async #beginLog(torn: { cause: unknown }): Promise<void> {
    const { location } = this.#db;
    const free = await freeBytes(location);
    if (free !== undefined && free < NEW_LOG_BYTES) throw torn.cause;
    const logs = async (): Promise<string> =>
      (await readdir(location)).filter((name) => name.endsWith('.log')).join();
    const before = await logs();
    await this.#db.compactRange(RECORD, RECORD);
    if ((await logs()) === before) {
      // Where this fails LevelDB would not open, and what it can read still would be lost, too.
      await tryDisk(location).catch(() => Promise.reject(torn.cause as Error));
      await this.#openAnew();
    }
    for (const [key, value] of this.#unsure) {
      await (value ? this.#db.put(key, value, { sync: true }) : this.#db.del(key, { sync: true }));
      this.#unsure.delete(key);
    }
    // A write that had begun before may have failed meanwhile.
    if (this.#torn === torn) this.#torn = undefined;
  }

  /** Closes LevelDB and opens it. What comes meanwhile waits; where it does not open, what comes next tries again. */
  #openAnew(): Promise<void> {
    this.#isAway = true;
    const open = async (): Promise<void> => {
      await this.#db.close();
      await this.#db.open();
      this.#isAway = false;
    };
    this.#opening ??= open().finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  async #run<T>(task: () => Promise<T>): Promise<T> {
    try {
      if (this.#isAway && !this.#isClosed) await this.#openAnew();
      return await task();
    } catch (error) {
      const failure = levelError(error);
      if (failure.code === 'ERR_INDEX_CORRUPT') await this.#onCorrupt();
      throw failure;
    }
  }
}

/** Writes to a folder's disk, and has it say that it did. @throws what the file system says */
async function tryDisk(folder: string): Promise<void> {
  const path = join(folder, `try-${newId()}`);
  const handle = await open(path, 'wx', 0o600);
  try {
    // At once: so a kill leaves nothing.
    await unlink(path);
    await handle.write(new Uint8Array(4096));
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function nodeKey(set: string, cid: CID): string {
  // The same text as `toString` gives, which would be kept with the CID: half a kilobyte for each of many nodes.
  return `${NODE}${set}/${base32.encode(cid.bytes)}`;
}

/** The code LevelDB gave, which abstract-level wraps in one of its own when opening. */
export function levelCode(error: unknown): string | undefined {
  for (let e = error; e instanceof Error; e = e.cause) {
    if ('code' in e && typeof e.code === 'string' && e.code !== 'LEVEL_DATABASE_NOT_OPEN') return e.code;
  }
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/**
 * What the operating system says where it is the disk, its rights or this process's limits that fail, and not the
 * bytes read: LevelDB passes on the text alone. The last three are Windows's.
 */
const SYSTEM_FAILURE =
  /input\/output error|no space left|quota exceeded|permission denied|not permitted|read-only file system|too many open files|cannot allocate memory|file too large|stale (nfs )?file handle|no such device|access is denied|not enough space|being used by another process/i;

const isSystemFailure = (text: string): boolean =>
  SYSTEM_FAILURE.test(text.slice(text.lastIndexOf(': ') + 1));

/**
 * Whether what LevelDB threw can be helped by a repair: anything it could not read that is not clearly the disk's
 * fault. A table that was cut short reads as "Invalid argument", a lost one as "No such file".
 */
export function isDamage(error: unknown): boolean {
  const code = levelCode(error);
  if (code === 'LEVEL_CORRUPTION') return true;
  const text = deepestMessage(error);
  // After the path of the file, which may hold any words.
  if (code === 'LEVEL_IO_ERROR') return !isSystemFailure(text);
  return text.includes('(create_if_missing is false)');
}

/** What LevelDB threw, as an error for people. */
export function levelError(cause: unknown): ShoalError {
  const code = levelCode(cause);
  const text = deepestMessage(cause);
  if (isDamage(cause)) {
    return new ShoalError(
      'ERR_INDEX_CORRUPT',
      'the index of the data folder is damaged; stop this process and start it again: it is then repaired, and a copy of the damaged one is kept',
      { cause },
    );
  }
  if (code === 'LEVEL_DATABASE_NOT_OPEN')
    return new ShoalError('ERR_CLOSED', 'the data folder has been closed', { fault: 'none', cause });
  if (/no space left|quota exceeded/i.test(text)) {
    return new ShoalError(
      'ERR_DISK_FULL',
      'the disk of the data folder is full; free some space and start again, it goes on where it stopped',
      { cause },
    );
  }
  if (/read-only file system/i.test(text))
    return new ShoalError('ERR_READ_ONLY', 'the data folder is read-only; choose another with --data', {
      cause,
    });
  return new ShoalError('ERR_IO', `the index of the data folder failed: ${text}; check its disk`, { cause });
}

function deepestMessage(error: unknown): string {
  let text = String(error);
  for (let e = error; e instanceof Error; e = e.cause) text = e.message;
  return text;
}
