import assert from 'node:assert/strict';
import { byReach, isForPages, withPageAddresses } from '../../src/node/listen-addresses.ts';

describe('listen addresses for pages', () => {
  it('are beside each host that is listened to over TCP, once', () => {
    assert.deepEqual(
      withPageAddresses(['/ip4/127.0.0.1/tcp/4001', '/ip4/127.0.0.1/tcp/0', '/ip6/::/tcp/0']),
      [
        '/ip4/127.0.0.1/tcp/4001',
        '/ip4/127.0.0.1/tcp/0',
        '/ip6/::/tcp/0',
        '/ip4/127.0.0.1/udp/0/webrtc-direct',
        '/ip4/127.0.0.1/tcp/0/ws',
        '/ip6/::/udp/0/webrtc-direct',
        '/ip6/::/tcp/0/ws',
      ],
    );
    assert.deepEqual(withPageAddresses([]), []);
  });

  it('are told from others, whatever follows', () => {
    assert.ok(isForPages('/ip4/1.2.3.4/tcp/1/ws/p2p/x'));
    assert.ok(isForPages('/dns4/a.example/tcp/443/wss'));
    assert.ok(isForPages('/ip4/1.2.3.4/udp/1/webrtc-direct/certhash/uE'));
    assert.ok(!isForPages('/ip4/1.2.3.4/tcp/1/p2p/ws1'));
  });

  it('come after those that every node can dial', () => {
    assert.deepEqual(byReach(['/ip4/1.2.3.4/tcp/1/ws', '/ip4/1.2.3.4/tcp/2', '/ip4/1.2.3.4/tcp/3']), [
      '/ip4/1.2.3.4/tcp/2',
      '/ip4/1.2.3.4/tcp/3',
      '/ip4/1.2.3.4/tcp/1/ws',
    ]);
  });
});
