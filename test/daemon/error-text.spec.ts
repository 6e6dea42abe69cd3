import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { errorCode } from '../../src/daemon/error-text.ts';
import { ShoalError } from '../../src/index.ts';

describe('the code of what was thrown', () => {
  it('is the one of an error of Shoal', () => {
    assert.equal(errorCode(new ShoalError('ERR_DISK_FULL', 'the disk is full')), 'ERR_DISK_FULL');
  });

  it("is ERR_INTERNAL for everything else, also where Node's own codes begin alike", () => {
    let ofNode: unknown;
    try {
      createReadStream(undefined as never);
    } catch (error) {
      ofNode = error;
    }
    assert.equal((ofNode as NodeJS.ErrnoException).code, 'ERR_INVALID_ARG_TYPE');
    for (const error of [ofNode, new Error('x'), 'x', undefined])
      assert.equal(errorCode(error), 'ERR_INTERNAL');
  });
});
