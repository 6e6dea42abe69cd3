import assert from 'node:assert/strict';
import { Rig } from './exchange-rig.ts';

const ALL = 'xxxx';

function contactsOf(...peers: string[]) {
  return peers.map((peer) => ({ peer, addresses: [`/sim/${peer}`] }));
}

function dialled(rig: Rig): string[] {
  return rig.take().flatMap((action) => (action.type === 'dial' ? [action.contact.peer] : []));
}

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

  it('goes on dialling when it has lost everybody', () => {
    const rig = new Rig().add(ALL);
    rig.handle({ type: 'contacts', asset: 1, contacts: contactsOf('b') });
    assert.deepEqual(dialled(rig), ['b']);
    rig.handle({ type: 'dial-failed', peer: 'b' });
    rig.pass(6000);
    assert.deepEqual(dialled(rig), ['b']);
  });
});
