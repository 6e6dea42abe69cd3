import assert from 'node:assert/strict';
import { OriginPasses } from '../../../src/swarm/core/origin-passes.ts';
import { seededRng } from '../../../src/swarm/core/rng.ts';
import { bits } from './bits.ts';
import { Q, Rig } from './exchange-rig.ts';

const any = () => true;
const none = bits('....');

function passes(): OriginPasses {
  return new OriginPasses(4, seededRng(3));
}

describe('OriginPasses', () => {
  it('offers every chunk once before any twice', () => {
    const origin = passes();
    const offered = new Set<number>();
    for (let i = 0; i < 4; i++) {
      assert.ok(origin.isFirstPass);
      const chunk = origin.choose(none, any);
      origin.give(`peer${i}`, chunk);
      offered.add(chunk);
    }
    assert.equal(offered.size, 4);
    assert.ok(!origin.isFirstPass);
  });

  it('then offers what only its own recipients have, fewest copies first', () => {
    const origin = passes();
    for (const chunk of [0, 1, 2, 3]) origin.give('a', chunk);
    origin.give('b', 0);
    for (const chunk of [1, 2]) origin.announced('c', chunk);
    assert.equal(origin.choose(none, any), 3);
    origin.announced('c', 3);
    assert.equal(origin.choose(none, any), 0);
  });

  it('at last offers the least available', () => {
    const origin = passes();
    for (const chunk of [0, 1, 2, 3]) origin.give('a', chunk);
    for (const chunk of [0, 1, 2, 3]) origin.announced('b', chunk);
    for (const chunk of [0, 1, 3]) origin.announced('c', chunk);
    assert.equal(origin.choose(none, any), 2);
    assert.ok([0, 1, 3].includes(origin.choose(bits('..x.'), any)));
  });

  it('counts what a peer keeps to itself, until somebody else announces it', () => {
    const origin = passes();
    origin.give('a', 0);
    origin.give('a', 1);
    origin.announced('a', 0);
    assert.equal(origin.unforwarded('a'), 2);
    origin.announced('b', 0);
    assert.equal(origin.unforwarded('a'), 1);
    origin.withdrawn('b', 0);
    assert.equal(origin.unforwarded('a'), 2);
  });

  it('starts anew with chunks whose holders left', () => {
    const origin = passes();
    for (const chunk of [0, 1, 2, 3]) origin.give('a', chunk);
    origin.gone('a');
    assert.ok(origin.isFirstPass);
    assert.equal(origin.unforwarded('a'), 0);
  });

  it('is closing while a first copy is given and has not arrived', () => {
    const origin = passes();
    for (const chunk of [0, 1, 2]) {
      origin.give('a', chunk);
      origin.arrived(chunk);
    }
    origin.give('b', 3);
    assert.ok(origin.isClosing && !origin.isFirstPass);
    origin.takeBack('b', 3, false);
    assert.ok(!origin.isClosing && origin.isFirstPass);
    origin.give('b', 3);
    assert.ok(origin.isClosing);
    origin.announced('b', 3);
    assert.ok(!origin.isClosing && !origin.isFirstPass);
  });

  it('counts a peer that got an offered chunk elsewhere as another holder', () => {
    const origin = passes();
    origin.give('a', 0);
    origin.give('b', 0);
    origin.announced('b', 0);
    assert.equal(origin.unforwarded('a'), 1);
    origin.takeBack('b', 0, true);
    assert.equal(origin.unforwarded('a'), 0);
  });

  it('counts a chunk once of a peer that announced it and asks for it all the same', () => {
    const origin = passes();
    for (const chunk of [1, 2, 3]) origin.give('b', chunk);
    origin.announced('a', 0);
    origin.give('a', 0, true);
    assert.equal(origin.unforwarded('a'), 1);
    origin.withdrawn('a', 0);
    origin.gone('a');
    assert.ok(origin.isFirstPass);
    assert.equal(origin.choose(none, any), 0);
  });
});

describe('Exchange: an origin of which a peer takes what it is offered in another order', () => {
  it('does not take what is on its way for a chunk without a copy when the other credit comes back', () => {
    for (let seed = 1; seed <= 8; seed++) {
      const rig = new Rig({ firstGrantBytes: 2 * Q }, seed).add('xx', { origin: true }).join('a', '..');
      const [first, second] = rig.join('b', '..').sent('grant', 'a');
      const [offered, taken] = [first!.offer!.chunks[0], second!.offer!.chunks[0]!];
      rig.take();
      rig.says('a', { type: 'request', grant: first!.id, asset: 1, runs: [{ from: taken, count: 1 }] });
      rig.says('a', { type: 'decline', grant: second!.id, bytes: Q, reason: 'busy' });
      assert.deepEqual(rig.sent('grant', 'b')[0]?.offer?.chunks, [offered]);
    }
  });
});
