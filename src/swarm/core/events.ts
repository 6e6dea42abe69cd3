import type { Bitfield } from './bitfield.ts';
import type { AssetKey, ChunkRun, Contact, Message, PeerKey } from './messages.ts';
import type { RateLimits } from './rate-limits.ts';

/** Input to the core. `Exchange.handle(nowMs, event)`. */
export type Event =
  /**
   * This node takes part in an asset. `sizes[n]` is the size of chunk n in bytes. `have` is taken over by the
   * core, which sets bits as chunks are verified; the shell only reads it. `origin`: this node published it.
   * `wanted`: which chunks to download.
   */
  | {
      type: 'asset-added';
      asset: AssetKey;
      sizes: Uint32Array;
      have: Bitfield;
      origin: boolean;
      wanted: 'all' | 'none';
    }
  /** This node takes no further part: leave goes out, requests are cancelled. */
  | { type: 'asset-removed'; asset: AssetKey }
  /**
   * Changes what is downloaded. Requests for what is not wanted any more are taken back where nothing has come of them.
   * `urgent` and `dueInMs`: as in the next event.
   */
  | {
      type: 'want';
      asset: AssetKey;
      wanted: 'all' | 'none' | readonly ChunkRun[];
      urgent: readonly number[];
      dueInMs?: readonly number[];
    }
  /**
   * What readers wait for, of what is wanted: these chunks come first. `dueInMs`: in how many ms each is needed; without
   * it all are due now, in the order given. Cheap, unlike `want`: a reader says it with each step.
   */
  | { type: 'urgent'; asset: AssetKey; urgent: readonly number[]; dueInMs?: readonly number[] }
  /**
   * A link to `peer` is up (HELLO exchanged). `named`, where this node opened it: what it has named on it by then, and asked what the
   * peer has. `isAccepted`: the peer opened it, and what it wants comes with its HELLO or right behind.
   */
  | { type: 'connected'; peer: PeerKey; named?: readonly AssetKey[]; isAccepted?: boolean }
  /** The link is down, for whatever reason, at either end. */
  | { type: 'gone'; peer: PeerKey }
  /** A decoded, well-formed message arrived. Its content is untrusted. */
  | { type: 'message'; peer: PeerKey; message: Message }
  /**
   * `bytes` payload bytes of a DATA frame arrived for a chunk; `last` when the chunk is complete and the shell
   * has begun to verify it. Untrusted: the core answers with a `misbehaved` action where it never asked. The
   * shell asks `Exchange.keeps(peer, asset, chunk)` first, before it takes memory for the chunk, and when it is whole.
   */
  | { type: 'data'; peer: PeerKey; asset: AssetKey; chunk: number; bytes: number; last: boolean }
  /** The chunk that `peer` sent has been verified and is safely on disk: it may be announced and forwarded. */
  | { type: 'verified'; peer: PeerKey; asset: AssetKey; chunk: number }
  /** The chunk that `peer` sent did not verify. The core drops the peer. */
  | { type: 'corrupt'; peer: PeerKey; asset: AssetKey; chunk: number }
  /** The chunk could not be stored (disk full …), or its beginning was dropped before it was asked for again; it is wanted again unless the asset is removed. */
  | { type: 'unstored'; peer: PeerKey; asset: AssetKey; chunk: number }
  /** An `upload` action could not be carried out: the local copy changed or failed. The core rejects it and no longer has that chunk. */
  | { type: 'upload-failed'; peer: PeerKey; asset: AssetKey; chunk: number }
  /** A chunk that could not be read for an upload can be read now: it is here again. */
  | { type: 'found'; asset: AssetKey; chunk: number }
  /** A peer named the asset some time ago and what it has is not known any more: tell it and ask. */
  | { type: 'named'; peer: PeerKey; asset: AssetKey }
  /** A measured round-trip time of the link (application level, ms). */
  | { type: 'rtt'; peer: PeerKey; rttMs: number }
  /**
   * Peers learned from elsewhere (DHT, mDNS, a link, the user) that may be in this asset's swarm. `source`: a node of the DHT,
   * whose word is worth as much as a peer's.
   */
  | { type: 'contacts'; asset: AssetKey; contacts: readonly Contact[]; source?: PeerKey | undefined }
  /** Multiaddrs under which a connected peer can be dialled by others; passed on in `peers`. */
  | { type: 'reachable'; peer: PeerKey; addresses: readonly string[] }
  /** A dial action ended without a link. */
  | { type: 'dial-failed'; peer: PeerKey }
  /** Limits of this node, and of each single peer (`perPeer`), in bytes per second; undefined: none. */
  | ({ type: 'limits'; perPeer?: RateLimits | undefined } & RateLimits)
  /** Limits of one asset, within those of the node. */
  | ({ type: 'asset-limits'; asset: AssetKey } & RateLimits)
  /** Nothing happened but time: the wake-up asked for by `nextWakeMs`. */
  | { type: 'wake' };

/** What happens to an asset that this node takes part in; but for its data, which is looked at as its peer's. */
export type AssetEvent = Exclude<Extract<Event, { asset: AssetKey }>, { type: 'asset-added' | 'data' }>;

/** Output of the core. Drain `Exchange.poll()` after each `handle`. */
export type Action =
  | { type: 'send'; peer: PeerKey; message: Message }
  /**
   * Read the chunk (it verifies on reading) and send it as DATA frames, in this order over all peers (FIFO, whole
   * chunks); `first` ones, of which nobody has a copy yet, before all others that have not begun.
   */
  | { type: 'upload'; peer: PeerKey; asset: AssetKey; chunk: number; first: boolean }
  /** Drop a queued upload that has not begun, if it is still queued; the core has already told the peer. */
  | { type: 'cancel-upload'; peer: PeerKey; asset: AssetKey; chunk: number }
  | { type: 'dial'; contact: Contact }
  /** Close the link: it is of no more use (too many connections, nothing shared). */
  | { type: 'close'; peer: PeerKey; reason: string }
  /** The peer broke the protocol or lied: close the link, name it, and do not talk to it again for a while. */
  | { type: 'misbehaved'; peer: PeerKey; code: string; message: string }
  /** All wanted chunks of the asset are there. */
  | { type: 'complete'; asset: AssetKey };
