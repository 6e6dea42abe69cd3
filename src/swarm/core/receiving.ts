import type { AssetSwarm } from './asset-swarm.ts';
import { ACK_AT_BYTES, ASK_BURST, BATCH_MS } from './constants.ts';
import type { Core, Misbehaviour } from './core.ts';
import type { Event } from './events.ts';
import type { AssetKey, PeerKey } from './messages.ts';
import type { Peer, Tombstone } from './peer.ts';
import { noteServed, trustMore } from './reliance.ts';
import type { Requesting } from './requesting.ts';
import { SpeedMeter } from './speed-meter.ts';
import { chunkKey } from './upload-queue.ts';

type Data = Extract<Event, { type: 'data' }>;

/** What came in for an asset, for people to look at. */
export interface Received {
  byPeer: Map<PeerKey, number>;
  speed: SpeedMeter;
}

/** Takes in data: matches it with requests, acknowledges it, and books what was verified. */
export class Receiving {
  /** When the batch of ACKs goes out; Infinity where there is none. */
  ackAtMs = Infinity;
  readonly received = new Map<AssetKey, Received>();
  readonly #core: Core;
  readonly #requesting: Requesting;
  readonly #restate: (peer: Peer, swarm: AssetSwarm) => void;

  /** @param restate tells a peer anew what is here */
  constructor(core: Core, requesting: Requesting, restate: (peer: Peer, swarm: AssetSwarm) => void) {
    this.#core = core;
    this.#requesting = requesting;
    this.#restate = restate;
  }

  onData(peer: Peer, data: Data): Misbehaviour | undefined {
    // Of what was taken back nobody waits for the acknowledgement.
    const isAwaited = peer.requests.has(chunkKey(data.asset, data.chunk));
    const fault = this.#match(peer, data);
    if (fault) return fault;
    this.#core.downlinkQueue.came(data.bytes);
    peer.payloadBytes += data.bytes;
    const waiting = peer.payloadBytes - peer.ackedPayloadBytes;
    const isLast = isAwaited && data.last && peer.requests.size === 0;
    if (waiting >= ACK_AT_BYTES || isLast) this.acknowledge(peer);
    else if (waiting > 0) this.ackAtMs = Math.min(this.ackAtMs, this.#core.nowMs + BATCH_MS);
    return undefined;
  }

  /** @see Exchange.keeps */
  keeps(peer: Peer, asset: AssetKey, chunk: number): boolean {
    const key = chunkKey(asset, chunk);
    if (peer.requests.has(key)) return true;
    const swarm = peer.tombstones.has(key) ? this.#core.assets.get(asset) : undefined;
    if (!swarm?.isWanted(chunk) || swarm.have.has(chunk)) return false;
    return !swarm.requests.get(chunk)?.isWhole;
  }

  /** Sends all ACKs that wait. */
  flushAcks(): void {
    this.ackAtMs = Infinity;
    for (const peer of this.#core.peers.values()) this.acknowledge(peer);
  }

  /** The chunk is verified and stored. @returns whether it was missing */
  verified(from: PeerKey, swarm: AssetSwarm, chunk: number): boolean {
    const bytes = swarm.bytesOf(chunk);
    const request = this.#settle(from, swarm, chunk);
    // It was taken back, asked of somebody else, and came after all: the second request for it is not needed.
    const other = swarm.requests.get(chunk);
    const otherPeer = other && this.#core.peers.get(other.peer);
    if (other && !other.isWhole && otherPeer) this.#requesting.cancel(otherPeer, other);
    // Who was told that it is not wanted any more takes it that it did not come.
    if (!swarm.gained(chunk, request && !request.isLate ? from : undefined)) return false;
    swarm.gainedAtMs = this.#core.nowMs;
    const received = this.#receivedOf(swarm.key);
    received.byPeer.set(from, (received.byPeer.get(from) ?? 0) + bytes);
    received.speed.add(this.#core.nowMs, bytes);
    const peer = this.#core.peers.get(from);
    if (peer) {
      peer.receivedBytes += bytes;
      peer.askAllowance = Math.min(ASK_BURST, peer.askAllowance + 1);
      if (peer.sentBytes > 0) swarm.returnedBytes += bytes;
      trustMore(peer, bytes, this.#core.settings.maxInboundBytes);
    }
    return true;
  }

  /** The chunk could not be stored. */
  unstored(from: PeerKey, swarm: AssetSwarm, chunk: number): void {
    this.failed(from, swarm, chunk);
    const peer = this.#core.peers.get(from);
    // Before it is asked for again: who takes it to be under way still would refuse that.
    if (peer) this.acknowledge(peer);
    this.#disown(peer, swarm, chunk);
  }

  /** The chunk came to nothing (corrupt, or not stored): it can be asked for again. */
  failed(from: PeerKey, swarm: AssetSwarm, chunk: number): void {
    const request = this.#settle(from, swarm, chunk);
    if (!request) return;
    swarm.release(request);
    this.#requesting.wishesChanged();
  }

  /**
   * Tells peers that chunks are not here which came from them and were not kept. The ACK makes a peer believe that they are,
   * and must come before that; the other way round nobody would ever send them again. One JOIN for all of a while: where
   * each chunk had its own, whoever stopped a download of small files flooded the peer with them.
   */
  disownUnkept(): void {
    if (!this.#core.isAnyMistaken) return;
    this.#core.isAnyMistaken = false;
    for (const peer of this.#core.peers.values()) {
      for (const membership of peer.memberships.values()) {
        if (!membership.isMistaken) continue;
        membership.isMistaken = false;
        this.acknowledge(peer);
        this.#restate(peer, membership.swarm);
      }
    }
  }

  #disown(peer: Peer | undefined, swarm: AssetSwarm | undefined, chunk: number): void {
    const membership = swarm && peer?.memberships.get(swarm.key);
    if (!membership || swarm.have.has(chunk)) return;
    membership.isMistaken = true;
    this.#core.isAnyMistaken = true;
  }

  /** Ends the request that `from` answered, whether or not the peer is still here. */
  #settle(from: PeerKey, swarm: AssetSwarm, chunk: number) {
    const request = swarm.requests.get(chunk);
    if (request?.peer !== from || !request.isWhole) return undefined;
    swarm.requests.delete(chunk);
    this.#core.settle(request);
    return request;
  }

  #match(peer: Peer, data: Data): Misbehaviour | undefined {
    const { asset, chunk, bytes, last } = data;
    const key = chunkKey(asset, chunk);
    const request = peer.requests.get(key);
    peer.lastDataAtMs = this.#core.nowMs;
    if (!request) return this.#matchLate(peer, data);
    const tombstone = request.isSecond ? this.#touch(peer, key) : undefined;
    peer.servingSinceMs = Math.min(peer.servingSinceMs, request.requestedAtMs);
    request.progressAtMs = this.#core.nowMs;
    request.receivedBytes += bytes;
    if (request.receivedBytes > (request.isSecond ? 2 : 1) * request.bytes) {
      return unrequested(`more than all of chunk ${chunk}`);
    }
    if (!last) return undefined;
    if (request.receivedBytes < request.bytes) {
      if (!request.isSecond) return unrequested(`a part of chunk ${chunk} as if it were all`);
      request.receivedBytes = 0; // the end of what was asked for before
      return undefined;
    }
    if (tombstone) tombstone.isAnswered = true;
    this.#requesting.cameWhole(peer, request);
    noteServed(peer, request, this.#core.nowMs);
    return undefined;
  }

  /** Data of a request that was given up: tolerated up to the chunk's size. */
  #matchLate(peer: Peer, { asset, chunk, bytes, last }: Data): Misbehaviour | undefined {
    const key = chunkKey(asset, chunk);
    const tombstone = this.#touch(peer, key);
    if (!tombstone || bytes > tombstone.left) return unrequested('data nobody asked for');
    tombstone.left -= bytes;
    // What was taken back comes before all that is awaited.
    peer.servingSinceMs = -Infinity;
    if (!last) return undefined;
    // Who was told by CANCEL, or rejected it itself, does not believe that it is here, whatever is acknowledged.
    if (!this.#adopt(peer, asset, chunk) && tombstone.isAnswered) {
      this.#disown(peer, this.#core.assets.get(asset), chunk);
    }
    if (--tombstone.ends === 0) peer.tombstones.delete(key);
    return undefined;
  }

  /** Something comes of what was given up, and may go on to: what has begun is sent to its end, however slowly. */
  #touch(peer: Peer, key: number): Tombstone | undefined {
    const tombstone = peer.tombstones.get(key);
    if (!tombstone) return undefined;
    tombstone.sinceMs = this.#core.nowMs;
    peer.takenBackAtMs = this.#core.nowMs;
    // The oldest come first.
    peer.tombstones.delete(key);
    peer.tombstones.set(key, tombstone);
    return tombstone;
  }

  /** A chunk that nobody was asked for since it was taken back is as good as asked for. @returns whether it is such a one */
  #adopt(peer: Peer, asset: AssetKey, chunk: number): boolean {
    const { assets, inboundBytes, settings } = this.#core;
    const swarm = assets.get(asset);
    if (!swarm?.picker.isPickable(chunk)) return false;
    if (inboundBytes + swarm.bytesOf(chunk) > settings.maxInboundBytes) return false;
    this.#requesting.adopt(peer, swarm, chunk);
    return true;
  }

  /** Acknowledges all that has come from the peer, where it was not yet. */
  acknowledge(peer: Peer): void {
    if (peer.payloadBytes === peer.ackedPayloadBytes) return;
    peer.ackedPayloadBytes = peer.payloadBytes;
    // Of the link's own time: how long this node runs is nobody's business. It is to be a steady clock for the peer.
    const pausedMs = this.#core.pausedMs - peer.pausedBeforeMs;
    const atMs = Math.max(0, Math.round(peer.lastDataAtMs - peer.connectedAtMs + pausedMs));
    this.#core.send(peer, { type: 'ack', bytes: peer.payloadBytes, atMs });
  }

  #receivedOf(asset: AssetKey): Received {
    let received = this.received.get(asset);
    if (!received) this.received.set(asset, (received = { byPeer: new Map(), speed: new SpeedMeter() }));
    return received;
  }
}

function unrequested(what: string): Misbehaviour {
  return { code: 'ERR_PEER_UNREQUESTED_DATA', message: `it sent ${what}` };
}
