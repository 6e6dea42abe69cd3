import assert from 'node:assert/strict';
import { Rig } from './exchange-rig.ts';

const MIB = 1024 * 1024;
const CHUNKS = 60;
const PEERS = ['a', 'b', 'c', 'd', 'e', 'f'];

/** A seed whose uplink takes 28 s for a chunk, and peers that say nothing but what they ask for and have received. */
class SlowSeed {
  readonly rig = new Rig({ firstGrantBytes: MIB }).add('x'.repeat(CHUNKS), {
    sizes: new Uint32Array(CHUNKS).fill(MIB),
  });
  /** Bytes granted, or asked for and not acknowledged, at most, and peers that were taken for stuck, once the rate is known. */
  most = 0;
  readonly stuck = new Set<string>();
  readonly #bytesPerSec: number;
  readonly #queue: { peer: string; left: number }[] = [];
  readonly #acked = new Map<string, number>();
  #next = 0;

  constructor(bytesPerSec: number) {
    this.#bytesPerSec = bytesPerSec;
    for (const peer of PEERS) this.rig.join(peer, '.'.repeat(CHUNKS));
  }

  run(ms: number): this {
    const { exchange } = this.rig;
    for (const endMs = this.rig.nowMs + ms; this.rig.nowMs < endMs;) {
      for (const action of this.rig.take()) {
        if (action.type === 'upload') this.#queue.push({ peer: action.peer, left: MIB });
        if (action.type !== 'send' || action.message.type !== 'grant') continue;
        const runs = [{ from: this.#next++ % CHUNKS, count: 1 }];
        this.rig.says(action.peer, { type: 'request', grant: action.message.id, asset: 1, runs });
      }
      this.rig.pass(100);
      this.#send(this.#bytesPerSec / 10);
      this.most = Math.max(this.most, exchange.committedBytes);
      for (const peer of PEERS) if (exchange.isStuck(peer)) this.stuck.add(peer);
    }
    return this;
  }

  /** One after another, as the shell does. */
  #send(bytes: number): void {
    const first = this.#queue[0];
    if (!first) return;
    const part = Math.min(bytes, first.left);
    first.left -= part;
    if (first.left === 0) this.#queue.shift();
    const total = (this.#acked.get(first.peer) ?? 0) + part;
    this.#acked.set(first.peer, total);
    this.rig.says(first.peer, { type: 'ack', bytes: total });
  }
}

describe('Exchange: an uplink that takes long for a chunk', () => {
  it('gives the next chunk little before its turn, and takes nobody for stuck who waits for it', () => {
    const bytesPerSec = 37_500;
    const { most, stuck } = new SlowSeed(bytesPerSec).run(300_000);
    assert.ok(most <= 2 * MIB, `${most / MIB} chunks`);
    assert.deepEqual([...stuck], []);
  });
});
