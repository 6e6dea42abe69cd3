import type { Progress, SourceShare } from '../api.ts';

/** As often as a download tells how far it is. */
const PROGRESS_INTERVAL_MS = 200;

/** Tells how far writing is, of what is all here. */
export class WritingMeter {
  readonly #total: number;
  readonly #sources: readonly SourceShare[];
  readonly #onProgress: ((progress: Progress) => void) | undefined;
  readonly #startedMs = performance.now();
  #bytes: number;
  #written = 0;
  #toldMs = -Infinity;

  /** @param bytesThere bytes that lie where they are to be already */
  constructor(
    total: number,
    sources: readonly SourceShare[],
    onProgress: ((progress: Progress) => void) | undefined,
    bytesThere = 0,
  ) {
    this.#total = total;
    this.#sources = sources;
    this.#onProgress = onProgress;
    this.#bytes = bytesThere;
    this.add(0);
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    this.#written += bytes;
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < PROGRESS_INTERVAL_MS) return;
    this.#toldMs = nowMs;
    this.#tell('writing');
  }

  /** All is written. */
  done(): void {
    this.#tell('done');
  }

  #tell(phase: Progress['phase']): void {
    this.#onProgress?.({
      bytes: this.#bytes,
      total: this.#total,
      peers: 0,
      sources: this.#sources,
      bytesPerSec: (1000 * this.#written) / (performance.now() - this.#startedMs || 1),
      phase,
    });
  }
}
