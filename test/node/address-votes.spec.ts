import assert from 'node:assert/strict';
import { AddressVotes } from '../../src/node/address-votes.ts';

const A = '/ip4/192.0.2.1/tcp/1';
const B = '/ip4/192.0.2.2/tcp/1';
const V6 = '/ip6/2001:db8::1/tcp/1';

describe('what witnesses say of an address', () => {
  let votes: AddressVotes;
  beforeEach(() => {
    votes = new AddressVotes();
  });

  /** An address that two have reached. */
  function reach(address: string): void {
    votes.note('x', address, 'reached');
    assert.deepEqual(votes.note('y', address, 'reached'), [[address, 'reached']]);
  }

  it('is believed when two agree, and not of one, however often it says so', () => {
    assert.deepEqual(votes.note('x', A, 'reached'), []);
    assert.deepEqual(votes.note('x', A, 'reached'), []);
    assert.equal(votes.settled(A), undefined);
    assert.deepEqual(votes.note('y', A, 'reached'), [[A, 'reached']]);
    assert.equal(votes.settled(A), 'reached');
  });

  it('is not undone by one that says otherwise', () => {
    reach(A);
    for (let round = 0; round < 5; round++) {
      votes.beginRound();
      assert.deepEqual(votes.note('liar', A, 'unreached'), []);
    }
  });

  it('is not undone by several while one has come', () => {
    reach(A);
    votes.beginRound();
    votes.note('x', A, 'reached');
    assert.deepEqual(votes.note('liar', A, 'unreached'), []);
    assert.deepEqual(votes.note('another', A, 'unreached'), []);
    assert.equal(votes.settled(A), undefined);
  });

  it('is undone when two could not come, and nobody could', () => {
    reach(A);
    votes.beginRound();
    assert.deepEqual(votes.note('x', A, 'unreached'), []);
    assert.deepEqual(votes.note('z', A, 'unreached'), [[A, 'unreached']]);
    votes.beginRound();
    assert.deepEqual(votes.note('x', A, 'unreached'), []);
    assert.deepEqual(votes.note('z', A, 'unreached'), []);
    votes.beginRound();
    reach(A);
  });

  it('stays where nobody is there to ask', () => {
    reach(A);
    votes.beginRound();
    votes.beginRound();
    assert.deepEqual(votes.note('x', A, 'unreached'), []);
    assert.deepEqual(votes.note('x', V6, 'unreached'), []);
  });

  it('is of the address that the node has now: two who see it at another one undo that of before', () => {
    reach(A);
    reach(V6);
    votes.beginRound();
    assert.deepEqual(votes.note('x', B, 'unreached'), []);
    assert.deepEqual(votes.note('y', B, 'reached'), [[A, 'unreached']]);
    assert.deepEqual(votes.note('z', B, 'reached'), [[B, 'reached']]);
    assert.equal(votes.settled(V6), undefined);
  });

  it('is of the address that the node has now, also where that changed in the midst of a round', () => {
    reach(A);
    assert.deepEqual(votes.note('x', B, 'reached'), []);
    assert.deepEqual(votes.note('y', B, 'reached'), [
      [B, 'reached'],
      [A, 'unreached'],
    ]);
  });
});
