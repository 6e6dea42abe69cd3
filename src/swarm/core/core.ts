import { limitOf, type Allowance } from './allowance.ts';
import type { AssetSwarm, ChunkRequest } from './asset-swarm.ts';
import { MAX_PAUSE_MS, PAUSES_MS, TICK_MS } from './constants.ts';
import { DownlinkQueue } from './downlink-queue.ts';
import type { Action } from './events.ts';
import type { Settings } from './exchange-config.ts';
import type { AssetKey, Message, PeerKey } from './messages.ts';
import type { Peer } from './peer.ts';
import type { Rng } from './rng.ts';

/** A peer broke the protocol or lied. */
export interface Misbehaviour {
  code: string;
  message: string;
}

/** What the parts of an `Exchange` share: the clock's last reading, the swarms, the peers, and the way out. */
export class Core {
  readonly settings: Settings;
  readonly rng: Rng;
  /** The caller's clock, less {@link pausedMs}. */
  nowMs = 0;
  /** For so long this process stood still. */
  pausedMs = 0;
  #resumedAtMs = -Infinity;
  readonly peers = new Map<PeerKey, Peer>();
  readonly assets = new Map<AssetKey, AssetSwarm>();
  /** Bytes granted or asked of this node and not acknowledged, over all peers. */
  committedBytes = 0;
  /** The limit of the downlink. */
  download: Allowance | undefined;
  /** What stands before this node's downlink, whatever its limit. */
  readonly downlinkQueue = new DownlinkQueue();
  /** The part of them that went to peers from which nothing comes back: the uplink has no work of it. */
  stuckBytes = 0;
  /** Bytes asked for by this node and not stored, over all peers. */
  inboundBytes = 0;
  /** Those of them that are here, and wait for the hash or the disk. */
  unstoredBytes = 0;
  /** A membership `isMistaken`. */
  isAnyMistaken = false;
  /** Peers that are to lose their links, once the event that showed it is dealt with. */
  readonly blamed: { peer: Peer; fault: Misbehaviour }[] = [];
  #actions: Action[] = [];
  #next = 0;

  constructor(settings: Settings, rng: Rng) {
    this.settings = settings;
    this.rng = rng;
    this.download = limitOf(settings.downloadBytesPerSec, 0);
  }

  /**
   * Time in which this process stood still (it was suspended, its machine slept, its event loop was held up) does not count:
   * what came meanwhile lies in the sockets, and would be taken for late. Only now and then, for timers of a page that is not
   * looked at are late each time.
   *
   * @param isAwaited whether `wake` was to come meanwhile
   */
  setClock(callerMs: number, isAwaited: () => boolean): void {
    const passedMs = callerMs - this.pausedMs - this.nowMs;
    if (passedMs > MAX_PAUSE_MS && this.nowMs - this.#resumedAtMs >= PAUSES_MS && isAwaited()) {
      this.pausedMs += passedMs - TICK_MS;
      this.#resumedAtMs = this.nowMs;
    }
    this.nowMs = Math.max(this.nowMs, callerMs - this.pausedMs);
  }

  /** So many bytes more are granted to the peer, or asked for by it and not acknowledged; less than 0: fewer. */
  commit(peer: Peer, bytes: number): void {
    this.committedBytes += bytes;
    peer.committedBytes += bytes;
    if (peer.isStuck) this.stuckBytes += bytes;
  }

  /** The request is over: nothing is awaited of it any more. */
  settle({ bytes, isWhole }: ChunkRequest): void {
    this.inboundBytes -= bytes;
    if (isWhole) this.unstoredBytes -= bytes;
  }

  /** Drops the peer after the event, where there is a fault. */
  blame(peer: Peer, fault: Misbehaviour | undefined): void {
    if (fault) this.blamed.push({ peer, fault });
  }

  act(action: Action): void {
    this.#actions.push(action);
  }

  send(peer: Peer, message: Message): void {
    this.#actions.push({ type: 'send', peer: peer.key, message });
  }

  poll(): Action | undefined {
    const action = this.#actions[this.#next];
    if (!action) return undefined;
    if (++this.#next === this.#actions.length) {
      this.#actions = [];
      this.#next = 0;
    }
    return action;
  }

  /** Whether this node still downloads anything. */
  get isLeeching(): boolean {
    for (const swarm of this.assets.values()) if (swarm.wantedLeft > 0) return true;
    return false;
  }
}
