import assert from 'node:assert/strict';
import { BAN_MS, BanList } from '../../../src/swarm/ban-list.ts';

describe('ban list', () => {
  it('refuses a liar for ten minutes and no longer', () => {
    const banned = new BanList();
    banned.add(1000, 'liar');
    assert.ok(banned.has(1000 + BAN_MS - 1, 'liar'));
    assert.ok(!banned.has(1000 + BAN_MS, 'liar'));
    assert.ok(!banned.has(1000, 'other'));
  });

  it('forgets the oldest when it is full', () => {
    const banned = new BanList();
    for (let n = 0; n <= 4096; n++) banned.add(n, `peer ${n}`);
    assert.ok(!banned.has(5000, 'peer 0'));
    assert.ok(banned.has(5000, 'peer 1'));
  });
});
