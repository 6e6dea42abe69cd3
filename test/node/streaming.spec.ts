import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { mock } from 'node:test';
import { ShoalError, type Progress, type Shoal, type StreamOptions } from '../../src/index.ts';
import { HandlePool } from '../../src/store/handle-pool.ts';
import { collect, pseudoRandomBytes, TestNodes } from './test-nodes.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const CHUNK = 64 * KIB;

describe('streaming', () => {
  async function shared(nodes: TestNodes, bytes: number, uploadBytesPerSec: number) {
    const content = pseudoRandomBytes(bytes);
    const path = nodes.path('original.bin');
    await writeFile(path, content);
    const origin = await nodes.start({ uploadBytesPerSec });
    const { link } = await origin.share(path, { chunkSize: CHUNK });
    return { content, path, origin, link };
  }

  /** Bytes of the asset that are at the node. */
  async function bytesHere(node: Shoal): Promise<number> {
    const [info] = await Array.fromAsync(node.list());
    return info?.bytesHere ?? 0;
  }

  it('gives the first bytes of wherever a reader goes long before the rest is here', async () => {
    await using nodes = await TestNodes.create();
    const { content, link } = await shared(nodes, 16 * MIB, 4 * MIB);
    const b = await nodes.start();
    const asset = await b.open(link);
    for (const offset of [12 * MIB + 5, 3 * MIB, 9 * MIB]) {
      const before = await bytesHere(b);
      const pieces: Uint8Array[] = [];
      let bytes = 0;
      for await (const piece of asset.stream({ offset })) {
        pieces.push(piece);
        bytes += piece.byteLength;
        if (bytes >= 4 * CHUNK) break;
      }
      assert.ok(Buffer.concat(pieces).equals(content.subarray(offset, offset + bytes)), `at ${offset}`);
      // Four chunks were asked for; what else came meanwhile is less than what a fetch from the start would take.
      assert.ok((await bytesHere(b)) - before < 3 * MIB, `${await bytesHere(b)} bytes`);
    }
  });

  it('tells how far it is of what it reads, and not of all that the asset has', async () => {
    await using nodes = await TestNodes.create();
    await mkdir(nodes.path('folder'));
    await writeFile(nodes.path('folder', 'large.bin'), pseudoRandomBytes(2 * MIB, 2));
    await writeFile(nodes.path('folder', 'small.bin'), pseudoRandomBytes(5 * CHUNK, 3));
    const origin = await nodes.start();
    const { link } = await origin.share(nodes.path('folder'), { chunkSize: CHUNK });
    const asset = await (await nodes.start()).open(link);
    const toldOf = async (options: StreamOptions): Promise<Progress[]> => {
      const told: Progress[] = [];
      for await (const _ of asset.stream({ ...options, onProgress: (each) => told.push(each) }));
      return told;
    };
    const whole = await toldOf({ path: 'small.bin' });
    assert.ok(whole.every(({ total }) => total === 5 * CHUNK));
    assert.equal(whole.at(-1)?.bytes, 5 * CHUNK);
    assert.deepEqual(whole.at(-1)?.sources, [{ peer: origin.id, bytes: 5 * CHUNK }]);
    const part = await toldOf({ path: 'large.bin', offset: CHUNK, length: 2 * CHUNK });
    assert.ok(part.every(({ total }) => total === 2 * CHUNK));
    assert.equal(part.at(-1)?.bytes, 2 * CHUNK);
  });

  it('gives bytes while a save that began before goes on', async () => {
    await using nodes = await TestNodes.create();
    const { content, link } = await shared(nodes, 8 * MIB, 4 * MIB);
    const b = await nodes.start();
    const asset = await b.open(link);
    let isSaved = false;
    const saving = asset.save(nodes.path('copy.bin')).then(() => (isSaved = true));
    // Asked for at once: the save has not made its place yet.
    for await (const piece of asset.stream({ offset: 6 * MIB })) {
      assert.ok(Buffer.from(piece).equals(content.subarray(6 * MIB, 6 * MIB + piece.byteLength)));
      break;
    }
    assert.equal(isSaved, false);
    await saving;
  });

  it('goes on from an original that is shared here meanwhile', async () => {
    await using nodes = await TestNodes.create();
    const { content, path, link } = await shared(nodes, 8 * MIB, MIB);
    const b = await nodes.start();
    const pieces: Uint8Array[] = [];
    for await (const piece of (await b.open(link)).stream()) {
      if (pieces.push(piece) === 2) await b.share(path, { chunkSize: CHUNK });
    }
    assert.ok(Buffer.concat(pieces).equals(content));
    assert.equal((await Array.fromAsync(b.list()))[0]?.state, 'shared');
  });

  it('ends at once where its reader goes while it waits', async () => {
    await using nodes = await TestNodes.create();
    const { origin, link } = await shared(nodes, MIB, 64 * MIB);
    const b = await nodes.start();
    const asset = await b.open(link);
    await Array.fromAsync(asset.entries());
    await origin.close();
    const reader = ReadableStream.from(asset.stream({ timeoutMs: Infinity })).getReader();
    const reading = reader.read();
    await reader.cancel();
    assert.deepEqual(await reading, { done: true, value: undefined });
    const node = Readable.from(asset.stream({ timeoutMs: Infinity }));
    node.resume();
    await new Promise((resolve) => setImmediate(resolve));
    const closed = once(node, 'close');
    node.destroy();
    await closed;
    const listing = asset.stream({ timeoutMs: Infinity })[Symbol.asyncIterator]();
    const waiting = listing.next();
    await listing.return?.();
    assert.deepEqual(await waiting, { done: true, value: undefined });
  });

  it('ends where its asset is removed, and does not say that the node was closed', async () => {
    await using nodes = await TestNodes.create();
    const { link } = await shared(nodes, 8 * MIB, MIB);
    const b = await nodes.start();
    const asset = await b.open(link);
    const reading = (async () => {
      for await (const _ of asset.stream()) await b.remove(asset.cid);
    })();
    await assert.rejects(reading, { code: 'ERR_CLOSED', message: new RegExp(`^${asset.cid} was removed`) });
  });

  it('tells of each chunk that arrives, and from whom', async () => {
    await using nodes = await TestNodes.create();
    const { content, origin, link } = await shared(nodes, MIB, 64 * MIB);
    const b = await nodes.start();
    const seen: { chunk: number; bytes: number }[] = [];
    b.addEventListener('asset:chunk', ({ detail: { cid, chunk, chunks, bytes, peer } }) => {
      assert.deepEqual({ cid: link.includes(cid), chunks, peer }, { cid: true, chunks: 16, peer: origin.id });
      seen.push({ chunk, bytes });
    });
    await (await b.open(link)).save(nodes.path('copy.bin'));
    assert.equal(
      seen.reduce((sum, { bytes }) => sum + bytes, 0),
      content.byteLength,
    );
    assert.equal(new Set(seen.map(({ chunk }) => chunk)).size, 16);
  });

  it('serves two readers of one asset side by side', async () => {
    await using nodes = await TestNodes.create();
    const { content, link } = await shared(nodes, 6 * MIB, 4 * MIB);
    const b = await nodes.start();
    const asset = await b.open(link);
    const order: string[] = [];
    const read = async (name: string, offset: number): Promise<void> => {
      const pieces: Uint8Array[] = [];
      for await (const piece of asset.stream({ offset, length: 2 * MIB })) {
        order.push(name);
        pieces.push(piece);
      }
      assert.ok(Buffer.concat(pieces).equals(content.subarray(offset, offset + 2 * MIB)), name);
    };
    await Promise.all([read('front', 0), read('back', 4 * MIB)]);
    // Neither waits until the other has all: when one is done, the other has had a good part.
    const half = order.slice(0, order.length / 2);
    assert.ok(half.includes('front') && half.includes('back'));
    const slower = order.at(-1);
    const ended = order.lastIndexOf(slower === 'front' ? 'back' : 'front');
    const meanwhile = order.slice(0, ended).filter((name) => name === slower).length;
    assert.ok(meanwhile >= 8, `${meanwhile} of 32 pieces`);
  });

  it('tells that the peer which had it cannot read it any more', async () => {
    await using nodes = await TestNodes.create();
    const { path, link } = await shared(nodes, 8 * MIB, MIB);
    const b = await nodes.start();
    const asset = await b.open(link);
    const failure = await (async () => {
      try {
        for await (const _ of asset.stream({ timeoutMs: 3000 })) {
          await writeFile(path, pseudoRandomBytes(8 * MIB, 99));
        }
      } catch (error) {
        return error as ShoalError;
      }
      return undefined;
    })();
    assert.equal(failure?.code, 'ERR_NO_PROVIDERS');
    assert.match(failure.message, /can no longer read it|has left/);
    const swarm = failure.tried?.find(({ way }) => way === 'swarm');
    assert.match(swarm?.text ?? '', /could no longer read it|left meanwhile/);
  });

  it('gets what its only peer could not read for a moment', async () => {
    await using nodes = await TestNodes.create();
    const { path, link } = await shared(nodes, 4 * MIB, MIB);
    const b = await nodes.start();
    const asset = await b.open(link);
    const real = HandlePool.prototype.use;
    let reads = 0;
    const used = mock.method(
      HandlePool.prototype,
      'use',
      async function (this: HandlePool, ...args: Parameters<typeof real>) {
        if (args[2] === 'read' && ++reads === 2)
          throw new ShoalError('ERR_TOO_MANY_FILES', 'too many files are open');
        return real.apply(this, args);
      },
    );
    try {
      await asset.save(nodes.path('copy'));
    } finally {
      used.mock.restore();
    }
    assert.deepEqual(await readFile(nodes.path('copy')), await readFile(path));
  });

  it('goes on after a pause in which nobody was there for longer than it would wait', async () => {
    await using nodes = await TestNodes.create();
    const { content, path, origin, link } = await shared(nodes, 4 * MIB, MIB);
    const b = await nodes.start();
    const asset = await b.open(link);
    const pieces: Uint8Array[] = [];
    for await (const piece of asset.stream({ timeoutMs: 1500 })) {
      if (pieces.push(piece) > 1) continue;
      await origin.close();
      // The player is on pause.
      await new Promise((resolve) => setTimeout(resolve, 3000));
      const again = await nodes.start();
      await again.share(path, { chunkSize: CHUNK });
      await b.connect(again.addresses[0]!);
    }
    assert.ok(Buffer.concat(pieces).equals(content));
  });

  it('does not wait for ever for what the disk lost under the reader and nobody has', async () => {
    await using nodes = await TestNodes.create();
    const { link, origin } = await shared(nodes, MIB, 64 * MIB);
    const b = await nodes.start();
    const asset = await b.open(link);
    const range = { length: 8 * CHUNK, timeoutMs: 1000 };
    assert.equal((await collect(asset.stream(range))).byteLength, range.length);
    await origin.close();
    const partial = await open(join(b.dataDir, 'partials', `${asset.cid}.data`), 'r+');
    const reading = (async () => {
      for await (const _ of asset.stream(range)) {
        await partial.write('changed', 5 * CHUNK);
        await Array.fromAsync(b.verify(asset.cid));
      }
    })();
    await assert.rejects(reading, { code: 'ERR_NO_PROVIDERS' });
    await partial.close();
  });
});
