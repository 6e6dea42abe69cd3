import type { ShoalError } from '../errors.ts';
import type { ChunkRun, PeerKey } from './core/messages.ts';

/** What an application is told of an asset it joined. */
export interface AssetSessionEvents {
  /** Payload of an expected chunk arrived: not yet verified, a sign of life. */
  onBytes?: (bytes: number) => void;
  /** A chunk that came is being stored (`true`), or that has ended, however it did. */
  onStoring?: (isUnderWay: boolean) => void;
  /** A chunk was verified and stored. */
  onChunk?: (chunk: number, peer: PeerKey) => void;
  /** All wanted chunks are here. */
  onComplete?: () => void;
  /** The local side failed: the disk is full … The asset stays joined. */
  onError?: (error: ShoalError) => void;
  /** A chunk that is here could not be read for a peer. It is wanted again where it was. */
  onUnread?: (chunk: number, error: ShoalError) => void;
  /** Bytes of the asset were handed to the socket for a peer. */
  onUpload?: (peer: PeerKey, bytes: number) => void;
}

/** How a session is doing. */
export interface SessionStats {
  /** Verified bytes received since the session began, by peer. */
  receivedByPeer: ReadonlyMap<PeerKey, number>;
  /** Peers that take part in the asset's swarm and are connected. */
  peers: number;
  /** Peers that took part in it and are gone. */
  left: number;
  /** Peers that could not read what they had announced: their file changed, or their disk failed. */
  failed: readonly PeerKey[];
  /** Verified bytes per second over the last seconds. */
  bytesPerSec: number;
}

/** Chunks that readers wait for, and in how many ms each is needed. */
export interface Urgency {
  chunks: readonly number[];
  dueInMs: readonly number[];
}

const NOTHING_URGENT: Urgency = { chunks: [], dueInMs: [] };

/** What an {@link AssetSession} works with. */
export interface AssetSessionHost {
  want(wanted: 'all' | 'none' | readonly ChunkRun[], urgent: Urgency): void;
  hurry(urgent: Urgency): void;
  leave(): void;
  stats(): SessionStats | undefined;
}

/** This node's part in one asset's swarm, from `SwarmShell.join` to `leave`. */
export class AssetSession {
  readonly events: AssetSessionEvents;
  readonly #host: AssetSessionHost;
  #last: SessionStats = { receivedByPeer: new Map(), peers: 0, left: 0, failed: [], bytesPerSec: 0 };
  #hasLeft = false;
  #hasWished: boolean;

  /** @param hasWished whether something is wanted from the start */
  constructor(events: AssetSessionEvents, host: AssetSessionHost, hasWished = false) {
    this.events = events;
    this.#host = host;
    this.#hasWished = hasWished;
  }

  /** Changes what is downloaded; urgent chunks come first. Nothing after `leave`. */
  want(wanted: 'all' | 'none' | readonly ChunkRun[], urgent: Urgency = NOTHING_URGENT): void {
    if (this.#hasLeft) return;
    this.#hasWished ||= wanted !== 'none';
    this.#host.want(wanted, urgent);
  }

  /** Changes what is urgent of it, and nothing else: far cheaper. */
  hurry(urgent: Urgency): void {
    if (!this.#hasLeft) this.#host.hurry(urgent);
  }

  /** Whether anything was ever wanted of the asset. */
  get hasWished(): boolean {
    return this.#hasWished;
  }

  /** Ends the session: nothing more is downloaded or served through it. The stored asset is the caller's to close. */
  leave(): void {
    if (this.#hasLeft) return;
    this.#last = { ...this.stats(), peers: 0, bytesPerSec: 0 };
    this.#hasLeft = true;
    this.#host.leave();
  }

  get peerCount(): number {
    return this.stats().peers;
  }

  /** After `leave`: what was received until then. */
  stats(): SessionStats {
    return (this.#hasLeft ? undefined : this.#host.stats()) ?? this.#last;
  }
}
