import type { Urgency } from '../swarm/asset-session.ts';
import type { ChunkRun } from '../swarm/core/messages.ts';
import type { ActiveAsset, Want } from './active-asset.ts';
import type { NodeContext } from './node-context.ts';
import { ReaderPace, type Leaf } from './reader-pace.ts';
import { transferring, TransferMeter, type TransferOptions } from './transfer.ts';

/** What {@link readRange} reads. */
export interface ReadRangeOptions extends TransferOptions {
  /** Index of the file in the manifest's entries. */
  file: number;
  offset: number;
  length: number;
}

/**
 * The bytes `[offset, offset + length)` of a file, verified, in order. Chunks that the reader waits for come
 * first, the sooner the sooner it needs them; the rest of the range comes rarest first. Ends the download of the range when the reader stops.
 */
export async function* readRange(
  context: NodeContext,
  asset: ActiveAsset,
  options: ReadRangeOptions,
): AsyncGenerator<Uint8Array> {
  const leaves = [...asset.stored.manifest.range(options.file, options.offset, options.length)];
  const end = options.offset + options.length;
  const reader = new RangeReader(context, asset, leaves, options);
  try {
    for (const [index, leaf] of leaves.entries()) {
      await reader.arrive(index);
      const { bytes } = await asset.read(leaf.chunk, options.signal);
      const from = Math.max(0, options.offset - leaf.start);
      const part = bytes.subarray(from, Math.min(leaf.size, end - leaf.start));
      const givenAtMs = performance.now();
      yield part;
      reader.took(part.byteLength, performance.now() - givenAtMs);
    }
  } finally {
    await reader.stop();
  }
}

/** Keeps the download of a range going in the background while its reader consumes. */
class RangeReader {
  readonly #asset: ActiveAsset;
  readonly #leaves: readonly Leaf[];
  readonly #want: Want;
  readonly #stopped = new AbortController();
  readonly #wanting: { update: () => void } & Disposable;
  readonly #transfer: Promise<void>;
  readonly #pace = new ReaderPace();
  #signal: AbortSignal;

  constructor(context: NodeContext, asset: ActiveAsset, leaves: readonly Leaf[], options: TransferOptions) {
    this.#asset = asset;
    this.#leaves = leaves;
    this.#want = { wanted: runsOf(leaves), urgent: this.#urgentFrom(0) };
    const failed = new AbortController();
    this.#signal = AbortSignal.any([options.signal, failed.signal]);
    this.#wanting = asset.want(this.#want);
    const missing = leaves.map((leaf) => leaf.chunk).filter((chunk) => !asset.have.has(chunk));
    const limited = { ...options, signal: AbortSignal.any([options.signal, this.#stopped.signal]) };
    this.#transfer =
      missing.length === 0
        ? Promise.resolve()
        : transferring(context, asset, new TransferMeter(asset), limited, (signal) =>
            asset.waitFor(missing, signal),
          ).catch((error: unknown) => failed.abort(error));
  }

  /** Resolves when the leaf is here, and moves the urgent window there. */
  async arrive(index: number): Promise<void> {
    this.#want.urgent = this.#urgentFrom(index);
    if (this.#want.urgent.chunks.length > 0) this.#wanting.update();
    const leaf = this.#leaves[index];
    if (leaf) await this.#asset.waitFor([leaf.chunk], this.#signal);
  }

  /** The reader came back for more. */
  took(bytes: number, busyMs: number): void {
    this.#pace.took(bytes, busyMs);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#wanting[Symbol.dispose]();
    await this.#transfer;
  }

  #urgentFrom(index: number): Urgency {
    return this.#pace.urgent(this.#leaves, index, (chunk) => this.#asset.have.has(chunk));
  }
}

/** The chunks of some leaves as runs, ascending, each once. */
function runsOf(leaves: readonly Leaf[]): ChunkRun[] {
  const chunks = [...new Set(leaves.map((leaf) => leaf.chunk))].sort((a, b) => a - b);
  const runs: ChunkRun[] = [];
  for (const chunk of chunks) {
    const last = runs.at(-1);
    if (last && last.from + last.count === chunk) last.count++;
    else runs.push({ from: chunk, count: 1 });
  }
  return runs;
}
