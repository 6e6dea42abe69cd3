import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, readFile, readdir, rename, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { runInNewContext } from 'node:vm';
import { multiaddr } from '@multiformats/multiaddr';
import { inspect, ShoalError, type Progress, type ShoalEvents } from '../../src/index.ts';
import type { ShoalNode } from '../../src/node/shoal-node.ts';
import type { Store } from '../../src/store/store.ts';
import { codeOf } from '../code-of.ts';
import { collect, pseudoRandomBytes, TestNodes } from './test-nodes.ts';

const MIB = 1024 * 1024;
const NOBODY_HAS = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';

/** Whether a multicast datagram sent here comes back here: containers and some machines have no such network. */
async function hasMulticast(): Promise<boolean> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  try {
    socket.bind(0);
    await once(socket, 'listening');
    socket.addMembership('224.0.0.251');
    socket.setMulticastLoopback(true);
    const heard = once(socket, 'message', { signal: AbortSignal.timeout(1000) });
    socket.send('shoal', socket.address().port, '224.0.0.251');
    await heard;
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

describe('a node', () => {
  let nodes: TestNodes;

  beforeEach(async () => {
    nodes = await TestNodes.create();
  });

  afterEach(async () => {
    await nodes[Symbol.asyncDispose]();
  });

  async function sharedFile(bytes = 3 * MIB + 17): Promise<{ content: Uint8Array; path: string }> {
    const content = pseudoRandomBytes(bytes);
    const path = nodes.path('original.bin');
    await writeFile(path, content);
    return { content, path };
  }

  it('saves what another shares, byte for byte, and tells where it came from', async () => {
    const { content, path } = await sharedFile();
    const a = await nodes.start();
    const b = await nodes.start();
    const { link } = await a.share(path);
    const asset = await b.open(link);
    assert.equal(asset.size, content.byteLength);
    const seen: Progress[] = [];
    const saved = await asset.save(nodes.path('copy.bin'), { onProgress: (progress) => seen.push(progress) });
    assert.deepEqual(await readFile(saved.path), Buffer.from(content));
    assert.deepEqual(saved.sources, [{ peer: a.id, bytes: content.byteLength }]);
    assert.equal(seen.at(-1)?.phase, 'done');
    assert.equal(seen.at(-1)?.bytes, seen.at(-1)?.total);
  });

  it('saves files of any edge size', async () => {
    const a = await nodes.start();
    const b = await nodes.start();
    for (const size of [0, 1, 65_535, 65_536, 65_537, 131_072]) {
      const content = pseudoRandomBytes(size, size + 1);
      const { link } = await a.share(content, { name: `${size}` });
      const saved = await (await b.open(link)).save(nodes.path(`copy-${size}`));
      assert.deepEqual(await readFile(saved.path), Buffer.from(content));
    }
  });

  it('saves a directory with nested, empty and unicode names and links', async () => {
    const folder = nodes.path('tree');
    await mkdir(nodes.path('tree/deep/er'), { recursive: true });
    await mkdir(nodes.path('tree/empty'));
    await writeFile(nodes.path('tree/деревня.txt'), 'ä');
    await writeFile(nodes.path('tree/deep/er/zero'), '');
    await writeFile(nodes.path('tree/deep/big'), pseudoRandomBytes(300_000));
    await symlink('deep/big', nodes.path('tree/link'));
    const a = await nodes.start();
    const b = await nodes.start();
    const { link } = await a.share(folder);
    const asset = await b.open(link);
    assert.equal(asset.type, 'directory');
    const saved = await asset.save(nodes.path('copy'));
    assert.deepEqual(
      (await readdir(saved.path, { recursive: true })).sort(),
      (await readdir(folder, { recursive: true })).sort(),
    );
    assert.equal(await readFile(nodes.path('copy/деревня.txt'), 'utf8'), 'ä');
    assert.deepEqual(
      await readFile(nodes.path('copy/deep/big')),
      await readFile(nodes.path('tree/deep/big')),
    );
  });

  it('streams a range, verified and in order, and saves the rest later', async () => {
    const { content, path } = await sharedFile();
    const a = await nodes.start();
    const b = await nodes.start();
    const { link } = await a.share(path);
    const asset = await b.open(link);
    const range = await collect(asset.stream({ offset: 70_000, length: 200_000 }));
    assert.deepEqual(range, Buffer.from(content.subarray(70_000, 270_000)));
    const saved = await asset.save(nodes.path('copy.bin'));
    assert.deepEqual(await readFile(saved.path), Buffer.from(content));
  });

  it('streams the whole of what it does not have yet', async () => {
    const { content, path } = await sharedFile();
    const a = await nodes.start();
    const b = await nodes.start();
    const { link } = await a.share(path);
    assert.deepEqual(await collect((await b.open(link)).stream()), Buffer.from(content));
  });

  it('shares from a stream of unknown size', async () => {
    const content = pseudoRandomBytes(500_000);
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < content.byteLength; at += 7_777) yield content.slice(at, at + 7_777);
    }
    const a = await nodes.start();
    const b = await nodes.start();
    const fromStream = await a.share(pieces(), { name: 'streamed' });
    const fromBytes = await b.share(content);
    assert.equal(fromStream.cid, fromBytes.cid);
    const c = await nodes.start();
    assert.deepEqual(await collect((await c.open(fromStream.link)).stream()), Buffer.from(content));
  });

  it('finds a bare CID through a node that does not have it, and again after the origin has gone', async () => {
    const { content, path } = await sharedFile();
    const a = await nodes.start();
    const { cid } = await a.share(path);
    const b = await nodes.start({ bootstrap: a.addresses });
    const c = await nodes.start({ bootstrap: b.addresses });
    await (await c.open(cid)).save(nodes.path('c.bin'));
    await a.close();
    const d = await nodes.start({ bootstrap: c.addresses });
    const saved = await (await d.open(cid)).save(nodes.path('d.bin'));
    assert.deepEqual(await readFile(saved.path), Buffer.from(content));
    assert.deepEqual(saved.sources, [{ peer: c.id, bytes: content.byteLength }]);
  });

  it('finds a bare CID on the local network by mDNS', async function () {
    if (!(await hasMulticast())) this.skip();
    const { content, path } = await sharedFile();
    // Other tests and other machines on this network must not answer.
    const local = { network: `mdns-${process.pid}`, mdns: true, dht: false, listen: ['/ip4/0.0.0.0/tcp/0'] };
    const a = await nodes.start(local);
    const { cid } = await a.share(path);
    const b = await nodes.start(local);
    assert.deepEqual(await collect((await b.open(cid)).stream()), Buffer.from(content));
  });

  it('goes on where it was stopped', async () => {
    const { content, path } = await sharedFile(6 * MIB);
    const a = await nodes.start({ uploadBytesPerSec: 4 * MIB });
    const { link } = await a.share(path);
    const dataDir = nodes.path('resumed');
    const first = await nodes.start({ dataDir });
    const stop = new AbortController();
    const reason = new Error('enough');
    const asset = await first.open(link);
    const interrupted = asset.save(nodes.path('copy.bin'), {
      signal: stop.signal,
      onProgress: ({ bytes }) => bytes > 2 * MIB && stop.abort(reason),
    });
    await assert.rejects(interrupted, reason);
    await first.close();
    a.setLimits({});
    const second = await nodes.start({ dataDir });
    const saved = await (await second.open(link)).save(nodes.path('copy.bin'));
    const received = saved.sources.reduce((sum, source) => sum + source.bytes, 0);
    assert.ok(received < 4 * MIB, `${received} bytes were fetched again`);
    assert.deepEqual(await readFile(saved.path), Buffer.from(content));
  });

  it('serves what it fetched after a restart', async () => {
    const { content, path } = await sharedFile();
    const a = await nodes.start();
    const { link, cid } = await a.share(path);
    const dataDir = nodes.path('restarted');
    const b = await nodes.start({ dataDir });
    await (await b.open(link)).save(nodes.path('copy.bin'));
    await b.close();
    await a.close();
    const again = await nodes.start({ dataDir });
    assert.deepEqual(await again.seed(), { assets: 1 });
    const c = await nodes.start({ peers: again.addresses });
    assert.deepEqual(await collect((await c.open(cid)).stream()), Buffer.from(content));
  });

  it('serves no more of what is removed, also where a peer had it opened after a restart', async () => {
    const dataDir = nodes.path('restarted');
    const first = await nodes.start({ dataDir });
    const { cid } = await first.share(pseudoRandomBytes(8_000_000));
    await first.close();
    const a = await nodes.start({ dataDir, uploadBytesPerSec: 2_000_000 });
    await a.seed();
    const b = await nodes.start({ peers: a.addresses });
    const removed = Promise.withResolvers<void>();
    b.addEventListener('asset:chunk', () => removed.resolve(a.remove(cid)), { once: true });
    const saving = (await b.open(cid)).save(nodes.path('copy.bin'), { timeoutMs: 2000 });
    await Promise.all([removed.promise, assert.rejects(saving, { code: 'ERR_NO_PROVIDERS' })]);
  });

  it('forgets whom it knows of what is removed, also who came meanwhile', async () => {
    const a = await nodes.start();
    const { cid } = await a.share(pseudoRandomBytes(8_000_000));
    const { store } = a as unknown as { store: Store };
    const noted = (): Promise<unknown> => store.getSetting(`contacts/${cid}`);
    const remove = store.remove.bind(store);
    store.remove = async (root) => {
      const b = await nodes.start({ peers: a.addresses, downloadBytesPerSec: 100_000 });
      const reading = collect((await b.open(cid)).stream());
      reading.catch(() => {});
      while (!(await noted())) await new Promise((resolve) => setTimeout(resolve, 20));
      await remove(root);
    };
    await a.remove(cid);
    assert.equal(await noted(), undefined);
  });

  it('fetches what was removed again for whoever has it open still', async () => {
    const { path, content } = await sharedFile();
    const a = await nodes.start();
    const { link, cid } = await a.share(path);
    const b = await nodes.start();
    const asset = await b.open(link);
    const read = async (): Promise<Buffer> => Buffer.from(await collect(asset.stream()));
    assert.ok((await read()).equals(content));
    await b.remove(cid);
    assert.ok((await read()).equals(content));
    await b.remove(cid);
    await asset.save(nodes.path('copy'));
    assert.ok((await readFile(nodes.path('copy'))).equals(content));
    await b.remove(cid);
    // Opening fetches the root alone.
    await (await b.open(link)).close();
    assert.ok((await read()).equals(content));
  });

  it('removes what has filled the disk', async () => {
    const a = await nodes.start();
    const { cid } = await a.share(pseudoRandomBytes(100_000));
    const { store } = a as unknown as { store: Store };
    const { remove, putSetting } = store;
    let isFull = true;
    store.remove = (root) => remove.call(store, root).finally(() => (isFull = false));
    store.putSetting = async (key, value) => {
      if (isFull) throw new ShoalError('ERR_DISK_FULL', 'the disk is full');
      await putSetting.call(store, key, value);
    };
    await a.remove(cid);
    assert.deepEqual(await Array.fromAsync(a.list()), []);
  });

  it('removes nothing when whoever waits for a download to end before it gives up', async () => {
    const a = await nodes.start({ uploadBytesPerSec: 1_000_000 });
    const { link, cid } = await a.share(pseudoRandomBytes(8_000_000));
    const b = await nodes.start();
    const stop = new AbortController();
    const saving = (await b.open(link)).save(nodes.path('copy.bin'), { signal: stop.signal });
    await new Promise((resolve) => b.addEventListener('asset:chunk', resolve, { once: true }));
    const waiting = new AbortController();
    const removing = b.remove(cid, { signal: waiting.signal });
    waiting.abort(new Error('interrupted'));
    await assert.rejects(removing, /interrupted/);
    stop.abort(new Error('stopped'));
    await assert.rejects(saving, /stopped/);
    const [kept] = await Array.fromAsync(b.list());
    assert.equal(kept?.state, 'partial');
    await b.remove(cid);
    assert.deepEqual(await Array.fromAsync(b.list()), []);
  });

  it('notices an original that changed before a wrong byte is sent', async () => {
    const { path } = await sharedFile();
    const a = await nodes.start();
    const { link, cid } = await a.share(path);
    const broken = new Promise<ShoalEvents['asset:error']['detail']>((resolve) =>
      a.addEventListener('asset:error', (event) => resolve(event.detail), { once: true }),
    );
    const before = await stat(path);
    await writeFile(path, pseudoRandomBytes(before.size, 99));
    await utimes(path, before.atime, before.mtime);
    const b = await nodes.start();
    const asset = await b.open(link);
    const stop = new AbortController();
    const save = asset.save(nodes.path('copy.bin'), { signal: stop.signal });
    const { code, cid: which } = await broken;
    stop.abort();
    await assert.rejects(save);
    assert.equal(code, 'ERR_FILE_CHANGED');
    assert.equal(which, cid);
  });

  it('tells that a file of one chunk was changed, and gives it again when it is what it was', async () => {
    await using nodes = await TestNodes.create();
    const path = nodes.path('small.txt');
    await writeFile(path, 'what I have');
    const a = await nodes.start();
    const { link, cid } = await a.share(path);
    await writeFile(path, 'something else');
    const told = new Promise<{ cid: string; code: string }>((resolve) =>
      a.addEventListener('asset:error', ({ detail }) => resolve(detail), { once: true }),
    );
    const b = await nodes.start();
    const stop = new AbortController();
    const opening = b.open(link, { signal: stop.signal });
    const { cid: changed, code } = await told;
    assert.deepEqual([changed, code], [cid, 'ERR_FILE_CHANGED']);
    stop.abort();
    await assert.rejects(opening);
    await writeFile(path, 'what I have');
    assert.equal(String(await collect((await b.open(link)).stream())), 'what I have');
  });

  it('serves an original that was away when a peer asked for it, once it is back', async () => {
    const { path, content } = await sharedFile();
    const dataDir = nodes.path('data');
    const a = await nodes.start({ dataDir });
    const { cid } = await a.share(path);
    await a.close();
    await rename(path, `${path}.away`);
    const again = await nodes.start({ dataDir });
    const failed = new Promise((resolve) => again.addEventListener('asset:error', resolve, { once: true }));
    const b = await nodes.start({ peers: again.addresses });
    const copy = collect((await b.open(cid)).stream());
    await failed;
    await rename(`${path}.away`, path);
    assert.deepEqual(await copy, Buffer.from(content));
  });

  it('says plainly what it cannot do', async () => {
    const a = await nodes.start();
    await writeFile(nodes.path('there'), 'x');
    const { cid } = await a.share(new TextEncoder().encode('hello'));
    const asset = await a.open(cid);
    assert.equal(await codeOf(asset.save(nodes.path('there'))), 'ERR_TARGET_EXISTS');
    assert.equal(await codeOf(asset.save(nodes.path('no', 'such', 'folder', 'x'))), 'ERR_NOT_FOUND');
    assert.equal(await codeOf(a.open('nonsense')), 'ERR_INVALID_CID');
    assert.equal(
      await codeOf(a.open('QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG')),
      'ERR_UNSUPPORTED_CID',
    );
    assert.equal(await codeOf(a.open(NOBODY_HAS, { timeoutMs: 1 })), 'ERR_NO_PROVIDERS');
    for (const timeoutMs of [NaN, -1])
      assert.equal(await codeOf(a.open(NOBODY_HAS, { timeoutMs })), 'ERR_RANGE', `${timeoutMs}`);
    assert.equal(await codeOf(a.share(nodes.path('missing'))), 'ERR_NOT_FOUND');
    assert.equal(await codeOf(a.remove(NOBODY_HAS)), 'ERR_UNKNOWN_ASSET');
    const cut = `/ip4/127.0.0.1/tcp/4001/p2p/${a.id.slice(0, -1)}`;
    for (const address of ['nonsense', '', '/', cut, undefined as unknown as string]) {
      assert.equal(await codeOf(a.connect(address)), 'ERR_INVALID_MULTIADDR', address);
      assert.equal(await codeOf(nodes.start({ peers: [address] })), 'ERR_INVALID_MULTIADDR', address);
    }
    await assert.rejects(nodes.start({ listen: ['/ip4/127.0.0.1/udp/4001'] }), {
      code: 'ERR_LISTEN',
      message:
        'cannot listen on /ip4/127.0.0.1/udp/4001: this node listens over none of that; write it like /ip4/0.0.0.0/tcp/4001',
    });
    // As whoever names the address of a router does.
    await assert.rejects(nodes.start({ listen: ['/ip4/198.51.100.7/tcp/4001'], web: true }), {
      code: 'ERR_LISTEN',
      message: /: 198\.51\.100\.7:4001 is not of this machine; name an address that is, or all of them/,
    });
    await assert.rejects(nodes.start({ listen: ['/ip4/198.51.100.7/udp/4001/webrtc-direct'] }), {
      code: 'ERR_LISTEN',
      message: /: the UDP port is taken, or the address is not of this machine;/,
    });
    assert.equal(await codeOf(collect(asset.stream({ path: 'x' }))), 'ERR_ENTRY_NOT_FOUND');
    assert.equal(await codeOf(collect(asset.stream({ offset: 6 }))), 'ERR_RANGE');
    assert.equal(await readFile(nodes.path('there'), 'utf8'), 'x');
  });

  it('takes no empty path for the current folder, nor one that no file system has', async () => {
    const a = await nodes.start();
    const { cid } = await a.share(pseudoRandomBytes(1000));
    const asset = await a.open(cid);
    assert.equal(await codeOf(a.share('')), 'ERR_NOT_FOUND');
    assert.equal(await codeOf(a.share('a\0b')), 'ERR_UNSAFE_NAME');
    assert.equal(await codeOf(asset.save('', { force: true })), 'ERR_NOT_FOUND');
    assert.equal(await codeOf(asset.save('a\0b')), 'ERR_UNSAFE_NAME');
    assert.equal(await codeOf(asset.save(undefined as unknown as string)), 'ERR_NOT_FOUND');
    assert.equal(await codeOf(inspect('')), 'ERR_NOT_FOUND');
    assert.equal(await codeOf(nodes.start({ dataDir: '' })), 'ERR_NOT_FOUND');
    for (const url of ['https://example.org/a', 'file:///a%2Fb'])
      assert.equal(await codeOf(a.share(new URL(url))), 'ERR_SHARE_SOURCE', url);
  });

  it('shares bytes of another realm, as test runners and `vm` have one', async () => {
    const a = await nodes.start();
    const foreign = runInNewContext('new Uint8Array([104, 105])') as Uint8Array;
    const { cid, bytes } = await a.share(foreign);
    assert.equal(bytes, 2);
    assert.equal((await a.share(new Uint8Array([104, 105]))).cid, cid);
  });

  it('takes no name that is no text, of which a damaged record would be left', async () => {
    const a = await nodes.start();
    const name = 2026 as unknown as string;
    assert.equal(await codeOf(a.share(pseudoRandomBytes(1000), { name })), 'ERR_SHARE_SOURCE');
    assert.deepEqual(await Array.fromAsync(a.list()), []);
  });

  it('gives no entries to who gave up, or closed it, though it knows them', async () => {
    await mkdir(nodes.path('tree'));
    await writeFile(nodes.path('tree/a'), 'a');
    const a = await nodes.start();
    const asset = await a.open((await a.share(nodes.path('tree'))).cid);
    assert.equal((await Array.fromAsync(asset.entries())).length, 1);
    const reason = new Error('enough');
    await assert.rejects(Array.fromAsync(asset.entries({ signal: AbortSignal.abort(reason) })), reason);
    await asset.close();
    assert.equal(await codeOf(Array.fromAsync(asset.entries())), 'ERR_CLOSED');
  });

  it('takes many listeners, and many readers of one asset, for no leak', async () => {
    const leaks: Error[] = [];
    const onWarning = (warning: Error): void => {
      if (warning.name === 'MaxListenersExceededWarning') leaks.push(warning);
    };
    process.on('warning', onWarning);
    try {
      const { path, content } = await sharedFile(200_000);
      const { link } = await (await nodes.start()).share(path);
      const b = await nodes.start();
      for (let i = 0; i < 12; i++) b.addEventListener('asset:chunk', () => {});
      const asset = await b.open(link);
      const reading = Array.from({ length: 12 }, (_, offset) => collect(asset.stream({ offset })));
      for (const [offset, bytes] of (await Promise.all(reading)).entries())
        assert.ok(bytes.equals(content.subarray(offset)));
    } finally {
      process.off('warning', onWarning);
    }
    assert.deepEqual(leaks, []);
  });

  it('owns its data folder alone', async () => {
    const a = await nodes.start();
    await assert.rejects(nodes.start({ dataDir: a.dataDir }), {
      code: 'ERR_DATA_DIR_IN_USE',
      message: /in use by a node of this very program; close that one/,
    });
  });

  it('keeps its identity', async () => {
    const a = await nodes.start();
    await a.close();
    const again = await nodes.start({ dataDir: a.dataDir });
    assert.equal(again.id, a.id);
  });

  it('refuses a port that is taken', async () => {
    const a = await nodes.start();
    const port = /\/tcp\/(\d+)/.exec(a.addresses[0] ?? '')?.[1];
    assert.equal(await codeOf(nodes.start({ listen: [`/ip4/127.0.0.1/tcp/${port}`] })), 'ERR_ADDRESS_IN_USE');
  });

  it('leaves no trace of a start that failed, which would keep the next one from starting', async () => {
    const a = await nodes.start();
    const port = /\/tcp\/(\d+)/.exec(a.addresses[0] ?? '')?.[1];
    const options = { trace: nodes.path('trace.jsonl'), dataDir: nodes.path('traced') };
    const failing = nodes.start({ ...options, listen: [`/ip4/127.0.0.1/tcp/${port}`] });
    assert.equal(await codeOf(failing), 'ERR_ADDRESS_IN_USE');
    await nodes.start(options);
    assert.equal(await codeOf(nodes.start({ trace: options.trace })), 'ERR_TARGET_EXISTS');
    await stat(options.trace);
    assert.equal(await codeOf(nodes.start({ trace: '' })), 'ERR_NOT_FOUND');
  });

  it('lists, verifies and forgets', async () => {
    const { path, content } = await sharedFile();
    const a = await nodes.start();
    const { cid } = await a.share(path);
    const listed = await Array.fromAsync(a.list());
    assert.deepEqual(
      listed.map(({ cid: each, state, bytes, path: at }) => ({ cid: each, state, bytes, path: at })),
      [{ cid, state: 'shared', bytes: content.byteLength, path }],
    );
    const [report] = await Array.fromAsync(a.verify());
    assert.equal(report?.bytesGood, content.byteLength);
    assert.equal(report?.bytesBad, 0);
    await a.remove(cid);
    assert.deepEqual(await Array.fromAsync(a.list()), []);
    assert.deepEqual(await readFile(path), Buffer.from(content));
  });

  it('saves the same asset twice at once', async () => {
    const { path, content } = await sharedFile();
    const a = await nodes.start();
    const { link } = await a.share(path);
    const b = await nodes.start();
    const asset = await b.open(link);
    await Promise.all([asset.save(nodes.path('one')), asset.save(nodes.path('two'))]);
    assert.deepEqual(await readFile(nodes.path('one')), Buffer.from(content));
    assert.deepEqual(await readFile(nodes.path('two')), Buffer.from(content));
  });

  it('streams on while a save of the same asset begins', async () => {
    const { path, content } = await sharedFile();
    const a = await nodes.start();
    const { link } = await a.share(path);
    const b = await nodes.start();
    const asset = await b.open(link);
    const stream = asset.stream()[Symbol.asyncIterator]();
    const first = await stream.next();
    const [saved, rest] = await Promise.all([
      asset.save(nodes.path('copy')),
      collect({ [Symbol.asyncIterator]: () => stream }),
    ]);
    assert.deepEqual(Buffer.concat([first.value as Uint8Array, rest]), Buffer.from(content));
    assert.deepEqual(await readFile(saved.path), Buffer.from(content));
  });

  it('ends what is under way when it is closed', async () => {
    const a = await nodes.start();
    const opening = a.open(NOBODY_HAS, { timeoutMs: Infinity });
    const failed = codeOf(opening);
    await a.close();
    assert.equal(await failed, 'ERR_CLOSED');
  });

  it('runs saves of one asset in turn, though one that waited gave up', async () => {
    const { path, content } = await sharedFile();
    const a = await nodes.start({ uploadBytesPerSec: 4 * MIB });
    const { link } = await a.share(path);
    const b = await nodes.start();
    const asset = await b.open(link);
    const stop = new AbortController();
    const first = asset.save(nodes.path('first'));
    const second = asset.save(nodes.path('second'), { signal: stop.signal });
    stop.abort(new Error('changed my mind'));
    await assert.rejects(second, /changed my mind/);
    const [one, three] = await Promise.all([first, asset.save(nodes.path('third'))]);
    assert.equal(one.path, nodes.path('first'));
    assert.deepEqual(await readFile(one.path), Buffer.from(content));
    assert.deepEqual(await readFile(three.path), Buffer.from(content));
  });

  it('fails a save whose onProgress throws, with that error and nothing else', async () => {
    const { path } = await sharedFile();
    const a = await nodes.start({ uploadBytesPerSec: 2 * MIB });
    const { link } = await a.share(path);
    const b = await nodes.start();
    const asset = await b.open(link);
    const fault = new Error('in the application');
    const save = asset.save(nodes.path('copy'), {
      onProgress: ({ bytes }) => {
        if (bytes > 0) throw fault;
      },
    });
    await assert.rejects(save, fault);
  });

  it('works and ends though the log of its application throws, which is uncaught as of a listener', async () => {
    const uncaught = new Set<unknown>();
    const full = new Error('the disk of the log is full');
    process.setUncaughtExceptionCaptureCallback((error) => void uncaught.add(error));
    try {
      const log = (): void => {
        throw full;
      };
      const dataDir = nodes.path('logging');
      const node = await nodes.start({ dataDir, log });
      const other = await nodes.start();
      await node.connect(other.addresses[0] as string);
      const { cid } = await node.share(pseudoRandomBytes(1000));
      await using asset = await other.open(cid);
      assert.equal((await collect(asset.stream())).byteLength, 1000);
      await node.close();
      await (await nodes.start({ dataDir })).close();
      assert.deepEqual([...uncaught], [full]);
    } finally {
      process.setUncaughtExceptionCaptureCallback(null);
    }
  });

  it('refuses limits that are none', async () => {
    const a = await nodes.start();
    for (const limit of [0, -5, Number.NaN]) {
      assert.throws(() => a.setLimits({ uploadBytesPerSec: limit }), { code: 'ERR_LIMIT' });
    }
  });

  it('blames nobody where a peer that was named cannot be reached', async () => {
    const a = await nodes.start();
    const gone = await nodes.start();
    const [address = ''] = gone.addresses;
    await gone.close();
    await assert.rejects(a.connect(address), { code: 'ERR_PEER_UNREACHABLE', fault: 'none' });
  });

  it('keeps networks apart', async () => {
    const { path } = await sharedFile();
    const a = await nodes.start();
    const { link } = await a.share(path);
    const b = await nodes.start({ network: 'other' });
    await b.connect(a.addresses[0] ?? '');
    assert.equal(await codeOf(b.open(link, { timeoutMs: 1500 })), 'ERR_NO_PROVIDERS');
  });

  it('tells of its addresses when they are others, and only then', async () => {
    const node = (await nodes.start()) as ShoalNode;
    const { libp2p } = node;
    const first = node.addresses;
    const told: (readonly string[])[] = [];
    node.addEventListener('addresses:change', ({ detail }) => told.push(detail.addresses));

    await libp2p.handle('/something/1.0.0', () => {});
    const others = [...libp2p.getMultiaddrs(), multiaddr('/ip4/192.0.2.1/tcp/4001')];
    libp2p.getMultiaddrs = () => others;
    await libp2p.handle('/something/2.0.0', () => {});
    await libp2p.handle('/something/3.0.0', () => {});

    assert.deepEqual(told, [[...first, '/ip4/192.0.2.1/tcp/4001']]);
  });
});
