import assert from 'node:assert/strict';
import { DialBackAllowance } from '../../src/node/dial-back-allowance.ts';

describe('how often a node dials for others', () => {
  /** Of so many dials that end at once, those that are allowed. */
  function allowed(allowance: DialBackAllowance, count: number, nowMs: number, host: (i: number) => string) {
    let number = 0;
    for (let i = 0; i < count; i++) {
      using leave = allowance.take(host(i), nowMs);
      if (leave) number++;
    }
    return number;
  }

  it('is bounded for each host, and again after a minute', () => {
    const allowance = new DialBackAllowance();
    assert.equal(
      allowed(allowance, 20, 0, () => 'a'),
      6,
    );
    assert.equal(
      allowed(allowance, 20, 30_000, () => 'b'),
      6,
    );
    assert.equal(
      allowed(allowance, 20, 59_999, () => 'a'),
      0,
    );
    assert.equal(
      allowed(allowance, 20, 60_000, () => 'a'),
      6,
    );
  });

  it('is bounded over all hosts', () => {
    assert.equal(allowed(new DialBackAllowance(), 1_000, 0, String), 60);
  });

  it('is bounded at a time', () => {
    const allowance = new DialBackAllowance();
    const leaves = Array.from({ length: 8 }, (_, i) => allowance.take(String(i), 0));
    assert.equal(allowance.take('x', 0), undefined);
    leaves[0]?.[Symbol.dispose]();
    assert.ok(allowance.take('x', 0));
  });
});
