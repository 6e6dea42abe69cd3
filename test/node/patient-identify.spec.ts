import assert from 'node:assert/strict';
import { identify } from '@libp2p/identify';
import type { Connection, Libp2p } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { createLibp2p } from 'libp2p';
import { lazyYamux } from '../../src/node/lazy-yamux.ts';
import { overridden } from '../../src/node/overridden.ts';
import { patientIdentify, type PatientIdentifyOptions } from '../../src/node/patient-identify.ts';

function start(service: ReturnType<typeof identify>): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [lazyYamux()],
    services: { identify: service },
  });
}

/** A node that leaves the first `silent` questions without an answer. */
async function silentAtFirst(silent: number) {
  const asked: number[] = [];
  const make = identify();
  const node = await start((components) => {
    const { registrar } = components;
    const handle: typeof registrar.handle = (protocol, handler, options) =>
      registrar.handle(
        protocol,
        (stream, connection) => {
          asked.push(asked.length + 1);
          return asked.length > silent ? handler(stream, connection) : undefined;
        },
        options,
      );
    return make(overridden(components, { registrar: overridden(registrar, { handle }) }));
  });
  return { node, asked };
}

/** A node that asks the other one, as soon as it has dialled it. */
async function askedBy(far: Libp2p, options: PatientIdentifyOptions) {
  const node = await start(patientIdentify(options));
  const { promise: identified, resolve } = Promise.withResolvers<string[]>();
  node.addEventListener('peer:identify', ({ detail }) => resolve(detail.protocols), { once: true });
  const connection: Connection = await node.dial(far.getMultiaddrs());
  return { node, connection, identified };
}

describe('introductions', () => {
  const nodes: Libp2p[] = [];
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.stop();
  });

  it('are asked for again where no answer came in time', async () => {
    const far = await silentAtFirst(2);
    const near = await askedBy(far.node, { firstMs: 50 });
    nodes.push(far.node, near.node);
    assert.ok((await near.identified).includes('/ipfs/id/1.0.0'));
    assert.deepEqual(far.asked.slice(0, 3), [1, 2, 3]);
    const { protocols } = await near.node.peerStore.get(far.node.peerId);
    assert.ok(protocols.includes('/ipfs/id/1.0.0'), 'whoever looks for a relay finds it');
  });

  it('are not asked for again once they came, nor of whom they are not wanted', async () => {
    const far = await silentAtFirst(0);
    const near = await askedBy(far.node, { firstMs: 50 });
    nodes.push(far.node, near.node);
    await near.identified;
    // More than once where the machine is busy: the answer takes longer than 50 ms.
    const asked = far.asked.length;
    const other = await askedBy(far.node, { firstMs: 50, isFor: () => false });
    nodes.push(other.node);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(far.asked.length, asked);
  });

  it('are not asked of a peer that has gone', async () => {
    const deaf = await silentAtFirst(Number.MAX_SAFE_INTEGER);
    const near = await askedBy(deaf.node, { firstMs: 50 });
    nodes.push(deaf.node, near.node);
    await near.connection.close();
    // The peer cannot hear it: it is the try that must not be made.
    const { newStream } = near.connection;
    let tries = 0;
    near.connection.newStream = (...args) => (tries++, newStream.apply(near.connection, args));
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(tries, 0);
  });
});
