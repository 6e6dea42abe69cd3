import assert from 'node:assert/strict';
import { ShoalError } from '../../src/errors.ts';
import { DagWalk } from '../../src/integrity/dag-walk.ts';
import { bytesOf, fileOf, type MemoryFile } from '../swarm/shell/memory-asset.ts';
import { SwarmNode, until } from './swarm-node.ts';

const MIB = 1 << 20;

async function fetchAll(node: SwarmNode, file: MemoryFile, signal: AbortSignal): Promise<DagWalk> {
  const walk = new DagWalk(file.root);
  await node.shell.fetchNodes(file.root, walk, { onNode: () => {}, signal });
  return walk;
}

describe('faults over libp2p', () => {
  it('cuts off and names a peer that sends a wrong chunk, and finishes from another', async () => {
    const file = await fileOf(bytesOf(4 * MIB));
    await using honest = await SwarmNode.start();
    await using liar = await SwarmNode.start();
    await using b = await SwarmNode.start();
    const lies = liar.share(file);
    for (let chunk = 0; chunk < file.manifest.chunkCount; chunk++) lies.corrupt.add(chunk);
    const { asset, session, done } = b.download(file);
    await b.connect(liar);
    await until(() => b.misbehaved.length > 0);
    assert.deepEqual(b.misbehaved, [{ peer: liar.id, code: 'ERR_PEER_BAD_CHUNK' }]);
    honest.share(file);
    await b.connect(honest);
    await done;
    assert.deepEqual(asset.content, file.content);
    assert.deepEqual([...session.stats().receivedByPeer.keys()], [honest.id]);
    await assert.rejects(b.libp2p.dial(liar.libp2p.getMultiaddrs()));
  });

  it('goes on when a peer is gone in the middle', async () => {
    const file = await fileOf(bytesOf(4 * MIB));
    const a = await SwarmNode.start({ uploadBytesPerSec: 4 * MIB });
    await using b = await SwarmNode.start();
    await using c = await SwarmNode.start();
    a.share(file);
    const { asset, done } = b.download(file);
    await b.connect(a);
    await until(() => asset.here.count > 4);
    await a[Symbol.asyncDispose]();
    c.share(file);
    await b.connect(c);
    await done;
    assert.deepEqual(asset.content, file.content);
  });

  it('reports a full disk to the session, and goes on when there is room again', async () => {
    const file = await fileOf(bytesOf(MIB));
    await using a = await SwarmNode.start();
    await using b = await SwarmNode.start();
    a.share(file);
    const { asset, done, errors } = b.download(file);
    asset.writeError = new ShoalError('ERR_DISK_FULL', 'the disk is full');
    await b.connect(a);
    await until(() => errors.length > 0);
    assert.equal(errors[0]?.code, 'ERR_DISK_FULL');
    asset.writeError = undefined;
    await done;
    assert.deepEqual(asset.content, file.content);
  });

  it('rejects what it can no longer read, tells the session, and the rest still arrives', async () => {
    const file = await fileOf(bytesOf(MIB));
    const errors: ShoalError[] = [];
    await using a = await SwarmNode.start({ onAssetError: (_root, error) => void errors.push(error) });
    await using b = await SwarmNode.start();
    await using c = await SwarmNode.start();
    const broken = a.share(file);
    broken.changed.add(3);
    const { asset, done } = b.download(file);
    await b.connect(a);
    await until(() => asset.here.count === file.manifest.chunkCount - 1);
    assert.ok(!asset.here.has(3));
    c.share(file);
    await b.connect(c);
    await done;
    assert.deepEqual(b.misbehaved, []);
  });

  it('does not cut off a peer that can read none of many chunks, and goes on when it can', async () => {
    const file = await fileOf(bytesOf(8 * MIB), 1024);
    await using a = await SwarmNode.start();
    await using b = await SwarmNode.start();
    const away = a.share(file);
    for (let chunk = 0; chunk < file.manifest.chunkCount; chunk++) away.changed.add(chunk);
    let tries = 0;
    const read = away.read.bind(away);
    away.read = (chunk) => {
      tries++;
      return read(chunk);
    };
    const { asset, done } = b.download(file);
    await b.connect(a);
    await until(() => tries > 64);
    // The next try is one that is made by itself.
    for (let before = 0; before !== tries;) {
      before = tries;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    assert.deepEqual(b.misbehaved, []);
    assert.deepEqual(b.shell.peers, [a.id]);
    away.changed.clear();
    await done;
    assert.deepEqual(asset.content, file.content);
  });

  it('holds an upload limit', async () => {
    const file = await fileOf(bytesOf(2 * MIB));
    await using a = await SwarmNode.start({ uploadBytesPerSec: 2 * MIB });
    await using b = await SwarmNode.start();
    a.share(file);
    await b.connect(a);
    const begin = performance.now();
    await b.download(file).done;
    // 2 MiB at 2 MiB/s, less the burst of 50 ms: it may be slower, never faster.
    assert.ok(performance.now() - begin > 850);
  });

  it('fetches interior nodes from whoever has them', async () => {
    const file = await fileOf(bytesOf(3 * MIB), 1024);
    assert.ok(file.nodes.size > 3);
    await using a = await SwarmNode.start();
    await using b = await SwarmNode.start();
    a.keep(file);
    await b.connect(a);
    const walk = await fetchAll(b, file, AbortSignal.timeout(120_000));
    assert.equal(walk.manifest().chunkCount, file.manifest.chunkCount);
  });

  it('fetches the root alone when that is all that is asked for, from a peer that connects later', async () => {
    const file = await fileOf(bytesOf(3 * MIB), 1024);
    await using a = await SwarmNode.start();
    await using b = await SwarmNode.start();
    a.keep(file);
    const walk = new DagWalk(file.root);
    const seen: string[] = [];
    const fetching = b.shell.fetchNodes(file.root, walk, {
      onNode: (cid) => void seen.push(cid.toString()),
      untilRootOnly: true,
      signal: AbortSignal.timeout(120_000),
    });
    await b.connect(a);
    await fetching;
    assert.deepEqual(seen, [file.root.toString()]);
    assert.equal(walk.done, false);
  });

  it('tells a fetch that waits for its turn at a peer that those before it get on', async () => {
    // More than are asked of one peer at once.
    const files = await Promise.all(Array.from({ length: 140 }, (_, i) => fileOf(bytesOf(2048, i), 1024)));
    const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<void>();
    await using a = await SwarmNode.start({
      getNode: async (root, cid) => {
        await mayAnswer;
        return a.files.get(root.toString())?.nodes.get(cid.toString());
      },
    });
    await using b = await SwarmNode.start();
    for (const file of files) a.keep(file);
    await b.connect(a);
    const queued = new Set<string>();
    const fetching = files.map((file) =>
      b.shell.fetchNodes(file.root, new DagWalk(file.root), {
        onNode: () => {},
        onQueued: () => void queued.add(file.root.toString()),
        signal: AbortSignal.timeout(120_000),
      }),
    );
    // All are named to each other before the first node is answered.
    await until(() => [...a.shell.swarms()].length === files.length);
    answer();
    await Promise.all(fetching);
    // Those that found no room, and those that were asked after others.
    assert.ok(queued.size >= 140 - 128, `${queued.size} waited`);
  });

  it('fetches interior nodes from a peer that has them, while their origin does not answer', async () => {
    const file = await fileOf(bytesOf(3 * MIB), 1024);
    // The nodes for c, the root for b, and no more.
    let left = file.nodes.size + 1;
    let hanging = 0;
    await using a = await SwarmNode.start({
      getNode: async (_root, cid) => {
        if (left-- > 0) return file.nodes.get(cid.toString());
        hanging++;
        return await new Promise(() => {});
      },
    });
    await using b = await SwarmNode.start();
    await using c = await SwarmNode.start();
    const signal = AbortSignal.timeout(120_000);
    a.share(file);
    await c.connect(a);
    await fetchAll(c, file, signal);
    c.keep(file);
    await c.download(file).done;
    await b.connect(a);
    const walk = new DagWalk(file.root);
    await b.shell.fetchNodes(file.root, walk, { onNode: () => {}, untilRootOnly: true, signal });
    const fetching = b.shell.fetchNodes(file.root, walk, { onNode: () => {}, signal });
    await until(() => hanging > 0);
    await b.connect(c);
    await fetching;
    assert.ok(walk.done);
    await b.download(file).done;
    assert.deepEqual([...a.misbehaved, ...b.misbehaved, ...c.misbehaved], []);
  });

  it('cuts off a peer that answers with a wrong node, and asks another', async () => {
    const file = await fileOf(bytesOf(2 * MIB), 1024);
    await using liar = await SwarmNode.start({ getNode: async () => new Uint8Array(100) });
    await using honest = await SwarmNode.start();
    await using b = await SwarmNode.start();
    liar.keep(file);
    honest.keep(file);
    const fetching = fetchAll(b, file, AbortSignal.timeout(120_000));
    // It lies the moment it is asked: the link may be gone before anybody has seen it.
    await b.libp2p.dial(liar.libp2p.getMultiaddrs());
    await until(() => b.misbehaved.length > 0);
    await b.connect(honest);
    await fetching;
    assert.deepEqual(b.misbehaved, [{ peer: liar.id, code: 'ERR_PEER_BAD_NODE' }]);
  });

  it('ends a fetch with the abort reason, untouched', async () => {
    const file = await fileOf(bytesOf(MIB));
    await using a = await SwarmNode.start();
    const aborting = new AbortController();
    const fetching = fetchAll(a, file, aborting.signal);
    const reason = new Error('enough');
    aborting.abort(reason);
    await assert.rejects(fetching, (error) => error === reason);
  });

  it('dials contacts that it is told of', async () => {
    const file = await fileOf(bytesOf(MIB));
    await using a = await SwarmNode.start();
    await using b = await SwarmNode.start();
    a.share(file);
    const { done } = b.download(file);
    const addresses = a.libp2p.getMultiaddrs().map(String);
    b.shell.addContacts(file.root, [{ peer: a.id, addresses }]);
    await done;
  });
});
