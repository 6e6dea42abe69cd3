import assert from 'node:assert/strict';
import { byReach, canNodeDial, isForPages, withPageAddresses } from '../../src/node/listen-addresses.ts';

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

  it('can be dialled where there are the transports, also through a relay', () => {
    const tcp = '/ip4/192.0.2.1/tcp/1';
    const direct = '/ip4/192.0.2.1/udp/1/webrtc-direct/certhash/uE';
    const [none, ws, all] = [undefined, { hasWebRtc: false }, { hasWebRtc: true }];
    const can = (address: string) => [none, ws, all].map((forPages) => canNodeDial(address, forPages));
    assert.deepEqual(can(tcp), [true, true, true]);
    assert.deepEqual(can(`${tcp}/ws`), [false, true, true]);
    assert.deepEqual(can(direct), [false, false, true]);
    assert.deepEqual(can(`${tcp}/p2p/R/p2p-circuit/p2p/A`), [true, true, true]);
    assert.deepEqual(can(`${direct}/p2p/R/p2p-circuit/p2p/A`), [false, false, true]);
    assert.deepEqual(can(`${tcp}/p2p/R/p2p-circuit/webrtc/p2p/A`), [false, false, true]);
  });

  it('come after those that every node can dial', () => {
    assert.deepEqual(byReach(['/ip4/1.2.3.4/tcp/1/ws', '/ip4/1.2.3.4/tcp/2', '/ip4/1.2.3.4/tcp/3']), [
      '/ip4/1.2.3.4/tcp/2',
      '/ip4/1.2.3.4/tcp/3',
      '/ip4/1.2.3.4/tcp/1/ws',
    ]);
  });
});
