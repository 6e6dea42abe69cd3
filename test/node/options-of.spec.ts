import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { inspect, type Asset, type Shoal } from '../../src/index.ts';
import { optionsOf } from '../../src/node/options-of.ts';
import { codeOf } from '../code-of.ts';
import { TestNodes } from './test-nodes.ts';

/** What applications in JavaScript pass, which no type keeps from it. */
type Anything = never;

const NEVER = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';

/** Every method that takes options, called with these. */
function calls(node: Shoal, asset: Asset, folder: TestNodes): ((options: Anything) => Promise<unknown>)[] {
  return [
    (options) => node.share(folder.path('file'), options),
    (options) => node.open(asset.cid, options),
    (options) => node.seed(options),
    (options) => node.remove(NEVER, options),
    (options) => Array.fromAsync(node.verify(asset.cid, options)),
    (options) => node.connect(node.addresses[0] ?? '', options),
    (options) => Array.fromAsync(asset.entries(options)),
    (options) => Array.fromAsync(asset.stream(options)),
    (options) => asset.save(folder.path('copy'), options),
    (options) => inspect(folder.path('file'), options),
  ];
}

describe('options', () => {
  let nodes: TestNodes;
  let node: Shoal;
  let asset: Asset;

  beforeEach(async () => {
    nodes = await TestNodes.create();
    await writeFile(nodes.path('file'), 'content');
    node = await nodes.start();
    const { cid } = await node.share(nodes.path('file'));
    asset = await node.open(cid);
  });

  afterEach(async () => {
    await nodes[Symbol.asyncDispose]();
  });

  it('of a name that there is not are refused, and those that there are named', async () => {
    for (const call of calls(node, asset, nodes)) {
      await assert.rejects(call({ timeout: 5000 } as Anything), {
        name: 'ShoalError',
        code: 'ERR_OPTION',
        message: /^there is no option "timeout"; there are: .*timeoutMs/,
      });
    }
    await assert.rejects(nodes.start({ uploadBytesPerSecond: 1e6 } as Anything), {
      code: 'ERR_OPTION',
      message: /^there is no option "uploadBytesPerSecond"; there are: .*uploadBytesPerSec,/,
    });
    for (const limits of [{ upload: 1e6 }, { perPeer: { upload: 1e6 } }])
      assert.throws(() => node.setLimits(limits as Anything), { code: 'ERR_OPTION' });
    assert.throws(() => node.setAssetLimits(asset.cid, { upload: 1e6 } as Anything), { code: 'ERR_OPTION' });
    assert.equal(await codeOf(nodes.start({ perPeer: { upload: 1 } } as Anything)), 'ERR_OPTION');
    assert.equal(await codeOf(nodes.start({ relay: { places: 1 } } as Anything)), 'ERR_OPTION');
  });

  it('of another kind are refused', async () => {
    for (const call of calls(node, asset, nodes)) {
      for (const signal of ['stop', 5, {}, new AbortController()])
        assert.equal(await codeOf(call({ signal } as Anything)), 'ERR_OPTION');
      for (const onProgress of ['log', {}])
        assert.equal(await codeOf(call({ onProgress } as Anything)), 'ERR_OPTION');
    }
    for (const timeoutMs of ['5s', 5n, new Date()])
      assert.equal(await codeOf(node.open(asset.cid, { timeoutMs } as Anything)), 'ERR_OPTION');
    for (const path of [5, ['file']])
      assert.equal(await codeOf(Array.fromAsync(asset.stream({ path } as Anything))), 'ERR_OPTION');
    const wrong = [
      { listen: 5 },
      { listen: '/ip4/127.0.0.1/tcp/0' },
      { peers: '/ip4/127.0.0.1/tcp/1' },
      { bootstrap: new Set() },
      { stunServers: 'stun:localhost' },
      { mdns: 'false' },
      { dht: 0 },
      { web: 'no' },
      { dataDir: 5 },
      { network: 5 },
      { perPeer: 5 },
      { log: 'warn' },
      { trace: true },
      { signal: 'stop' },
    ];
    for (const options of wrong)
      assert.equal(await codeOf(nodes.start(options as Anything)), 'ERR_OPTION', JSON.stringify(options));
    assert.equal(await codeOf(nodes.start({ relay: 'no' } as Anything)), 'ERR_OPTION');
    assert.equal(await codeOf(nodes.start({ listen: [null] } as Anything)), 'ERR_INVALID_MULTIADDR');
    assert.equal(await codeOf(nodes.start({ stunServers: [null] } as Anything)), 'ERR_STUN_SERVER');
  });

  it('never replace a file for what only looks like a yes', async () => {
    await writeFile(nodes.path('copy'), 'mine');
    assert.equal(await codeOf(asset.save(nodes.path('copy'), { force: 'no' } as Anything)), 'ERR_OPTION');
    assert.equal(await readFile(nodes.path('copy'), 'utf8'), 'mine');
  });

  it('are left out where they are null or undefined, one or all', async () => {
    const none = { signal: null, onProgress: null, timeoutMs: undefined, chunkSize: null, path: null };
    for (const call of calls(node, asset, nodes)) {
      for (const options of [null, undefined, {}, none]) {
        const code = await codeOf(call(options as Anything));
        assert.ok(['no error', 'ERR_UNKNOWN_ASSET', 'ERR_PEER_UNREACHABLE'].includes(code), code);
      }
    }
    const other = await nodes.start({
      relay: null,
      stunServers: null,
      trace: null,
      network: null,
      uploadBytesPerSec: null,
      perPeer: { uploadBytesPerSec: null },
    } as Anything);
    other.setLimits({ uploadBytesPerSec: null, perPeer: null } as Anything);
  });

  it('may be the same for several methods', async () => {
    const options = { timeoutMs: 5000, onProgress: () => {}, force: true };
    const again = await node.open(asset.cid, options);
    await again.save(nodes.path('copy'), options);
  });

  it('may be an object of a class, whose own are getters, but nothing else than an object', () => {
    class Settings {
      get timeoutMs(): number {
        return 5;
      }
    }
    assert.deepEqual(optionsOf(new Settings()), { timeoutMs: 5 });
    for (const none of [5, 'all', true, () => {}])
      assert.throws(() => node.setLimits(none as Anything), { code: 'ERR_OPTION' });
  });

  it('take a signal of another realm', () => {
    const signal = { [Symbol.toStringTag]: 'AbortSignal' } as unknown as AbortSignal;
    assert.equal(optionsOf({ signal }).signal, signal);
  });
});
