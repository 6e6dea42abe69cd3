import assert from 'node:assert/strict';
import type { Connection, Libp2p } from '@libp2p/interface';
import { LinkTable } from '../../../src/swarm/link-table.ts';

const nothing = (): void => {};

/** A table of a node with one connection, and how often a stream was opened on that. */
function tableWith(connection: Partial<Connection>): { table: LinkTable; opened: () => number } {
  let opened = 0;
  const full = {
    id: 'c',
    status: 'open',
    remotePeer: { toString: () => 'far' },
    remoteAddr: { getComponents: () => [], toString: () => '/ip4/192.0.2.1/tcp/4001' },
    newStream: async () => {
      opened++;
      throw new Error('no stream');
    },
    ...connection,
  };
  const libp2p = {
    peerId: { toString: () => 'near' },
    getConnections: () => [full],
  } as unknown as Libp2p;
  const table = new LinkTable({
    libp2p,
    network: 'test',
    instance: new Uint8Array(8),
    nowMs: () => 0,
    log: nothing,
    isBanned: () => false,
    events: {
      onGreeted: nothing,
      onLost: nothing,
      onUp: nothing,
      onRival: nothing,
      onDown: nothing,
      onMessage: nothing,
      onBroken: nothing,
      onDrain: nothing,
      inbox: () => ({ begin: nothing, payload: nothing, end: nothing, stop: nothing }),
    },
  });
  return { table, opened: () => opened };
}

describe('the table of links', () => {
  const cases: [what: string, openedMsAgo: number, opens: boolean][] = [
    ['leaves a new inbound connection to whoever dialled', 0, false],
    ['opens a link itself on one that is older', 3000, true],
    ['does so where the clock was set back since', -3_600_000, true],
  ];
  for (const [what, openedMsAgo, opens] of cases) {
    it(what, () => {
      const { table, opened } = tableWith({
        direction: 'inbound',
        timeline: { open: Date.now() - openedMsAgo },
      });
      table.openAll();
      assert.equal(opened() > 0, opens);
    });
  }
});
