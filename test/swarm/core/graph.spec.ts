import assert from 'node:assert/strict';
import { contactsOf, dialled, Rig } from './exchange-rig.ts';

const ALL = 'xxxx';

describe('Exchange: the graph of what is only served', () => {
  it('keeps four neighbours in the swarm of an asset that is complete', () => {
    const rig = new Rig().add(ALL).join('a', ALL);
    rig.handle({ type: 'contacts', asset: 1, contacts: contactsOf('b', 'c', 'd', 'e', 'f', 'g') });
    assert.equal(dialled(rig).length, 3);
  });

  it('says what it has to a peer that it dialled for that, and asks what that has', () => {
    const rig = new Rig().add(ALL);
    rig.handle({ type: 'contacts', asset: 1, contacts: contactsOf('b') });
    assert.deepEqual(dialled(rig), ['b']);
    rig.handle({ type: 'connected', peer: 'b' });
    assert.deepEqual(
      rig.sent('join', 'b').map(({ reply }) => reply),
      [true],
    );
  });

  it('names what it has to nobody else', () => {
    const rig = new Rig().add(ALL).handle({ type: 'connected', peer: 'stranger' }).pass(5000);
    assert.equal(rig.sent('join').length, 0);
  });

  it('says so also where it has found enough others before the link is up: the one that it dialled may know nobody', () => {
    const rig = new Rig().add(ALL);
    rig.handle({ type: 'contacts', asset: 1, contacts: contactsOf('b') });
    for (const peer of ['c', 'd', 'e', 'f']) rig.join(peer, ALL);
    rig.handle({ type: 'connected', peer: 'b' });
    assert.equal(rig.sent('join', 'b').length, 1);
  });

  it('says so also where the download that it dialled for is over when the link is up', () => {
    const rig = new Rig().add('.xxx').join('a', ALL);
    rig.handle({ type: 'contacts', asset: 1, contacts: contactsOf('b', 'c', 'd', 'e') });
    rig.grants('a', 1).sends('a', 0);
    for (const peer of ['c', 'd', 'e']) rig.join(peer, ALL);
    rig.handle({ type: 'connected', peer: 'b' });
    assert.equal(rig.sent('join', 'b').length, 1);
  });

  it('says so to a peer that is connected already and then said to share it, once', () => {
    const rig = new Rig().add(ALL).handle({ type: 'connected', peer: 'b' });
    rig.handle({ type: 'connected', peer: 'stranger' });
    rig.handle({ type: 'contacts', asset: 1, contacts: contactsOf('b') }).pass(60_000);
    assert.deepEqual(
      rig.sent('join').map(({ reply }) => reply),
      [true],
    );
    assert.equal(rig.sent('join', 'b').length, 1);
  });

  it('asks no more of those that are connected than it lacks, and dials nobody meanwhile', () => {
    const rig = new Rig().add(ALL).join('a', ALL);
    for (const peer of ['b', 'c', 'd', 'e', 'f']) rig.handle({ type: 'connected', peer });
    rig.pass(5000).take();
    rig.handle({ type: 'contacts', asset: 1, contacts: contactsOf('b', 'c', 'd', 'e', 'f', 'g') });
    assert.equal(rig.sent('join').length, 3);
    assert.deepEqual(dialled(rig), []);
  });

  it('goes on dialling when it has lost everybody', () => {
    const rig = new Rig().add(ALL);
    rig.handle({ type: 'contacts', asset: 1, contacts: contactsOf('b') });
    assert.deepEqual(dialled(rig), ['b']);
    rig.handle({ type: 'dial-failed', peer: 'b' });
    rig.pass(6000);
    assert.deepEqual(dialled(rig), ['b']);
  });

  it('dials a complete peer that was gone ever more seldom: such links are the first to be closed where there are too many', () => {
    const rig = new Rig().add(ALL);
    rig.handle({ type: 'contacts', asset: 1, contacts: contactsOf('b') });
    assert.deepEqual(dialled(rig), ['b']);
    for (const pauseMs of [5000, 10_000, 20_000]) {
      rig.join('b', ALL).pass(70_000).take();
      rig.handle({ type: 'gone', peer: 'b' }).pass(pauseMs - 1000);
      assert.deepEqual(dialled(rig), [], `before ${pauseMs} ms`);
      assert.deepEqual(dialled(rig.pass(2000)), ['b'], `after ${pauseMs} ms`);
    }
  });

  it('with an idle uplink dials who was gone and lacks something, not who had all', () => {
    const rig = new Rig().add(ALL);
    for (const peer of ['a', 'b', 'c', 'd']) rig.join(peer, ALL);
    rig.handle({ type: 'contacts', asset: 1, contacts: contactsOf('full', 'poor') });
    assert.deepEqual(dialled(rig.pass(2000)).sort(), ['full', 'poor']);
    rig.join('full', ALL).join('poor', '....').pass(10_000).take();
    rig.handle({ type: 'gone', peer: 'full' }).handle({ type: 'gone', peer: 'poor' });
    assert.deepEqual(dialled(rig.pass(20_000)), ['poor']);
  });

  it('with an idle uplink dials no more often than it is set', () => {
    const rig = new Rig({ idleDialMs: 3000 }).add(ALL);
    for (const peer of ['a', 'b', 'c', 'd']) rig.join(peer, ALL);
    rig.handle({ type: 'contacts', asset: 1, contacts: contactsOf('e', 'f') });
    assert.equal(dialled(rig.pass(5000)).length, 1);
    assert.equal(dialled(rig.pass(3000)).length, 1);
  });
});

describe('Exchange: a peer that is behind its neighbours', () => {
  /** Dials of one second, of a peer with a degree of 20 that has `mine` of ten chunks, of which its neighbours have nine. */
  const dialsWith = (mine: number): number => {
    const rig = new Rig({ degree: 20, idleDialMs: 1_000_000 }).add('x'.repeat(mine).padEnd(10, '.'));
    for (let n = 0; n < 15; n++) rig.join(`near-${n}`, 'xxxxxxxxx.');
    rig.pass(5000);
    const far = Array.from({ length: 30 }, (_, n) => `far-${n}`);
    rig.handle({ type: 'contacts', asset: 1, contacts: contactsOf(...far) }).take();
    return dialled(rig.pass(1000)).length;
  };

  it('dials every second, the more the further behind', () => {
    assert.equal(dialsWith(9), 0);
    assert.equal(dialsWith(8), 1);
    assert.equal(dialsWith(5), 2);
    assert.equal(dialsWith(1), 4);
  });
});

describe('Exchange: two that hear of each other', () => {
  const heard = (self: string, other: string): Rig => {
    const rig = new Rig({ self }).add('....').join('origin', ALL);
    rig.says('origin', { type: 'peers', asset: 1, contacts: contactsOf(other), progress: 0 });
    return rig;
  };

  it('dials the one with the greater id at once', () => {
    assert.deepEqual(dialled(heard('a', 'b')), ['b']);
  });

  it('waits a second for the one with the lesser id to dial, and then dials itself', () => {
    const rig = heard('b', 'a');
    assert.deepEqual(dialled(rig), []);
    assert.deepEqual(dialled(rig.pass(2500)), ['a']);
  });

  it('has nobody to dial when the other has dialled meanwhile', () => {
    const rig = heard('b', 'a').handle({ type: 'connected', peer: 'a' });
    assert.deepEqual(dialled(rig.pass(2500)), []);
  });

  it('does not wait while it has nobody', () => {
    const rig = new Rig({ self: 'b' }).add('....');
    rig.handle({ type: 'contacts', asset: 1, contacts: contactsOf('a') });
    assert.deepEqual(dialled(rig), ['a']);
  });
});
