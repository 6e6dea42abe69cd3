import { Bitfield } from '../swarm/core/bitfield.ts';
import type { Message } from '../swarm/core/messages.ts';
import type { Rng } from '../swarm/core/rng.ts';
import type { Group, Strategy } from './scenario.ts';

/** Share of its grants that a minimal contributor gives. */
const MINIMAL_SHARE = 0.1;

/** Share of its gains that a peer with hidden haves tells: enough to have something to give. */
const TOLD_SHARE = 0.25;

/** Share of the chunks that a peer with false haves claims. */
const CLAIMED_SHARE = 0.5;

/** A peer that washes its name white takes another one so often (as in the study behind the gift budget). */
export const WHITEWASH_MS = 400;

/** Each of its names lives so long, beside the next ones: a link takes a few round trips to set up, and a gift some more. */
export const IDENTITY_MS = 2000;

/** Links of a peer that wants many: as many as its dials and the others' caps allow. */
export const MANY_LINKS = 500;

/** Whether a peer of this kind gives what it can: the fluid bound counts its uplink, and the figures its finish. */
export function isContributor(strategy: Strategy): boolean {
  return strategy === 'honest';
}

/** Whether it serves nobody. */
export function givesNothing(strategy: Strategy): boolean {
  return strategy === 'free-rider' || strategy === 'whitewash' || strategy === 'many-links';
}

/** What a cheat makes of a message that its (honest) core wants to send. @returns undefined where it goes unsent */
export function bend(
  { strategy }: Group,
  to: Group,
  message: Message,
  chunks: number,
  rng: Rng,
): Message | undefined {
  if (strategy === 'honest' || strategy === 'liar') return message;
  if (message.type === 'grant') {
    if (givesNothing(strategy)) return undefined;
    if (strategy === 'minimal' && rng() >= MINIMAL_SHARE) return undefined;
  }
  if (strategy === 'hidden-haves') {
    if (message.type === 'join') return { ...message, have: { kind: 'none' } };
    if (message.type === 'have') {
      // Who downloads gives by what it gets, and needs to know what there is; who has all gives by what others lack.
      const share = to.role === 'peer' ? TOLD_SHARE : 0;
      const told = message.chunks.filter(() => rng() < share);
      return told.length > 0 ? { ...message, chunks: told } : undefined;
    }
  }
  if (strategy === 'false-haves' && message.type === 'join' && message.have.kind !== 'all') {
    const bits = new Bitfield(chunks);
    for (let chunk = 0; chunk < chunks; chunk++) if (rng() < CLAIMED_SHARE) bits.set(chunk);
    return { ...message, have: { kind: 'some', bits: bits.bytes.slice() } };
  }
  return message;
}

/** Whether it answers requests at all. */
export function delivers(strategy: Strategy): boolean {
  return strategy !== 'false-haves';
}
