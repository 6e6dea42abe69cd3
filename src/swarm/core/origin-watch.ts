import { LOOK_AHEAD_MARGIN_MS, OFFLOAD_SHARE } from './constants.ts';
import type { Core } from './core.ts';

/** The next pause for late first copies comes no sooner: peers that leave offers lying must not stop the origin. */
const HOLD_AGAIN_MS = 5000;

/** A grant, its request, and slow start from ten segments to a chunk of 64 KiB. */
const HOLD_ROUND_TRIPS = 4;

/** Bytes per second: an uplink that seems slower is one that was not measured. */
const SLOWEST = 100_000;

/**
 * Where less than this share of the uplink is used, by this long, while somebody is held back who keeps what it gets, nobody
 * is for a while: those who pass on take little.
 */
const IDLE_SHARE = 0.5;
const IDLE_MS = 1000;
const UNHELD_MS = 10_000;

/** When an origin keeps somebody waiting: an asset that it has given enough of, second copies, and who passes nothing on. */
export class OriginWatch {
  /** Second copies wait, or last waited, for first ones until then. */
  holdUntilMs = -Infinity;
  /** Nobody who keeps what it gets is held back until then. */
  unheldUntilMs = -Infinity;
  readonly #core: Core;
  /** What was acknowledged lately, and since when. */
  #watched = { sinceMs: -Infinity, bytes: 0 };

  constructor(core: Core) {
    this.#core = core;
  }

  /** Offload mode: an origin stops where it has given enough, and goes on where a chunk has no copy outside. */
  watchOffload(): void {
    for (const swarm of this.#core.assets.values()) {
      const { passes, givenBytes, bytes } = swarm;
      swarm.isOffloaded = passes !== undefined && !passes.isFirstPass && givenBytes >= OFFLOAD_SHARE * bytes;
    }
  }

  /** Second copies wait for the last first copies to leave, and for as long as a cold connection needs for a chunk. */
  isHolding(bytesPerSec: number, rttMs: number): boolean {
    const { nowMs, assets, committedBytes } = this.#core;
    let isClosing = false;
    for (const { passes } of assets.values()) if (passes?.isClosing) isClosing = true;
    if (isClosing && nowMs - this.holdUntilMs > HOLD_AGAIN_MS) {
      const queueMs = (committedBytes * 1000) / Math.max(bytesPerSec, SLOWEST);
      this.holdUntilMs = nowMs + queueMs + HOLD_ROUND_TRIPS * rttMs + LOOK_AHEAD_MARGIN_MS;
    }
    return isClosing && this.holdUntilMs > nowMs;
  }

  /** So much of what was sent has arrived. */
  acked(bytes: number): void {
    this.#watched.bytes += bytes;
  }

  /** There is nobody to grant to but who is held back, if anybody is. @param bytesPerSec what the uplink can do */
  watchHeld(isAnyHeld: boolean, bytesPerSec: number): void {
    const { nowMs } = this.#core;
    const { sinceMs, bytes } = this.#watched;
    if (nowMs - sinceMs < IDLE_MS) return;
    this.#watched = { sinceMs: nowMs, bytes: 0 };
    const couldBytes = (bytesPerSec * (nowMs - sinceMs)) / 1000;
    if (isAnyHeld && sinceMs >= 0 && bytes < IDLE_SHARE * couldBytes) this.unheldUntilMs = nowMs + UNHELD_MS;
  }
}
