import assert from 'node:assert/strict';
import { dialable } from '../../../src/swarm/dialer.ts';

describe('contacts that others tell of', () => {
  it('are passed over where this node has no transport for any of their addresses', () => {
    const contacts = [
      { peer: 'a', addresses: ['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.1/tcp/2/ws'] },
      { peer: 'b', addresses: ['/ip4/192.0.2.1/tcp/2/ws'] },
      { peer: 'c', addresses: [] },
    ];
    assert.deepEqual(
      dialable(contacts, (address) => !address.endsWith('/ws')),
      [
        { peer: 'a', addresses: ['/ip4/192.0.2.1/tcp/1'] },
        { peer: 'c', addresses: [] },
      ],
    );
  });
});
