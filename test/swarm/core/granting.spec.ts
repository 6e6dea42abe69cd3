import assert from 'node:assert/strict';
import { Core } from '../../../src/swarm/core/core.ts';
import { settingsOf } from '../../../src/swarm/core/exchange-config.ts';
import { Granting } from '../../../src/swarm/core/granting.ts';
import { Peer } from '../../../src/swarm/core/peer.ts';
import { seededRng } from '../../../src/swarm/core/rng.ts';
import { Q } from './exchange-rig.ts';

describe('Granting', () => {
  it('holds chunks back while more is handed out than the uplink delivers in a round trip and a little', () => {
    const core = new Core(settingsOf({}), seededRng(1));
    const granting = new Granting(core, () => {});
    const peer = new Peer('a', 0, 64);
    core.peers.set(peer.key, peer);
    peer.measured(0, 100);
    let chunk = 0;
    const handOut = (): void => {
      const stamp = granting.rate.sent(core.nowMs, Q, false);
      const upload = { asset: 1, chunk: chunk++, bytes: Q, left: Q, dropped: false, sentAtMs: core.nowMs };
      peer.uploads.push({ ...upload, uplinkStamp: stamp, peerStamp: stamp });
    };
    // Ten chunks a second, of which nothing says yet that it is all the uplink can do.
    handOut();
    granting.rate.acked(100, Q, granting.rate.sent(0, Q, false));
    assert.equal(granting.rate.bytesPerSec, 10 * Q);
    for (let i = 0; i < 20; i++) handOut();
    assert.equal(granting.isBackedUp, false);
    granting.rate.endStart(100);
    assert.equal(granting.isBackedUp, true);
    // Five chunks are half a second, of which a tenth is the path's.
    peer.uploads.ack(16 * Q);
    assert.equal(granting.isBackedUp, false);
    handOut();
    assert.equal(granting.isBackedUp, true);
    // Who acknowledges nothing does not stop what goes to others.
    peer.isStuck = true;
    assert.equal(granting.isBackedUp, false);
  });
});
