import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  decodeDial,
  decodeDialResponse,
  encodeDial,
  encodeDialResponse,
} from '../../src/node/autonat-messages.ts';

/** Node's Buffers are not equal to plain arrays. */
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('messages of AutoNAT', () => {
  it('are those of the specification', () => {
    const [peer, address] = [new Uint8Array([1, 2]), new Uint8Array([3])];
    assert.equal(hex(encodeDial({ peer, addresses: [address] })), '080012090a070a020102120103');
    // A status of 0 is there, too.
    assert.equal(hex(encodeDialResponse(0)), '08011a020800');
    assert.equal(hex(encodeDialResponse(100, address)), '08011a0508641a0103');
  });

  it('come back as they were', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(bytes, fc.array(bytes), (peer, addresses) => {
        const read = decodeDial(encodeDial({ peer, addresses }));
        assert.deepEqual([read.peer, ...read.addresses].map(hex), [peer, ...addresses].map(hex));
      }),
    );
    for (const status of [0, 100, 101, 200, 300])
      assert.equal(decodeDialResponse(encodeDialResponse(status, new Uint8Array([1]))), status);
  });

  it('are refused with a RangeError where they are none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const decode of [decodeDial, decodeDialResponse]) {
          try {
            decode(bytes);
          } catch (error) {
            assert.ok(error instanceof RangeError);
          }
        }
      }),
    );
    assert.throws(
      () => decodeDialResponse(encodeDial({ peer: new Uint8Array([1]), addresses: [] })),
      RangeError,
    );
    assert.throws(() => decodeDial(encodeDialResponse(0)), RangeError);
  });
});
