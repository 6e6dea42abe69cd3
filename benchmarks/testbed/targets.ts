import { contributors, type BedOutcome } from './outcome.ts';

/** What a scenario asks of Shoal (issue 3). */
export interface Target {
  /** Last contributor ÷ bound, at most. */
  lastOverBound?: number;
  /** Seconds from a heal until data crosses, at most. */
  crossedSec?: number;
}

/** By the scenario's file name. Every scenario asks that all contributors finish with the right file. */
export const TARGETS: Readonly<Record<string, Target>> = {
  'bed-equal': { lastOverBound: 1.1 },
  'bed-mixed': { lastOverBound: 1.2 },
  'bed-cut': { lastOverBound: 1.25 },
  'bed-split': { lastOverBound: 1.25, crossedSec: 5 },
  // At 20 Mbit/s they need five cores; at 4 they need most of two.
  'bed-thirty': { lastOverBound: 1.15 },
  'bed-thirty-slow': { lastOverBound: 1.15 },
  // 0.8 of the link; the bound is the file at the link's speed.
  'bed-pair': { lastOverBound: 1 / 0.8 },
};

/** What one run missed, in a few words each; empty: nothing. */
export function misses(outcome: BedOutcome, target: Target | undefined): string[] {
  const missed: string[] = [];
  const all = contributors(outcome);
  const finished = all.filter((node) => node.correct === true).length;
  if (finished < all.length) missed.push(`${finished} of ${all.length} finished`);
  const wrong = outcome.nodes.filter((node) => node.correct === false).length;
  if (wrong > 0) missed.push(`${wrong} wrong file${wrong === 1 ? '' : 's'}`);
  const ratio = outcome.lastSec === undefined ? undefined : outcome.lastSec / outcome.boundSec;
  const most = target?.lastOverBound;
  if (most !== undefined && ratio !== undefined && ratio > most) missed.push(`last above ${most}`);
  const within = target?.crossedSec;
  if (within !== undefined && !(outcome.crossedAfterSec !== undefined && outcome.crossedAfterSec <= within))
    missed.push(`nothing crossed within ${within} s`);
  return missed;
}
