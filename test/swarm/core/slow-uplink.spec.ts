import assert from 'node:assert/strict';
import { Q, Rig } from './exchange-rig.ts';

const MIB = 1024 * 1024;
const CHUNKS = 60;
const PEERS = ['a', 'b', 'c', 'd', 'e', 'f'];

/** A seed whose uplink takes long for a chunk, and peers that say nothing but what they ask for and have received. */
class SlowSeed {
  readonly rig: Rig;
  /** Bytes granted, or asked for and not acknowledged, at most, and peers that were taken for stuck, once the rate is known. */
  most = 0;
  readonly stuck = new Set<string>();
  /** Chunks that have left, and requests that were refused. */
  sent = 0;
  refused = 0;
  /** Requests stand so long behind what the peers send themselves. */
  requestMs = 0;
  readonly #requests: { atMs: number; peer: string; grant: number }[] = [];
  #bytesPerSec: number;
  readonly #queue: { peer: string; left: number }[] = [];
  readonly #acked = new Map<string, number>();
  #next = 0;

  /** @param limit whether that is a configured limit, and not what the uplink can do */
  constructor(bytesPerSec: number, limit = false) {
    this.#bytesPerSec = bytesPerSec;
    const sizes = new Uint32Array(CHUNKS).fill(MIB);
    this.rig = new Rig({ firstGrantBytes: MIB, ...(limit && { uploadBytesPerSec: bytesPerSec }) });
    this.rig.add('x'.repeat(CHUNKS), { sizes });
    for (const peer of PEERS) this.rig.join(peer, '.'.repeat(CHUNKS));
  }

  /** There is no limit any more. */
  lift(bytesPerSec: number): this {
    this.#bytesPerSec = bytesPerSec;
    this.rig.handle({ type: 'limits' });
    return this;
  }

  run(ms: number): this {
    const { exchange } = this.rig;
    for (const endMs = this.rig.nowMs + ms; this.rig.nowMs < endMs;) {
      for (const action of this.rig.take()) {
        if (action.type === 'upload') this.#queue.push({ peer: action.peer, left: MIB });
        if (action.type !== 'send') continue;
        const { peer, message } = action;
        if (message.type === 'reject') this.refused++;
        if (message.type !== 'grant') continue;
        this.#requests.push({ atMs: this.rig.nowMs + this.requestMs, peer, grant: message.id });
      }
      this.#ask();
      this.rig.pass(100);
      this.#send(this.#bytesPerSec / 10);
      this.most = Math.max(this.most, exchange.committedBytes);
      for (const peer of PEERS) if (exchange.isStuck(peer)) this.stuck.add(peer);
    }
    return this;
  }

  #ask(): void {
    while (this.#requests[0] && this.#requests[0].atMs <= this.rig.nowMs) {
      const { peer, grant } = this.#requests.shift()!;
      const runs = [{ from: this.#next++ % CHUNKS, count: 1 }];
      this.rig.says(peer, { type: 'request', grant, asset: 1, runs });
    }
  }

  /** One after another, as the shell does. */
  #send(bytes: number): void {
    const first = this.#queue[0];
    if (!first) return;
    const part = Math.min(bytes, first.left);
    first.left -= part;
    if (first.left === 0) {
      this.#queue.shift();
      this.sent++;
    }
    const total = (this.#acked.get(first.peer) ?? 0) + part;
    this.#acked.set(first.peer, total);
    this.rig.says(first.peer, { type: 'ack', bytes: total });
  }
}

describe('Exchange: a peer whose way is stuck', () => {
  it('makes room for no more than it held, whether it is heard again or its link ends', () => {
    for (const isBack of [true, false]) {
      const rig = new Rig({ firstGrantBytes: 4 * Q }).add('x'.repeat(60));
      for (const peer of ['stuck', 'a', 'b'])
        rig.join(peer, peer === 'stuck' ? '.'.repeat(60) : 'x'.repeat(60));
      for (const [chunk, { id }] of rig.sent('grant', 'stuck').entries()) {
        rig.says('stuck', { type: 'request', grant: id, asset: 1, runs: [{ from: chunk, count: 1 }] });
      }
      rig.pass(3000);
      assert.ok(rig.exchange.isStuck('stuck'));
      rig.take();
      rig.says('a', { type: 'join', asset: 1, have: { kind: 'none' }, reply: false });
      assert.equal(rig.sent('grant', 'a').length, 4);
      if (isBack) rig.says('stuck', { type: 'ack', bytes: 4 * Q });
      else rig.handle({ type: 'gone', peer: 'stuck' });
      assert.equal(rig.sent('grant', 'a').length, 4);
    }
  });
});

describe('Exchange: an uplink that takes long for a chunk', () => {
  it('gives the next chunk little before its turn, and takes nobody for stuck who waits for it', () => {
    const bytesPerSec = 37_500;
    const { most, stuck } = new SlowSeed(bytesPerSec).run(300_000);
    assert.ok(most <= 2 * MIB, `${most / MIB} chunks`);
    assert.deepEqual([...stuck], []);
  });

  it('serves most who ask when their credit has run out, as their own uplinks are slow too', () => {
    const seed = new SlowSeed(37_500);
    seed.requestMs = 9000;
    seed.run(600_000);
    assert.ok(seed.refused < seed.sent, `${seed.refused} refused, ${seed.sent} sent`);
  });

  it('sends at once where it was a limit that is no more', () => {
    const seed = new SlowSeed(20_000, true).run(330_000);
    const before = seed.sent;
    seed.lift(10 * MIB).run(5000);
    assert.ok(seed.sent - before > 5, `${seed.sent - before} chunks`);
  });
});
