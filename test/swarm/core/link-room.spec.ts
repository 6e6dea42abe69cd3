import assert from 'node:assert/strict';
import { contactsOf, dialled, Rig } from './exchange-rig.ts';

const ALL = 'xxxx';
const NONE = '....';

/** Usually twenty links, thirty at the most. */
const DEGREE = 10;
const USUAL = 2 * DEGREE;
const MOST = 3 * DEGREE;

/** A node that serves asset 1, with all the links that there usually may be, to peers that have so much of it. */
function full(theirs: string): Rig {
  const rig = new Rig({ degree: DEGREE }).add(ALL);
  for (let n = 0; n < USUAL; n++) rig.join(`p${n}`, theirs);
  rig.pass(10_000).take();
  return rig;
}

function downloads(rig: Rig, asset: number, contacts: string[]): Rig {
  rig.add(NONE, { asset });
  return rig.handle({ type: 'contacts', asset, contacts: contactsOf(...contacts) });
}

function names(count: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}${n}`);
}

/** Whose links were closed since the last `take`, and takes. */
function closed(rig: Rig): string[] {
  return rig.take().flatMap((action) => (action.type === 'close' ? [action.peer] : []));
}

describe('Exchange: a download that begins where all links are in use', () => {
  it('dials four of its swarm, beyond what is usual', () => {
    const rig = downloads(full(NONE), 2, names(15, 's'));
    const some = dialled(rig);
    assert.equal(some.length, 4);
    for (const peer of some) rig.join(peer, ALL, 2);
    rig.pass(10_000);
    assert.deepEqual(dialled(rig), []);
    assert.deepEqual(rig.exchange.stats(2)?.peers, some);
    assert.equal(rig.exchange.stats(1)?.peers.length, USUAL);
  });

  it('goes on dialling while it has fewer than four that can give something', () => {
    const rig = downloads(full(NONE), 2, names(8, 's'));
    const some = dialled(rig);
    for (const peer of some) rig.join(peer, NONE, 2);
    rig.pass(10_000);
    const others = dialled(rig);
    assert.equal(others.length, 4);
    assert.ok(!others.some((peer) => some.includes(peer)));
  });

  it('keeps the link of a member that dialled in, until there are five of them', () => {
    const rig = downloads(full(NONE), 2, []);
    for (const peer of names(4, 's')) rig.join(peer, ALL, 2).pass(10_000);
    assert.deepEqual(closed(rig), []);
    rig.join('s4', ALL, 2).pass(2000);
    assert.deepEqual(closed(rig), ['s4']);
  });

  it('keeps the link of who is said to be in the swarm until it had time to join', () => {
    const rig = downloads(full(NONE), 2, ['slow', 'silent']);
    rig.handle({ type: 'connected', peer: 'slow' }).handle({ type: 'connected', peer: 'silent' });
    rig.pass(4000).says('slow', { type: 'join', asset: 2, have: { kind: 'all' }, reply: false });
    assert.deepEqual(closed(rig), []);
    assert.deepEqual(closed(rig.pass(4000)), ['silent']);
  });

  it('keeps no link of who is in no swarm', () => {
    const rig = downloads(full(NONE), 2, []);
    rig.handle({ type: 'connected', peer: 'stranger' }).pass(2000);
    assert.deepEqual(closed(rig), ['stranger']);
  });

  it('takes the places of links over which nothing can flow', () => {
    const rig = downloads(full(ALL), 2, names(8, 's'));
    const some = dialled(rig);
    assert.equal(some.length, 8);
    for (const peer of some) rig.join(peer, ALL, 2);
    const gone = closed(rig.pass(2000));
    assert.equal(gone.length, 8);
    assert.ok(gone.every((peer) => peer.startsWith('p')));
    assert.equal(rig.exchange.stats(2)?.peers.length, 8);
  });

  /** Eight downloads, one after another, each with four that give. @returns how many links there are in the end */
  const withDownloads = (rig: Rig, giversOf: (asset: number) => string[]): number => {
    for (let asset = 2; asset < 10; asset++) {
      for (const peer of giversOf(asset)) rig.join(peer, ALL, asset);
      rig.pass(10_000);
    }
    let links = 0;
    for (let asset = 1; asset < 10; asset++) links += rig.exchange.stats(asset)?.peers.length ?? 0;
    return links;
  };

  it('dials nobody beyond three degrees, whatever number of downloads there are', () => {
    const rig = full(NONE);
    const links = withDownloads(rig, (asset) => dialled(downloads(rig, asset, names(4, `s${asset}-`))));
    assert.equal(links, MOST);
    assert.deepEqual(closed(rig), []);
  });

  it('keeps no more links than three degrees, whoever dials in', () => {
    const rig = full(NONE);
    const links = withDownloads(rig, (asset) => {
      downloads(rig, asset, []);
      return names(4, `s${asset}-`);
    });
    assert.equal(links, MOST);
  });

  it('dials nobody for what it only serves', () => {
    const rig = full(ALL).add(ALL, { asset: 2 });
    rig.handle({ type: 'contacts', asset: 2, contacts: contactsOf('s') }).pass(10_000);
    assert.deepEqual(dialled(rig), []);
  });
});
