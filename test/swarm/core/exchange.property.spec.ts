import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Bitfield } from '../../../src/swarm/core/bitfield.ts';
import type { Action, Event } from '../../../src/swarm/core/events.ts';
import { Exchange } from '../../../src/swarm/core/exchange.ts';
import type { Have, Message } from '../../../src/swarm/core/messages.ts';
import { seededRng } from '../../../src/swarm/core/rng.ts';

const CHUNKS = 12;
const SIZES = new Uint32Array([1, 0, 5000, 65_536, 65_536, 100, 65_536, 30_000, 30_000, 65_536, 7, 65_536]);
const CAP = 4 * 65_536;

/** Numbers a peer might send: mostly plausible, some absurd. */
const chunk = fc.oneof(
  { weight: 9, arbitrary: fc.nat(CHUNKS - 1) },
  fc.constantFrom(-1, CHUNKS, 2 ** 31, 1.5, NaN),
);
const asset = fc.constantFrom(1, 1, 1, 2, 3);
const bytes = fc.oneof(fc.constantFrom(0, 1, 65_536, 65_536, 200_000, NaN, -1, Infinity), fc.nat(70_000));
const id = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(0, -1, 99));
const have: fc.Arbitrary<Have> = fc.oneof(
  fc.constant<Have>({ kind: 'all' }),
  fc.constant<Have>({ kind: 'none' }),
  fc.uint8Array({ minLength: 1, maxLength: 3 }).map<Have>((raw) => ({ kind: 'some', bits: raw })),
  fc.nat(255).map<Have>((byte) => ({ kind: 'some', bits: new Uint8Array([byte, 0xa0]) })),
);
const run = fc.record({
  from: chunk,
  count: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constantFrom(0, -1, 1e9)),
});
const contact = fc.record({ peer: fc.constantFrom('a', 'b', 'x', 'y'), addresses: fc.array(fc.string()) });

const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: fc.constant('join' as const), asset, have, reply: fc.boolean() }),
  fc.record({ type: fc.constant('leave' as const), asset }),
  fc.record({ type: fc.constant('grant' as const), id, bytes, leaseMs: fc.constantFrom(0, 1000, NaN) }),
  fc.record({
    type: fc.constant('grant' as const),
    id,
    bytes,
    leaseMs: fc.constant(1000),
    offer: fc.record({ asset, chunks: fc.array(chunk, { maxLength: 3 }) }),
  }),
  fc.record({
    type: fc.constant('decline' as const),
    grant: id,
    bytes,
    reason: fc.constantFrom('nothing-wanted' as const, 'busy' as const, 'expired' as const),
  }),
  fc.record({ type: fc.constant('have' as const), asset, chunks: fc.array(chunk, { maxLength: 4 }) }),
  fc.record({
    type: fc.constant('request' as const),
    grant: id,
    asset,
    runs: fc.array(run, { maxLength: 3 }),
  }),
  fc.record({ type: fc.constant('cancel' as const), asset, chunk }),
  fc.record({
    type: fc.constant('reject' as const),
    asset,
    chunk,
    reason: fc.constantFrom(
      'no-credit' as const,
      'missing' as const,
      'failed' as const,
      'cancelled' as const,
    ),
  }),
  fc.record({ type: fc.constant('ack' as const), bytes }),
  fc.record({
    type: fc.constant('peers' as const),
    asset,
    contacts: fc.array(contact),
    progress: fc.double(),
  }),
  fc.record({ type: fc.constant('bye' as const), reason: fc.string() }),
);

const PEERS = ['a', 'b', 'c'];
const peer = fc.constantFrom(...PEERS);
const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('connect' as const), peer }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('gone' as const), peer }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('message' as const), peer, message }) },
  // What honest peers do: join, grant, ask for what they were granted, deliver, acknowledge.
  { weight: 3, arbitrary: fc.record({ do: fc.constant('join' as const), peer, byte: fc.nat(255) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('grant' as const), peer }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('spend' as const), peer, chunk: fc.nat(CHUNKS - 1) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('deliver' as const), peer, fate: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('ack' as const), peer }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), peer }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('want' as const), none: fc.boolean(), from: fc.nat(CHUNKS) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('swap' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(5, 20, 250, 3000, 40_000) }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Plays steps against one exchange, keeping the peers' side of the books. */
class Play {
  nowMs = 0;
  readonly exchange: Exchange;
  readonly grants = new Map<string, number[]>();
  readonly requested = new Map<string, { asset: number; chunk: number }[]>();
  readonly uploads = new Map<string, { asset: number; chunk: number }[]>();
  readonly acked = new Map<string, number>();
  /** Chunks asked of the exchange and not answered. */
  unanswered = 0;
  nextGrant = 100;
  hasSecond = true;

  constructor(seed: number, isOrigin: boolean) {
    this.exchange = new Exchange({ maxCommittedBytes: CAP, maxInboundBytes: CAP }, seededRng(seed));
    const held = new Bitfield(CHUNKS, new Uint8Array([0b11011001, 0b10000000]));
    const full = Bitfield.full(CHUNKS);
    this.handle({
      type: 'asset-added',
      asset: 1,
      sizes: SIZES,
      have: isOrigin ? full : held,
      origin: isOrigin,
      wanted: 'all',
    });
    this.addSecond();
  }

  addSecond(): void {
    this.handle({
      type: 'asset-added',
      asset: 2,
      sizes: SIZES,
      have: new Bitfield(CHUNKS),
      origin: false,
      wanted: 'all',
    });
  }

  handle(event: Event): void {
    this.exchange.handle(this.nowMs, event);
    for (let action = this.exchange.poll(); action; action = this.exchange.poll()) this.note(action);
    this.exchange.checkInvariants();
    const wakeMs = this.exchange.nextWakeMs();
    assert.ok(wakeMs === undefined || wakeMs >= this.nowMs);
    // What is stuck on its way to a peer counts no more, until that peer is heard again: so much with each of them.
    assert.ok(this.exchange.committedBytes < PEERS.length * (CAP + 2 * 65_536), 'committed is bounded');
    assert.ok(this.exchange.committedBytes >= 0 && this.exchange.inFlightBytes >= 0);
    assert.ok(this.exchange.inFlightBytes <= CAP, 'memory is bounded');
  }

  note(action: Action): void {
    if (action.type === 'send' && action.message.type === 'grant') {
      this.listOf(this.grants, action.peer).push(action.message.id);
    } else if (action.type === 'send' && action.message.type === 'request') {
      const { asset: key, runs } = action.message;
      for (const { from, count } of runs) {
        for (let i = 0; i < count; i++)
          this.listOf(this.requested, action.peer).push({ asset: key, chunk: from + i });
      }
    } else if (action.type === 'send' && action.message.type === 'reject') {
      if (action.message.reason !== 'cancelled') this.unanswered--;
    } else if (action.type === 'upload') {
      this.unanswered--;
      this.listOf(this.uploads, action.peer).push({ asset: action.asset, chunk: action.chunk });
    }
  }

  listOf<T>(map: Map<string, T[]>, key: string): T[] {
    let list = map.get(key);
    if (!list) map.set(key, (list = []));
    return list;
  }

  play(next: Step): void {
    switch (next.do) {
      case 'connect':
        for (const map of [this.grants, this.requested, this.uploads, this.acked]) map.delete(next.peer);
        return this.handle({ type: 'connected', peer: next.peer });
      case 'gone':
        return this.handle({ type: 'gone', peer: next.peer });
      case 'message':
        return this.handle({ type: 'message', peer: next.peer, message: next.message });
      case 'join': {
        const bits = new Uint8Array([next.byte, 0x50]);
        const joining: Message = { type: 'join', asset: 1, have: { kind: 'some', bits }, reply: true };
        return this.handle({ type: 'message', peer: next.peer, message: joining });
      }
      case 'grant': {
        const grant: Message = { type: 'grant', id: this.nextGrant++, bytes: 65_536, leaseMs: 1000 };
        return this.handle({ type: 'message', peer: next.peer, message: grant });
      }
      case 'spend':
        return this.spend(next.peer, next.chunk);
      case 'deliver':
        return this.deliver(next.peer, next.fate);
      case 'ack': {
        const upload = this.listOf(this.uploads, next.peer).shift();
        if (!upload) return;
        const total = (this.acked.get(next.peer) ?? 0) + (SIZES[upload.chunk] as number);
        this.acked.set(next.peer, total);
        return this.handle({ type: 'message', peer: next.peer, message: { type: 'ack', bytes: total } });
      }
      case 'fail': {
        const upload = this.listOf(this.uploads, next.peer)[0];
        if (!upload) return;
        this.handle({ type: 'upload-failed', peer: next.peer, ...upload });
        if (upload.chunk % 2 === 0) this.handle({ type: 'found', ...upload });
        return;
      }
      case 'want': {
        const wanted = next.none ? 'none' : [{ from: next.from, count: 5 }];
        return this.handle({ type: 'want', asset: 1, wanted, urgent: [next.from, 2] });
      }
      case 'swap':
        if (this.hasSecond) this.handle({ type: 'asset-removed', asset: 2 });
        else this.addSecond();
        this.hasSecond = !this.hasSecond;
        return;
      case 'pass':
        this.nowMs += next.ms;
        return this.handle({ type: 'wake' });
    }
  }

  spend(peerKey: string, wanted: number): void {
    const grant = this.listOf(this.grants, peerKey).shift();
    if (grant === undefined) return;
    const request: Message = { type: 'request', grant, asset: 1, runs: [{ from: wanted, count: 1 }] };
    this.handle({ type: 'message', peer: peerKey, message: request });
  }

  deliver(peerKey: string, fate: number): void {
    const request = this.listOf(this.requested, peerKey).shift();
    // What was taken back comes too.
    if (!request || !this.exchange.keeps(peerKey, request.asset, request.chunk)) return;
    const size = SIZES[request.chunk] as number;
    this.handle({ type: 'data', peer: peerKey, ...request, bytes: size >> 1, last: false });
    this.handle({ type: 'data', peer: peerKey, ...request, bytes: size - (size >> 1), last: true });
    const outcome = fate === 0 ? 'corrupt' : fate === 1 ? 'unstored' : 'verified';
    this.handle({ type: outcome, peer: peerKey, ...request });
  }
}

describe('Exchange, whatever is thrown at it', () => {
  it('never throws, keeps its books, and bounds memory and what is under way', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 120, size: 'max' }),
        fc.nat(),
        fc.boolean(),
        (steps, seed, isOrigin) => {
          const play = new Play(seed, isOrigin);
          for (const next of steps) play.play(next);
          for (const name of PEERS) play.handle({ type: 'gone', peer: name });
          assert.equal(play.exchange.committedBytes, 0, 'nothing is owed to nobody');
          assert.equal(play.exchange.inFlightBytes, 0, 'nothing is awaited of nobody');
        },
      ),
      { numRuns: 400 },
    );
  });

  it('answers every chunk of every well-formed request with an upload or a reject', () => {
    const request = fc.record({ grant: fc.integer({ min: 1, max: 6 }), from: fc.nat(CHUNKS - 1), asset });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 25, size: 'max' }), fc.nat(), (requests, seed) => {
        const play = new Play(seed, false);
        play.handle({ type: 'connected', peer: 'a' });
        play.play({ do: 'join', peer: 'a', byte: 0 });
        for (const { grant, from, asset: key } of requests) {
          play.unanswered = 1;
          const message: Message = { type: 'request', grant, asset: key, runs: [{ from, count: 1 }] };
          play.handle({ type: 'message', peer: 'a', message });
          assert.equal(play.unanswered, 0);
        }
      }),
    );
  });

  it('does the same with the same seed and the same events', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), fc.nat(), (steps, seed) => {
        const trace = () => {
          const play = new Play(seed, true);
          const actions: Action[] = [];
          const { note } = play;
          play.note = (action) => {
            actions.push(action);
            note.call(play, action);
          };
          for (const next of steps) play.play(next);
          return actions;
        };
        assert.deepEqual(trace(), trace());
      }),
      { numRuns: 50 },
    );
  });
});
