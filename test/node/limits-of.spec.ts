import assert from 'node:assert/strict';
import { checkLimits, checkMemoryBytes } from '../../src/node/limits-of.ts';

describe('a limit', () => {
  it('of a rate is a positive number, or left out', () => {
    for (const good of [undefined, 1, 0.5, 1e9]) checkLimits({ uploadBytesPerSec: good });
    for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      assert.throws(() => checkLimits({ downloadBytesPerSec: bad }), {
        code: 'ERR_LIMIT',
        message: /bytes per second; leave it out for no limit/,
      });
  });

  it('of memory is one of bytes, and there always is one', () => {
    checkMemoryBytes(1);
    for (const bad of [0, -1, Number.NaN])
      assert.throws(() => checkMemoryBytes(bad), {
        code: 'ERR_LIMIT',
        message: /^memoryBytes .* is not a number of bytes; leave it out for 1 GiB$/,
      });
  });
});
