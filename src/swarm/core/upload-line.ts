import type { AssetSwarm } from './asset-swarm.ts';
import type { AssetKey } from './messages.ts';
import type { Peer } from './peer.ts';
import { chunkKey } from './upload-queue.ts';

/** A chunk that a peer asked for, with credit, and that has not been handed to the shell. */
export interface Waiting {
  readonly peer: Peer;
  readonly swarm: AssetSwarm;
  readonly chunk: number;
  readonly bytes: number;
  readonly sinceMs: number;
}

/** What is handed to the sockets should keep the uplink busy so long: a timer that is late, and a turn of the event loop. */
const AHEAD_MS = 30;

/**
 * What has waited so long goes in its turn, whatever comes after it. An origin has first copies to send as long as its first
 * pass lasts; what somebody needs of what went out before, or of another asset, would wait until that somebody gives it up.
 */
export const LONGEST_OVERTAKEN_MS = 3000;

/** The line moves on when so much of that is left. */
const AGAIN_MS = 15;

/**
 * The chunks to send, by turn and then first come first served, handed out at the pace of the uplink. A socket takes all it is given,
 * and a system shares the uplink among sockets: chunks that are handed out at once arrive late, all of them, and what
 * is in a socket can neither be taken back nor be overtaken by a first copy, a grant or a ping.
 */
export class UploadLine {
  /** When the line is to be asked again; Infinity: not before something changes. */
  moveAtMs = Infinity;
  #line: Waiting[] = [];
  /** Until when the uplink is busy with what was handed out. */
  #busyUntilMs = 0;

  add(nowMs: number, wanted: Omit<Waiting, 'sinceMs'>): void {
    const { peer, swarm, chunk } = wanted;
    const waiting = { ...wanted, sinceMs: nowMs };
    peer.waiting.set(chunkKey(swarm.key, chunk), waiting);
    peer.promised++;
    this.#line.push(waiting);
  }

  /** Takes a chunk out of the line. @returns it, or undefined where it does not wait */
  drop(peer: Peer, asset: AssetKey, chunk: number): Waiting | undefined {
    const waiting = peer.waiting.get(chunkKey(asset, chunk));
    if (waiting) this.#remove(this.#line.indexOf(waiting));
    return waiting;
  }

  /**
   * The next chunk that may go now, which is then no more in the line.
   *
   * @param bytesPerSec what the uplink is taken to deliver; 0: nobody knows yet, and nothing waits
   * @param turnOf what goes first: the least, at least 0, and of those what came first. It may change while they wait
   */
  next(nowMs: number, bytesPerSec: number, turnOf: (waiting: Waiting) => number): Waiting | undefined {
    this.moveAtMs = Infinity;
    const at = this.#first(nowMs, turnOf);
    if (at < 0) return undefined;
    if (bytesPerSec > 0 && this.#busyUntilMs - nowMs > AHEAD_MS) {
      this.moveAtMs = this.#busyUntilMs - AGAIN_MS;
      return undefined;
    }
    const waiting = this.#line[at] as Waiting;
    this.#remove(at);
    if (bytesPerSec > 0) {
      this.#busyUntilMs = Math.max(this.#busyUntilMs, nowMs) + (waiting.bytes * 1000) / bytesPerSec;
    }
    return waiting;
  }

  /** The uplink is another one than it was: what was handed out may have left it long before the time that was reckoned. */
  restart(): void {
    this.#busyUntilMs = 0;
  }

  /** @returns −1 where nothing can go */
  #first(nowMs: number, turnOf: (waiting: Waiting) => number): number {
    let first = -1;
    let least = Infinity;
    for (let at = 0; at < this.#line.length; at++) {
      const waiting = this.#line[at] as Waiting;
      if (waiting.peer.isStuck) continue;
      const turn = isDue(waiting, nowMs) ? 0 : turnOf(waiting);
      if (turn < least) [first, least] = [at, turn];
      if (turn === 0) break;
    }
    return first;
  }

  #remove(at: number): void {
    const [{ peer, swarm, chunk }] = this.#line.splice(at, 1) as [Waiting];
    peer.waiting.delete(chunkKey(swarm.key, chunk));
    peer.promised--;
  }
}

/** Whether a chunk has waited so long that nothing goes before it any more. */
export function isDue({ sinceMs }: Waiting, nowMs: number): boolean {
  return nowMs - sinceMs >= LONGEST_OVERTAKEN_MS;
}
