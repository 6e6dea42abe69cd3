import type { AssetSwarm, News } from './asset-swarm.ts';
import {
  ASK_BURST,
  ASKS_PER_SEC,
  BATCH_MS,
  CHANGES_PER_JOIN,
  FREE_JOIN_MS,
  HAVE_BYTES,
  HAVE_SHARE,
  HAVES_PER_SEC,
  LONGEST_BATCH_MS,
  LONGEST_SLOW_BATCH_MS,
  LONGEST_ASK_AGAIN_MS,
  JOIN_BURST,
  JOIN_FLOOD,
  JOINS_PER_ASSET,
  JOINS_PER_SEC,
  KNOWN_HAVES_PER_MESSAGE,
  PATIENT_DECLINES,
} from './constants.ts';
import type { Core, Misbehaviour } from './core.ts';
import {
  bitfieldOf,
  countLacks,
  gainChunk,
  haveOf,
  membershipOf,
  noteBounded,
  reminderFor,
  replaceHave,
  withdraw,
} from './membership.ts';
import type { AssetKey, Message } from './messages.ts';
import type { Membership, Peer } from './peer.ts';

type Join = Extract<Message, { type: 'join' }>;
type HaveMessage = Extract<Message, { type: 'have' }>;

/** Who takes part in what, and who has what: JOIN, LEAVE and HAVE. */
export class Announcing {
  /** When the batch of HAVEs goes out; Infinity where there is none. */
  flushAtMs = Infinity;
  /** When somebody is greeted; Infinity where nobody is. */
  greetAtMs = Infinity;
  readonly #core: Core;
  readonly #uplink: () => number;

  /** @param uplink bytes per second that it delivers; 0: not known yet */
  constructor(core: Core, uplink: () => number) {
    this.#core = core;
    this.#uplink = uplink;
  }

  /**
   * A link came up: names what this node downloads. What it only serves it names in answer.
   *
   * @param named on the link already: who was asked answers, and the answer is answered. (Both asked once more, and answered each.)
   */
  greet(peer: Peer, named: readonly AssetKey[] = []): void {
    for (const swarm of this.#core.assets.values()) {
      if (swarm.wantedLeft === 0) continue;
      if (named.includes(swarm.key)) peer.owed.add(swarm.key);
      else this.#tell(peer, swarm, true);
    }
  }

  /** The same on a link that the peer opened: what it names itself, as it does at once, is answered and not asked for. */
  greetSoon(peer: Peer): void {
    peer.greetAtMs = this.#core.nowMs + BATCH_MS;
    this.greetAtMs = Math.min(this.greetAtMs, peer.greetAtMs);
  }

  /** What such peers have not named by now is asked for. */
  greetLate(): void {
    const { peers, assets, nowMs } = this.#core;
    this.greetAtMs = Infinity;
    for (const peer of peers.values()) {
      if (peer.greetAtMs > nowMs) {
        this.greetAtMs = Math.min(this.greetAtMs, peer.greetAtMs);
        continue;
      }
      peer.greetAtMs = Infinity;
      if (peer.isLeaving) continue;
      for (const swarm of assets.values()) {
        const isTold = peer.memberships.get(swarm.key)?.isTold;
        if (swarm.wantedLeft > 0 && !isTold) this.#tell(peer, swarm, true);
      }
    }
  }

  /** Something of the asset is wanted (again): says so on all links. */
  ask(swarm: AssetSwarm): void {
    for (const peer of this.#core.peers.values()) {
      if (peer.isLeaving) continue;
      const isMember = swarm.members.has(peer.key);
      // Who knows of it is reminded of changed wishes in any case; this is only sooner.
      const isKnown = isMember && peer.memberships.get(swarm.key)?.isTold;
      if (!isKnown) this.#tell(peer, swarm, !isMember);
      else if (this.#mayAsk(peer)) this.#core.send(peer, reminderFor(peer, swarm));
    }
  }

  /**
   * What this node has changed other than by a gain: it is said anew to all who know of it, with `Receiving.disownUnkept`. A
   * disk that fails fails chunk after chunk, and a JOIN for each was a flood to every neighbour.
   */
  restate(swarm: AssetSwarm): void {
    this.#core.isAnyMistaken = true;
    for (const peer of this.#core.peers.values()) {
      const membership = peer.memberships.get(swarm.key);
      if (membership) membership.isMistaken = true;
    }
  }

  /** Says anew what this node has to a peer that knows of it. */
  restateTo(peer: Peer, swarm: AssetSwarm): void {
    const membership = peer.memberships.get(swarm.key);
    if (!membership?.isTold) return;
    membership.isRestated = true;
    this.#tell(peer, swarm, false);
  }

  /** Tells a peer that named the asset before, and asks what it has. */
  askPeer(peer: Peer, swarm: AssetSwarm): void {
    this.#tell(peer, swarm, true);
  }

  /** This node leaves the asset's swarm. */
  leave(swarm: AssetSwarm): void {
    for (const peer of this.#core.peers.values()) {
      peer.paces.delete(swarm.key);
      peer.owed.delete(swarm.key);
      const membership = peer.memberships.get(swarm.key);
      if (!membership) continue;
      if (membership.isTold) this.#core.send(peer, { type: 'leave', asset: swarm.key });
      peer.memberships.delete(swarm.key);
    }
    swarm.members.clear();
  }

  /**
   * Asks those again that left an asset of which something is wanted, and are still connected; and those whose JOIN was passed
   * over, who wait for an answer.
   */
  askAgain(): void {
    const { nowMs, assets, peers } = this.#core;
    for (const peer of peers.values()) {
      if (peer.isLeaving) continue;
      for (const [asset, pace] of peer.paces) {
        if (nowMs < pace.askAtMs) continue;
        pace.askAtMs = Infinity;
        const swarm = assets.get(asset);
        const isAwaited = pace.isPassedOver || (swarm?.wantedLeft ?? 0) > 0;
        pace.isPassedOver = false;
        if (swarm && isAwaited && !swarm.members.has(peer.key)) this.#tell(peer, swarm, true);
      }
    }
  }

  /** @returns the fault, where there is one; otherwise the peer is a member now */
  onJoin(peer: Peer, swarm: AssetSwarm, message: Join): Misbehaviour | undefined {
    const excess = this.#excessJoins(peer, swarm);
    if (excess > (JOIN_FLOOD - 1) * this.#joinBurst) {
      return { code: 'ERR_PEER_FLOOD', message: 'it sent JOIN over and over' };
    }
    const isNew = !swarm.members.has(peer.key);
    // Nodes are asked for first, and of many roots no more than these: its next JOIN of this one tells of a wish.
    if (isNew && message.have.kind === 'none') mayWant(peer);
    else wantsAgain(peer);
    if (excess > 0) {
      if (isNew) passOver(peer, swarm);
      return undefined;
    }
    const have = bitfieldOf(swarm.size, message.have);
    if (!have) {
      return { code: 'ERR_PEER_BAD_BITFIELD', message: `its bitfield does not fit ${swarm.size} chunks` };
    }
    const membership = membershipOf(peer, swarm);
    const changed = replaceHave(peer, membership, have, message.have.kind === 'all');
    peer.joinAllowance -= Math.floor(changed / CHANGES_PER_JOIN);
    swarm.members.set(peer.key, membership);
    swarm.gone.delete(peer.key);
    hasNews(membership, this.#core.nowMs);
    if (isNew) swarm.membersVersion++;
    const isOwed = peer.owed.delete(swarm.key);
    const isNews = membership.isStale || (!membership.isTold && (isOwed || swarm.wantedLeft > 0));
    if (message.reply || isNews) this.#tell(peer, swarm, false);
    return undefined;
  }

  /** The peer takes no further part in the asset. */
  onLeave(peer: Peer, swarm: AssetSwarm): void {
    const membership = peer.memberships.get(swarm.key);
    if (!membership) return;
    if (swarm.wantedLeft > 0) {
      const pace = peer.paceOf(swarm.key);
      pace.askAtMs = this.#core.nowMs + pace.askWaitMs;
      pace.askWaitMs = Math.min(2 * pace.askWaitMs, LONGEST_ASK_AGAIN_MS);
    }
    withdraw(peer, membership);
    swarm.passes?.gone(peer.key);
    peer.memberships.delete(swarm.key);
    if (!swarm.members.delete(peer.key)) return;
    swarm.membersVersion++;
    noteBounded(swarm.gone, peer.key);
  }

  onHave(peer: Peer, swarm: AssetSwarm, message: HaveMessage): Misbehaviour | undefined {
    const membership = peer.memberships.get(swarm.key);
    if (!membership?.have) return undefined;
    const before = membership.have.count;
    for (const chunk of message.chunks) {
      if (!isChunk(swarm, chunk)) {
        return { code: 'ERR_PEER_OUT_OF_RANGE', message: `it announced chunk ${chunk} of ${swarm.size}` };
      }
      gainChunk(peer, membership, chunk);
    }
    if (message.chunks.length > 0) hasNews(membership, this.#core.nowMs);
    const known = message.chunks.length - (membership.have.count - before);
    if (known > 0 || message.chunks.length === 0) {
      const cost = 1 + Math.floor(known / KNOWN_HAVES_PER_MESSAGE);
      const fault = peer.conduct.wasted(this.#core.nowMs, 'HAVE', cost);
      if (fault) return fault;
    }
    wantsAgain(peer);
    return undefined;
  }

  /** A chunk was verified: everybody hears of it, at the latest within {@link Announcing.#batchMs}. */
  note(swarm: AssetSwarm, chunk: number): void {
    for (const membership of swarm.members.values()) {
      const { peer, isTold, have } = membership;
      if (!isTold || have?.has(chunk)) continue;
      membership.lacks++;
      if (peer.declines < PATIENT_DECLINES) peer.declinedUntilMs = 0;
    }
    this.flushAtMs = Math.min(this.flushAtMs, this.#core.nowMs + this.#batchMs);
  }

  /** Tells everybody what they were not told yet. */
  flush(): void {
    this.flushAtMs = Infinity;
    for (const swarm of this.#core.assets.values()) {
      if (swarm.news.length === 0) continue;
      const all = inOrder(swarm.news);
      for (const peer of this.#core.peers.values()) {
        const membership = peer.memberships.get(swarm.key);
        if (!membership) continue;
        if (membership.isTold && !membership.have) membership.isStale = true;
        this.#tellNewsOf(peer, membership, all);
        membership.newsRead = 0;
      }
      swarm.news = [];
    }
  }

  /** Tells one peer what it was not told yet, so that it can ask for it. */
  tellNews(peer: Peer): void {
    for (const membership of peer.memberships.values()) this.#tellNewsOf(peer, membership);
  }

  /** Takes a chunk back that turned out to be unreadable. */
  unannounce(swarm: AssetSwarm, chunk: number): void {
    for (const membership of swarm.members.values()) {
      if (membership.isTold && !membership.have?.has(chunk)) membership.lacks--;
    }
  }

  /**
   * HAVE to one peer, unless it sent the chunk itself: who lacks it may want it, and who has it must know that this
   * node no longer lacks it, and how far it is: the origin would otherwise see none of its chunks spread. A peer that
   * was told anew what is here hears of all: what had come from it and was not stored by then was not in that.
   *
   * @param all the swarm's news in order, where they are at hand
   */
  #tellNewsOf(peer: Peer, membership: Membership, all?: readonly News[]): void {
    const { swarm, isTold, isRestated, have, newsRead } = membership;
    if (!isTold || !have || peer.isLeaving || newsRead === swarm.news.length) return;
    const news = newsRead === 0 && all ? all : inOrder(swarm.news.slice(newsRead));
    const chunks: number[] = [];
    for (const { chunk, from } of news) {
      if ((from === peer.key && !isRestated) || !swarm.have.has(chunk)) continue;
      // A chunk that was lost and gained again is there twice.
      if (chunk !== chunks.at(-1)) chunks.push(chunk);
    }
    membership.newsRead = swarm.news.length;
    if (chunks.length === 0) return;
    this.#core.send(peer, { type: 'have', asset: swarm.key, chunks });
  }

  /**
   * The more neighbours, the longer news may wait for company: so many HAVEs a second at most, besides those before grants;
   * and the longer, the slower the uplink that they take a part of.
   */
  get #batchMs(): number {
    const { size } = this.#core.peers;
    const ms = Math.min(LONGEST_BATCH_MS, (size * 1000) / HAVES_PER_SEC);
    const rate = this.#uplink();
    const slowMs = rate > 0 ? (size * HAVE_BYTES * 1000) / (HAVE_SHARE * rate) : 0;
    return Math.max(BATCH_MS, ms, Math.min(slowMs, LONGEST_SLOW_BATCH_MS));
  }

  #tell(peer: Peer, swarm: AssetSwarm, reply: boolean): void {
    const membership = membershipOf(peer, swarm);
    if (membership.isTold) swarm.toldAnew(peer.key);
    membership.isTold = true;
    membership.isStale = false;
    membership.newsRead = swarm.news.length;
    this.#core.send(peer, { type: 'join', asset: swarm.key, have: haveOf(swarm.have), reply });
    countLacks(membership);
  }

  get #joinBurst(): number {
    return JOIN_BURST + JOINS_PER_ASSET * this.#core.assets.size;
  }

  /** Counts a JOIN. @returns by how many the peer is beyond what is answered; 0: this one is answered */
  #excessJoins(peer: Peer, swarm: AssetSwarm): number {
    const { nowMs } = this.#core;
    const refill = ((nowMs - peer.joinAllowanceAtMs) / 1000) * JOINS_PER_SEC;
    peer.joinAllowance = Math.min(this.#joinBurst, peer.joinAllowance + refill);
    peer.joinAllowanceAtMs = nowMs;
    const pace = peer.paceOf(swarm.key);
    const isFirst = pace.freeJoinAtMs === -Infinity;
    if (!swarm.members.has(peer.key) && nowMs - pace.freeJoinAtMs >= FREE_JOIN_MS) {
      pace.freeJoinAtMs = nowMs;
      if (isFirst) peer.joinAllowance = Math.min(this.#joinBurst, peer.joinAllowance + JOINS_PER_ASSET);
      return 0;
    }
    peer.joinAllowance--;
    return Math.max(0, -peer.joinAllowance);
  }

  #mayAsk(peer: Peer): boolean {
    const { nowMs } = this.#core;
    const refill = ((nowMs - peer.askAllowanceAtMs) / 1000) * ASKS_PER_SEC;
    peer.askAllowance = Math.min(ASK_BURST, peer.askAllowance + refill);
    peer.askAllowanceAtMs = nowMs;
    if (peer.askAllowance < 1) return false;
    peer.askAllowance--;
    return true;
  }
}

/** By their chunks, as HAVE tells them. */
function inOrder(news: readonly News[]): readonly News[] {
  return news.length > 1 ? news.toSorted((a, b) => a.chunk - b.chunk) : news;
}

/** Whether a number from a peer names a chunk of the asset. */
export function isChunk(swarm: AssetSwarm, chunk: number): boolean {
  return Number.isInteger(chunk) && chunk >= 0 && chunk < swarm.size;
}

/** The peer says anew what it has when that is free. */
function passOver(peer: Peer, swarm: AssetSwarm): void {
  const pace = peer.paceOf(swarm.key);
  pace.isPassedOver = true;
  pace.askAtMs = Math.min(pace.askAtMs, pace.freeJoinAtMs + FREE_JOIN_MS);
}

/** The peer's wishes changed: its declines no longer count. */
function wantsAgain(peer: Peer): void {
  peer.declinedUntilMs = 0;
  peer.declines = 0;
}

/** The peer may want something again: whether it does is asked with one grant at a time, where it declined before. */
function mayWant(peer: Peer): void {
  peer.declinedUntilMs = 0;
  peer.declines = Math.min(peer.declines, 1);
}

/** The peer gets chunks, from whomever. */
function hasNews(membership: Membership, nowMs: number): void {
  membership.newsAtMs = nowMs;
  membership.isStuck = false;
}
