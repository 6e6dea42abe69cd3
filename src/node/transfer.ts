import type { Progress, SourceShare } from '../api.ts';
import type { Manifest } from '../integrity/manifest.ts';
import type { ActiveAsset } from './active-asset.ts';
import type { IdleWatch } from './idle-watch.ts';
import { withSearch } from './load-dag.ts';
import type { NodeContext } from './node-context.ts';
import { RateMeter } from './rate-meter.ts';

/** How often progress is reported: often enough for a smooth line, rare enough to cost nothing. */
const PROGRESS_INTERVAL_MS = 200;

/** What {@link runTransfer} and its like take. */
export interface TransferOptions {
  timeoutMs: number;
  addresses: readonly string[];
  onProgress: ((progress: Progress) => void) | undefined;
  signal: AbortSignal;
}

/**
 * Downloads everything that is still missing, and finishes it.
 *
 * @param force whether what is at its target may be replaced
 * @returns verified bytes received from each peer, most first
 */
export async function runTransfer(
  context: NodeContext,
  asset: ActiveAsset,
  options: TransferOptions,
  force?: boolean,
): Promise<SourceShare[]> {
  const meter = new TransferMeter(asset);
  do {
    if (!asset.isComplete) {
      await transferring(context, asset, meter, options, async (signal) => {
        using _want = asset.want({ wanted: 'all', urgent: { chunks: [], dueInMs: [] } });
        await asset.waitFor('all', signal);
      });
    }
  } while (!(await asset.finish({ force })));
  options.onProgress?.({ ...meter.progress(performance.now()), phase: 'done' });
  return meter.sources();
}

/**
 * A download is announced in the DHT so long after it began, or when it is over: the members of its swarm tell of each
 * other anyway, and in a crowd that starts together announcing takes the processor from the exchange. The spread keeps
 * a crowd from doing it all at once.
 */
const ANNOUNCE_MS = 10_000;
const ANNOUNCE_SPREAD_MS = 20_000;

/** Runs `task` with everything around it that a download needs: search, announcing, progress, idle watch. */
export async function transferring<T>(
  context: NodeContext,
  asset: ActiveAsset,
  meter: TransferMeter,
  options: TransferOptions,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return withSearch(context, asset.root, options, async (watch, signal) => {
    const announceAtMs = performance.now() + ANNOUNCE_MS + Math.random() * ANNOUNCE_SPREAD_MS;
    using _follow = asset.follow((chunk, bytes, peer) => {
      meter.add(chunk, bytes, peer);
      watch.touch();
      // A downloader is a provider of what it has so far.
      if (performance.now() >= announceAtMs) context.discovery.provide(asset.root);
    });
    using _tick = reporting(asset, meter, options.onProgress, watch);
    const result = await task(signal);
    if (asset.have.count > 0) context.discovery.provide(asset.root);
    // What came since the last report counts too.
    options.onProgress?.(meter.progress(performance.now()));
    return result;
  });
}

/** Reports at intervals, and keeps the watch awake while bytes arrive, be their chunk or the disk ever so slow. */
function reporting(
  asset: ActiveAsset,
  meter: TransferMeter,
  onProgress: ((progress: Progress) => void) | undefined,
  watch: IdleWatch,
): Disposable {
  let arrived = asset.bytesArrived;
  const tick = (): void => {
    if (asset.bytesArrived !== arrived || asset.isStoring) watch.touch();
    arrived = asset.bytesArrived;
    onProgress?.(meter.progress(performance.now()));
  };
  tick();
  const timer = setInterval(() => {
    try {
      tick();
    } catch (error) {
      // The application's own callback threw: its transfer fails with that, not its process.
      watch.fail(error);
    }
  }, PROGRESS_INTERVAL_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Counts what one transfer received, from whom, and how fast. */
export class TransferMeter {
  readonly #asset: ActiveAsset;
  readonly #bySource = new Map<string, number>();
  readonly #rate = new RateMeter();
  /** What it is about, where that is not all of the asset. */
  readonly #part: ReadonlySet<number> | undefined;
  readonly #total: number;
  #bytesHere: number;
  #received = 0;

  /** @param part the chunks that it is about. Default: all */
  constructor(asset: ActiveAsset, part?: ReadonlySet<number>) {
    const { manifest } = asset.stored;
    this.#asset = asset;
    this.#part = part;
    this.#total = part ? sizeOf(manifest, part) : manifest.chunkBytes;
    const here = part && [...part].filter((chunk) => asset.have.has(chunk));
    this.#bytesHere = here ? sizeOf(manifest, here) : asset.bytesHere();
  }

  add(chunk: number, bytes: number, peer: string): void {
    if (this.#part && !this.#part.has(chunk)) return;
    this.#bytesHere += bytes;
    this.#received += bytes;
    this.#bySource.set(peer, (this.#bySource.get(peer) ?? 0) + bytes);
  }

  sources(): SourceShare[] {
    return [...this.#bySource].map(([peer, bytes]) => ({ peer, bytes })).sort((a, b) => b.bytes - a.bytes);
  }

  progress(nowMs: number): Progress {
    this.#rate.sample(nowMs, this.#received);
    const peers = this.#asset.session.peerCount;
    return {
      // What was lost on the disk is counted again when it comes again.
      bytes: Math.min(this.#bytesHere, this.#total),
      total: this.#total,
      peers,
      sources: this.sources(),
      bytesPerSec: this.#rate.bytesPerSec,
      phase: peers === 0 && this.#rate.bytesPerSec === 0 ? 'searching' : 'fetching',
    };
  }
}

function sizeOf(manifest: Manifest, chunks: Iterable<number>): number {
  let bytes = 0;
  for (const chunk of chunks) bytes += manifest.chunkSize(chunk);
  return bytes;
}
