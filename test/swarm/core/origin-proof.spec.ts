import assert from 'node:assert/strict';
import { MAX_PASSED_OVER, PAST_LEDGERS } from '../../../src/swarm/core/constants.ts';
import { OriginPasses } from '../../../src/swarm/core/origin-passes.ts';
import { OriginProof } from '../../../src/swarm/core/origin-proof.ts';
import { seededRng } from '../../../src/swarm/core/rng.ts';

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
