/** A peer as the core knows it: its id in base58. Only an identity: the core never looks inside. */
export type PeerKey = string;

/**
 * An asset as the core knows it: a number this node gave it. On the wire it is the sender's slot; the shell
 * translates, so that the core (and the simulator) never see slots or CIDs.
 */
export type AssetKey = number;

/** A run of chunk numbers `[from, from + count)`. */
export interface ChunkRun {
  from: number;
  count: number;
}

/** A way to reach a peer. */
export interface Contact {
  peer: PeerKey;
  /** Multiaddrs as text; the core passes them through. */
  addresses: readonly string[];
}

/**
 * What a peer has of an asset. `some.bits` is raw, as it came from the wire: the core checks it against the
 * manifest's chunk count with `Bitfield.fits` (bitfield.ts).
 */
export type Have = { kind: 'all' } | { kind: 'none' } | { kind: 'some'; bits: Uint8Array };

/** Why a grant, or a part of it, is given back. */
export type DeclineReason =
  /** I lack nothing that you hold (any more, or not requested elsewhere already). HAVE or JOIN tells when I do. */
  | 'nothing-wanted'
  /** My inbound queue is longer than 0.3 s of my downlink, or my memory for chunks in flight is full. */
  | 'busy'
  /** The lease had run out before I could use it. */
  | 'expired';

/** Why a request is refused. */
export type RejectReason =
  /** No live grant of yours covers it. */
  | 'no-credit'
  /** I do not hold (any more) what you ask for. */
  | 'missing'
  /** I could not read it: my copy changed or my disk failed. */
  | 'failed'
  /** You cancelled it. */
  | 'cancelled';

/** The messages of the exchange; the codec in `swarm/wire` maps each to bytes. */
export type Message =
  /**
   * I know this root, and have this much of it. Sent for what I want, and in answer to a peer who named it.
   * Sent again it replaces what I said before. `reply`: please answer with yours.
   */
  | { type: 'join'; asset: AssetKey; have: Have; reply: boolean }
  /** I am no longer part of this asset's swarm. */
  | { type: 'leave'; asset: AssetKey }
  /**
   * Credit of `bytes` for any assets we share, good for `leaseMs` from receipt. `offer`: the origin's choice;
   * take these first. `only`: good for this asset alone, of which the offer is too.
   */
  | {
      type: 'grant';
      id: number;
      bytes: number;
      leaseMs: number;
      offer?: { asset: AssetKey; chunks: readonly number[] };
      only?: AssetKey;
    }
  | { type: 'decline'; grant: number; bytes: number; reason: DeclineReason }
  | { type: 'have'; asset: AssetKey; chunks: readonly number[] }
  /** Whole chunks, paid for with grant `grant`. Every request gets its data or a reject. */
  | { type: 'request'; grant: number; asset: AssetKey; runs: readonly ChunkRun[] }
  | { type: 'cancel'; asset: AssetKey; chunk: number }
  | { type: 'reject'; asset: AssetKey; chunk: number; reason: RejectReason }
  /**
   * Data bytes (payload of DATA frames) received on this link since it came up. `atMs`: when the last of them came, by a
   * steady clock of mine whose zero means nothing, in whole ms; undefined from those that do not say.
   */
  | { type: 'ack'; bytes: number; atMs?: number }
  /** Contacts in this asset's swarm, and how far I am, 0 to 1. */
  | { type: 'peers'; asset: AssetKey; contacts: readonly Contact[]; progress: number }
  | { type: 'bye'; reason: string };
