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
  /** Bytes that are in the socket, or were: where there are sockets. */
  writtenBytes: number;
  sentBytes: number;
}

/** A piece of a chunk in a socket. */
export interface InSocket {
  readonly job: Job;
  left: number;
  /** Messages that were written after it, and go out behind it. */
  readonly followers: Message[];
}

/** The sending side of a node: chunks in its sockets, or waiting for them. */
export class Uplink {
  isSending = false;
  freeAtMs = 0;
  readonly #isShared: boolean;
  /** Chunks, first come first served: all, or where links share the uplink those that are not all in sockets. */
  readonly #line: Job[] = [];
  /** Where all links share the uplink: those with something in their sockets, in turn. */
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
    const at = job.first ? this.#line.findIndex((other) => !other.first && !other.hasBegun) : -1;
    this.#line.splice(at < 0 ? this.#line.length : at, 0, job);
    if (!this.#isShared) job.end.queuedBytes += job.bytes;
  }

  /** Takes a chunk back. What is in a socket is sent. */
  cancel(peer: PeerKey, chunk: number): void {
    const jobs = this.#line;
    const at = jobs.findIndex(
      (job) => job.end.to.name === peer && job.end.isUp && job.chunk === chunk && !job.hasBegun,
    );
    if (at < 0) return;
    const { end, bytes } = jobs[at] as Job;
    if (!this.#isShared) end.queuedBytes -= bytes;
    jobs.splice(at, 1);
  }

  /**
   * Writes pieces of what waits into the sockets: of the oldest chunk whose socket has room.
   *
   * @param room bytes that may be written into all sockets; undefined: all, whatever their windows
   * @returns false where that is too little for what waits
   */
  write(nowMs: number, pieceBytes: number, room: number | undefined): boolean {
    let left = room ?? Infinity;
    for (let at = 0; at < this.#line.length;) {
      if (left <= 0) return false;
      const job = this.#line[at] as Job;
      const { window, isUp } = job.end;
      const bytes = Math.min(pieceBytes, job.bytes - job.writtenBytes);
      if (!isUp) this.#line.splice(at, 1);
      else if (room !== undefined && window.unackedBytes > 0 && window.roomBytes < bytes) {
        window.heldBack();
        at++;
      } else {
        this.#write(nowMs, job, bytes);
        left -= bytes;
        if (job.writtenBytes === job.bytes) this.#line.splice(at, 1);
      }
    }
    return true;
  }

  #write(nowMs: number, job: Job, bytes: number): void {
    const { end } = job;
    if (end.socket.length === 0) this.#ring.push(end);
    end.socket.push({ job, left: bytes, followers: [] });
    end.window.wrote(nowMs, bytes);
    end.queuedBytes += bytes;
    job.writtenBytes += bytes;
    job.hasBegun = true;
  }

  /** It is busy for so long, besides what it sends of chunks. */
  spend(nowMs: number, ms: number): void {
    this.freeAtMs = Math.max(this.freeAtMs, nowMs) + ms;
  }

  /**
   * What is sent next, of what may be.
   *
   * @param maySend whether so many bytes of a link's may go
   */
  next(pieceBytes: number, maySend: (end: LinkEnd, bytes: number) => boolean): Sending | undefined {
    return this.#isShared ? this.#nextOfRing(pieceBytes, maySend) : this.#nextOfLine(pieceBytes, maySend);
  }

  #nextOfLine(pieceBytes: number, maySend: (end: LinkEnd, bytes: number) => boolean): Sending | undefined {
    const jobs = this.#line;
    for (let at = 0; at < jobs.length; at++) {
      const job = jobs[at] as Job;
      const bytes = Math.min(pieceBytes, job.bytes - job.sentBytes);
      if (!job.end.isUp) jobs.splice(at--, 1);
      else if (maySend(job.end, bytes)) return { job, bytes };
    }
    return undefined;
  }

  #nextOfRing(pieceBytes: number, maySend: (end: LinkEnd, bytes: number) => boolean): Sending | undefined {
    const ring = this.#ring;
    for (let turns = ring.length; turns > 0; turns--) {
      const end = ring.shift() as LinkEnd;
      const piece = end.socket[0];
      if (!piece || !end.isUp) continue;
      ring.push(end);
      const bytes = Math.min(pieceBytes, piece.left);
      if (maySend(end, bytes)) return { job: piece.job, bytes };
    }
    return undefined;
  }

  /** So much of a chunk has left. @returns messages that go out behind it */
  left(job: Job, bytes: number): readonly Message[] {
    const { end } = job;
    job.sentBytes += bytes;
    end.queuedBytes -= bytes;
    if (!this.#isShared) {
      if (job.sentBytes === job.bytes) this.#line.splice(this.#line.indexOf(job), 1);
      return [];
    }
    const piece = end.socket[0] as InSocket;
    piece.left -= bytes;
    if (piece.left > 0) return [];
    end.socket.shift();
    if (end.socket.length === 0) this.#ring.splice(this.#ring.indexOf(end), 1);
    return piece.followers;
  }

  clear(): void {
    this.#line.length = 0;
    this.#ring.length = 0;
  }
}

/** A piece of a chunk that leaves now. */
export interface Sending {
  readonly job: Job;
  readonly bytes: number;
}
