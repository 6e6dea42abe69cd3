import type { AssetSwarm } from './asset-swarm.ts';
import { LOOK_AHEAD_MARGIN_MS, MIN_GRANT_BYTES } from './constants.ts';
import type { OriginPasses } from './origin-passes.ts';
import { isServed, type Membership, type Peer } from './peer.ts';
import { randomInt, type Rng } from './rng.ts';

/** What a peer may have under way besides one chunk and the product of its rate and the loop: room for its rate to grow. */
const WINDOW_BYTES = 768 * 1024;

/**
 * The same of a node that downloads from others itself: it gives by what it is given, and each that does so lets so much
 * stand before the downlink of the same slow peers, as a queue that others wait in and that takes up its own look-ahead
 * meanwhile. (Mixed uplinks, N = 10: with 768 KiB those of 20 Mbit/s used 0.69 of their uplinks near the end, with all
 * credit given.) Complete ones give to who has least, and are to reach it at once.
 */
const LEECHING_WINDOW_BYTES = 96 * 1024;

/** The same while an origin has chunks that nobody has passed on. */
const FIRST_WINDOW_BYTES = 192 * 1024;

/**
 * A loop takes longer than round trips say, for what waits in line counts too: a window of just what came in keeps the rate
 * where it is, whatever the link could do (one pair, 200 Mbit/s, 100 ms: 160 Mbit/s).
 */
const WINDOW_MARGIN = 1.5;

/**
 * A peer that has passed on nothing yet gets no more chunks than these of which nobody else is known to have one, as long
 * as others do pass on: free-riders sat on a fifth of the first copies, and an origin may vanish at any time.
 */
const MAX_KEPT = 6;

/** A peer that gave nothing in the time in which others that took gave so much of the file is a free-rider. */
const RIDER_SHARE = 0.5;

/** Whoever declines so often in a row, each time after twice as long, wants nothing for the time being: 2 s and more. */
const PAUSED_DECLINES = 4;

/** Where nothing has come for so long, what this node has is of more use to anybody than to nobody. */
const RIDER_PAUSE_MS = 5000;

/** Whether the peer has all of something that it shares with this node. */
export function isComplete(peer: Peer): boolean {
  for (const { have } of peer.memberships.values()) if (have?.isFull) return true;
  return false;
}

/** Whether the peer seems to keep to itself what nobody else has, while there are such chunks. */
export function isKeeping(passes: OriginPasses, peer: Peer): boolean {
  if (passes.isSpread || passes.proof.isProven(peer.key)) return false;
  return passes.unforwarded(peer.key) >= MAX_KEPT;
}

/** What an origin has somebody to serve of that passes on what it gets, and does not decline it over and over. */
export function swarmsWithTakers(peers: Iterable<Peer>): ReadonlySet<AssetSwarm> {
  const taken = new Set<AssetSwarm>();
  for (const peer of peers) {
    if (peer.isLeaving || peer.isStuck || peer.isMute || peer.servable <= 0) continue;
    if (peer.declines >= PAUSED_DECLINES) continue;
    const swarm = originSwarm(peer);
    if (swarm?.passes?.proof.isProven(peer.key)) taken.add(swarm);
  }
  return taken;
}

/**
 * Whether the peer has taken something and given nothing, while others that took gave this node {@link RIDER_SHARE} of
 * each asset it lacks something of. A node that still downloads gives such a peer no more than the budget for gifts, also
 * where its uplink has nothing else to do: contributors that are nearly done, and those that are left when the others have
 * gone, gave free-riders a fifth of the file so. Only assets count that this node downloads, and not what comes from peers
 * that take nothing (an origin): who takes what this node has in full, or is behind it alone, has nothing to give. And only
 * while it gets on: where a chunk is nowhere to be had it is never complete, and honest peers that have no more to give than
 * it has wait for what it has.
 */
export function isRider(peer: Peer, nowMs: number): boolean {
  if (peer.receivedBytes > 0 || peer.sentBytes + peer.grantedBytes === 0) return false;
  let isAny = false;
  for (const { swarm, lacks } of peer.memberships.values()) {
    if (lacks <= 0) continue;
    const isOver = swarm.returnedSince(peer.key) >= RIDER_SHARE * swarm.bytes;
    const isMoving = swarm.wantedLeft > 0 && nowMs - swarm.gainedAtMs < RIDER_PAUSE_MS;
    if (!isMoving || !isOver) return false;
    isAny = true;
  }
  return isAny;
}

/** How much further this node is than the peer in what both want, and how large that is for each who takes part in it. */
export function lagOf(peer: Peer): { ahead: number; bytesPerMember: number } {
  const lag = { ahead: 0, bytesPerMember: 0 };
  for (const { swarm, have } of peer.memberships.values()) {
    if (!have || swarm.wantedLeft === 0) continue;
    const ahead = swarm.progress - have.count / have.size;
    if (ahead <= lag.ahead) continue;
    lag.ahead = ahead;
    lag.bytesPerMember = swarm.bytes / swarm.members.size;
  }
  return lag;
}

/** A grant is worth the largest chunk of what the peer lacks and this node holds. */
export function grantBytesFor(peer: Peer): number {
  let bytes = MIN_GRANT_BYTES;
  for (const membership of peer.memberships.values()) {
    if (membership.lacks > 0 && isServed(membership)) bytes = Math.max(bytes, membership.swarm.maxChunkBytes);
  }
  return bytes;
}

/**
 * Where the peer lacks something that it is not to get now, or that has a limit, credit is good for one asset alone:
 * one of those it is to get, at random, those first that it has room for, and an origin's first pass before others.
 */
export function soleAsset(peer: Peer, rng: Rng, nowMs: number): AssetSwarm | undefined {
  const lacking = [...peer.memberships.values()].filter(({ lacks }) => lacks > 0);
  const isFree = (membership: Membership) => isServed(membership) && !membership.swarm.throttle.upload;
  if (lacking.every(isFree)) return undefined;
  let among = lacking.filter(isServed);
  const prefer = (isBetter: (membership: Membership) => boolean): void => {
    const better = among.filter(isBetter);
    if (better.length > 0) among = better;
  };
  prefer(({ busyUntilMs }) => busyUntilMs <= nowMs);
  prefer(({ swarm }) => swarm.passes !== undefined);
  prefer(({ swarm }) => swarm.passes?.isFirstPass ?? false);
  return among[among.length > 1 ? randomInt(rng, among.length) : 0]?.swarm;
}

/** The peer has no room for an asset now. @returns whether there is another one that it is to get, and may have room for */
export function hasNoRoomFor(peer: Peer, asset: AssetSwarm, nowMs: number, forMs: number): boolean {
  const busy = peer.memberships.get(asset.key);
  if (busy) busy.busyUntilMs = nowMs + forMs;
  for (const membership of peer.memberships.values()) {
    if (membership.lacks > 0 && membership.busyUntilMs <= nowMs && isServed(membership)) return true;
  }
  return false;
}

/**
 * What may be under way to one peer: what it was seen to take in during a loop, and a little more. A peer with a
 * slow downlink would otherwise fill the look-ahead with data it cannot take, most of all where grants go by
 * progress (mixed uplinks at N = 10: 1.19 without, 1.10 with it).
 *
 * @param isLeeching whether this node downloads, and not from the peer alone
 */
export function windowOf(peer: Peer, grantBytes: number, isLeeching: boolean): number {
  const loopSec = (2 * peer.rttMs + LOOK_AHEAD_MARGIN_MS) / 1000;
  const inLoop = WINDOW_MARGIN * peer.deliveryRate.bytesPerSec * loopSec;
  return Math.min(peer.windowBytes, Math.max(2 * grantBytes, grantBytes + roomOf(peer, isLeeching) + inLoop));
}

/** Whether as much is under way to the peer as may be ({@link windowOf}). Two grants always fit, as far as it lets them. */
export function isWindowFull(peer: Peer, grantBytes: number, isLeeching: boolean): boolean {
  const { committedBytes, windowBytes } = peer;
  if (committedBytes < Math.min(windowBytes, 2 * grantBytes)) return false;
  return committedBytes >= windowOf(peer, grantBytes, isLeeching);
}

function roomOf(peer: Peer, isLeeching: boolean): number {
  // What nobody else passes on must not pile up before a slow path, where others could take it.
  const swarm = originSwarm(peer);
  if (swarm?.passes?.isSpread === false && swarm.members.size > 1) return FIRST_WINDOW_BYTES;
  return isLeeching ? LEECHING_WINDOW_BYTES : WINDOW_BYTES;
}

/** A swarm this node is the origin of and the peer lacks something in; one in its first pass first. */
export function originSwarm(peer: Peer): AssetSwarm | undefined {
  let found: AssetSwarm | undefined;
  for (const membership of peer.memberships.values()) {
    const { swarm, lacks } = membership;
    if (lacks <= 0 || !swarm.passes || !isServed(membership)) continue;
    if (swarm.passes.isFirstPass) return swarm;
    found ??= swarm;
  }
  return found;
}
