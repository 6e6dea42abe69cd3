import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { DialTarget } from '../../src/node/dial-target.ts';
import type { ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';
import { startBareNode } from './bare-node.ts';

type DialOptions = NonNullable<Parameters<ShoalLibp2p['dial']>[1]>;

const SILENT = '/ip4/192.0.2.1/tcp/4001';

describe('a peer with several addresses', () => {
  const nodes: ShoalLibp2p[] = [];
  let dialled: string[] = [];
  let there: Multiaddr;
  let signals: AbortSignal[] = [];

  /** To a peer at `SILENT`, where nothing answers, or no more than `answers`, and at a second address. */
  async function target(second: (real: Multiaddr) => string, answers?: string): Promise<DialTarget> {
    const [node, other] = [await startBareNode(), await startBareNode()];
    nodes.push(node, other);
    there = other.getMultiaddrs()[0]!;
    const libp2p = Object.create(node) as ShoalLibp2p;
    Object.assign(libp2p, {
      getMultiaddrs: () => [],
      getConnections: () => [],
      dial: async (address: Multiaddr, options: DialOptions) => {
        dialled.push(String(address));
        if (!String(address).startsWith(SILENT)) return node.dial(address, options);
        const { signal, onProgress } = options;
        signals.push(signal!);
        if (answers) onProgress?.(new CustomEvent(answers) as never);
        return new Promise((_, reject) =>
          signal!.addEventListener('abort', () => reject(signal!.reason as Error)),
        );
      },
    });
    const addresses = [SILENT, second(there)].map((text) => multiaddr(text));
    return new DialTarget({ libp2p, log: () => {} }, 'link', addresses, undefined);
  }

  /** What was dialled once so much of time has passed. */
  async function after(ms: number, count: number): Promise<void> {
    mock.timers.tick(ms);
    for (let turn = 0; turn < 200 && dialled.length < count; turn++)
      await new Promise((resolve) => setImmediate(resolve));
  }

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    [dialled, signals] = [[], []];
  });

  afterEach(async () => {
    mock.timers.reset();
    await Promise.all(nodes.splice(0).map(async (node) => node.stop()));
  });

  it('is sought at the next one soon, where nothing answers', async () => {
    const seeking = await target(String);
    const done = new AbortController();
    const connecting = seeking.connectOnce(done.signal);
    await after(0, 1);
    assert.deepEqual(dialled, [SILENT]);
    await after(1500, 2);
    assert.deepEqual(dialled, [SILENT, String(there)]);
    await connecting;
    assert.ok(seeking.isReached);
  });

  it('is waited for where something answers', async () => {
    const seeking = await target(String, 'upgrader:encrypt-outbound-connection');
    const done = new AbortController();
    const connecting = seeking.connectOnce(done.signal);
    await after(0, 1);
    await after(4000, 2);
    assert.deepEqual(dialled, [SILENT]);
    assert.ok(!signals[0]!.aborted);
    done.abort();
    await connecting;
  });

  it('is sought there once more when all others have failed', async () => {
    const seeking = await target(() => '/ip4/127.0.0.1/tcp/1');
    const done = new AbortController();
    const connecting = seeking.connectOnce(done.signal);
    await after(0, 1);
    await after(1500, 3);
    assert.deepEqual(dialled, [SILENT, '/ip4/127.0.0.1/tcp/1', SILENT]);
    await after(4000, 4);
    assert.ok(!signals[1]!.aborted);
    assert.equal(seeking.failures.get(SILENT)?.reason, 'timeout');
    done.abort();
    await connecting;
  });

  it('is said to be out of reach for its own reason at each of them, where these differ', async () => {
    const reasons = new Map([
      ['/ip4/127.0.0.1/tcp/1', 'connect ECONNREFUSED'],
      ['/ip4/192.0.2.1/tcp/1', 'connect EHOSTUNREACH'],
    ]);
    const libp2p = {
      getMultiaddrs: () => [],
      dial: async (address: Multiaddr) => Promise.reject(new Error(reasons.get(String(address)))),
    } as unknown as ShoalLibp2p;
    const done = new AbortController();
    const logged: string[] = [];
    const log = (_: unknown, message: string): void => {
      logged.push(message);
      done.abort();
    };
    const addresses = [...reasons.keys()].map((text) => multiaddr(text));
    await new DialTarget({ libp2p, log }, 'link', addresses, undefined).keepConnected(done.signal);
    assert.deepEqual(logged, [
      'cannot reach /ip4/127.0.0.1/tcp/1: nothing listens there; /ip4/192.0.2.1/tcp/1: no route to it',
    ]);
  });

  it('answers by an event of libp2p that is told of at the dial', async () => {
    const [node, other] = [await startBareNode(), await startBareNode()];
    nodes.push(node, other);
    const told: string[] = [];
    await node.dial(other.getMultiaddrs()[0]!, { onProgress: ({ type }) => told.push(type) });
    assert.ok(told.includes('upgrader:encrypt-outbound-connection'), told.join(' '));
  });
});
