import type { AssetSwarm } from './asset-swarm.ts';
import {
  CONTACTS_SENT,
  DIALS_AT_ONCE,
  MAX_CONTACTS_PER_MESSAGE,
  MAX_REDIAL_MS,
  PEERS_HEED_MS,
  PEERS_MS,
  YIELD_MS,
  YOUNG_MS,
} from './constants.ts';
import { ContactTable, boundedAddresses } from './contact-table.ts';
import type { Core } from './core.ts';
import { Dialling } from './dialling.ts';
import { LinkRoom } from './link-room.ts';
import { membershipOf } from './membership.ts';
import type { AssetKey, Contact, Message, PeerKey } from './messages.ts';
import type { Peer } from './peer.ts';
import { shuffle } from './rng.ts';

/** Fewer live neighbours than this share of the degree: dial. */
const FEW = 0.7;

/**
 * With so many neighbours a swarm mixes as well as with the degree (N = 100: ± 0.5 points). Further ones are dialled one
 * after another, as a crowd that starts together would have its machines, or its uplinks, full of handshakes.
 */
const ENOUGH = 12;
const FURTHER_DIALS = 1;

/**
 * Neighbours that a node keeps in the swarm of what it only serves: a graph in which everybody has four, drawn by lot,
 * stays in one piece when any node is lost, and whoever finds one node finds the others.
 */
const KEPT_DEGREE = 4;

/**
 * Behind this share of the neighbours' median progress a peer is a laggard, and dials every second: the more, the further
 * it is behind, at half of it a tenth of the degree. One path that loses packets gives a peer far less than its downlink
 * takes, so who has few fast neighbours needs more links by the time that these are done. (Mixed uplinks, N = 1000, the
 * last: 1.07 in place of 1.30 and 1.24 with one dial.)
 */
const LAGGARD = 0.9;
const LAGGARD_DIALS = 0.2;

/**
 * With so many neighbours each of them hears of {@link CONTACTS_SENT} others from as many in {@link PEERS_MS}. With more it is told so
 * much less often: what anybody needs to hear does not grow with how many tell it. (Among a hundred peers PEERS were a fifth of
 * all control.)
 */
const TELLERS = 4;

/** A link that lived this long counts as a success. */
const LASTING_MS = 60_000;

/** Who is connected to whom: contacts, dials, and links of no more use. */
export class Neighbourhood {
  readonly #core: Core;
  readonly #contacts = new Map<AssetKey, ContactTable>();
  readonly #dialling = new Dialling();
  readonly #room: LinkRoom;
  readonly #shunned = new Map<PeerKey, number>();
  #idleDialAtMs = -Infinity;
  #closing: (peer: Peer, reason: string) => void;
  #asking: (peer: Peer, swarm: AssetSwarm) => void;

  /**
   * @param closing ends a link
   * @param asking names an asset to a peer, and asks what it has
   */
  constructor(
    core: Core,
    closing: (peer: Peer, reason: string) => void,
    asking: (peer: Peer, swarm: AssetSwarm) => void,
  ) {
    this.#core = core;
    this.#room = new LinkRoom(core, this.#dialling, (peer, swarm) => this.#isContact(peer, swarm));
    this.#closing = closing;
    this.#asking = asking;
  }

  /** @param source who told of them; undefined: this node knows them itself */
  addContacts(swarm: AssetSwarm, contacts: readonly Contact[], source?: PeerKey): void {
    this.#add(swarm, contacts, source);
  }

  /** What a peer says about others is heeded now and then only, and it can fill but a part of the table. */
  onPeers(peer: Peer, swarm: AssetSwarm, message: Extract<Message, { type: 'peers' }>): void {
    const pace = peer.paceOf(swarm.key);
    if (this.#core.nowMs - pace.peersAtMs < PEERS_HEED_MS) {
      return this.#core.blame(peer, peer.conduct.wasted(this.#core.nowMs, 'PEERS'));
    }
    pace.peersAtMs = this.#core.nowMs;
    this.#add(swarm, message.contacts.slice(0, MAX_CONTACTS_PER_MESSAGE), peer.key);
  }

  /** Where a connected peer can be dialled. What was known already is no news for the others. */
  reachable(peer: Peer, addresses: readonly string[]): void {
    const bounded = boundedAddresses(addresses);
    if (bounded.join(' ') === peer.addresses.join(' ')) return;
    peer.addresses = bounded;
    for (const { swarm, have } of peer.memberships.values()) {
      if (!have) continue;
      swarm.membersVersion++;
      this.#remember(peer, swarm);
    }
  }

  /** The peer has joined the swarm: it gets contacts at once. */
  joined(peer: Peer, swarm: AssetSwarm): void {
    this.#remember(peer, swarm);
    this.#sendContacts(peer, swarm);
    this.#keepDegree(swarm);
  }

  /**
   * A link came up. What is only served is named where it was dialled for, even if there are enough neighbours by now (the
   * other one may have nobody), and where there are too few and it is said to be the peer's too.
   */
  connected(peer: Peer): void {
    const dialledFor = this.#dialling.connected(peer.key, this.#core.nowMs);
    for (const swarm of this.#core.assets.values()) {
      if (swarm.wantedLeft > 0 || swarm.have.count === 0) continue;
      const isShared = this.#isLonely(swarm) && this.#isContact(peer, swarm);
      if (swarm.key === dialledFor || isShared) this.#askOnce(peer, swarm);
    }
  }

  /** An asset that is only served has too few neighbours, and others are known: there is something to do. */
  get isLonely(): boolean {
    for (const swarm of this.#core.assets.values()) {
      if (this.#isLonely(swarm) && (this.#contacts.get(swarm.key)?.size ?? 0) > 0) return true;
    }
    return false;
  }

  #isLonely(swarm: AssetSwarm): boolean {
    return swarm.wantedLeft === 0 && swarm.have.count > 0 && swarm.members.size < KEPT_DEGREE;
  }

  dialFailed(peer: PeerKey): void {
    this.#dialling.failed(peer);
    for (const table of this.#contacts.values()) table.failed(peer, this.#core.nowMs);
    for (const swarm of this.#core.assets.values()) this.#keepDegree(swarm);
  }

  /** The peer is about to be gone: what is known of it now is noted. */
  parting(peer: Peer): void {
    const lasted = this.#core.nowMs - peer.connectedAtMs >= LASTING_MS;
    // A link over which nothing could flow was closed to make room, and would be so again if it were opened soon.
    const isWorthIt = lasted && !this.#room.isUseless(peer);
    for (const [asset, table] of this.#contacts) {
      if (isWorthIt) table.succeeded(peer.key);
      if (peer.memberships.get(asset)?.have?.isFull) table.done(peer.key);
    }
  }

  gone(peer: Peer): void {
    for (const table of this.#contacts.values()) table.failed(peer.key, this.#core.nowMs);
    for (const swarm of this.#core.assets.values()) this.#keepDegree(swarm);
  }

  /** The peer lied: it is not dialled for a while. */
  shun(peer: PeerKey): void {
    if (this.#shunned.size >= 1024) this.#shunned.delete(this.#shunned.keys().next().value as PeerKey);
    this.#shunned.set(peer, this.#core.nowMs + MAX_REDIAL_MS);
  }

  forgetAsset(asset: AssetKey): void {
    this.#contacts.delete(asset);
  }

  /** Every second: degree, laggards, contacts, links too many. */
  tend(): void {
    const { nowMs, assets } = this.#core;
    for (const peer of this.#dialling.forgotten(nowMs)) this.dialFailed(peer);
    for (const swarm of assets.values()) {
      this.#keepDegree(swarm);
      let dials = this.#laggardDials(swarm);
      while (dials > 0 && this.#dial(swarm, DIALS_AT_ONCE)) dials--;
      for (const { peer } of swarm.members.values()) this.#refreshContacts(peer, swarm);
    }
    for (let peer = this.#room.surplus(); peer; peer = this.#room.surplus()) {
      this.#closing(peer, 'too many links');
    }
  }

  /** The uplink has room and nobody to serve: a swarm that may need this node is dialled. */
  dialIdle(): void {
    const { nowMs, assets, settings } = this.#core;
    if (nowMs - this.#idleDialAtMs < settings.idleDialMs || this.#room.isFull) return;
    this.#idleDialAtMs = nowMs;
    for (const swarm of shuffle(this.#core.rng, [...assets.values()])) {
      const table = this.#contacts.get(swarm.key);
      if (!table || swarm.have.count === 0) continue;
      if (this.#dial(swarm, dialsWith(this.#live(swarm)), (peer) => !table.isDone(peer))) return;
    }
  }

  #add(swarm: AssetSwarm, contacts: readonly Contact[], source: PeerKey | undefined): void {
    const table = this.#tableOf(swarm.key);
    const { settings, nowMs } = this.#core;
    const yieldMs = Math.max(YIELD_MS, this.#dialling.usualMs);
    for (const contact of contacts) {
      if (contact.peer === settings.self) continue;
      // Two that hear of each other from others would both dial: the one with the greater id waits to be dialled.
      const yields = swarm.members.size > 0 && settings.self !== undefined && settings.self > contact.peer;
      table.add(contact, source, yields ? nowMs + yieldMs : -Infinity);
    }
    this.#keepDegree(swarm);
  }

  #keepDegree(swarm: AssetSwarm): void {
    // Of most assets of a node that shares thousands nobody is known, and this is looked at for all when any dial fails.
    if (!this.#contacts.has(swarm.key)) return;
    if (swarm.wantedLeft === 0) return this.#keepGraph(swarm);
    const { degree } = this.#core.settings;
    if (swarm.members.size >= FEW * degree) return;
    let live = this.#live(swarm);
    if (live >= FEW * degree) return;
    while (live < degree && this.#dial(swarm, dialsWith(live))) live++;
  }

  /** What is only served wants nothing, but the swarm's graph must not fall apart: a few neighbours are kept. */
  #keepGraph(swarm: AssetSwarm): void {
    const { peers, settings } = this.#core;
    if (!this.#isLonely(swarm)) return;
    this.#askConnected(swarm);
    if (peers.size >= settings.degree) return;
    let live = this.#live(swarm);
    while (live < KEPT_DEGREE && this.#dial(swarm, DIALS_AT_ONCE)) live++;
  }

  /** Contacts that are connected for another reason are not dialled: they are asked. */
  #askConnected(swarm: AssetSwarm): void {
    let live = swarm.members.size;
    for (const peer of this.#core.peers.values()) {
      if (live >= KEPT_DEGREE) return;
      if (swarm.members.has(peer.key) || !this.#isContact(peer, swarm)) continue;
      if (this.#isAskedLately(peer, swarm) || this.#askOnce(peer, swarm)) live++;
    }
  }

  #isContact(peer: Peer, swarm: AssetSwarm): boolean {
    return this.#contacts.get(swarm.key)?.has(peer.key) ?? false;
  }

  #isAskedLately(peer: Peer, swarm: AssetSwarm): boolean {
    return this.#core.nowMs - (peer.paces.get(swarm.key)?.askedAtMs ?? -Infinity) < YOUNG_MS;
  }

  /** Asks a peer, once for each link: who does not answer does not share the asset. @returns whether it was asked */
  #askOnce(peer: Peer, swarm: AssetSwarm): boolean {
    const pace = peer.paceOf(swarm.key);
    const isTold = peer.memberships.get(swarm.key)?.isTold ?? false;
    if (peer.isLeaving || isTold || pace.askedAtMs > -Infinity) return false;
    pace.askedAtMs = this.#core.nowMs;
    this.#asking(peer, swarm);
    return true;
  }

  /** Neighbours in the swarm, and those that may be soon. */
  #live(swarm: AssetSwarm): number {
    return swarm.members.size + this.#dialling.size + this.#joining(swarm);
  }

  /** Links that were told of the swarm and have had no time to answer. */
  #joining(swarm: AssetSwarm): number {
    let count = 0;
    for (const peer of this.#core.peers.values()) {
      if (swarm.members.has(peer.key)) continue;
      const isYoung = this.#core.nowMs - peer.connectedAtMs < YOUNG_MS;
      if (isYoung || this.#isAskedLately(peer, swarm)) count++;
    }
    return count;
  }

  /** How many are dialled now since this node is behind its neighbours. */
  #laggardDials(swarm: AssetSwarm): number {
    if (swarm.wantedLeft === 0) return 0;
    const progress: number[] = [];
    for (const { have } of swarm.members.values()) {
      if (have) progress.push(have.count / have.size);
    }
    if (progress.length === 0) return 1;
    progress.sort((a, b) => a - b);
    const share = swarm.progress / (progress[progress.length >> 1] as number);
    return share < LAGGARD ? Math.ceil(LAGGARD_DIALS * this.#core.settings.degree * (1 - share)) : 0;
  }

  /** @param most dials at once, with this one */
  #dial(swarm: AssetSwarm, most: number, mayBe: (peer: PeerKey) => boolean = () => true): boolean {
    const { peers, nowMs } = this.#core;
    const contacts = this.#contacts.get(swarm.key);
    if (!contacts || !this.#dialling.mayBegin(nowMs, most) || !this.#room.mayDial(swarm)) return false;
    const isFree = (peer: PeerKey) =>
      !peers.has(peer) &&
      !this.#dialling.has(peer) &&
      !((this.#shunned.get(peer) ?? 0) > nowMs) &&
      mayBe(peer);
    const contact = contacts.choose(nowMs, isFree);
    if (!contact) return false;
    this.#dialling.begin(contact.peer, swarm.key, nowMs);
    this.#core.act({ type: 'dial', contact });
    return true;
  }

  #refreshContacts(peer: Peer, swarm: AssetSwarm): void {
    const { contactsVersion, contactsAtMs } = membershipOf(peer, swarm);
    const waitMs = PEERS_MS * Math.max(1, swarm.members.size / TELLERS);
    if (contactsVersion === swarm.membersVersion || this.#core.nowMs - contactsAtMs < waitMs) return;
    this.#sendContacts(peer, swarm);
  }

  #sendContacts(peer: Peer, swarm: AssetSwarm): void {
    const membership = membershipOf(peer, swarm);
    const contacts: Contact[] = [];
    for (const { peer: other } of swarm.members.values()) {
      if (other === peer || other.isLeaving || other.addresses.length === 0) continue;
      contacts.push({ peer: other.key, addresses: other.addresses });
    }
    // Who came first was told of nobody: the first others are news at once, not ten seconds later.
    if (contacts.length === 0) return;
    membership.contactsVersion = swarm.membersVersion;
    membership.contactsAtMs = this.#core.nowMs;
    const some = shuffle(this.#core.rng, contacts).slice(0, CONTACTS_SENT);
    this.#core.send(peer, { type: 'peers', asset: swarm.key, contacts: some, progress: swarm.progress });
  }

  #remember(peer: Peer, swarm: AssetSwarm): void {
    if (peer.addresses.length === 0) return;
    this.#tableOf(swarm.key).add({ peer: peer.key, addresses: peer.addresses });
  }

  #tableOf(asset: AssetKey): ContactTable {
    let table = this.#contacts.get(asset);
    if (!table) {
      this.#contacts.set(asset, (table = new ContactTable(this.#core.settings.maxContacts, this.#core.rng)));
    }
    return table;
  }
}

/** How many may be dialled at once for further neighbours, with so many live ones. */
function dialsWith(live: number): number {
  return live < ENOUGH ? DIALS_AT_ONCE : FURTHER_DIALS;
}
