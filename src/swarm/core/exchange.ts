import { Announcing } from './announcing.ts';
import { AssetSwarm } from './asset-swarm.ts';
import { GRAPH_MS, JOIN_BURST, PAST_LEDGERS, TICK_MS } from './constants.ts';
import { Core, type Misbehaviour } from './core.ts';
import type { Action, AssetEvent, Event } from './events.ts';
import { settingsOf, type ExchangeConfig } from './exchange-config.ts';
import { Granting } from './granting.ts';
import { keepNewest } from './keep-newest.ts';
import type { AssetKey, Message, PeerKey } from './messages.ts';
import { Neighbourhood } from './neighbourhood.ts';
import { Peer, type PastLedger } from './peer.ts';
import { limitAsset, limitPeer, setNodeLimits } from './rate-limits.ts';
import { Receiving } from './receiving.ts';
import { Requesting } from './requesting.ts';
import type { Rng } from './rng.ts';
import { Serving } from './serving.ts';
import { chunkKey } from './upload-queue.ts';
import { checkBooks } from './check-books.ts';

/** How an asset's download is going. */
export interface AssetStats {
  /** Chunks here. */
  chunksHere: number;
  /** Chunks wanted and not here. */
  chunksWanted: number;
  /** Peers that joined. */
  peers: readonly PeerKey[];
  /** Peers that took part and are gone. */
  left: number;
  /** Peers that could not read a chunk they had announced: their file changed, or their disk failed. */
  failed: readonly PeerKey[];
  /** Verified bytes received, by peer, since the asset was added. */
  receivedByPeer: ReadonlyMap<PeerKey, number>;
  /** Verified bytes per second over the last four seconds. */
  bytesPerSec: number;
}

/**
 * The exchange of chunks with all neighbours, over all assets: who gets credit, which chunk is asked of whom,
 * who is told what, who is dialled. One for each node.
 *
 * It does no I/O, reads no clock and draws chance only from `rng`: the same configuration, seed and events give
 * the same actions, so that a recorded run can be repeated. Call `handle` with each event and the time
 * (milliseconds of any steady clock, never going back), then `poll` until it gives nothing, carrying out the
 * actions in their order; call `handle` with `wake` no later than `nextWakeMs`. Nothing that a peer sends makes
 * it throw: the answer to a lie is a `misbehaved` action, after which the peer no longer exists here until it
 * connects anew.
 */
export class Exchange {
  readonly #core: Core;
  readonly #announcing: Announcing;
  readonly #granting: Granting;
  readonly #serving: Serving;
  readonly #requesting: Requesting;
  readonly #receiving: Receiving;
  readonly #neighbourhood: Neighbourhood;
  /** Ledgers of peers that left, oldest first. */
  readonly #past = new Map<PeerKey, PastLedger>();
  /** Assets whose `complete` is out. */
  readonly #completed = new Set<AssetKey>();
  #tickedAtMs = -Infinity;
  #tendedAtMs = -Infinity;

  constructor(config: ExchangeConfig, rng: Rng) {
    this.#core = new Core(settingsOf(config), rng);
    this.#announcing = new Announcing(this.#core, () => this.#granting.ahead.rate.bytesPerSec);
    this.#granting = new Granting(this.#core, (peer) => this.#announcing.tellNews(peer));
    this.#serving = new Serving(this.#core, this.#granting);
    this.#requesting = new Requesting(this.#core);
    this.#receiving = new Receiving(this.#core, this.#requesting, (peer, swarm) =>
      this.#announcing.restateTo(peer, swarm),
    );
    this.#neighbourhood = new Neighbourhood(
      this.#core,
      (peer, reason) => this.#close(peer, reason),
      (peer, swarm) => this.#announcing.askPeer(peer, swarm),
    );
  }

  /** Takes in what happened at `nowMs`. Throws only where the caller is wrong (an asset added twice). */
  handle(nowMs: number, event: Event): void {
    this.#core.setClock(nowMs, () => this.#isActive);
    const peers = this.#core.peers.size;
    this.#dispatch(event);
    this.#runTimers();
    if (this.#core.blamed.length > 0) this.#dropBlamed();
    // Most events are pieces of chunks, which change nothing for grants unless they cost the sender its link.
    if (event.type === 'data' && !event.last && this.#core.peers.size === peers) return;
    this.#granting.fill();
    this.#serving.move();
    if (this.#granting.isStarved && !this.#granting.isThrottled) this.#neighbourhood.dialIdle();
  }

  /** The next thing to do, or undefined where there is nothing. */
  poll(): Action | undefined {
    return this.#core.poll();
  }

  /** When `wake` must come at the latest; undefined: not before something happens. */
  nextWakeMs(): number | undefined {
    const atMs = Math.min(
      this.#announcing.flushAtMs,
      this.#announcing.greetAtMs,
      this.#receiving.ackAtMs,
      this.#granting.retryAtMs,
      this.#serving.moveAtMs,
      this.#isActive ? this.#tickedAtMs + TICK_MS : Infinity,
    );
    return atMs === Infinity ? undefined : Math.max(atMs, this.#core.nowMs) + this.#core.pausedMs;
  }

  /** Whether data of this chunk is awaited from this peer. For tests; what a shell asks is {@link keeps}. */
  expects(peer: PeerKey, asset: AssetKey, chunk: number): boolean {
    return this.#core.peers.get(peer)?.requests.has(chunkKey(asset, chunk)) ?? false;
  }

  /**
   * Whether this chunk is kept when it comes from this peer: awaited, or taken back from it and lacked still. Ask before
   * taking memory for it, and once more when it is whole, before the `data` event that says so: where the answer is yes
   * then, the core waits for what comes of it (`verified`, `corrupt`, or `unstored`).
   */
  keeps(peer: PeerKey, asset: AssetKey, chunk: number): boolean {
    const from = this.#core.peers.get(peer);
    return from !== undefined && this.#receiving.keeps(from, asset, chunk);
  }

  /** How an asset is doing, or undefined where this node takes no part in it. */
  stats(asset: AssetKey): AssetStats | undefined {
    const swarm = this.#core.assets.get(asset);
    if (!swarm) return undefined;
    const received = this.#receiving.received.get(asset);
    return {
      chunksHere: swarm.have.count,
      chunksWanted: swarm.wantedLeft,
      peers: [...swarm.members.keys()],
      left: swarm.gone.size,
      failed: [...swarm.failed],
      receivedByPeer: received?.byPeer ?? new Map<PeerKey, number>(),
      bytesPerSec: received?.speed.bytesPerSec(this.#core.nowMs) ?? 0,
    };
  }

  /** Whether anybody who is connected takes part in the asset's swarm. */
  hasMembers(asset: AssetKey): boolean {
    return (this.#core.assets.get(asset)?.members.size ?? 0) > 0;
  }

  /** Whether a connected peer lacks a chunk of the asset that is here. */
  isLacked(asset: AssetKey): boolean {
    for (const { lacks } of this.#core.assets.get(asset)?.members.values() ?? []) if (lacks > 0) return true;
    return false;
  }

  /** Bytes asked for and not stored. */
  get inFlightBytes(): number {
    return this.#core.inboundBytes;
  }

  /** Bytes granted to or asked for by others, and not acknowledged. */
  get committedBytes(): number {
    return this.#core.committedBytes;
  }

  /** Whether nothing comes back from the peer, so that what lies in its socket keeps no uplink busy. */
  isStuck(peer: PeerKey): boolean {
    return this.#core.peers.get(peer)?.isStuck ?? false;
  }

  /** Bytes per second the uplink delivers, as far as measured; 0: not yet. */
  get uploadBytesPerSec(): number {
    return this.#granting.ahead.rate.bytesPerSec;
  }

  /** Throws where the books do not add up. For tests. */
  checkInvariants(): void {
    checkBooks(this.#core);
  }

  get #isActive(): boolean {
    return this.#core.peers.size > 0 || this.#core.isLeeching || this.#neighbourhood.isLonely;
  }

  #dispatch(event: Event): void {
    switch (event.type) {
      case 'asset-added':
        return this.#addAsset(event);
      case 'limits':
        if (setNodeLimits(this.#core, event, event.perPeer ?? {})) this.#serving.limitRaised();
        return;
      case 'connected':
        return this.#connected(event);
      case 'gone': {
        const peer = this.#core.peers.get(event.peer);
        if (peer) this.#remove(peer);
        return;
      }
      case 'dial-failed':
        return this.#neighbourhood.dialFailed(event.peer);
      case 'wake':
        return;
      case 'message':
      case 'data':
      case 'rtt':
      case 'reachable':
        return this.#fromPeer(event);
      default:
        return this.#ofAsset(event);
    }
  }

  #fromPeer(event: Extract<Event, { type: 'message' | 'data' | 'rtt' | 'reachable' }>): void {
    const peer = this.#core.peers.get(event.peer);
    if (!peer) return;
    if (event.type === 'rtt') return peer.measured(this.#core.nowMs, event.rttMs);
    if (event.type === 'reachable') return this.#neighbourhood.reachable(peer, event.addresses);
    peer.heardAtMs = this.#core.nowMs;
    peer.isMute = false;
    const fault =
      event.type === 'data' ? this.#receiving.onData(peer, event) : this.#onMessage(peer, event.message);
    if (fault) this.#misbehaved(peer.key, fault);
  }

  #onMessage(peer: Peer, message: Message): Misbehaviour | undefined {
    switch (message.type) {
      case 'ack':
        return this.#serving.onAck(peer, message);
      case 'decline':
        this.#granting.onDecline(peer, message);
        return undefined;
      case 'grant':
        if (!peer.isLeaving) this.#requesting.onGrant(peer, message);
        return undefined;
      case 'request':
        return this.#serving.onRequest(peer, message);
      case 'cancel':
        this.#serving.onCancel(peer, message.asset, message.chunk);
        return undefined;
      case 'reject':
        this.#requesting.onReject(peer, message);
        return undefined;
      case 'bye':
        this.#leaving(peer);
        return undefined;
      default:
        return this.#onAssetMessage(peer, message);
    }
  }

  #onAssetMessage(
    peer: Peer,
    message: Extract<Message, { type: 'join' | 'leave' | 'have' | 'peers' }>,
  ): Misbehaviour | undefined {
    const swarm = this.#core.assets.get(message.asset);
    if (!swarm || peer.isLeaving) return undefined;
    if (message.type === 'have') return this.#announcing.onHave(peer, swarm, message);
    if (message.type === 'peers') {
      this.#neighbourhood.onPeers(peer, swarm, message);
      return undefined;
    }
    if (message.type === 'leave') {
      if (!swarm.members.has(peer.key)) return peer.conduct.wasted(this.#core.nowMs, 'LEAVE');
      this.#serving.dropAll(peer, swarm.key);
      this.#requesting.releaseAll(peer, swarm.key);
      this.#announcing.onLeave(peer, swarm);
      return undefined;
    }
    const isNew = !swarm.members.has(peer.key);
    const fault = this.#announcing.onJoin(peer, swarm, message);
    if (!fault && isNew) this.#neighbourhood.joined(peer, swarm);
    return fault;
  }

  #ofAsset(event: AssetEvent): void {
    const swarm = this.#core.assets.get(event.asset);
    if (!swarm) {
      // The asset was removed meanwhile; a lie stays a lie.
      if (event.type === 'corrupt') this.#misbehaved(event.peer, badChunk(event.chunk));
      return;
    }
    switch (event.type) {
      case 'asset-removed':
        return this.#removeAsset(swarm);
      case 'asset-limits':
        return limitAsset(this.#core, swarm, event);
      case 'want': {
        const before = swarm.wantedLeft;
        swarm.want(event.wanted);
        swarm.hurry(this.#core.nowMs, event.urgent, event.dueInMs);
        this.#requesting.dropUnwanted(swarm);
        this.#requesting.wishesChanged();
        this.#completed.delete(swarm.key);
        // A reader that only moves on wants nothing that was not wanted before.
        if (swarm.wantedLeft > before) this.#announcing.ask(swarm);
        return this.#checkComplete(swarm);
      }
      case 'urgent':
        return swarm.hurry(this.#core.nowMs, event.urgent, event.dueInMs);
      case 'named': {
        const peer = this.#core.peers.get(event.peer);
        if (peer) this.#announcing.askPeer(peer, swarm);
        return;
      }
      case 'contacts':
        return this.#neighbourhood.addContacts(swarm, event.contacts, event.source);
      case 'verified':
        if (this.#receiving.verified(event.peer, swarm, event.chunk))
          this.#announcing.note(swarm, event.chunk);
        return this.#checkComplete(swarm);
      case 'corrupt':
        this.#receiving.failed(event.peer, swarm, event.chunk);
        return this.#misbehaved(event.peer, badChunk(event.chunk));
      case 'unstored':
        return this.#receiving.unstored(event.peer, swarm, event.chunk);
      case 'upload-failed':
        return this.#uploadFailed(event.peer, swarm, event.chunk);
      case 'found':
        // One that is on its way from somebody else comes back with that.
        if (!swarm.requests.has(event.chunk) && swarm.gained(event.chunk, undefined))
          this.#announcing.note(swarm, event.chunk);
        return this.#checkComplete(swarm);
    }
  }

  #addAsset(event: Extract<Event, { type: 'asset-added' }>): void {
    const { asset, sizes, have, origin, wanted } = event;
    if (this.#core.assets.has(asset)) throw new RangeError(`asset ${asset} was added before`);
    if (have.size !== sizes.length) throw new RangeError(`${have.size} bits for ${sizes.length} chunks`);
    const swarm = new AssetSwarm(asset, sizes, have, origin, this.#core.rng);
    this.#core.assets.set(asset, swarm);
    swarm.want(wanted);
    if (swarm.wantedLeft > 0) this.#announcing.ask(swarm);
    this.#checkComplete(swarm);
  }

  #removeAsset(swarm: AssetSwarm): void {
    const core = this.#core;
    for (const peer of core.peers.values()) {
      this.#serving.dropAll(peer, swarm.key);
      for (const request of [...peer.requests.values()]) {
        if (request.asset === swarm.key) this.#requesting.cancel(peer, request);
      }
      for (const grant of peer.grants.values()) if (grant.offer?.swarm === swarm) grant.offer = undefined;
    }
    for (const request of swarm.requests.values()) core.settle(request);
    swarm.requests.clear();
    this.#announcing.leave(swarm);
    this.#neighbourhood.forgetAsset(swarm.key);
    this.#receiving.received.delete(swarm.key);
    this.#completed.delete(swarm.key);
    core.assets.delete(swarm.key);
  }

  #uploadFailed(from: PeerKey, swarm: AssetSwarm, chunk: number): void {
    const peer = this.#core.peers.get(from);
    if (peer) this.#serving.uploadFailed(peer, swarm.key, chunk);
    if (!swarm.lost(chunk)) return;
    this.#completed.delete(swarm.key);
    this.#announcing.unannounce(swarm, chunk);
    this.#announcing.restate(swarm);
  }

  #checkComplete(swarm: AssetSwarm): void {
    if (!swarm.wantsSomething || swarm.wantedLeft > 0 || this.#completed.has(swarm.key)) return;
    this.#completed.add(swarm.key);
    this.#core.act({ type: 'complete', asset: swarm.key });
  }

  #connected({ peer: key, named, isAccepted }: Extract<Event, { type: 'connected' }>): void {
    const before = this.#core.peers.get(key);
    if (before) this.#remove(before);
    const peer = new Peer(key, this.#core.nowMs, JOIN_BURST, this.#past.get(key));
    peer.pausedBeforeMs = this.#core.pausedMs;
    this.#core.peers.set(key, peer);
    limitPeer(this.#core, peer);
    if (isAccepted) this.#announcing.greetSoon(peer);
    else this.#announcing.greet(peer, named);
    this.#neighbourhood.connected(peer);
  }

  /** BYE: the link is about to end. What is under way to it is dropped, what it was asked for goes to others. */
  #leaving(peer: Peer): void {
    if (peer.isLeaving) return;
    peer.isLeaving = true;
    this.#detach(peer);
  }

  #detach(peer: Peer): void {
    for (const grant of [...peer.grants.values()]) this.#granting.close(peer, grant);
    this.#serving.dropAll(peer, undefined);
    this.#requesting.releaseAll(peer, undefined);
    for (const { swarm } of [...peer.memberships.values()]) this.#announcing.onLeave(peer, swarm);
  }

  #remove(peer: Peer): void {
    peer.isLeaving = true;
    this.#neighbourhood.parting(peer);
    this.#detach(peer);
    this.#core.peers.delete(peer.key);
    const { sentBytes, receivedBytes, lapses, joinAllowance, joinAllowanceAtMs } = peer;
    const conduct = peer.conduct.past(this.#core.nowMs);
    const joins = { joinAllowance, joinAllowanceAtMs };
    keepNewest(this.#past, peer.key, { sentBytes, receivedBytes, lapses, ...joins, conduct }, PAST_LEDGERS);
    this.#neighbourhood.gone(peer);
  }

  #dropBlamed(): void {
    for (const { peer, fault } of this.#core.blamed.splice(0)) {
      if (this.#core.peers.get(peer.key) === peer) this.#misbehaved(peer.key, fault);
    }
  }

  #close(peer: Peer, reason: string): void {
    this.#core.act({ type: 'close', peer: peer.key, reason });
    this.#remove(peer);
  }

  #misbehaved(key: PeerKey, { code, message }: Misbehaviour): void {
    this.#neighbourhood.shun(key);
    this.#core.act({ type: 'misbehaved', peer: key, code, message });
    const peer = this.#core.peers.get(key);
    if (peer) this.#remove(peer);
  }

  #runTimers(): void {
    const { nowMs } = this.#core;
    if (nowMs >= this.#announcing.flushAtMs) this.#announcing.flush();
    if (nowMs >= this.#announcing.greetAtMs) this.#announcing.greetLate();
    if (nowMs >= this.#receiving.ackAtMs) this.#receiving.flushAcks();
    if (nowMs - this.#tickedAtMs < TICK_MS) return;
    this.#tickedAtMs = nowMs;
    this.#receiving.disownUnkept();
    this.#granting.expire();
    this.#serving.watchStuck();
    this.#core.downlinkQueue.look(nowMs, this.#core.peers.values());
    this.#requesting.giveUpLate();
    this.#requesting.rushLate();
    this.#requesting.remind();
    if (nowMs - this.#tendedAtMs < GRAPH_MS) return;
    this.#tendedAtMs = nowMs;
    this.#neighbourhood.tend();
    this.#announcing.askAgain();
    for (const peer of [...this.#core.peers.values()]) {
      if (this.#serving.isStalled(peer)) this.#close(peer, 'it acknowledges nothing');
    }
  }
}

function badChunk(chunk: number): Misbehaviour {
  return { code: 'ERR_PEER_BAD_CHUNK', message: `its chunk ${chunk} does not match the asset` };
}
