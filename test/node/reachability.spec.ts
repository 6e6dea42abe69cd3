import assert from 'node:assert/strict';
import { mock } from 'node:test';
import type { Startable } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { reachability } from '../../src/node/reachability.ts';

type Components = Parameters<ReturnType<typeof reachability>>[0];

/** A machine whose network may come up later, with a listener on all of its network cards. 127.0.0.1 is an address of one. */
class Machine {
  addresses: string[] = [];
  readonly confirmed: string[] = [];
  readonly service: Startable;
  /** How many times the node was told that it listens elsewhere. */
  changes = 0;
  readonly #events = new EventTarget();
  readonly #listener = { getAddrs: () => this.addresses.map((each) => multiaddr(each)) };

  constructor() {
    const components = {
      events: this.#events,
      transportManager: { getListeners: () => [this.#listener], listen: async () => {} },
      addressManager: { confirmObservedAddr: (address: unknown) => this.confirmed.push(String(address)) },
    };
    this.service = reachability({
      isListening: true,
      hasWebRtc: false,
      network: 'test',
      forwarded: new Set(),
      log: () => {},
    })(components as unknown as Components);
    this.#events.addEventListener('transport:listening', () => this.changes++);
  }

  listens(): void {
    this.#tell('transport:listening', this.#listener);
  }

  /** A peer to which the node has connected says from where it came. */
  isSeenAt(address: string): void {
    const connection = { direction: 'outbound', remoteAddr: multiaddr('/ip4/192.0.2.2/tcp/1') };
    this.#tell('peer:identify', { connection, observedAddr: multiaddr(address), protocols: [] });
  }

  #tell(name: string, detail: unknown): void {
    this.#events.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

describe('addresses of a node', () => {
  it('are those of its own network cards on which it listens', () => {
    const machine = new Machine();
    machine.addresses = ['/ip4/127.0.0.1/tcp/4001', '/ip4/192.0.2.1/tcp/4001'];
    machine.listens();
    assert.deepEqual(machine.confirmed, ['/ip4/127.0.0.1/tcp/4001']);
  });

  it('are noticed by the first peer that sees it there, where the network came up after the node', () => {
    const machine = new Machine();
    machine.listens();
    machine.addresses = ['/ip4/127.0.0.1/tcp/4001', '/ip4/192.0.2.1/tcp/4001'];
    machine.isSeenAt('/ip4/192.0.2.1/tcp/50000');
    assert.deepEqual(machine.confirmed, []);
    for (let times = 0; times < 2; times++) machine.isSeenAt('/ip4/127.0.0.1/tcp/50000');
    assert.deepEqual(machine.confirmed, ['/ip4/127.0.0.1/tcp/4001']);
  });

  it('are noticed by and by, where nobody sees them, and when they go', async () => {
    mock.timers.enable({ apis: ['setInterval'] });
    try {
      const machine = new Machine();
      await machine.service.start();
      machine.listens();
      const changesAfter = (sec: number): number => {
        mock.timers.tick(sec * 1000);
        return machine.changes;
      };
      assert.equal(changesAfter(60), 1);
      machine.addresses = ['/ip4/127.0.0.1/tcp/4001'];
      assert.equal(changesAfter(60), 2);
      assert.deepEqual(machine.confirmed, ['/ip4/127.0.0.1/tcp/4001']);
      machine.addresses = [];
      assert.equal(changesAfter(60), 3);
      await machine.service.stop();
      machine.addresses = ['/ip4/127.0.0.1/tcp/4001'];
      assert.equal(changesAfter(60), 3);
    } finally {
      mock.timers.reset();
    }
  });
});
