import { ShoalError } from '../errors.ts';
import type { Manifest } from '../integrity/manifest.ts';
import type { VerifiedChunk } from '../integrity/verified-chunk.ts';
import { forEachBounded } from './bounded.ts';
import type { Partial } from './partial.ts';

/** Chunks copied side by side from a place on this machine. */
const PARALLEL_COPIES = 4;

/** What a download that is begun or resumed takes. */
export interface ResumeOptions {
  signal?: AbortSignal;
  /** Called with the bytes checked or copied so far, and how many there are. */
  onCheck?: (bytes: number, total: number) => void;
}

/** Something that chunks can be copied from. */
export interface ChunkSource {
  have(): { has(chunk: number): boolean };
  read(chunk: number, signal?: AbortSignal): Promise<VerifiedChunk>;
}

/** Copies what `from` has and `to` lacks, verified on the way. What cannot be read is left to be fetched. */
export async function copyChunks(
  manifest: Manifest,
  from: ChunkSource,
  to: Partial,
  { signal, onCheck }: ResumeOptions,
): Promise<void> {
  const there = from.have();
  const have = to.have();
  const chunks: number[] = [];
  for (let n = 0; n < manifest.chunkCount; n++) if (there.has(n) && !have.has(n)) chunks.push(n);
  const copyOne = async (chunk: number): Promise<void> => {
    const data = await from.read(chunk, signal).catch((error: unknown) => {
      if (error instanceof ShoalError) return undefined;
      throw error;
    });
    if (data) await to.write(chunk, data);
    onCheck?.(to.bytesHere, manifest.chunkBytes);
  };
  await forEachBounded(chunks, PARALLEL_COPIES, copyOne, signal);
}
