import assert from 'node:assert/strict';
import { AssetSwarm } from '../../../src/swarm/core/asset-swarm.ts';
import { Bitfield } from '../../../src/swarm/core/bitfield.ts';
import { isRider } from '../../../src/swarm/core/grant-terms.ts';
import { membershipOf } from '../../../src/swarm/core/membership.ts';
import { Peer } from '../../../src/swarm/core/peer.ts';
import { seededRng } from '../../../src/swarm/core/rng.ts';
import { Q, Rig } from './exchange-rig.ts';

const CHUNKS = 200;
/** Those that the node below has at first: there is something to give. */
const FIRST = 75;

const STEP_MS = 150;

interface CrowdOptions {
  fleet?: boolean;
  /** The giver has all, and takes nothing itself. */
  isOrigin?: boolean;
}

/** A node that downloads from `giver`, with `rider`, which takes and gives nothing. */
class Crowd {
  readonly rig: Rig;
  #given = 0;
  /** Chunks that the rider has asked for, and that were sent to it. */
  #asked = 0;
  #sent = 0;

  constructor({ fleet = false, isOrigin = false }: CrowdOptions = {}) {
    // A chunk in the time in which the giver sends two.
    this.rig = new Rig({ fleet, uploadBytesPerSec: (Q * 500) / STEP_MS });
    this.rig.add('x'.repeat(FIRST) + '.'.repeat(CHUNKS - FIRST));
    this.rig.join('giver', (isOrigin ? 'x' : '.') + 'x'.repeat(CHUNKS - 1));
    const [grant] = this.rig.sent('grant', 'giver');
    if (grant) {
      this.rig.says('giver', { type: 'request', grant: grant.id, asset: 1, runs: [{ from: 0, count: 1 }] });
      this.rig.pass(1).says('giver', { type: 'ack', bytes: Q }).take();
    }
    this.rig.join('rider', '.'.repeat(CHUNKS));
  }

  /** The giver sends so many chunks, and the rider uses all credit that it has meanwhile. @returns chunks it got */
  get(chunks: number): number {
    const before = this.#sent;
    for (let i = 0; i < chunks; i++) {
      this.rig.grants('giver', ++this.#given);
      const [chunk] = this.rig.asked('giver');
      assert.ok(chunk !== undefined, 'there is something to ask for');
      this.#take();
      this.rig.pass(STEP_MS - 50).sends('giver', chunk);
    }
    return this.#sent - before;
  }

  /** Nobody sends anything for so long. @returns chunks that the rider got */
  wait(ms: number): number {
    const before = this.#sent;
    for (const endMs = this.rig.nowMs + ms; this.rig.nowMs < endMs; this.rig.pass(50)) this.#take();
    return this.#sent - before;
  }

  #take(): void {
    for (const action of this.rig.take()) {
      if (action.type === 'upload') this.#sent++;
      if (action.type !== 'send' || action.peer !== 'rider' || action.message.type !== 'grant') continue;
      const runs = [{ from: this.#asked++, count: 1 }];
      this.rig.says('rider', { type: 'request', grant: action.message.id, asset: 1, runs });
    }
    this.rig.pass(50);
    if (this.#sent > 0) this.rig.says('rider', { type: 'ack', bytes: this.#sent * Q });
  }
}

describe('who takes and gives nothing', () => {
  it('gets what the uplink has to spare at first, and only gifts once others gave half of the file', () => {
    const crowd = new Crowd();
    assert.ok(crowd.get(99) >= 40);
    crowd.get(12); // what was granted before
    assert.equal(crowd.get(10), 0);
  });

  it('gets on again where nothing comes any more: what this node has is all that anybody can give', () => {
    const crowd = new Crowd();
    crowd.get(112);
    assert.equal(crowd.get(5), 0);
    assert.ok(crowd.wait(10_000) >= 20);
  });

  it('is served by who has all from an origin, for it can have nothing that did not come from there', () => {
    const crowd = new Crowd({ isOrigin: true });
    crowd.get(110);
    assert.ok(crowd.get(8) >= 3);
  });

  it('is served like others in a fleet of one owner', () => {
    const crowd = new Crowd({ fleet: true });
    crowd.get(100);
    assert.ok(crowd.get(8) >= 3);
  });

  interface Watched {
    /** What other takers gave this node of the asset while the peer was there, of 200 chunks. */
    returned: number;
    received?: number;
    sent?: number;
    /** This node wants all of it. */
    isWanted?: boolean;
  }

  function peerAfter({ returned, received = 0, sent = 1, isWanted = true }: Watched): Peer {
    const peer = new Peer('peer', 0, 1);
    share(peer, returned, isWanted);
    peer.receivedBytes = received * Q;
    peer.sentBytes = sent * Q;
    return peer;
  }

  function share(peer: Peer, returned: number, isWanted: boolean): void {
    const key = peer.memberships.size + 1;
    const swarm = new AssetSwarm(
      key,
      new Uint32Array(CHUNKS).fill(Q),
      new Bitfield(CHUNKS),
      false,
      seededRng(1),
    );
    if (isWanted) swarm.want('all');
    swarm.returnedBytes = 7 * Q;
    swarm.gainedAtMs = 0;
    swarm.watch(peer.key);
    membershipOf(peer, swarm).lacks = 1;
    swarm.returnedBytes += returned * Q;
  }

  it('is whoever had the time in which others gave half of the file', () => {
    assert.equal(isRider(peerAfter({ returned: 100 }), 0), true);
    assert.equal(isRider(peerAfter({ returned: 99 }), 0), false);
    assert.equal(isRider(peerAfter({ returned: 100, received: 1, sent: 50 }), 0), false);
    assert.equal(isRider(peerAfter({ returned: 100, sent: 0 }), 0), false);
  });

  it('is nobody who takes what this node has in full, or of which it has got little so far', () => {
    assert.equal(isRider(peerAfter({ returned: 100, isWanted: false }), 0), false);
    const peer = peerAfter({ returned: 100 });
    share(peer, 100, true);
    assert.equal(isRider(peer, 0), true);
    share(peer, 0, true);
    assert.equal(isRider(peer, 0), false);
  });

  it('is who came anew all the same, and nobody for what was given before it came, or while nothing comes', () => {
    const peer = peerAfter({ returned: 100 });
    const [membership] = peer.memberships.values();
    assert.ok(membership);
    assert.equal(isRider(peer, 4999), true);
    assert.equal(isRider(peer, 5000), false);
    membership.swarm.watch(peer.key);
    assert.equal(isRider(peer, 0), true);
    const late = new Peer('late', 0, 1);
    late.sentBytes = Q;
    late.memberships.set(membership.swarm.key, membership);
    membership.swarm.watch(late.key);
    assert.equal(isRider(late, 0), false);
  });
});
