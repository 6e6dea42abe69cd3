import { FREE_CHUNKS_WHEN_COMPLETE, GIFT_GRANTS, GIFT_SHARE, UNFORWARDED_STEP } from './constants.ts';

/** What was given and taken between this node and a neighbour. Byte counts are of the whole link, over all assets. */
export interface Ledger {
  /** What one grant to it is worth, bytes. */
  grantBytes: number;
  /** Bytes it has asked of me. */
  sentBytes: number;
  /** Bytes granted to it and not spent. */
  grantedBytes: number;
  /** Verified bytes it gave me. */
  receivedBytes: number;
}

/** What the ranking looks at in a neighbour while this node downloads. */
export interface LeechingCandidate extends Ledger {
  /** How much further this node is, 0 to 1. */
  ahead: number;
  /** The size of what both want, divided by those who have joined it here. */
  bytesPerMember: number;
  /** Verified bytes that a peer usually gave me, of those who gave any. */
  usualBytes: number;
}

/** The same once this node is complete. */
export interface CompleteCandidate extends Ledger {
  /** How much it has of what we share, 0 to 1. */
  progress: number;
}

/** The same for an origin. */
export interface OriginCandidate {
  /** Chunks I sent it that nobody else has announced. */
  unforwarded: number;
  /** Number of the last grant it got, 0 for none. */
  lastGrant: number;
  progress: number;
  /** Whether it has passed on what it got, and says what it has. */
  isProven: boolean;
}

/** Grants go to the smallest first: by `band`, then by `place`; equals are drawn by lot. */
export interface Rank {
  band: number;
  place: number;
}

/**
 * A peer that is a tenth of the file behind this node is given so much more before it has to give: who has fallen
 * behind has little to give, and once the fast are done it takes what it lacks as slowly as its downlink does. A one-off
 * for each link: four chunks, or as many as make a quarter of the file over all neighbours, where that is more. (With half of
 * it mixed uplinks, N = 10, are at 1.085 in place of 1.091, but 1 GiB on equal ones at 1.022 in place of 1.018, and a peer
 * that gives a tenth needs 2.2 times as long as others in place of 2.5.)
 */
const LAG_CHUNKS = 4;
const LAG_SHARE = 0.25;
const LAG_SLOPE = 10;

/**
 * That is for peers that gave something, yet less than 0.7 of what is usual, in full where it was 0.37 of it: who gives
 * like others has as much as others, whatever it says. (Of ten peers those that told a quarter of what they had were done
 * in 0.92 of the others' time when half of the usual was little enough for all of it, and in 1.02 with this.)
 */
const SCANT_SHARE = 0.7;
const SCANT_SLOPE = 3;

/** After the first pass copies are many, and who has least matters more than who passes on fastest. */
const LATER_UNFORWARDED_STEP = 12;

const FIRST = -1;
const LAST = 2;

/** Whether a further gift (a grant to a peer that never gave) is within the budget. */
export function hasGiftBudget(gifts: number, grants: number): boolean {
  return gifts < GIFT_SHARE * grants + GIFT_GRANTS;
}

/**
 * While this node downloads: who owes it least comes first, in bands of one chunk, and of a band whoever it is, for to
 * prefer who has least would reward who says so. A peer that never gave has one gift, first of its band as long as the
 * budget lasts. Direct reciprocity as in FairTorrent, with the gift bounded because identities cost nothing.
 */
export function rankWhileLeeching(peer: LeechingCandidate, giftBudget: boolean): Rank {
  const deficit = peer.sentBytes + peer.grantedBytes - peer.receivedBytes;
  const isNew = peer.receivedBytes === 0;
  const isGifted = isNew && peer.sentBytes + peer.grantedBytes >= peer.grantBytes;
  const lagBytes = Math.max(LAG_CHUNKS * peer.grantBytes, LAG_SHARE * peer.bytesPerMember);
  const lag = isNew ? 0 : toShare(peer.ahead * LAG_SLOPE) * scantness(peer) * lagBytes;
  const band = Math.floor((deficit - lag) / peer.grantBytes + (isGifted ? 1 : 0));
  if (!isNew) return { band, place: 0 };
  return { band, place: isGifted || !giftBudget ? LAST : FIRST };
}

/** 0 for a peer that gave this node 0.7 of what others usually do, 1 for one that gave 0.37 of it or less. */
function scantness({ receivedBytes, usualBytes }: LeechingCandidate): number {
  return usualBytes > 0 ? toShare(SCANT_SLOPE * (SCANT_SHARE - receivedBytes / usualBytes)) : 0;
}

function toShare(value: number): number {
  return Math.min(1, Math.max(0, value));
}

/**
 * Once complete: who has least comes first, and those who took much and never gave come last, unless this
 * grant is an open one.
 */
export function rankWhenComplete(peer: CompleteCandidate, isOpen: boolean): Rank {
  const isTaker = peer.receivedBytes === 0 && peer.sentBytes > FREE_CHUNKS_WHEN_COMPLETE * peer.grantBytes;
  return { band: isTaker && !isOpen ? 1 : 0, place: peer.progress };
}

/** In a fleet of one owner: who has least comes first, whoever gave what. */
export function rankInFleet({ progress }: Pick<CompleteCandidate, 'progress'>): Rank {
  return { band: 0, place: progress };
}

/**
 * The origin serves those who pass on what they got: in the first pass (some chunk has no copy outside) in
 * turn, later the one who has least. Those who never passed on anything, or hide what they have, come later then,
 * and in turn: who has least would otherwise be who gives nothing, or says that it has nothing. Open grants go in turn.
 */
export function rankAtOrigin(peer: OriginCandidate, isFirstPass: boolean, isOpen: boolean): Rank {
  const band = Math.floor(peer.unforwarded / (isFirstPass ? UNFORWARDED_STEP : LATER_UNFORWARDED_STEP));
  if (isFirstPass || isOpen) return { band, place: peer.lastGrant };
  return peer.isProven ? { band, place: peer.progress } : { band: band + 1, place: peer.lastGrant };
}

/** Negative where `a` comes before `b`. */
export function compareRanks(a: Rank, b: Rank): number {
  return a.band - b.band || a.place - b.place;
}
