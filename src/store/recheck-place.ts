import { ShoalError } from '../errors.ts';
import type { Manifest, ManifestEntry } from '../integrity/manifest.ts';
import { VerifiedChunk } from '../integrity/verified-chunk.ts';
import type { Place } from './asset-entry.ts';
import { forEachBounded } from './bounded.ts';
import type { ResumeOptions } from './copy-chunks.ts';
import { FileStamps, lstatOrUndefined, stampOf } from './file-stamps.ts';
import type { HandlePool } from './handle-pool.ts';
import { fileChanged, isSomethingElse } from './placed-content.ts';
import { withFsErrors } from './fs-error.ts';
import { readFilePart } from './read-file-part.ts';
import { isSmallOfMany, MANY_FILES, type SmallFiles } from './small-files.ts';
import { entryPath } from './tree-layout.ts';

/** Files looked at side by side. */
const PARALLEL_STATS = 16;

/** Chunks read and hashed side by side. */
const PARALLEL_READS = 4;

/** The same where an asset has many files, most of them small: some jobs of theirs. Larger ones hold a MiB each. */
const PARALLEL_SMALL_READS = 64;

/** Sentences kept of one asset: a person reads the first few. */
const MAX_PROBLEMS = 100;

/** What hashing all files of a place showed. */
export interface PlaceCheck {
  /** Bytes of distinct chunks that are right wherever they lie. */
  bytesGood: number;
  /** Bytes of distinct chunks that are wrong or gone somewhere. */
  bytesBad: number;
  /** A sentence for each file that is not what it was, at most 100. Empty: the place is whole. */
  problems: string[];
  /** What the files are now, taken before they were read: a later change shows. */
  stamps: FileStamps;
}

/**
 * Reads every chunk at every place where it lies and hashes it, whatever size and time of its file say.
 *
 * @param base absolute path of the file or folder
 */
export async function recheckPlace(
  manifest: Manifest,
  base: string,
  kind: Place['kind'],
  pool: HandlePool,
  small: SmallFiles,
  { signal, onCheck }: ResumeOptions,
): Promise<PlaceCheck> {
  const problems = new Map<number, string>();
  const addProblem = (file: number, problem: string): void => {
    if (problems.size < MAX_PROBLEMS && !problems.has(file)) problems.set(file, problem);
  };
  const pathOf = (file: number): string => entryPath(base, manifest.entries[file] as ManifestEntry);

  const stamps = new FileStamps(manifest.entries.length);
  // Not opened again for each of their chunks.
  const gone = new Set<number>();
  const look = async ([file, entry]: [number, ManifestEntry]): Promise<void> => {
    if (entry.type !== 'file') return;
    const path = pathOf(file);
    const stats = await lstatOrUndefined(path).catch((error: unknown) => {
      if (!(error instanceof ShoalError)) throw error;
      addProblem(file, error.message);
    });
    if (!stats?.isFile()) gone.add(file);
    else stamps.set(file, stampOf(stats));
    if (!stats?.isFile() || Number(stats.size) !== entry.size)
      addProblem(file, fileChanged(path, kind).message);
  };
  await forEachBounded(manifest.entries.entries(), PARALLEL_STATS, look, signal);

  const reader = {};
  const isRight = async (chunk: number, file: number, offset: number): Promise<boolean> => {
    if (gone.has(file)) return false;
    const path = pathOf(file);
    try {
      const bytes = isSmallOfMany(manifest, file)
        ? await readSmall(small, path, offset, manifest.chunkSize(chunk))
        : await pool.use(reader, path, 'read', (handle) =>
            readFilePart(handle, offset, manifest.chunkSize(chunk)),
          );
      if (await VerifiedChunk.verify(manifest.chunkDigest(chunk), bytes)) return true;
      addProblem(file, fileChanged(path, kind).message);
    } catch (error) {
      if (isSomethingElse(error)) addProblem(file, fileChanged(path, kind).message);
      else addProblem(file, ownMessage(error, path));
    }
    return false;
  };

  let bytesGood = 0;
  let bytesBad = 0;
  const checkOne = async (chunk: number): Promise<void> => {
    let isGood = true;
    for (const { file, offset } of manifest.places(chunk)) {
      signal?.throwIfAborted();
      if (!(await isRight(chunk, file, offset))) isGood = false;
    }
    if (isGood) bytesGood += manifest.chunkSize(chunk);
    else bytesBad += manifest.chunkSize(chunk);
    onCheck?.(bytesGood + bytesBad, manifest.chunkBytes);
  };
  const parallel = manifest.entries.length < MANY_FILES ? PARALLEL_READS : PARALLEL_SMALL_READS;
  try {
    await forEachBounded(numbersBelow(manifest.chunkCount), parallel, checkOne, signal);
  } finally {
    await pool.release(reader);
  }
  return { bytesGood, bytesBad, problems: [...problems.values()], stamps };
}

async function readSmall(small: SmallFiles, path: string, offset: number, size: number): Promise<Uint8Array> {
  return (await withFsErrors('open', path, () => small.read(path, offset, size))).bytes;
}

function ownMessage(error: unknown, path: string): string {
  if (error instanceof ShoalError) return error.message;
  return `${path} could not be read: ${error instanceof Error ? error.message : String(error)}`;
}

function* numbersBelow(end: number): Generator<number> {
  for (let n = 0; n < end; n++) yield n;
}
