import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { ShoalError } from '../errors.ts';
import { isDamage, levelCode, levelError, NodeIndex } from './node-index.ts';
import { syncFolder } from './sync-folder.ts';

/** What was found wrong with an index when it was opened. */
export interface IndexDamage {
  /** Where what is left of the damaged one is kept; undefined where there was nothing left. */
  copy: string | undefined;
}

/** Present where reading found damage: the next start repairs. */
const REPAIR_MARK = 'index-damaged';

/**
 * Opens the index of the data folder at `path`, and repairs it where it is damaged, keeping a copy of what it was.
 *
 * @param mustRepair whether damage was found in it a moment ago
 * @throws ERR_DATA_DIR_IN_USE, ERR_INDEX_CORRUPT, ERR_DISK_FULL, ERR_READ_ONLY, ERR_IO
 */
export async function openIndex(
  path: string,
  mustRepair: boolean,
): Promise<{ index: NodeIndex; damage: IndexDamage | undefined }> {
  const names = new Set(await readdir(path));
  const mark = join(path, REPAIR_MARK);
  const isKnownBad = mustRepair || names.has(REPAIR_MARK);
  // These folders are made after the first index. Where they are, LevelDB must not begin a new index in silence: that
  // deletes what is left of the old one.
  const isExpected = names.has('partials') || names.has('content');
  let damage: IndexDamage | undefined;
  let db: Level | undefined;
  if (names.has('index')) {
    db = await openLevel(path, { createIfMissing: !isExpected, mayRepair: true });
    if (isKnownBad) await db?.close();
    if (!db || isKnownBad) {
      damage = { copy: await repair(path, names) };
      db = await openLevel(path, { createIfMissing: true, mayRepair: false });
    }
  } else {
    if (isExpected) damage = { copy: undefined };
    // LevelDB's own is open to all where the folder that it lies in is, and what is known here is nobody else's business.
    await mkdir(join(path, 'index'), { recursive: true, mode: 0o700 });
    db = await openLevel(path, { createIfMissing: true, mayRepair: false });
  }
  try {
    await rm(mark, { force: true });
  } catch (error) {
    await db?.close();
    throw error;
  }
  return {
    index: new NodeIndex(db as Level, () => writeFile(mark, '').catch(() => {})),
    damage,
  };
}

/** The sentence that tells a person of damage, and what it means. @param listed assets that are known now */
export function damageWarning(path: string, { copy }: IndexDamage, listed: number): string {
  const found =
    copy === undefined
      ? `the index in ${join(path, 'index')} was gone and a new one has been made`
      : `the index in ${join(path, 'index')} was damaged and has been repaired; what it was is kept in ${copy}`;
  const now = `"shoal ls" lists ${listed === 1 ? '1 asset' : `${listed} assets`} now`;
  return `${found}. ${now}; what is missing can be shared or fetched again: originals and finished downloads have not been touched`;
}

/** @throws ERR_INDEX_CORRUPT, where a repair has not helped */
export function beyondRepair(path: string, cause: unknown): ShoalError {
  return new ShoalError(
    'ERR_INDEX_CORRUPT',
    `the index in ${join(path, 'index')} is damaged beyond repair; move that folder away and share or get again: files and unfinished downloads stay where they are`,
    { cause },
  );
}

type Level = ClassicLevel<string, Uint8Array>;

/** @returns undefined where it is damaged and may be repaired */
async function openLevel(
  path: string,
  { createIfMissing, mayRepair }: { createIfMissing: boolean; mayRepair: boolean },
): Promise<Level | undefined> {
  const db: Level = new ClassicLevel(join(path, 'index'), {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    createIfMissing,
  });
  try {
    await db.open();
    // LevelDB brings what it wrote to the disk, and not which of its files it goes by from here on.
    await syncFolder(db.location);
    return db;
  } catch (cause) {
    await db.close();
    if (levelCode(cause) === 'LEVEL_LOCKED') {
      // LevelDB's own table of locks, and not the kernel, says that it is this process.
      const isHere = cause instanceof Error && String(cause.cause).includes('already held by process');
      const who = isHere ? 'a node of this very program; close' : 'another process; stop';
      throw new ShoalError(
        'ERR_DATA_DIR_IN_USE',
        `the data folder ${path} is in use by ${who} that one, or use another folder (--data)`,
        { cause },
      );
    }
    if (!isDamage(cause)) throw levelError(cause);
    if (mayRepair) return undefined;
    throw beyondRepair(path, cause);
  }
}

/** Repairs the index as far as possible. @returns where what it was is kept */
async function repair(path: string, names: ReadonlySet<string>): Promise<string> {
  const location = join(path, 'index');
  let n = 1;
  while (names.has(`index.damaged-${n}`)) n++;
  const copy = join(path, `index.damaged-${n}`);
  try {
    await cp(location, copy, { recursive: true });
  } catch (error) {
    // A part of it is of no use, and takes the room that the next start needs.
    await rm(copy, { recursive: true, force: true });
    throw error;
  }
  try {
    await ClassicLevel.repair(location);
  } catch (cause) {
    throw beyondRepair(path, cause);
  }
  return copy;
}
