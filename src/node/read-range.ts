import { ShoalError } from '../errors.ts';
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
  readonly #context: NodeContext;
  readonly #asset: ActiveAsset;
  readonly #leaves: readonly Leaf[];
  readonly #options: TransferOptions;
  readonly #want: Want;
  /** All of the range: progress is of that, and not of the asset. */
  readonly #chunks: ReadonlySet<number>;
  readonly #stopped = new AbortController();
  readonly #failed = new AbortController();
  readonly #wanting: { update: () => void } & Disposable;
  readonly #pace = new ReaderPace();
  readonly #signal: AbortSignal;
  #transfer: Promise<void> | undefined;
  /** The leaf that the reader is at. */
  #at = 0;
  #isWaiting = false;

  constructor(context: NodeContext, asset: ActiveAsset, leaves: readonly Leaf[], options: TransferOptions) {
    this.#context = context;
    this.#asset = asset;
    this.#leaves = leaves;
    this.#chunks = new Set(leaves.map(({ chunk }) => chunk));
    this.#want = { wanted: runsOf(this.#chunks), urgent: this.#urgentFrom(0) };
    this.#signal = AbortSignal.any([options.signal, this.#failed.signal]);
    this.#options = { ...options, signal: AbortSignal.any([options.signal, this.#stopped.signal]) };
    this.#wanting = asset.want(this.#want);
    this.#fetch();
  }

  /** Resolves when the leaf is here, and moves the urgent window there. */
  async arrive(index: number): Promise<void> {
    this.#at = index;
    this.#want.urgent = this.#urgentFrom(index);
    if (this.#want.urgent.chunks.length > 0) this.#wanting.update();
    const leaf = this.#leaves[index];
    if (!leaf) return;
    if (!this.#asset.have.has(leaf.chunk)) this.#fetch();
    this.#isWaiting = true;
    try {
      await this.#asset.waitFor([leaf.chunk], this.#signal);
    } finally {
      this.#isWaiting = false;
    }
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

  /** Sees to what is missing from the reader on. Again when that is over: the disk may have lost what was here before. */
  #fetch(): void {
    if (this.#transfer || this.#stopped.signal.aborted) return;
    const chunks = this.#leaves.slice(this.#at).map(({ chunk }) => chunk);
    const missing = chunks.filter((chunk) => !this.#asset.have.has(chunk));
    if (missing.length === 0) return;
    const meter = new TransferMeter(this.#asset, this.#chunks);
    this.#transfer = transferring(this.#context, this.#asset, meter, this.#options, (signal) =>
      this.#asset.waitFor(missing, signal),
    ).then(
      () => {
        this.#transfer = undefined;
        this.#fetch();
      },
      (error: unknown) => {
        if (this.#isWaiting || !isOfPeers(error)) return this.#failed.abort(error);
        // The reader is elsewhere, as a film on pause: by the time it goes on they may be back, and are looked for anew.
        this.#transfer = undefined;
      },
    );
  }

  #urgentFrom(index: number): Urgency {
    return this.#pace.urgent(this.#leaves, index, (chunk) => this.#asset.have.has(chunk));
  }
}

/** Nobody was there who had it. */
function isOfPeers(error: unknown): boolean {
  return error instanceof ShoalError && error.code === 'ERR_NO_PROVIDERS';
}

/** Chunks as runs, ascending. */
function runsOf(chunks: ReadonlySet<number>): ChunkRun[] {
  const runs: ChunkRun[] = [];
  for (const chunk of [...chunks].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last.from + last.count === chunk) last.count++;
    else runs.push({ from: chunk, count: 1 });
  }
  return runs;
}
