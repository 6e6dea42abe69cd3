import assert from 'node:assert/strict';
import { DagWalk } from '../../src/integrity/dag-walk.ts';
import type { TraceLine } from '../../src/swarm/core/trace-lines.ts';
import { bytesOf, fileOf, MemoryAsset } from '../swarm/shell/memory-asset.ts';
import { SwarmNode, until } from './swarm-node.ts';

const MIB = 1 << 20;

describe('swarm over libp2p', () => {
  it('moves a whole asset from one node to another', async () => {
    const file = await fileOf(bytesOf(5 * MIB + 123));
    await using a = await SwarmNode.start();
    await using b = await SwarmNode.start();
    a.share(file);
    const { asset, session, done } = b.download(file);
    await b.connect(a);
    await done;
    assert.deepEqual(asset.content, file.content);
    assert.deepEqual([...session.stats().receivedByPeer], [[a.id, file.content.byteLength]]);
    session.leave();
    assert.equal(session.stats().receivedByPeer.get(a.id), file.content.byteLength);
  });

  it('serves an asset from the store that nobody joined', async () => {
    const file = await fileOf(bytesOf(MIB));
    await using a = await SwarmNode.start();
    await using b = await SwarmNode.start();
    a.keep(file);
    await b.connect(a);
    const { asset, done } = b.download(file);
    await done;
    assert.deepEqual(asset.content, file.content);
  });

  it('answers a root that was named before it was added', async () => {
    const file = await fileOf(bytesOf(MIB));
    await using a = await SwarmNode.start();
    await using b = await SwarmNode.start();
    const { done } = b.download(file);
    await b.connect(a);
    a.share(file);
    await done;
  });

  it('names what both sides of a link want with three messages', async () => {
    const file = await fileOf(bytesOf(MIB));
    let joins = 0;
    let ids: string[] = [];
    const trace = {
      seed: 1,
      write: (line: TraceLine) => {
        if (line.kind !== 'event' || line.event.type !== 'message') return;
        if (line.event.message.type === 'join' && ids.includes(line.event.peer)) joins++;
      },
      end: () => {},
    };
    await using a = await SwarmNode.start({ trace });
    await using b = await SwarmNode.start({ trace });
    await using seed = await SwarmNode.start();
    ids = [a.id, b.id];
    const both = [a.download(file), b.download(file)];
    await a.connect(b);
    await until(() => both.every(({ session }) => session.peerCount === 1));
    seed.share(file);
    await Promise.all([seed.connect(a), seed.connect(b)]);
    await Promise.all(both.map(({ done }) => done));
    assert.equal(joins, 3);
  });

  it('answers who waits for an asset that this node looked for itself, and then shared', async () => {
    const file = await fileOf(bytesOf(MIB));
    await using a = await SwarmNode.start();
    await using b = await SwarmNode.start();
    const asset = MemoryAsset.empty(file);
    const { promise: done, resolve: onComplete } = Promise.withResolvers<void>();
    const session = b.shell.join(asset, { origin: false, wanted: 'none', onComplete });
    await b.connect(a);
    const ending = new AbortController();
    const looking = a.shell.fetchNodes(file.root, new DagWalk(file.root), {
      onNode: () => {},
      signal: ending.signal,
    });
    await until(() => session.peerCount === 1);
    a.share(file);
    ending.abort();
    await assert.rejects(looking);
    session.want('all');
    await done;
  });

  it('passes an asset along a chain of nodes', async () => {
    const file = await fileOf(bytesOf(3 * MIB));
    await using a = await SwarmNode.start();
    await using b = await SwarmNode.start();
    await using c = await SwarmNode.start({ exchangeConfig: { degree: 1 } });
    a.share(file);
    const first = b.download(file);
    const second = c.download(file);
    await c.connect(b);
    await b.connect(a);
    await Promise.all([first.done, second.done]);
    assert.deepEqual(second.asset.content, file.content);
    assert.ok((second.session.stats().receivedByPeer.get(b.id) ?? 0) > 0);
  });
});
