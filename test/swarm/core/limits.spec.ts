import assert from 'node:assert/strict';
import { Allowance } from '../../../src/swarm/core/allowance.ts';
import { Q, Rig } from './exchange-rig.ts';

/** Peers that ask for what they are granted, of whichever asset they may, and acknowledge it 50 ms later. */
class Takers {
  readonly rig: Rig;
  /** Bytes that each peer got, by peer and asset. */
  readonly got = new Map<string, number>();
  readonly #acked = new Map<string, number>();
  readonly #next = new Map<string, number>();
  readonly #assets: Readonly<Record<string, number>>;
  readonly #busy: number | undefined;

  /**
   * @param assets what each peer wants
   * @param busy an asset for which they have no room
   */
  constructor(rig: Rig, assets: Readonly<Record<string, number>>, busy?: number) {
    this.rig = rig;
    this.#assets = assets;
    this.#busy = busy;
  }

  run(ms: number): this {
    for (const endMs = this.rig.nowMs + ms; this.rig.nowMs < endMs;) {
      for (const peer of Object.keys(this.#assets)) this.#ask(peer);
      for (const action of this.rig.take()) if (action.type === 'upload') this.#sent(action.peer);
      this.rig.pass(50);
      for (const [peer, bytes] of this.#acked) this.rig.says(peer, { type: 'ack', bytes });
    }
    return this;
  }

  #sent(peer: string): void {
    this.#acked.set(peer, (this.#acked.get(peer) ?? 0) + Q);
  }

  #ask(peer: string): void {
    const answered = new Set<number>();
    const next = () => this.rig.sent('grant', peer).find(({ id }) => !answered.has(id));
    for (let grant = next(); grant; grant = next()) {
      const { id, only } = grant;
      answered.add(id);
      const asset = only ?? this.#assets[peer]!;
      if (asset === this.#busy) {
        this.rig.says(peer, { type: 'decline', grant: id, bytes: Q, reason: 'busy' });
        continue;
      }
      const chunk = this.#next.get(peer) ?? 0;
      this.#next.set(peer, chunk + 1);
      this.rig.says(peer, { type: 'request', grant: id, asset, runs: [{ from: chunk, count: 1 }] });
      const key = `${peer} ${asset}`;
      this.got.set(key, (this.got.get(key) ?? 0) + Q);
    }
  }
}

const NONE = '.'.repeat(2000);
const ALL = 'x'.repeat(2000);

function near(actual: number, expected: number): void {
  assert.ok(actual >= 0.8 * expected && actual <= 1.2 * expected, `${actual}, and not about ${expected}`);
}

describe('an allowance', () => {
  it('holds its rate on the average, though a piece may be larger than what is left', () => {
    const allowance = new Allowance(1000, 300, 0, 0);
    let taken = 0;
    for (let nowMs = 0; nowMs <= 100_000; nowMs += 10) {
      if (allowance.refill(nowMs) <= 0) continue;
      allowance.take(7000);
      taken += 7000;
    }
    near(taken, 100_000);
  });

  it('saves up no more than its burst, and says when there is something again', () => {
    const allowance = new Allowance(1000, 300, 0, 0);
    assert.equal(allowance.refill(60_000), 300);
    allowance.take(1300);
    assert.equal(allowance.opensAtMs, 61_001);
    assert.ok(allowance.refill(60_999) <= 0);
    assert.ok(allowance.refill(61_001) > 0);
    allowance.giveBack(5000);
    assert.equal(allowance.left, 300);
  });
});

describe('Exchange: limits of the uplink', () => {
  it('gives each peer no more than its limit', () => {
    const perPeer = { uploadBytesPerSec: 4 * Q };
    const rig = new Rig({ perPeer }).add(ALL).join('a', NONE).join('b', NONE);
    const { got } = new Takers(rig, { a: 1, b: 1 }).run(20_000);
    near(got.get('a 1')!, 80 * Q);
    near(got.get('b 1')!, 80 * Q);
  });

  it('gives an asset no more than its limit, and others all the rest', () => {
    const rig = new Rig().add(ALL).add(ALL, { asset: 2 });
    rig.handle({ type: 'asset-limits', asset: 1, uploadBytesPerSec: 2 * Q });
    rig.join('a', NONE).join('b', NONE, 2);
    const { got } = new Takers(rig, { a: 1, b: 2 }).run(20_000);
    near(got.get('a 1')!, 40 * Q);
    assert.ok(got.get('b 2')! > 1500 * Q, `the other asset got ${got.get('b 2')! / Q} chunks`);
  });

  it('ties credit to an asset where a peer wants one that has a limit', () => {
    const rig = new Rig().add(ALL).add(ALL, { asset: 2 });
    rig.handle({ type: 'asset-limits', asset: 1, uploadBytesPerSec: 2 * Q });
    rig.join('a', NONE).says('a', { type: 'join', asset: 2, have: { kind: 'none' }, reply: true });
    const { got } = new Takers(rig, { a: 1 }).run(10_000);
    assert.ok(got.get('a 1')! <= 24 * Q, `${got.get('a 1')! / Q} chunks`);
    assert.ok(got.get('a 2')! > 200 * Q, `${got.get('a 2')! / Q} chunks of the other`);
  });

  it('gives of all others where a peer has no room for one of them, and one has a limit', () => {
    for (const origin of [false, true]) {
      const rig = new Rig();
      for (const asset of [1, 2, 3, 4]) rig.add(ALL, { asset, origin });
      rig.handle({ type: 'asset-limits', asset: 1, uploadBytesPerSec: 2 * Q });
      rig.join('a', NONE);
      for (const asset of [2, 3, 4]) {
        rig.says('a', { type: 'join', asset, have: { kind: 'none' }, reply: true });
      }
      const { got } = new Takers(rig, { a: 1 }, 2).run(10_000);
      for (const asset of [3, 4]) {
        const bytes = got.get(`a ${asset}`) ?? 0;
        assert.ok(bytes > 100 * Q, `${bytes / Q} chunks of ${asset}, origin: ${origin}`);
      }
    }
  });

  it('takes credit for such an asset also where that was left and joined again meanwhile', () => {
    const rig = new Rig().add(ALL);
    const limit = (): Rig =>
      rig.handle({ type: 'asset-limits', asset: 1, uploadBytesPerSec: 4 * Q }).pass(1000);
    limit();
    rig.join('a', NONE);
    const grant = rig.sent('grant', 'a')[0];
    assert.equal(grant?.only, 1);
    rig.handle({ type: 'asset-removed', asset: 1 }).add(ALL);
    rig.says('a', { type: 'join', asset: 1, have: { kind: 'none' }, reply: true }).take();
    rig.says('a', { type: 'request', grant: grant.id, asset: 1, runs: [{ from: 0, count: 1 }] });
    const kinds = rig
      .take()
      .flatMap((action) => (action.type === 'send' ? action.message.type : action.type));
    assert.ok(kinds.includes('upload') && !kinds.includes('reject'), kinds.join(' '));
  });

  it('follows a limit that changes, and gives freely once there is none', () => {
    const rig = new Rig().add(ALL).join('a', NONE);
    rig.handle({ type: 'asset-limits', asset: 1, uploadBytesPerSec: Q });
    const takers = new Takers(rig, { a: 1 }).run(10_000);
    const slow = takers.got.get('a 1')!;
    near(slow, 10 * Q);
    rig.handle({ type: 'asset-limits', asset: 1, uploadBytesPerSec: 8 * Q });
    near(takers.run(10_000).got.get('a 1')! - slow, 80 * Q);
    rig.handle({ type: 'asset-limits', asset: 1 });
    assert.ok(takers.run(10_000).got.get('a 1')! > 500 * Q);
  });

  it('takes credit that was given back off what a limit counts', () => {
    const rig = new Rig({ perPeer: { uploadBytesPerSec: Q } }).add(ALL).join('a', NONE).pass(2);
    const [grant] = rig.sent('grant', 'a');
    rig.says('a', { type: 'decline', grant: grant!.id, bytes: Q, reason: 'busy' }).take();
    rig.pass(400);
    assert.equal(rig.sent('grant', 'a').length, 1);
  });

  it('takes off what was asked for and is not here', () => {
    const rig = new Rig({ perPeer: { uploadBytesPerSec: Q } }).add('x'.repeat(9) + '.', { wanted: 'none' });
    const [grant] = rig.join('a', '.'.repeat(10)).pass(2).sent('grant', 'a');
    rig.says('a', { type: 'request', grant: grant!.id, asset: 1, runs: [{ from: 9, count: 1 }] });
    assert.equal(rig.sent('reject', 'a').length, 1);
    assert.equal(rig.sent('grant', 'a').length, 2);
  });

  it('dials nobody for being held back by a limit', () => {
    const rig = new Rig({ perPeer: { uploadBytesPerSec: 10 } }).add(ALL).join('a', NONE).pass(2);
    // With fewer neighbours it would dial to keep the graph in one piece.
    for (const peer of ['s', 't', 'u']) rig.join(peer, ALL);
    const contacts = ['b', 'c'].map((peer) => ({ peer, addresses: [`/sim/${peer}`] }));
    const [grant] = rig.sent('grant', 'a');
    rig.says('a', { type: 'request', grant: grant!.id, asset: 1, runs: [{ from: 0, count: 1 }] });
    rig.says('a', { type: 'ack', bytes: Q });
    rig.handle({ type: 'contacts', asset: 1, contacts }).pass(5000);
    assert.ok(rig.actions.every(({ type }) => type !== 'dial'));
  });
});

describe('Exchange: limits of the downlink', () => {
  /** Peers that grant a chunk of either asset every 50 ms, and send what they are asked for. @returns chunks by sender and asset */
  function fetched(rig: Rig, peers: string, ms: number): Map<string, number> {
    const got = new Map<string, number>();
    for (let id = 1; id <= ms / 50; id++) {
      for (const peer of peers) {
        rig.grants(peer, id);
        for (const { asset, runs } of rig.sent('request', peer)) {
          rig.sends(peer, runs[0]!.from, asset);
          got.set(`${peer} ${asset}`, (got.get(`${peer} ${asset}`) ?? 0) + 1);
        }
        rig.take();
      }
      rig.pass(50);
    }
    return got;
  }

  it('asks each peer for no more than its limit', () => {
    const rig = new Rig({ perPeer: { downloadBytesPerSec: 2 * Q } }).add(NONE).join('a', ALL).join('b', ALL);
    const got = fetched(rig, 'ab', 20_000);
    near(got.get('a 1')!, 40);
    near(got.get('b 1')!, 40);
  });

  it('asks for an asset no more than its limit, and for others with the rest of the credit', () => {
    const rig = new Rig().add(NONE).add(NONE, { asset: 2 }).join('a', ALL);
    rig.says('a', { type: 'join', asset: 2, have: { kind: 'all' }, reply: true });
    rig.handle({ type: 'asset-limits', asset: 1, downloadBytesPerSec: 2 * Q });
    const got = fetched(rig, 'a', 20_000);
    near(got.get('a 1')!, 40);
    near(got.get('a 2')!, 360);
  });

  it('counts nothing that it asked for in vain', () => {
    const rig = new Rig().add(NONE).join('a', ALL).join('vain', ALL);
    rig.handle({ type: 'asset-limits', asset: 1, downloadBytesPerSec: 2 * Q });
    let got = 0;
    for (let id = 1; id <= 400; id++) {
      // Whenever something may be asked for it asks this one first, and what it was asked for is free again as it goes.
      rig.grants('vain', id).handle({ type: 'gone', peer: 'vain' }).join('vain', ALL);
      rig.grants('a', id);
      for (const chunk of rig.asked('a')) {
        rig.sends('a', chunk);
        got++;
      }
      rig.take();
      rig.pass(50);
    }
    near(got, 40);
  });

  it('gives credit back as busy, and not as unwanted, while a limit holds', () => {
    const rig = new Rig().add(NONE).join('a', ALL);
    rig.handle({ type: 'asset-limits', asset: 1, downloadBytesPerSec: 2 * Q }).pass(2);
    rig.grants('a', 1).grants('a', 2);
    assert.equal(rig.sent('request').length, 1);
    assert.equal(rig.sent('decline')[0]?.reason, 'busy');
  });
});
