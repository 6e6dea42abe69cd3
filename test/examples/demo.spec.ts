import assert from 'node:assert/strict';
import { boundWithoutOrigin, fluidBound } from '../../examples/demo/bounds.ts';
import { block, plainLine, type SwarmState } from '../../examples/demo/picture.ts';

describe('the demo', () => {
  it('knows the fluid bound: the origin alone, or all uplinks together', () => {
    assert.equal(fluidBound({ fileBytes: 100, originBytesPerSec: 10, peerBytesPerSec: [100, 100] }), 10);
    assert.equal(fluidBound({ fileBytes: 100, originBytesPerSec: 20, peerBytesPerSec: [5, 5, 5, 5] }), 10);
  });

  it('knows that without the origin the rest comes over the uplinks of the peers', () => {
    const shape = { fileBytes: 100, originBytesPerSec: 20, peerBytesPerSec: [5, 5, 5, 5] };
    assert.equal(boundWithoutOrigin(shape, 1), 15);
    assert.equal(boundWithoutOrigin(shape, 4), 10);
  });

  it('draws a bar for each peer, and the origin above', () => {
    const state: SwarmState = {
      seconds: 7,
      fileBytes: 100,
      originSent: 105,
      isOriginKilled: true,
      peers: [
        {
          name: 'peer 1',
          bytes: 50,
          bytesPerSec: 5_000_000,
          fromOrigin: 10,
          fromPeers: 40,
          peers: 4,
          doneAfter: undefined,
        },
        {
          name: 'peer 2',
          bytes: 100,
          bytesPerSec: 0,
          fromOrigin: 0,
          fromPeers: 100,
          peers: 4,
          doneAfter: 12.34,
        },
      ],
    };
    assert.deepEqual(block(state), [
      'origin  killed after 1.05 × the file',
      'peer 1  ████████████████················  50 %   5.0 MB/s    4 peers  20 % from the origin',
      'peer 2  ████████████████████████████████ 100 %  done 12.3 s  4 peers  0 % from the origin',
    ]);
    assert.equal(plainLine(state), '  7 s  50 %  100 %  origin  killed after 1.05 × the file');
  });
});
