import assert from 'node:assert/strict';
import { multiaddr } from '@multiformats/multiaddr';
import {
  announced,
  byReach,
  canNodeDial,
  isForPages,
  isPlaceAmong,
  withPageAddresses,
} from '../../src/node/listen-addresses.ts';

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
    assert.deepEqual(can('/dns4/a.example/tcp/1'), [true, true, true]);
    // Sockets of this machine's own programs: a peer that names one is not followed.
    assert.deepEqual(can('/unix/%2Frun%2Fother.sock'), [false, false, false]);
    assert.deepEqual(can('/memory/1'), [false, false, false]);
  });

  it('are told of as they are, but through each relay only a few, of the form that is of use', () => {
    const id = '12D3KooWHJwu3DGrWquKYkGNS8mjV3g1Lw6M2j4HGpBc221ogbtX';
    const tcp = (port: number) => `/ip4/192.0.2.1/tcp/${port}/p2p/${id}/p2p-circuit`;
    const ws = (port: number) => `/ip4/192.0.2.1/tcp/${port}/ws/p2p/${id}/p2p-circuit`;
    const own = ['/ip4/192.0.2.2/tcp/1', '/ip4/192.0.2.2/tcp/2/ws'];
    const relayed = [1, 2, 3, 4].flatMap((port) => [
      tcp(port),
      `${tcp(port)}/webrtc`,
      ws(port),
      `${ws(port)}/webrtc`,
    ]);
    const all = [...own, ...relayed].map((text) => multiaddr(text));
    assert.deepEqual(announced(all).map(String), [
      ...own,
      ...[1, 2, 3].flatMap((port) => [tcp(port), `${ws(port)}/webrtc`]),
    ]);
    // Who can be reached through the NAT needs relays for pages only.
    assert.deepEqual(announced(all, true).map(String), [
      ...own,
      ...[1, 2, 3].map((port) => `${ws(port)}/webrtc`),
    ]);
  });

  it('come after those that every node can dial', () => {
    assert.deepEqual(byReach(['/ip4/1.2.3.4/tcp/1/ws', '/ip4/1.2.3.4/tcp/2', '/ip4/1.2.3.4/tcp/3']), [
      '/ip4/1.2.3.4/tcp/2',
      '/ip4/1.2.3.4/tcp/3',
      '/ip4/1.2.3.4/tcp/1/ws',
    ]);
  });
});

describe('an address of a node itself', () => {
  const id = '12D3KooWC7CVpRRsJ3yLv4WVdwUCLS4gq9ya8k8yTDeBcWy7dFpM';
  const other = '12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X';
  const own = [
    `/ip4/127.0.0.1/tcp/4001/p2p/${id}`,
    `/ip4/192.0.2.1/tcp/1/p2p/${other}/p2p-circuit/p2p/${id}`,
  ].map((each) => multiaddr(each));

  it('is told by its place, whatever peer it names', () => {
    const isOwn = (address: string) => isPlaceAmong(own, multiaddr(address));
    assert.ok(isOwn('/ip4/127.0.0.1/tcp/4001'));
    assert.ok(isOwn(`/ip4/127.0.0.1/tcp/4001/p2p/${other}`));
    assert.ok(!isOwn(`/ip4/127.0.0.1/tcp/4002/p2p/${other}`));
    assert.ok(!isOwn(`/ip4/127.0.0.1/tcp/4001/ws/p2p/${other}`));
    assert.ok(!isOwn(`/ip4/192.0.2.7/tcp/4001/p2p/${other}`));
  });

  it('is none through a relay, where the peer is the place', () => {
    const relayed = `/ip4/192.0.2.1/tcp/1/p2p/${other}/p2p-circuit`;
    assert.ok(!isPlaceAmong(own, multiaddr(`${relayed}/p2p/${other}`)));
    assert.ok(!isPlaceAmong(own, multiaddr(relayed)));
  });
});
