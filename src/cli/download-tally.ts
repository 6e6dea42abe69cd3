import type { SourceShare } from '../index.ts';
import { MAX_PROGRESS_SOURCES, type JobEvent, type ProgressEvent } from '../daemon/job.ts';

type DoneEvent = Extract<JobEvent, { event: 'done' }>;

/**
 * Adds up a download that moved from owner to owner: each owner tells only what came since it took over. Bytes
 * that an owner fetched after its last report are not known to anybody and are missing in the sum.
 */
export class DownloadTally {
  readonly #now: () => number;
  /** When the first owner told of progress. */
  #startedMs: number | undefined;
  #hasMoved = false;
  /** Bytes by peer, of the owners that have gone. */
  #earlier = new Map<string, number>();
  #current: readonly SourceShare[] = [];

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The owner has gone; what follows comes from another one. */
  ownerChanged(): void {
    if (this.#startedMs === undefined) return;
    this.#hasMoved = true;
    this.#earlier = this.#sum(this.#current);
    this.#current = [];
  }

  /** The event as it is for the whole download; any other kind as it is. */
  add(event: JobEvent): JobEvent {
    if (event.event === 'progress') return this.#addProgress(event);
    return event.event === 'done' ? this.#addDone(event) : event;
  }

  #addProgress(event: ProgressEvent): ProgressEvent {
    this.#startedMs ??= this.#now();
    this.#current = event.sources;
    return this.#hasMoved
      ? { ...event, sources: this.#sources(event).slice(0, MAX_PROGRESS_SOURCES) }
      : event;
  }

  #addDone(event: DoneEvent): DoneEvent {
    if (!this.#hasMoved || this.#startedMs === undefined) return event;
    const durationMs = Math.round(this.#now() - this.#startedMs);
    return { ...event, durationMs, sources: this.#sources(event) };
  }

  #sources(event: { sources: readonly SourceShare[] }): SourceShare[] {
    return [...this.#sum(event.sources)]
      .map(([peer, bytes]) => ({ peer, bytes }))
      .sort((a, b) => b.bytes - a.bytes);
  }

  #sum(sources: readonly SourceShare[]): Map<string, number> {
    const sum = new Map(this.#earlier);
    for (const { peer, bytes } of sources) sum.set(peer, (sum.get(peer) ?? 0) + bytes);
    return sum;
  }
}
