import assert from 'node:assert/strict';
import type * as ending from '../../src/browser-node/ending-peer-connection.ts';

/** A browser's: it tells nobody that it was closed. */
class Silent extends EventTarget {
  connectionState = 'new';
  sctp: (EventTarget & { state: string }) | null = null;

  close(): void {
    this.connectionState = 'closed';
  }
}

describe('a connection of a page that ends', () => {
  const builtIn = globalThis.RTCPeerConnection;
  let connect: () => { connection: Silent; told: string[]; become: (state: string) => void };
  before(async () => {
    globalThis.RTCPeerConnection = Silent as never;
    // A class of its own: what other tests loaded is made from what they put there.
    const url = new URL('../../src/browser-node/ending-peer-connection.ts?silent', import.meta.url).href;
    const { EndingPeerConnection } = (await import(url)) as typeof ending;
    connect = () => {
      const connection = new EndingPeerConnection() as unknown as Silent;
      connection.sctp = Object.assign(new EventTarget(), { state: 'connected' });
      const told: string[] = [];
      connection.addEventListener('connectionstatechange', () => told.push(connection.connectionState));
      const become = (state: string): void => {
        connection.connectionState = state;
        connection.dispatchEvent(new Event('connectionstatechange'));
      };
      return { connection, told, become };
    };
  });
  after(() => {
    globalThis.RTCPeerConnection = builtIn;
  });

  function endOther(connection: Silent): void {
    connection.sctp!.state = 'closed';
    connection.sctp!.dispatchEvent(new Event('statechange'));
  }

  it('closes when the other end has closed it, and says so once', () => {
    const { connection, told, become } = connect();
    become('connected');
    endOther(connection);
    endOther(connection);
    connection.close();
    assert.deepEqual(told, ['connected', 'closed']);
  });

  it('goes on after an outage', () => {
    const { connection, told, become } = connect();
    for (const state of ['connected', 'disconnected', 'connected']) become(state);
    assert.equal(told.length, 3);
    endOther(connection);
    assert.deepEqual(told.slice(3), ['closed']);
  });

  it('says nothing when its owner closes it', () => {
    const { connection, told, become } = connect();
    become('connected');
    connection.close();
    endOther(connection);
    assert.deepEqual(told, ['connected']);
  });
});
