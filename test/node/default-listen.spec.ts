import assert from 'node:assert/strict';
import { defaultListen } from '../../src/node/default-listen.ts';

const LOOPBACK = [
  { family: 'IPv4', internal: true, address: '127.0.0.1' },
  { family: 'IPv6', internal: true, address: '::1' },
] as const;
const IPV4 = { family: 'IPv4', internal: false, address: '192.0.2.7' } as const;
const IPV6 = { family: 'IPv6', internal: false, address: '2001:db8::7' } as const;
const LINK_LOCAL = { family: 'IPv6', internal: false, address: 'fe80::7' } as const;

/** With a network card that has these addresses. */
function listenWith(...card: (typeof IPV4 | typeof IPV6 | typeof LINK_LOCAL)[]): string[] {
  return defaultListen({ lo: [...LOOPBACK], eth0: card });
}

describe('where a node listens by default', () => {
  it('is IPv4, also where there is no network yet', () => {
    assert.deepEqual(listenWith(IPV4, IPV6, LINK_LOCAL), ['/ip4/0.0.0.0/tcp/0']);
    assert.deepEqual(listenWith(LINK_LOCAL), ['/ip4/0.0.0.0/tcp/0']);
    assert.deepEqual(listenWith(), ['/ip4/0.0.0.0/tcp/0']);
  });

  it('is IPv6 too on a machine that has no other', () => {
    assert.deepEqual(listenWith(LINK_LOCAL, IPV6), ['/ip4/0.0.0.0/tcp/0', '/ip6/::/tcp/0']);
  });
});
