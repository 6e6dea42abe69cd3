import assert from 'node:assert/strict';
import { Bitfield } from '../../../src/swarm/core/bitfield.ts';
import type { ActiveAsset } from '../../../src/swarm/asset-table.ts';
import { EarlyGrants } from '../../../src/swarm/early-grants.ts';
import type { PeerLink } from '../../../src/swarm/peer-link.ts';

const ROOT = 'bafyroot';
const grant = (id: number) => ({ type: 'grant', id, bytes: 65_536, leaseMs: 1000 }) as const;

/** A link to a peer that named the root, and what is known of it here. */
function situation() {
  const state = {
    nowMs: 0,
    isNaming: true,
    asset: undefined as ActiveAsset | undefined,
    open: (hasWished: boolean, have = new Bitfield(4)) => {
      const addedAtMs = state.nowMs;
      state.asset = { session: { hasWished }, have, addedAtMs } as unknown as ActiveAsset;
      if (!hasWished) grants.opened();
    },
  };
  const link = { named: { values: () => [{ text: ROOT, hasLeft: false }] } } as unknown as PeerLink;
  const grants: EarlyGrants = new EarlyGrants({
    nowMs: () => state.nowMs,
    find: (text) => (text === ROOT ? state.asset : undefined),
    isNaming: () => state.isNaming,
    get isNamingAny() {
      return state.isNaming;
    },
  });
  return { state, link, grants };
}

describe('credit that comes before the wish', () => {
  it('is kept while the nodes are fetched and until something is wished for, with what is left of its lease', () => {
    const { state, link, grants } = situation();
    assert.equal(grants.hold(link, grant(1)), true);
    state.nowMs = 100;
    state.open(false);
    assert.equal(grants.hold(link, grant(2)), true);
    assert.deepEqual(grants.release(link), []);
    state.nowMs = 150;
    state.open(true);
    assert.deepEqual(grants.release(link), [
      { ...grant(1), leaseMs: 850 },
      { ...grant(2), leaseMs: 950 },
    ]);
    assert.deepEqual(grants.release(link), []);
  });

  it('is a grant like others once something was wished for, or all of it is here', () => {
    const { state, link, grants } = situation();
    state.open(true);
    assert.equal(grants.hold(link, grant(1)), false);
    state.open(false, Bitfield.full(4));
    assert.equal(grants.hold(link, grant(2)), false);
  });

  it('is not kept for what was opened without a wish', () => {
    const { state, link, grants } = situation();
    state.open(false);
    state.nowMs = 1000;
    assert.equal(grants.hold(link, grant(1)), false);
  });

  it('is kept for what is opened though its nodes were here already', () => {
    const { state, link, grants } = situation();
    state.isNaming = false;
    state.open(false);
    assert.equal(grants.hold(link, grant(1)), true);
    state.nowMs = 1000;
    assert.equal(grants.hold(link, grant(2)), false);
  });

  it('is not kept because peers get something of it', () => {
    const { state, link, grants } = situation();
    state.open(false);
    state.nowMs = 1000;
    (state.asset as ActiveAsset).usedAtMs = 1000;
    assert.equal(grants.hold(link, grant(1)), false);
  });

  it('is kept within bounds', () => {
    const { link, grants } = situation();
    const kept = Array.from({ length: 100 }, (_, id) => grants.hold(link, grant(id))).filter(Boolean).length;
    assert.equal(kept, 64);
  });

  it('is gone when its lease is', () => {
    const { state, link, grants } = situation();
    grants.hold(link, grant(1));
    state.nowMs = 1000;
    state.open(true);
    assert.deepEqual(grants.release(link), []);
  });

  it('costs one look at the roots of a link for many grants of it, and is kept again soon', () => {
    const roots = Array.from({ length: 4096 }, (_, n) => ({ text: `bafyother${n}`, hasLeft: false }));
    let looks = 0;
    let nowMs = 0;
    const grants = new EarlyGrants({
      nowMs: () => nowMs,
      find: () => void looks++,
      isNaming: (text) => text === ROOT,
      isNamingAny: true,
    });
    const link = { named: { values: () => roots } } as unknown as PeerLink;
    for (let id = 1; id <= 1000; id++) assert.equal(grants.hold(link, grant(id)), false);
    assert.equal(looks, roots.length);
    roots.push({ text: ROOT, hasLeft: false });
    nowMs = 64;
    looks = 0;
    // No more than are kept, and no look for those beyond.
    for (let id = 1; id <= 1000; id++) assert.equal(grants.hold(link, grant(id)), id <= 64);
    assert.equal(looks, 64 * roots.length);
  });
});
