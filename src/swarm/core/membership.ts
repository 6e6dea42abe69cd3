import type { AssetSwarm } from './asset-swarm.ts';
import { Bitfield, eachChange } from './bitfield.ts';
import type { Have, Message, PeerKey } from './messages.ts';
import type { Membership, Peer } from './peer.ts';

/** The record of a peer in a swarm, made where there is none. */
export function membershipOf(peer: Peer, swarm: AssetSwarm): Membership {
  let membership = peer.memberships.get(swarm.key);
  if (!membership) {
    membership = {
      peer,
      swarm,
      have: undefined,
      lacks: 0,
      isStuck: false,
      isTold: false,
      newsRead: 0,
      isSeed: false,
      isStale: false,
      isRestated: false,
      isMistaken: false,
      newsAtMs: -Infinity,
      creditAtMs: -Infinity,
      busyUntilMs: -Infinity,
      contactsVersion: -1,
      contactsAtMs: -Infinity,
    };
    peer.memberships.set(swarm.key, membership);
  }
  return membership;
}

/** Peers remembered of each kind in a swarm, to tell people of: more would be no news. */
const MAX_NOTED_PEERS = 100;

/** Notes a peer; beyond {@link MAX_NOTED_PEERS} the oldest one goes. */
export function noteBounded(set: Set<PeerKey> | undefined, peer: PeerKey): void {
  set?.delete(peer);
  set?.add(peer);
  if (set && set.size > MAX_NOTED_PEERS) set.delete(set.values().next().value as PeerKey);
}

/** What this node says in JOIN. The bits are a copy: the message may be written later. */
export function haveOf(bits: Bitfield): Have {
  if (bits.isFull) return { kind: 'all' };
  if (bits.count === 0) return { kind: 'none' };
  return { kind: 'some', bits: bits.bytes.slice() };
}

/** A chunk announced again, or the empty JOIN: whatever was declined before, the peer's credit is welcome. */
export function reminderFor(peer: Peer, swarm: AssetSwarm): Message {
  for (let chunk = 0; chunk < swarm.size; chunk++) {
    if (swarm.have.has(chunk)) return { type: 'have', asset: swarm.key, chunks: [chunk] };
  }
  swarm.toldAnew(peer.key);
  return { type: 'join', asset: swarm.key, have: { kind: 'none' }, reply: false };
}

/** The bitfield a peer sent, or undefined where it does not fit the asset. A copy: events are not changed. */
export function bitfieldOf(size: number, have: Have): Bitfield | undefined {
  if (have.kind === 'all') return Bitfield.full(size);
  if (have.kind === 'none') return new Bitfield(size);
  return Bitfield.fits(size, have.bits) ? new Bitfield(size, have.bits.slice()) : undefined;
}

/**
 * Sets or replaces what the peer has, and counts it in the swarm.
 *
 * @returns of how many chunks that is something else than before
 */
export function replaceHave(peer: Peer, membership: Membership, have: Bitfield, isSeed: boolean): number {
  const { swarm } = membership;
  const changed = recount(peer, membership, have, isSeed);
  membership.have = have;
  membership.isSeed = isSeed;
  swarm.watch(peer.key);
  countLacks(membership);
  return changed;
}

/** Takes the peer's chunks out of the swarm's counts: it left. */
export function withdraw(peer: Peer, membership: Membership): void {
  recount(peer, membership, undefined, false);
  membership.have = undefined;
  membership.isSeed = false;
  membership.lacks = 0;
}

/** Those that have everything are not counted in the availability. */
function recount(peer: Peer, membership: Membership, have: Bitfield | undefined, isSeed: boolean): number {
  const { picker, passes } = membership.swarm;
  let changed = 0;
  eachChange(
    membership.isSeed ? undefined : membership.have,
    isSeed ? undefined : have,
    (chunk) => {
      changed++;
      picker.gain(chunk);
    },
    (chunk) => {
      changed++;
      picker.lose(chunk);
    },
  );
  return changed + (passes?.restated(peer.key, membership.have, have) ?? 0);
}

/** The peer has one chunk more. */
export function gainChunk(peer: Peer, membership: Membership, chunk: number): void {
  const { swarm, have } = membership;
  if (!have?.set(chunk)) return;
  swarm.gains++;
  swarm.picker.gain(chunk);
  swarm.passes?.announced(peer.key, chunk);
  if (membership.isTold && swarm.have.has(chunk)) membership.lacks--;
}

/** The peer does not have a chunk that it announced. */
export function loseChunk(peer: Peer, membership: Membership, chunk: number): void {
  const { swarm, have } = membership;
  if (!have?.has(chunk)) return;
  if (membership.isSeed) {
    membership.isSeed = false;
    for (let held = 0; held < swarm.size; held++) swarm.picker.gain(held);
  }
  have.clear(chunk);
  swarm.picker.lose(chunk);
  swarm.passes?.withdrawn(peer.key, chunk);
  if (membership.isTold && swarm.have.has(chunk)) membership.lacks++;
}

/** Chunks I have and the peer lacks. 0 until both have joined. */
export function countLacks(membership: Membership): void {
  membership.lacks = 0;
  if (!membership.isTold || !membership.have || membership.have.isFull) return;
  const mine = membership.swarm.have.bytes;
  const theirs = membership.have.bytes;
  for (let at = 0; at < mine.length; at++) {
    for (let byte = (mine[at] as number) & ~(theirs[at] as number); byte; byte &= byte - 1)
      membership.lacks++;
  }
}

/** Whether the peer has a chunk of the asset that is not here. */
export function canGive(peer: Peer, swarm: AssetSwarm): boolean {
  const theirs = peer.memberships.get(swarm.key)?.have;
  if (!theirs) return false;
  if (theirs.count > swarm.have.count) return true;
  return theirs.bytes.some((byte, at) => (byte & ~(swarm.have.bytes[at] as number)) !== 0);
}
