import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { Connection, Listener, MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { boundInbound, isCrowding } from '../../src/node/inbound-bounds.ts';
import { MAX_PENDING_OF_HOST } from '../../src/node/pending-connections.ts';
import { libp2pNode } from '../integration/swarm-node.ts';
import { startBareNode } from './bare-node.ts';

/** A listener of a transport, to which connections come when the test says so. */
class Door {
  readonly #upgrader: Upgrader;
  /** Ends the upgrades that are under way. */
  readonly #ends: (() => void)[] = [];

  constructor() {
    let given: Upgrader | undefined;
    const transport = {
      createListener: ({ upgrader }: { upgrader: Upgrader }) => {
        given = upgrader;
        return {} as Listener;
      },
      dial: () => assert.fail('nothing is dialled'),
    };
    const upgrader = {
      upgradeInbound: () => new Promise<void>((resolve) => this.#ends.push(resolve)),
    } as unknown as Upgrader;
    boundInbound(() => transport as unknown as Transport)({ upgrader }).createListener({ upgrader });
    assert.ok(given);
    this.#upgrader = given;
  }

  /** A connection comes. Rejects where it is refused, else resolves when it is made. */
  comes(from: string): Promise<void> {
    const connection = { remoteAddr: multiaddr(from) } as MultiaddrConnection;
    return this.#upgrader.upgradeInbound(connection, { signal: new AbortController().signal });
  }

  end(): void {
    for (const end of this.#ends.splice(0)) end();
  }
}

describe('Inbound connections', () => {
  const many = Array.from({ length: MAX_PENDING_OF_HOST }, (_, n) => n);

  it('of one host that do not get on keep no other host out, and make room when they have ended', async () => {
    const door = new Door();
    const begun = many.map((n) => door.comes(`/ip4/192.0.2.1/tcp/${1000 + n}`));
    await assert.rejects(door.comes('/ip4/192.0.2.1/tcp/9'), /from there/);
    begun.push(door.comes('/ip4/192.0.2.2/tcp/9'));
    door.end();
    await Promise.all(begun);
    const next = door.comes('/ip4/192.0.2.1/tcp/9');
    door.end();
    await next;
  });

  it('over IPv6 count by the network that one subscriber gets', async () => {
    const door = new Door();
    const begun = many.map((n) => door.comes(`/ip6/2001:db8:0:${n + 1}::1/tcp/1000`));
    await assert.rejects(door.comes('/ip6/2001:db8:0:ffff::1/tcp/1000'), /from there/);
    begun.push(door.comes('/ip6/2001:db8:1::1/tcp/1000'));
    door.end();
    await Promise.all(begun);
  });

  it('come to a node while another host holds sockets on which nothing is said', async function () {
    // Elsewhere loopback has one address.
    if (process.platform !== 'linux') return this.skip();
    const node = await startBareNode({ dht: false });
    const peer = await libp2pNode();
    const port = Number(/\/tcp\/(\d+)/.exec(String(node.getMultiaddrs()[0]))?.[1]);
    const sockets = many.map(() => connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' }));
    try {
      await Promise.all(
        sockets.map(async (socket) => {
          socket.on('error', () => {});
          await new Promise((resolve) => socket.once('connect', resolve));
        }),
      );
      await peer.dial(node.getMultiaddrs());
    } finally {
      for (const socket of sockets) socket.destroy();
      await Promise.all([node.stop(), peer.stop()]);
    }
  });

  it('of one network are a third of a full node at most', () => {
    const from = (network: string, count: number): Connection[] =>
      many
        .slice(0, count)
        .map((n) => ({ remoteAddr: multiaddr(`${network}/tcp/${n + 1}`) }) as unknown as Connection);
    const crowd = from('/ip4/192.0.2.1', 3);
    const others = [
      ...from('/ip4/192.0.2.2', 2),
      ...from('/ip4/192.0.2.3', 2),
      ...from('/ip6/2001:db8::1', 2),
    ];
    const another = multiaddr('/ip4/192.0.2.1/tcp/9');
    assert.ok(isCrowding([...crowd, ...others], 9, another));
    assert.ok(!isCrowding([...crowd, ...others], 9, multiaddr('/ip4/192.0.2.2/tcp/9')));
    // There is room for all.
    assert.ok(!isCrowding([...crowd, ...others], 10, another));
    assert.ok(!isCrowding([...crowd.slice(1), ...others, ...from('/ip4/192.0.2.4', 2)], 9, another));
  });
});
