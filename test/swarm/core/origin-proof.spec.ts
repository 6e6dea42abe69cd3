import assert from 'node:assert/strict';
import { AssetSwarm } from '../../../src/swarm/core/asset-swarm.ts';
import { MAX_PASSED_OVER, PAST_LEDGERS } from '../../../src/swarm/core/constants.ts';
import { Core } from '../../../src/swarm/core/core.ts';
import { settingsOf } from '../../../src/swarm/core/exchange-config.ts';
import { Granting } from '../../../src/swarm/core/granting.ts';
import { membershipOf, replaceHave } from '../../../src/swarm/core/membership.ts';
import { OriginPasses } from '../../../src/swarm/core/origin-passes.ts';
import { OriginProof } from '../../../src/swarm/core/origin-proof.ts';
import { Peer } from '../../../src/swarm/core/peer.ts';
import { seededRng } from '../../../src/swarm/core/rng.ts';
import { bits } from './bits.ts';
import { Q } from './exchange-rig.ts';

describe('OriginProof', () => {
  it('is that a chunk which a peer alone was given is announced by another', () => {
    const passes = new OriginPasses(4, seededRng(1));
    passes.give('giver', 0);
    passes.give('taker', 1);
    passes.announced('giver', 0);
    passes.announced('taker', 1);
    assert.ok(!passes.proof.isProven('giver'), 'its own word proves nothing');
    passes.announced('other', 0);
    assert.ok(passes.proof.isProven('giver'));
    assert.ok(!passes.proof.isProven('taker'));
    assert.ok(!passes.proof.isProven('other'));
  });

  it('is not that another peer was given the same chunk and may have passed it on', () => {
    const passes = new OriginPasses(4, seededRng(1));
    passes.give('taker', 0);
    passes.give('giver', 0);
    passes.announced('other', 0);
    assert.ok(!passes.proof.isProven('taker'));
  });

  it('is not that another announces what it may have from somebody who has left', () => {
    const passes = new OriginPasses(4, seededRng(1));
    passes.give('giver', 0);
    passes.give('taker', 0);
    passes.gone('giver');
    passes.announced('other', 0);
    assert.ok(!passes.proof.isProven('taker'), 'the one who left was given it, too');

    passes.give('giver', 1);
    passes.announced('other', 1);
    passes.restated('other', bits('.x..'), undefined);
    passes.give('taker', 1);
    passes.gone('giver');
    passes.announced('third', 1);
    assert.ok(!passes.proof.isProven('taker'), 'the other who left may have passed it on');
  });

  it('is to be had again of chunks that nobody who is here has', () => {
    const passes = new OriginPasses(4, seededRng(1));
    passes.give('first', 0);
    passes.announced('other', 0);
    passes.restated('other', bits('x...'), undefined);
    passes.gone('other');
    passes.gone('first');
    passes.give('later', 0);
    passes.announced('another', 0);
    assert.ok(passes.proof.isProven('later'));
  });

  it('outlives a reconnect, and is kept of so many peers only', () => {
    const proof = new OriginProof();
    proof.forwarded('first');
    proof.gone('first');
    assert.ok(proof.isProven('first'));
    for (let i = 0; i < PAST_LEDGERS; i++) proof.forwarded(`peer ${i}`);
    assert.ok(!proof.isProven('first'));
  });

  it('is doubted of a peer that passes over what it is offered, until it announces or takes it', () => {
    const proof = new OriginProof();
    proof.forwarded('hider');
    for (let chunk = 0; chunk < MAX_PASSED_OVER; chunk++) {
      assert.ok(proof.isProven('hider'), `after ${chunk}`);
      proof.passedOver('hider', chunk);
      proof.passedOver('hider', chunk);
    }
    assert.ok(!proof.isProven('hider'));
    proof.settled('hider', 3);
    assert.ok(proof.isProven('hider'));
  });
});

describe('Exchange: credit of a peer that has left the swarm', () => {
  it('says nothing of what it hides, and leaves nothing behind, when it is over', () => {
    const core = new Core(settingsOf({}), seededRng(1));
    const granting = new Granting(core, () => {});
    const swarm = new AssetSwarm(1, new Uint32Array(40).fill(Q), bits('x'.repeat(40)), true, seededRng(1));
    const peer = new Peer('a', 0, 1);
    core.assets.set(1, swarm);
    core.peers.set('a', peer);
    membershipOf(peer, swarm).isTold = true;
    replaceHave(peer, membershipOf(peer, swarm), bits('.'.repeat(40)), false);
    granting.fill();
    assert.ok(peer.grants.size >= MAX_PASSED_OVER);
    swarm.passes!.gone('a');
    peer.memberships.delete(1);
    for (const grant of peer.grants.values()) {
      grant.isSpent = true;
      granting.lapse(peer, grant);
    }
    swarm.passes!.proof.forwarded('a');
    assert.ok(swarm.passes!.proof.isProven('a'));
  });
});
