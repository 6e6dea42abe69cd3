import assert from 'node:assert/strict';
import { Throttle } from '../../src/daemon/throttle.ts';

describe('Throttle', () => {
  it('lets the first report through, then one an interval', () => {
    const throttle = new Throttle(100);
    assert.deepEqual(
      [0, 50, 99, 100, 150, 200].map((ms) => throttle.passes(ms)),
      [true, false, false, true, false, true],
    );
  });

  it('lets a report through at once when it is of another kind', () => {
    const throttle = new Throttle(100);
    assert.equal(throttle.passes(0, 'searching'), true);
    assert.equal(throttle.passes(1, 'fetching'), true);
    assert.equal(throttle.passes(2, 'fetching'), false);
  });
});
