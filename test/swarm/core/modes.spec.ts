import assert from 'node:assert/strict';
import { Q, Rig } from './exchange-rig.ts';

/** Asks for what each grant since the last `take` offers, and acknowledges it. */
function takeOffers(rig: Rig, peer: string, acked: { bytes: number }): number[] {
  const chunks: number[] = [];
  for (const grant of rig.sent('grant', peer)) {
    const chunk = grant.offer!.chunks[0]!;
    chunks.push(chunk);
    rig.says(peer, { type: 'request', grant: grant.id, asset: 1, runs: [{ from: chunk, count: 1 }] });
    acked.bytes += Q;
  }
  rig.take();
  rig.nowMs += 50;
  rig.says(peer, { type: 'ack', bytes: acked.bytes });
  return chunks;
}

/** An offloading origin of 4 chunks that has given each of them and one more, to `a` and `b`. */
function offloaded(): { rig: Rig; given: Map<string, number[]> } {
  const rig = new Rig({ offload: true }).add('xxxx', { origin: true }).join('a', '....').join('b', '....');
  const given = new Map<string, number[]>([
    ['a', []],
    ['b', []],
  ]);
  const acked = { a: { bytes: 0 }, b: { bytes: 0 } };
  for (let round = 0; round < 20; round++) {
    if (rig.sent('grant').length === 0) rig.pass(250);
    const grants = { a: rig.sent('grant', 'a').length, b: rig.sent('grant', 'b').length };
    for (const peer of ['a', 'b'] as const) {
      if (grants[peer] === 0) continue;
      const chunks = takeOffers(rig, peer, acked[peer]);
      given.get(peer)!.push(...chunks);
    }
  }
  return { rig, given };
}

describe('Exchange: offload mode', () => {
  it('stops an origin once it has given 1.05 times the file and every chunk is out', () => {
    const { rig, given } = offloaded();
    const all = [...given.values()].flat();
    assert.deepEqual([...new Set(all)].sort(), [0, 1, 2, 3]);
    assert.ok(all.length >= 5 && all.length <= 6, `${all.length} chunks of 4 were given`);
    rig.take();
    for (const peer of ['a', 'b']) rig.says(peer, { type: 'have', asset: 1, chunks: given.get(peer)! });
    rig.pass(20_000);
    assert.equal(rig.sent('grant').length, 0);
  });

  it('goes on for a chunk whose only holder left', () => {
    const { rig, given } = offloaded();
    const [gone] = [...given.get('a')!].filter((chunk) => !given.get('b')!.includes(chunk));
    assert.ok(gone !== undefined);
    rig.take();
    rig.handle({ type: 'gone', peer: 'a' });
    rig.pass(1000);
    const offered = rig.sent('grant', 'b').flatMap(({ offer }) => offer?.chunks ?? []);
    assert.ok(offered.includes(gone), `${gone} is not among ${offered.join()}`);
  });

  it('serves a peer that has no news for half a minute, for it finds nobody else', () => {
    const { rig } = offloaded();
    rig.take();
    rig.pass(25_000);
    assert.equal(rig.sent('grant').length, 0);
    rig.pass(7000);
    assert.ok(rig.sent('grant').length > 0);
  });

  it('gives credit for its other assets alone', () => {
    const { rig } = offloaded();
    rig.take();
    rig.add('xx', { asset: 2 });
    rig.says('b', { type: 'join', asset: 2, have: { kind: 'none' }, reply: true });
    const [grant] = rig.sent('grant', 'b');
    assert.equal(grant?.only, 2);
    rig.says('b', { type: 'request', grant: grant.id, asset: 1, runs: [{ from: 0, count: 1 }] });
    assert.equal(rig.sent('reject', 'b')[0]?.reason, 'no-credit');
  });

  it('spends credit for one asset on that asset', () => {
    const rig = new Rig().add('..').join('a', 'xx').add('..', { asset: 2 });
    rig.says('a', { type: 'join', asset: 2, have: { kind: 'all' }, reply: true }).take();
    rig.says('a', { type: 'grant', id: 1, bytes: 4 * Q, leaseMs: 1000, only: 2 });
    assert.deepEqual(
      rig.sent('request', 'a').map(({ asset }) => asset),
      [2],
    );
    assert.equal(rig.sent('decline', 'a')[0]?.bytes, 2 * Q);
    rig.says('a', { type: 'grant', id: 2, bytes: Q, leaseMs: 1000, only: -1 });
    assert.equal(rig.sent('decline', 'a')[1]?.bytes, Q);
  });
});
