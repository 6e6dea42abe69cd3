import assert from 'node:assert/strict';
import type { Libp2p } from '@libp2p/interface';
import type { TraceLine } from '../../src/swarm/core/trace-lines.ts';
import { SwarmShell } from '../../src/swarm/swarm-shell.ts';
import { widestFirst } from '../../src/swarm/widest-first.ts';

/** What a node tells of that listens for pages too, in the order of libp2p's peer store. */
const told = (...hosts: string[]): string[] =>
  hosts.flatMap((host) => [`${host}/tcp/4001`, `${host}/tcp/4002/ws`, `${host}/udp/4003/webrtc-direct`]);

describe('the addresses of a peer that are kept first', () => {
  it('are those of the internet, though it has bridges of containers', () => {
    const all = told(
      '/ip4/10.0.0.5',
      '/ip4/127.0.0.1',
      '/ip4/172.17.0.1',
      '/ip4/172.18.0.1',
      '/ip4/203.0.113.5',
    );
    const first = widestFirst(all);
    assert.deepEqual(first.slice(0, 6), [...told('/ip4/203.0.113.5'), ...told('/ip4/10.0.0.5')]);
    assert.deepEqual(first.slice(-3), told('/ip4/127.0.0.1'));
    assert.deepEqual([...first].sort(), [...all].sort());
  });

  it('are each of a local network’s hosts and each relay in turn', () => {
    const relayed = ['A', 'A', 'B'].map(
      (relay, at) => `/ip4/198.51.100.${at}/tcp/1/p2p/${relay}/p2p-circuit`,
    );
    const all = [
      ...told('/ip4/10.0.0.5', '/ip4/172.17.0.1', '/ip4/192.168.1.5'),
      ...relayed,
      '/ip6/fd00::1/tcp/1',
    ];
    assert.deepEqual(widestFirst(all).slice(0, 6), [
      '/ip4/10.0.0.5/tcp/4001',
      '/ip4/192.168.1.5/tcp/4001',
      relayed[0],
      relayed[2],
      '/ip6/fd00::1/tcp/1',
      '/ip4/10.0.0.5/tcp/4002/ws',
    ]);
  });

  it('are each told once', () => {
    const [first, second] = ['/ip4/203.0.113.5/tcp/1', '/ip4/203.0.113.6/tcp/1'];
    assert.deepEqual(widestFirst([first, first, second, second]), [first, second]);
  });

  it('are those by name, and of this machine where there are no others', () => {
    assert.deepEqual(widestFirst(['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/1', '/dns4/example.org/tcp/1']), [
      '/dns4/example.org/tcp/1',
      '/ip4/127.0.0.1/tcp/1',
      '/ip6/::1/tcp/1',
    ]);
  });

  it('are what the exchange knows, and tells, of a peer that libp2p knows more of', async () => {
    const lines: TraceLine[] = [];
    const nothing = {
      peerId: 'self',
      getConnections: () => [],
      handle: async () => {},
      unhandle: async () => {},
    };
    const libp2p = Object.assign(new EventTarget(), nothing) as unknown as Libp2p;
    const shell = new SwarmShell({
      libp2p,
      network: 'test',
      trace: { seed: 1, write: (line) => lines.push(line), end: () => {} },
      resolveAsset: async () => undefined,
      getNode: async () => undefined,
    });
    await shell.start();
    const addresses = told('/ip4/127.0.0.1', '/ip4/172.17.0.1', '/ip4/172.18.0.1', '/ip4/203.0.113.5');
    const peer = { id: 'B', addresses: addresses.map((multiaddr) => ({ multiaddr })) };
    libp2p.dispatchEvent(new CustomEvent('peer:update', { detail: { peer } }));
    await shell.stop();
    assert.match(JSON.stringify(lines), /"addresses":\["\/ip4\/203/);
  });
});
