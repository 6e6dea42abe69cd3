import type { ChunkRun, Contact, DeclineReason, Have, RejectReason } from '../core/messages.ts';

/**
 * What the control stream carries, decoded. A `slot` is the sender's number for a root, named by its JOIN.
 * CIDs are in their binary form. docs/protocol.md has the schema.
 */
export type ControlMessage =
  | HelloMessage
  | { type: 'join'; slot: number; root: Uint8Array; have: Have; reply: boolean }
  | { type: 'leave'; slot: number }
  /** Asks for interior nodes. Each is answered by one NODE. Without CIDs: nothing more asked for in this slot is wanted. */
  | { type: 'nodes'; slot: number; cids: readonly Uint8Array[] }
  /**
   * `slot` is the one of the NODES it answers: the asker's. `bytes` and `packed` undefined: I do not have it. `packed` is the
   * node as `packNode` makes it, for a peer that takes nodes so.
   */
  | { type: 'node'; slot: number; cid: Uint8Array; bytes?: Uint8Array | undefined; packed?: Uint8Array }
  | {
      type: 'grant';
      id: number;
      bytes: number;
      leaseMs: number;
      offer?: { slot: number; chunks: readonly number[] };
      /** Good for this slot's asset alone, of which the offer is too. */
      only?: number;
    }
  | { type: 'decline'; grant: number; bytes: number; reason: DeclineReason }
  | { type: 'have'; slot: number; chunks: readonly number[] }
  | { type: 'request'; grant: number; slot: number; runs: readonly ChunkRun[] }
  | { type: 'cancel'; slot: number; chunk: number }
  | { type: 'reject'; slot: number; chunk: number; reason: RejectReason }
  | { type: 'ack'; bytes: number; atMs?: number }
  | { type: 'peers'; slot: number; contacts: readonly Contact[]; progress: number }
  | { type: 'ping'; nonce: number }
  | { type: 'pong'; nonce: number }
  | { type: 'bye'; reason: string };

/** The first message each way on a link. */
export interface HelloMessage {
  type: 'hello';
  version: number;
  /** A feature is used only where both sides announce it. */
  features: readonly string[];
  limits: { controlFrameBytes: number; chunkBytes: number };
  /** Random for each run of the sender's process: tells a restarted peer from a second link. */
  instance: Uint8Array;
  /** The opener's number of this link, which the data stream's ATTACH repeats. */
  link: number;
}
