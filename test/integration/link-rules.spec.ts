import assert from 'node:assert/strict';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { DagWalk } from '../../src/integrity/dag-walk.ts';
import { cidOf, RAW_CODE } from '../../src/integrity/parse-cid.ts';
import { ProtoWriter } from '../../src/integrity/proto-writer.ts';
import { packNode } from '../../src/swarm/packed-node.ts';
import { bytesOf, fileOf } from '../swarm/shell/memory-asset.ts';
import { encodeAttach, encodeDataHeader } from '../../src/swarm/wire/data-codec.ts';
import { encodeControl } from '../../src/swarm/wire/encode-control.ts';
import type { ControlMessage } from '../../src/swarm/wire/control-message.ts';
import { libp2pNode, SwarmNode, until } from './swarm-node.ts';

const MIB = 1 << 20;

const HELLO: ControlMessage = {
  type: 'hello',
  version: 1,
  features: ['later'],
  limits: { controlFrameBytes: MIB, chunkBytes: MIB },
  instance: new Uint8Array(8),
  link: 5,
};

/** A bare libp2p node that opens both streams to `to` and speaks whatever the test says. */
async function stranger(to: SwarmNode) {
  const libp2p = await libp2pNode();
  const connection = await libp2p.dial(to.libp2p.getMultiaddrs());
  const control = await connection.newStream('/shoal/test/control/1');
  const data = await connection.newStream('/shoal/test/data/1');
  return {
    libp2p,
    control,
    data,
    greet: () => {
      data.send(encodeAttach(5));
      control.send(encodeControl(HELLO));
    },
    /** Resolves when `to` has said exactly this. */
    heard: (message: ControlMessage) => {
      const wanted = Buffer.from(encodeControl(message));
      return new Promise<void>((resolve) => {
        let seen = Buffer.alloc(0);
        control.addEventListener('message', ({ data: more }) => {
          seen = Buffer.concat([seen, more.subarray()]);
          if (seen.includes(wanted)) resolve();
        });
      });
    },
    [Symbol.asyncDispose]: async () => await libp2p.stop(),
  };
}

function digestOf(n: number): Uint8Array {
  const digest = new Uint8Array(32);
  new DataView(digest.buffer).setUint32(0, n);
  return digest;
}

describe('link rules over libp2p', () => {
  it('keeps one link when both dial at once', async () => {
    await using a = await SwarmNode.start();
    await using b = await SwarmNode.start();
    await Promise.all([a.libp2p.dial(b.libp2p.getMultiaddrs()), b.libp2p.dial(a.libp2p.getMultiaddrs())]);
    const streams = (node: SwarmNode): number =>
      node.libp2p
        .getConnections()
        .flatMap(({ streams: all }) => all.filter(({ protocol }) => protocol.startsWith('/shoal/'))).length;
    await until(
      () => streams(a) === 2 && streams(b) === 2 && a.shell.peers.length === 1 && b.shell.peers.length === 1,
    );
    const file = await fileOf(bytesOf(MIB));
    a.share(file);
    await b.download(file).done;
  });

  it('does not mix networks of different names', async () => {
    await using a = await SwarmNode.start({ network: 'one' });
    await using b = await SwarmNode.start({ network: 'two' });
    const connection = await a.libp2p.dial(b.libp2p.getMultiaddrs());
    await assert.rejects(connection.newStream('/shoal/one/control/1'), { name: 'UnsupportedProtocolError' });
    assert.deepEqual([a.shell.peers, b.shell.peers], [[], []]);
  });

  it('replaces the link of a peer that was restarted before the old one was noticed dead', async () => {
    const key = await generateKeyPair('Ed25519');
    const file = await fileOf(bytesOf(MIB));
    await using a = await SwarmNode.start();
    a.share(file);
    // The old process: its streams stay open on their connection and nobody reads them any more.
    await using before = await SwarmNode.start({ key });
    await before.connect(a);
    const old = a.libp2p.getConnections()[0];
    await using after = await SwarmNode.start({ key });
    const { done } = after.download(file);
    await after.libp2p.dial(a.libp2p.getMultiaddrs());
    await done;
    assert.deepEqual(a.shell.peers, [after.id]);
    assert.equal(old?.status, 'open');
  });

  it('cuts off a peer that sends what is no control frame, and names it', async () => {
    await using a = await SwarmNode.start();
    await using b = await stranger(a);
    b.greet();
    await until(() => a.shell.peers.length === 1);
    b.control.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x7f));
    await until(() => a.misbehaved.length > 0);
    assert.deepEqual(a.misbehaved, [{ peer: b.libp2p.peerId.toString(), code: 'ERR_PEER_BAD_FRAME' }]);
    await until(() => a.shell.peers.length === 0 && a.libp2p.getConnections().length === 0);
    assert.ok(a.shell.isBanned(b.libp2p.peerId.toString()));
  });

  it('gathers no long message of a peer that has not greeted', async () => {
    await using a = await SwarmNode.start();
    await using b = await stranger(a);
    // A length of a mebibyte, and nothing of it.
    b.control.send(Uint8Array.of(0x80, 0x80, 0x40));
    await until(() => a.misbehaved.length > 0);
    assert.deepEqual(a.misbehaved, [{ peer: b.libp2p.peerId.toString(), code: 'ERR_PEER_BAD_FRAME' }]);
  });

  it('takes no more links of a peer that begins one after another, and those of others', async () => {
    await using a = await SwarmNode.start();
    await using b = await stranger(a);
    const [connection] = b.libp2p.getConnections();
    assert.ok(connection);
    b.greet();
    await until(() => a.shell.peers.length === 1);
    let refused = 0;
    for (let link = 6; link < 106 && refused === 0; link++) {
      const control = await connection.newStream('/shoal/test/control/1');
      const data = await connection.newStream('/shoal/test/data/1');
      const { promise, resolve } = Promise.withResolvers<'answered' | 'refused'>();
      control.addEventListener('message', () => resolve('answered'));
      control.addEventListener('close', () => resolve('refused'));
      if (control.status !== 'open') resolve('refused');
      else {
        data.send(encodeAttach(link));
        control.send(encodeControl({ ...HELLO, link }));
      }
      if ((await promise) === 'refused') refused = link;
    }
    assert.ok(refused > 20, `refused at ${refused}`);
    assert.deepEqual(a.misbehaved, []);
    await using c = await stranger(a);
    c.greet();
    await until(() => a.shell.peers.includes(c.libp2p.peerId.toString()));
  });

  it('cuts off a peer that names and leaves roots that nobody has, over and over', async () => {
    await using a = await SwarmNode.start();
    await using b = await stranger(a);
    b.greet();
    await until(() => a.shell.peers.length === 1);
    const name = (n: number): ControlMessage => ({
      type: 'join',
      slot: 1,
      root: cidOf(RAW_CODE, digestOf(n)).bytes,
      have: { kind: 'none' },
      reply: false,
    });
    for (let n = 0; n < 60_000 && a.misbehaved.length === 0; n += 500) {
      const messages: ControlMessage[] = [];
      for (let i = 0; i < 500; i++) messages.push(name(n + i), { type: 'leave', slot: 1 });
      if (b.control.status === 'open')
        b.control.send(Buffer.concat(messages.map((each) => encodeControl(each))));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => a.misbehaved.length > 0);
    assert.deepEqual(a.misbehaved, [{ peer: b.libp2p.peerId.toString(), code: 'ERR_PEER_FLOOD' }]);
  });

  it('answers a peer that names more roots than are remembered of it', async () => {
    await using a = await SwarmNode.start();
    const file = await fileOf(bytesOf(MIB));
    a.keep(file);
    await using b = await stranger(a);
    const told = b.heard({
      type: 'join',
      slot: 1,
      root: file.root.bytes,
      have: { kind: 'all' },
      reply: false,
    });
    b.greet();
    await until(() => a.shell.peers.length === 1);
    const join = (slot: number, root: Uint8Array): Uint8Array =>
      encodeControl({ type: 'join', slot, root, have: { kind: 'none' }, reply: true });
    for (let slot = 1; slot <= 5000; slot += 500) {
      const some = Array.from({ length: 500 }, (_, n) =>
        join(slot + n, cidOf(RAW_CODE, digestOf(slot + n)).bytes),
      );
      b.control.send(Buffer.concat(some));
      await new Promise((resolve) => setImmediate(resolve));
    }
    b.control.send(join(5001, file.root.bytes));
    await told;
  });

  it('cuts off a peer that asks for nodes and takes them back, over and over', async () => {
    await using a = await SwarmNode.start();
    await using b = await stranger(a);
    b.greet();
    const root = (await fileOf(bytesOf(10))).root.bytes;
    const have = { kind: 'none' } as const;
    b.control.send(encodeControl({ type: 'join', slot: 1, root, have, reply: false }));
    const asking = encodeControl({ type: 'nodes', slot: 1, cids: Array.from({ length: 64 }, () => root) });
    const takingBack = encodeControl({ type: 'nodes', slot: 1, cids: [] });
    const many = Buffer.concat(Array.from({ length: 100 }, () => [asking, takingBack]).flat());
    while (a.misbehaved.length === 0 && b.control.status === 'open') {
      b.control.send(many);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => a.misbehaved.length > 0);
    assert.deepEqual(a.misbehaved, [{ peer: b.libp2p.peerId.toString(), code: 'ERR_PEER_FLOOD' }]);
  });

  it('tells a peer that keeps it waiting when the nodes came from another', async () => {
    const file = await fileOf(bytesOf(4096), 1024);
    await using a = await SwarmNode.start();
    await using b = await stranger(a);
    await using c = await SwarmNode.start();
    const forgotten = b.heard({ type: 'nodes', slot: 1, cids: [] });
    const asked = b.heard({ type: 'nodes', slot: 1, cids: [file.root.bytes] });
    b.data.send(encodeAttach(5));
    b.control.send(encodeControl({ ...HELLO, features: ['forget-nodes'] }));
    const have = { kind: 'all' } as const;
    b.control.send(encodeControl({ type: 'join', slot: 9, root: file.root.bytes, have, reply: true }));
    await until(() => a.shell.peers.length === 1);
    const signal = AbortSignal.timeout(120_000);
    const fetching = a.shell.fetchNodes(file.root, new DagWalk(file.root), { onNode: () => {}, signal });
    await asked;
    c.keep(file);
    c.share(file);
    await a.connect(c);
    await Promise.all([fetching, forgotten]);
  });

  const wrongData: [string, string, Uint8Array][] = [
    ['what is no data frame', 'ERR_PEER_BAD_FRAME', new Uint8Array(8).fill(0xff)],
    [
      'data for a slot it never named',
      'ERR_PEER_BAD_DATA',
      encodeDataHeader({ slot: 9, chunk: 0, offset: 0, length: 5 }),
    ],
    ['a second ATTACH', 'ERR_PEER_BAD_FRAME', encodeAttach(5)],
  ];
  for (const [what, code, bytes] of wrongData) {
    it(`cuts off a peer that sends ${what} on the data stream`, async () => {
      await using a = await SwarmNode.start();
      await using b = await stranger(a);
      b.greet();
      await until(() => a.shell.peers.length === 1);
      b.data.send(bytes);
      await until(() => a.shell.peers.length === 0);
      assert.deepEqual(a.misbehaved, [{ peer: b.libp2p.peerId.toString(), code }]);
    });
  }

  it('cuts off a peer that sends a chunk nobody asked for', async () => {
    const file = await fileOf(bytesOf(MIB));
    await using a = await SwarmNode.start();
    a.share(file);
    await using b = await stranger(a);
    b.greet();
    b.control.send(
      encodeControl({ type: 'join', slot: 1, root: file.root.bytes, have: { kind: 'none' }, reply: true }),
    );
    b.data.send(encodeDataHeader({ slot: 1, chunk: 0, offset: 0, length: 5 }));
    b.data.send(new Uint8Array(5));
    await until(() => a.misbehaved.length > 0);
    assert.ok(['ERR_PEER_UNREQUESTED_DATA', 'ERR_PEER_BAD_DATA'].includes(a.misbehaved[0]?.code ?? ''));
  });

  const floods: [string, ControlMessage][] = [
    ['PING', { type: 'ping', nonce: 1 }],
    ['PONG that nobody waits for', { type: 'pong', nonce: 1 }],
    ['NODES that ask for nothing', { type: 'nodes', slot: 1, cids: [] }],
  ];
  for (const [what, message] of floods) {
    it(`cuts off a peer that sends ${what} over and over`, async () => {
      await using a = await SwarmNode.start();
      await using b = await stranger(a);
      b.greet();
      await until(() => a.shell.peers.length === 1);
      const many = Buffer.concat(Array.from({ length: 1000 }, () => Buffer.from(encodeControl(message))));
      while (a.misbehaved.length === 0 && b.control.status === 'open') {
        b.control.send(many);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until(() => a.misbehaved.length > 0);
      assert.deepEqual(a.misbehaved, [{ peer: b.libp2p.peerId.toString(), code: 'ERR_PEER_FLOOD' }]);
      await until(() => a.shell.peers.length === 0);
    });
  }

  it('takes a link whose data stream comes last, or first', async () => {
    await using a = await SwarmNode.start();
    await using late = await stranger(a);
    late.control.send(encodeControl(HELLO));
    await new Promise((resolve) => setImmediate(resolve));
    late.data.send(encodeAttach(5));
    await until(() => a.shell.peers.includes(late.libp2p.peerId.toString()));
    await using early = await stranger(a);
    early.data.send(encodeAttach(5));
    await new Promise((resolve) => setImmediate(resolve));
    early.control.send(encodeControl(HELLO));
    await until(() => a.shell.peers.includes(early.libp2p.peerId.toString()));
  });

  it('refuses messages before HELLO', async () => {
    await using a = await SwarmNode.start();
    await using b = await stranger(a);
    b.control.send(encodeControl({ type: 'ping', nonce: 1 }));
    await until(() => a.misbehaved.length > 0);
    assert.equal(a.misbehaved[0]?.code, 'ERR_PEER_BAD_FRAME');
  });

  it('ends a link that is not greeted yet without a word, as BYE before HELLO would be a fault', async () => {
    await using a = await SwarmNode.start();
    await using b = await stranger(a);
    const parts: Uint8Array[] = [];
    b.control.addEventListener('message', ({ data }) => parts.push(data.subarray()));
    const ended = new Promise<void>((resolve) =>
      b.control.addEventListener('close', () => resolve(), { once: true }),
    );
    b.control.send(encodeControl(HELLO));
    // What came before it has been read then.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    await a.shell.stop();
    await ended;
    assert.deepEqual(parts, []);
  });

  it('takes BYE of a peer that stops while it is being greeted for no fault', async () => {
    await using a = await SwarmNode.start();
    await using b = await stranger(a);
    const ended = new Promise<void>((resolve) =>
      b.control.addEventListener('close', () => resolve(), { once: true }),
    );
    b.control.send(encodeControl(HELLO));
    b.control.send(encodeControl({ type: 'bye', reason: 'closing' }));
    await ended;
    assert.deepEqual(a.misbehaved, []);
  });

  it('takes JOIN and NODES right behind HELLO, before the data stream has come, and answers them then', async () => {
    const file = await fileOf(bytesOf(4096), 1024);
    await using a = await SwarmNode.start();
    a.keep(file);
    a.share(file);
    await using b = await stranger(a);
    const root = file.root.bytes;
    const bytes = file.nodes.get(file.root.toString());
    const answered = b.heard({ type: 'node', slot: 9, cid: root, bytes });
    b.control.send(encodeControl(HELLO));
    const have = { kind: 'some', bits: new Uint8Array(1) } as const;
    b.control.send(encodeControl({ type: 'join', slot: 9, root, have, reply: true }));
    b.control.send(encodeControl({ type: 'nodes', slot: 9, cids: [root] }));
    await new Promise((resolve) => setImmediate(resolve));
    b.data.send(encodeAttach(5));
    await answered;
    assert.deepEqual(a.misbehaved, []);
  });

  it('sends nodes in fewer bytes to who takes them so, and as they are to others', async () => {
    const file = await fileOf(bytesOf(100 * 1024), 1024);
    await using a = await SwarmNode.start();
    a.keep(file);
    a.share(file);
    const cid = file.root.bytes;
    const bytes = file.nodes.get(file.root.toString()) as Uint8Array;
    const packed = packNode(file.root, bytes) as Uint8Array;
    for (const [features, answer] of [
      [['later'], { bytes }],
      [['packed-nodes', 'later'], { packed }],
    ] as const) {
      await using b = await stranger(a);
      const answered = b.heard({ type: 'node', slot: 9, cid, ...answer });
      b.data.send(encodeAttach(5));
      b.control.send(encodeControl({ ...HELLO, features }));
      b.control.send(
        encodeControl({ type: 'join', slot: 9, root: cid, have: { kind: 'none' }, reply: true }),
      );
      b.control.send(encodeControl({ type: 'nodes', slot: 9, cids: [cid] }));
      await answered;
    }
    assert.deepEqual(a.misbehaved, []);
  });

  for (const [what, digests] of [
    ['that cannot be unpacked', 33],
    ['that is another one when it is unpacked', 3200],
  ] as const) {
    it(`cuts off a peer that answers with a packed node ${what}`, async () => {
      const file = await fileOf(bytesOf(100 * 1024), 1024);
      const cid = file.root.bytes;
      const packed = new ProtoWriter().bytes(1, new Uint8Array(digests)).uint(2, 1024).uint(3, 1024).finish();
      await using a = await SwarmNode.start();
      await using b = await stranger(a);
      b.greet();
      await until(() => a.shell.peers.length === 1);
      const stop = new AbortController();
      const { signal } = stop;
      const fetching = a.shell.fetchNodes(file.root, new DagWalk(file.root), { onNode: () => {}, signal });
      b.control.send(
        encodeControl({ type: 'join', slot: 9, root: cid, have: { kind: 'all' }, reply: false }),
      );
      b.control.send(encodeControl({ type: 'node', slot: 1, cid, packed }));
      await until(() => a.misbehaved.length > 0);
      assert.deepEqual(a.misbehaved, [{ peer: b.libp2p.peerId.toString(), code: 'ERR_PEER_BAD_NODE' }]);
      stop.abort(new Error('the test is over'));
      await assert.rejects(fetching, /the test is over/);
    });
  }

  it('refuses anything else there, a large bitfield, and more than it keeps', async () => {
    const root = (await fileOf(bytesOf(10))).root.bytes;
    const nodes = encodeControl({ type: 'nodes', slot: 9, cids: [root] });
    const bits = new Uint8Array(1025);
    for (const early of [
      [encodeControl({ type: 'ping', nonce: 1 })],
      [encodeControl({ type: 'join', slot: 9, root, have: { kind: 'some', bits }, reply: true })],
      Array.from({ length: 17 }, () => nodes),
    ]) {
      await using a = await SwarmNode.start();
      await using b = await stranger(a);
      b.control.send(encodeControl(HELLO));
      for (const frame of early) b.control.send(frame);
      await until(() => a.misbehaved.length > 0);
      assert.equal(a.misbehaved[0]?.code, 'ERR_PEER_BAD_FRAME');
    }
  });

  it('skips kinds of message that it does not know', async () => {
    await using a = await SwarmNode.start();
    await using b = await stranger(a);
    b.greet();
    // Length 5, field 120, three bytes of something; then a ping, which is answered.
    b.control.send(Uint8Array.of(6, 0xc2, 0x07, 3, 1, 2, 3));
    const pong = b.heard({ type: 'pong', nonce: 77 });
    await until(() => a.shell.peers.length === 1);
    b.control.send(encodeControl({ type: 'ping', nonce: 77 }));
    await pong;
    assert.deepEqual(a.misbehaved, []);
  });

  it('stop says goodbye, ends every link and leaves no timer', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const a = await SwarmNode.start();
    const b = await SwarmNode.start();
    const before = timers();
    const file = await fileOf(bytesOf(MIB));
    a.share(file);
    await b.connect(a);
    await b.download(file).done;
    await a.shell.stop();
    await until(() => b.shell.peers.length === 0);
    await b.shell.stop();
    assert.deepEqual(
      a.libp2p
        .getConnections()
        .flatMap(({ streams }) => streams.filter((s) => s.protocol.startsWith('/shoal/'))),
      [],
    );
    assert.ok(!a.libp2p.getProtocols().some((protocol) => protocol.startsWith('/shoal/')));
    await Promise.all([a.libp2p.stop(), b.libp2p.stop()]);
    await until(() => timers() < before);
  });
});
