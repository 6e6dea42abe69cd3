import assert from 'node:assert/strict';
import { ContactTable } from '../../../src/swarm/core/contact-table.ts';
import { seededRng } from '../../../src/swarm/core/rng.ts';

const free = () => true;

function tableOf(...peers: string[]): ContactTable {
  const table = new ContactTable(3, seededRng(1));
  for (const peer of peers) table.add({ peer, addresses: [`/sim/${peer}`] });
  return table;
}

describe('ContactTable', () => {
  it('keeps so many contacts of one source, the newest, and all that are known otherwise', () => {
    const table = new ContactTable(500, seededRng(1));
    table.add({ peer: 'mine', addresses: ['/ip4/192.0.2.1/tcp/1'] });
    for (let i = 0; i < 300; i++) table.add({ peer: `fake${i}`, addresses: [] }, 'evil');
    assert.equal(table.size, 51);
    assert.ok(table.choose(0, (peer) => peer === 'fake299'));
    table.add({ peer: 'mine', addresses: ['/ip4/192.0.2.2/tcp/2'] }, 'evil');
    assert.deepEqual(table.choose(0, (peer) => peer === 'mine')?.addresses, ['/ip4/192.0.2.1/tcp/1']);
  });

  it('counts no contact for its source that is known otherwise by now, or gone', () => {
    const table = new ContactTable(100, seededRng(1));
    for (let i = 0; i < 50; i++) table.add({ peer: `told${i}`, addresses: [] }, 'peer');
    table.add({ peer: 'told0', addresses: [] });
    table.add({ peer: 'told50', addresses: [] }, 'peer');
    assert.equal(table.size, 51);
    assert.ok(table.has('told1'), 'the place of the one that is known otherwise was free');
    table.add({ peer: 'told51', addresses: [] }, 'peer');
    assert.deepEqual([table.size, table.has('told0'), table.has('told1')], [51, true, false]);
    for (let i = 0; i < 1000; i++) table.add({ peer: `mine${i}`, addresses: [] });
    const left = Array.from({ length: 52 }, (_, i) => `told${i}`).filter((peer) => table.has(peer)).length;
    for (let i = 0; i < 200; i++) table.add({ peer: `more${i}`, addresses: [] }, 'peer');
    assert.ok(left < 10, `${left} of 51 are left`);
    const more = Array.from({ length: 200 }, (_, i) => `more${i}`).filter((peer) => table.has(peer)).length;
    assert.ok(more > 30, `${more} of 50: those that made room count no more`);
  });

  it('never holds more than it may', () => {
    assert.equal(tableOf('a', 'b', 'c', 'd', 'e').size, 3);
  });

  it('chooses only who is free', () => {
    assert.equal(tableOf('a', 'b').choose(0, (peer) => peer === 'b')?.peer, 'b');
    assert.equal(
      tableOf('a').choose(0, () => false),
      undefined,
    );
  });

  it('waits longer after each failure, and forgets them after a success', () => {
    const table = tableOf('a');
    table.failed('a', 0);
    assert.equal(table.choose(4999, free), undefined);
    assert.equal(table.choose(5000, free)?.peer, 'a');
    table.failed('a', 5000);
    assert.equal(table.choose(14_999, free), undefined);
    assert.equal(table.choose(15_000, free)?.peer, 'a');
    table.succeeded('a');
    table.failed('a', 15_000);
    assert.equal(table.choose(20_000, free)?.peer, 'a');
  });

  it('keeps few addresses, and none that is too long', () => {
    const table = new ContactTable(3, seededRng(1));
    const many = Array.from({ length: 20 }, (_, i) => `/sim/${i}`);
    table.add({ peer: 'a', addresses: ['/'.repeat(1000), ...many] });
    assert.deepEqual(table.choose(0, free)?.addresses, many.slice(0, 8));
  });

  it('does not lose addresses to a contact that names none', () => {
    const table = tableOf('a');
    table.add({ peer: 'a', addresses: [] });
    assert.deepEqual(table.choose(0, free)?.addresses, ['/sim/a']);
  });

  it('takes a peer for complete until it comes back by itself', () => {
    const table = tableOf('a');
    table.done('a');
    table.add({ peer: 'a', addresses: ['/sim/a'] }, 'somebody');
    assert.equal(table.isDone('a'), true);
    table.add({ peer: 'a', addresses: ['/sim/a'] });
    assert.equal(table.isDone('a'), false);
  });
});
