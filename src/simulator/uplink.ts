import type { Message, PeerKey } from '../swarm/core/messages.ts';
import type { LinkEnd } from './sim-node.ts';

/** A chunk on its way out. */
export interface Job {
  readonly end: LinkEnd;
  readonly chunk: number;
  readonly bytes: number;
  /** Nobody has the chunk yet. */
  readonly first: boolean;
  /** Part of it is in the socket, or on its way there: it is sent to the end. */
  hasBegun: boolean;
  sentBytes: number;
  /** Messages that were written to its socket after it, and go out behind it. */
  readonly followers: Message[];
}

/** The sending side of a node: chunks in its sockets, or waiting for them. */
export class Uplink {
  isSending = false;
  freeAtMs = 0;
  readonly #isShared: boolean;
  /** All chunks, first come first served. */
  readonly #fifo: Job[] = [];
  /** Where all links share the uplink: those with chunks, in turn. */
  readonly #ring: LinkEnd[] = [];

  constructor(discipline: 'fifo' | 'shared') {
    this.#isShared = discipline === 'shared';
  }

  /** Links that take turns now. */
  get links(): number {
    return this.#ring.length;
  }

  /** What waits in the sockets of links that share it. */
  get queuedBytes(): number {
    let bytes = 0;
    for (const end of this.#ring) if (end.isUp) bytes += end.queuedBytes;
    return bytes;
  }

  add(job: Job): void {
    const { end, first, bytes } = job;
    if (this.#isShared) {
      if (end.jobs.length === 0) this.#ring.push(end);
      end.jobs.push(job);
    } else {
      const at = first ? this.#fifo.findIndex((other) => !other.first && !other.hasBegun) : -1;
      this.#fifo.splice(at < 0 ? this.#fifo.length : at, 0, job);
    }
    end.queuedBytes += bytes;
  }

  /** Takes a chunk back. What is in a socket is sent. */
  cancel(peer: PeerKey, chunk: number): void {
    const jobs = this.#fifo;
    const at = jobs.findIndex(
      (job) => job.end.to.name === peer && job.end.isUp && job.chunk === chunk && !job.hasBegun,
    );
    if (at < 0) return;
    const { end, bytes } = jobs[at] as Job;
    end.queuedBytes -= bytes;
    jobs.splice(at, 1);
  }

  /** It is busy for so long, besides what it sends of chunks. */
  spend(nowMs: number, ms: number): void {
    this.freeAtMs = Math.max(this.freeAtMs, nowMs) + ms;
  }

  /** What is sent next, of what may be. */
  next(maySend: (job: Job) => boolean): Job | undefined {
    return this.#isShared ? this.#nextOfRing(maySend) : this.#nextOfFifo(maySend);
  }

  #nextOfFifo(maySend: (job: Job) => boolean): Job | undefined {
    const jobs = this.#fifo;
    for (let at = 0; at < jobs.length; at++) {
      const job = jobs[at] as Job;
      if (!job.end.isUp) jobs.splice(at--, 1);
      else if (maySend(job)) return job;
    }
    return undefined;
  }

  #nextOfRing(maySend: (job: Job) => boolean): Job | undefined {
    const ring = this.#ring;
    for (let turns = ring.length; turns > 0; turns--) {
      const end = ring.shift() as LinkEnd;
      const job = end.jobs[0];
      if (!job || !end.isUp) continue;
      ring.push(end);
      if (maySend(job)) return job;
    }
    return undefined;
  }

  /** All of a chunk has been sent. */
  finished(job: Job): void {
    if (!this.#isShared) {
      this.#fifo.splice(this.#fifo.indexOf(job), 1);
      return;
    }
    job.end.jobs.shift();
    if (job.end.jobs.length === 0) this.#ring.splice(this.#ring.indexOf(job.end), 1);
  }

  clear(): void {
    this.#fifo.length = 0;
    this.#ring.length = 0;
  }
}
