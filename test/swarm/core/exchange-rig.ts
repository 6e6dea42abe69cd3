import type { Bitfield } from '../../../src/swarm/core/bitfield.ts';
import type { Action, Event } from '../../../src/swarm/core/events.ts';
import { Exchange } from '../../../src/swarm/core/exchange.ts';
import type { ExchangeConfig } from '../../../src/swarm/core/exchange-config.ts';
import type { Have, Message } from '../../../src/swarm/core/messages.ts';
import { seededRng } from '../../../src/swarm/core/rng.ts';
import { bits } from './bits.ts';

export const Q = 65_536;

type MessageOf<T extends Message['type']> = Extract<Message, { type: T }>;

/** One exchange with the world around it played by hand. Assets and bitfields are strings of `x` and `.`. */
export class Rig {
  nowMs = 1000;
  readonly exchange: Exchange;
  /** Actions since the last `take`. */
  actions: Action[] = [];

  constructor(config: ExchangeConfig = {}, seed = 1) {
    // One grant at first: what comes of it is easier to follow.
    this.exchange = new Exchange({ firstGrantBytes: Q, ...config }, seededRng(seed));
  }

  handle(event: Event): this {
    this.exchange.handle(this.nowMs, event);
    for (let action = this.exchange.poll(); action; action = this.exchange.poll()) this.actions.push(action);
    this.exchange.checkInvariants();
    return this;
  }

  /** Lets time pass, waking the exchange whenever it asks for it. */
  pass(ms: number): this {
    const endMs = this.nowMs + ms;
    for (let next = this.exchange.nextWakeMs(); next !== undefined && next <= endMs;) {
      this.nowMs = Math.max(next, this.nowMs);
      this.handle({ type: 'wake' });
      next = this.exchange.nextWakeMs();
      if (next !== undefined && next <= this.nowMs) next = this.nowMs + 1;
    }
    this.nowMs = endMs;
    return this.handle({ type: 'wake' });
  }

  add(have: string, options: Partial<Extract<Event, { type: 'asset-added' }>> = {}): this {
    const sizes = new Uint32Array(have.length).fill(Q);
    const isFull = !have.includes('.');
    const wanted = isFull ? 'none' : 'all';
    return this.handle({
      type: 'asset-added',
      asset: 1,
      sizes,
      have: bits(have),
      origin: false,
      wanted,
      ...options,
    });
  }

  /** Connects a peer that has joined asset 1. */
  join(peer: string, have: string, asset = 1): this {
    this.handle({ type: 'connected', peer });
    this.handle({ type: 'rtt', peer, rttMs: 50 });
    return this.says(peer, { type: 'join', asset, have: haveOf(have), reply: true });
  }

  says(peer: string, message: Message): this {
    return this.handle({ type: 'message', peer, message });
  }

  grants(peer: string, id: number, bytes = Q): this {
    return this.says(peer, { type: 'grant', id, bytes, leaseMs: 1000 });
  }

  /** The peer sends a whole chunk, which verifies. */
  sends(peer: string, chunk: number, asset = 1): this {
    this.handle({ type: 'data', peer, asset, chunk, bytes: Q, last: true });
    return this.handle({ type: 'verified', peer, asset, chunk });
  }

  /** The actions since the last call. */
  take(): Action[] {
    const taken = this.actions;
    this.actions = [];
    return taken;
  }

  /** Chunks that were asked for since the last `take`, in their order. */
  asked(peer?: string): number[] {
    const runs = this.sent('request', peer).flatMap((request) => request.runs);
    return runs.flatMap(({ from, count }) => Array.from({ length: count }, (_, i) => from + i));
  }

  /** The messages of a kind sent since the last `take`, to one peer or to all. */
  sent<T extends Message['type']>(type: T, peer?: string): MessageOf<T>[] {
    const found: MessageOf<T>[] = [];
    for (const action of this.actions) {
      if (action.type !== 'send' || (peer !== undefined && action.peer !== peer)) continue;
      if (action.message.type === type) found.push(action.message as MessageOf<T>);
    }
    return found;
  }

  /** The codes for which a peer was cut off since the last `take`. */
  faults(): string[] {
    return this.actions.flatMap((action) => (action.type === 'misbehaved' ? [action.code] : []));
  }
}

export function haveOf(text: string): Have {
  const field: Bitfield = bits(text);
  if (field.isFull) return { kind: 'all' };
  return field.count === 0 ? { kind: 'none' } : { kind: 'some', bits: field.bytes };
}

export function contactsOf(...peers: string[]) {
  return peers.map((peer) => ({ peer, addresses: [`/sim/${peer}`] }));
}

/** Who was dialled since the last `take`, and takes. */
export function dialled(rig: Rig): string[] {
  return rig.take().flatMap((action) => (action.type === 'dial' ? [action.contact.peer] : []));
}
