import { IDLE_DIAL_MS } from './constants.ts';
import type { PeerKey } from './messages.ts';
import type { RateLimits } from './rate-limits.ts';

const MIB = 1024 * 1024;

/** Settings of an `Exchange`. Every one has a default. */
export interface ExchangeConfig {
  /** This node's own key: contacts that name it are passed over. Default: none. */
  self?: PeerKey;
  /**
   * Neighbours an asset's swarm should have. Fewer than 0.7 of it: dial. More links than twice, or than three times where
   * downloads need them: close. Default 30.
   */
  degree?: number;
  /** Most bytes granted or requested of this node and not yet acknowledged, over all peers. Default 64 MiB. */
  maxCommittedBytes?: number;
  /**
   * Granted, over all peers, before anything is known of the uplink; one chunk at the least. Default 1 MiB: what an
   * unknown peer may be asked for, and 1.7 s of an uplink of 5 Mbit/s. Each doubling of the rate takes two round trips, and
   * who comes second must not find all of it with the first: what the two may have grows from what they had.
   */
  firstGrantBytes?: number;
  /**
   * Most bytes this node has requested and not yet stored, over all peers: its memory for chunks in flight. Half as many
   * where they are here and wait for the disk, and less where few neighbours are near ({@link inboundRoom}). Default 32 MiB.
   */
  maxInboundBytes?: number;
  /** Limit of the uplink, bytes per second. Default: none. */
  uploadBytesPerSec?: number;
  /** Limit of the downlink, bytes per second. Default: none. */
  downloadBytesPerSec?: number;
  /** Limits of each single peer, within those of the node. Default: none. */
  perPeer?: RateLimits;
  /**
   * All peers belong to one owner who trusts them: credit goes by progress alone, whoever gave what. Free-riders
   * pay nothing then. Default false.
   */
  fleet?: boolean;
  /**
   * As the origin of an asset, stop giving it once {@link OFFLOAD_SHARE} times its size has gone out and every chunk
   * is with a connected peer. It goes on for chunks that vanish again, and for peers that get nothing elsewhere.
   * Default false.
   */
  offload?: boolean;
  /** Contacts remembered for each asset. Default 500. */
  maxContacts?: number;
  /** With an uplink that has nobody to serve this node dials at most this often, ms. Default 300. */
  idleDialMs?: number;
}

/** {@link ExchangeConfig} with its defaults filled in. */
export interface Settings extends ExchangeConfig {
  degree: number;
  maxCommittedBytes: number;
  firstGrantBytes: number;
  maxInboundBytes: number;
  maxContacts: number;
  idleDialMs: number;
}

/** Fills in the defaults. */
export function settingsOf(config: ExchangeConfig): Settings {
  return {
    ...config,
    // Legout et al. and our simulations: 30 random neighbours mix a swarm of 10 000 as well as 80 do.
    degree: config.degree ?? 30,
    // 1 GB/s over a loop of 60 ms; a node that can do more is bounded by its CPU first.
    maxCommittedBytes: config.maxCommittedBytes ?? 64 * MIB,
    firstGrantBytes: config.firstGrantBytes ?? MIB,
    // 500 MB/s over a loop of 60 ms, and well inside a node's budget of 250 MB.
    maxInboundBytes: config.maxInboundBytes ?? 32 * MIB,
    maxContacts: config.maxContacts ?? 500,
    idleDialMs: config.idleDialMs ?? IDLE_DIAL_MS,
  };
}
