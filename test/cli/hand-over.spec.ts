import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Owner } from '../../src/daemon/control-client.ts';
import { ControlServer } from '../../src/daemon/control-server.ts';
import { createShoal, type Shoal } from '../../src/index.ts';
import { MAIN, Scene, type ShoalEvent, type ShoalProcess } from './shoal-process.ts';

const CONTENT = randomBytes(4_000_000);
const UNKNOWN_CID = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';

async function shareSlowly(scene: Scene, rate = '1500KB'): Promise<{ origin: ShoalProcess; link: string }> {
  const file = join(scene.folder, 'data.bin');
  writeFileSync(file, CONTENT);
  const origin = scene.shoal('origin', 'share', file, '--upload-limit', rate);
  return { origin, link: String((await origin.waitFor('sharing'))['link']) };
}

describe('commands beside the owner of a data folder', () => {
  it('hand a share over to a running seed, which serves it, and return at once', async () => {
    await using scene = new Scene();
    const seed = scene.shoal('a', 'seed');
    const listening = await seed.waitFor('listening');
    const file = join(scene.folder, 'data.bin');
    writeFileSync(file, CONTENT);
    const share = scene.shoal('a', 'share', file);
    assert.equal(await share.exit(), 0);
    const [first, sharing] = share.events.filter(({ event }) => event === 'listening' || event === 'sharing');
    assert.deepEqual(first, listening);
    const get = scene.shoal(
      'b',
      'get',
      String(sharing?.['link']),
      '-o',
      join(scene.folder, 'copy'),
      '--linger',
      '0',
    );
    assert.equal(await get.exit(), 0);
    assert.ok(CONTENT.equals(readFileSync(join(scene.folder, 'copy'))));

    const list = scene.shoal('a', 'ls');
    assert.equal(await list.exit(), 0);
    assert.deepEqual(
      list.events.map(({ cid, state }) => ({ cid, state })),
      [{ cid: sharing?.['cid'], state: 'shared' }],
    );
    const id = scene.shoal('a', 'id');
    assert.equal(await id.exit(), 0);
    assert.equal(id.events[0]?.['peer'], listening['peer']);
    assert.deepEqual(id.events[0]?.['addresses'], listening['addresses']);
    assert.equal(await scene.shoal('a', 'verify').exit(), 0);
    assert.equal(await scene.shoal('a', 'rm', String(sharing?.['cid'])).exit(), 0);
    const after = scene.shoal('a', 'ls');
    assert.equal(await after.exit(), 0);
    assert.deepEqual(after.events, []);
  });

  it('let two gets run in one data folder without a seed', async () => {
    await using scene = new Scene();
    const { link } = await shareSlowly(scene);
    const other = join(scene.folder, 'other.bin');
    writeFileSync(other, randomBytes(100_000));
    const second = String((await scene.shoal('origin2', 'share', other).waitFor('sharing'))['link']);
    const gets = [
      scene.shoal('a', 'get', link, '-o', 'one', '--linger', '0'),
      scene.shoal('a', 'get', second, '-o', 'two', '--linger', '0'),
    ];
    assert.deepEqual(await Promise.all(gets.map((get) => get.exit())), [0, 0]);
    assert.ok(CONTENT.equals(readFileSync(join(scene.folder, 'one'))));
    assert.ok(readFileSync(other).equals(readFileSync(join(scene.folder, 'two'))));
  });

  it('take over and finish a get when its owner is killed', async () => {
    await using scene = new Scene();
    const { link } = await shareSlowly(scene, '200KB');
    const seed = scene.shoal('a', 'seed');
    await seed.waitFor('listening');
    const get = scene.shoal('a', 'get', link, '-o', 'copy', '--linger', '0');
    await get.waitFor('progress', ({ bytes }) => Number(bytes) > 300_000);
    seed.signal('SIGKILL');
    await scene.unlimit('origin');
    assert.equal(await get.exit(), 0);
    assert.ok(CONTENT.equals(readFileSync(join(scene.folder, 'copy'))));
    const peers = get.events.filter(({ event }) => event === 'listening').map(({ peer }) => peer);
    assert.equal(peers.length, 2);
    assert.equal(peers[0], peers[1]);
    const sums = get.events
      .filter(({ event }) => event === 'progress' || event === 'done')
      .map(({ sources }) => (sources as { bytes: number }[]).reduce((sum, { bytes }) => sum + bytes, 0));
    assert.deepEqual(
      sums,
      sums.toSorted((a, b) => a - b),
    );
  });

  it('write on to standard output where a killed owner left off', async () => {
    await using scene = new Scene();
    const { link } = await shareSlowly(scene, '200KB');
    const seed = scene.shoal('a', 'seed');
    await seed.waitFor('listening');
    const get = scene.shoal('a', 'get', link, '-o', '-');
    await get.waitFor('progress', ({ bytes }) => Number(bytes) > 300_000);
    seed.signal('SIGKILL');
    await scene.unlimit('origin');
    assert.equal(await get.exit(), 0);
    assert.ok(CONTENT.equals(get.stdout));
  });

  it('do not keep the reader of a pipe waiting for its end, and go on by themselves', async () => {
    await using scene = new Scene();
    const { link } = await shareSlowly(scene, '200KB');
    const small = join(scene.folder, 'small.bin');
    writeFileSync(small, CONTENT.subarray(0, 600_000));
    const other = scene.shoal('other', 'share', small, '--upload-limit', '50KB');
    const smallLink = String((await other.waitFor('sharing'))['link']);
    const piped = scene.shoal('a', 'get', smallLink, '-o', '-');
    await piped.waitFor('listening');
    const get = scene.shoal('a', 'get', link, '-o', 'copy', '--linger', '0');
    await get.waitFor('progress', ({ bytes }) => Number(bytes) > 0);
    await scene.unlimit('other');
    assert.equal(await piped.exit(), 0);
    assert.ok(CONTENT.subarray(0, 600_000).equals(piped.stdout));
    assert.ok(get.isRunning && !get.events.some(({ event }) => event === 'done'));
    await scene.unlimit('origin');
    assert.equal(await get.exit(), 0);
    assert.ok(CONTENT.equals(readFileSync(join(scene.folder, 'copy'))));
  });

  it('stop their job at the owner when they are interrupted, and the owner goes on', async () => {
    await using scene = new Scene();
    const { link } = await shareSlowly(scene, '200KB');
    const seed = scene.shoal('a', 'seed');
    await seed.waitFor('listening');
    const get = scene.shoal('a', 'get', link, '-o', 'copy');
    await get.waitFor('progress', ({ bytes }) => Number(bytes) > 0);
    get.signal('SIGINT');
    assert.equal(await get.exit(), 130);
    const list = scene.shoal('a', 'ls');
    assert.equal(await list.exit(), 0);
    assert.equal(list.events[0]?.['state'], 'partial');
    assert.ok(seed.isRunning);
  });

  /** A share that was handed to a get that is done soon after. */
  async function shareBesideGet(scene: Scene, ...args: string[]) {
    const { link } = await shareSlowly(scene, '50KB');
    const get = scene.shoal('a', 'get', link, '-o', 'copy', '--linger', '0', ...args);
    await get.waitFor('progress');
    const file = join(scene.folder, 'mine.bin');
    writeFileSync(file, CONTENT.subarray(0, 100_000));
    const share = scene.shoal('a', 'share', file);
    const sharing = await share.waitFor('sharing');
    await scene.unlimit('origin');
    assert.equal(await get.exit(), 0);
    return { share, sharing };
  }

  /** The share serves in a node of its own now, under the link that was told before. */
  async function servesByItself(scene: Scene, share: ShoalProcess, sharing: ShoalEvent): Promise<void> {
    // The owner's addresses, and then its own: the port is the data folder's.
    await share.waitFor(
      'listening',
      (event) => event !== share.events.find((each) => each.event === 'listening'),
    );
    const other = scene.shoal('b', 'get', String(sharing['link']), '-o', '-');
    assert.equal(await other.exit(), 0);
    assert.ok(CONTENT.subarray(0, 100_000).equals(other.stdout));
  }

  it('take a share over from a get that is done, and serve on under the same link', async () => {
    await using scene = new Scene();
    const { share, sharing } = await shareBesideGet(scene);
    await servesByItself(scene, share, sharing);
    share.signal('SIGINT');
    assert.equal(await share.exit(), 0);
    // What the get did not listen for is told: the addresses for pages.
    const links = share.events.filter(({ event }) => event === 'sharing');
    assert.equal(links.length, 2);
    assert.ok(String(links[1]?.['link']).startsWith(String(sharing['link'])));
    assert.match(String(links[1]?.['link']), /\/webrtc-direct\//);
    assert.match(share.stderr, /the old link is still good/);
  });

  it('take a share over from a get that listened elsewhere, and tell the new link', async () => {
    await using scene = new Scene();
    const { share, sharing } = await shareBesideGet(scene, '--listen', '/ip4/127.0.0.2/tcp/0');
    const firstOf = (event: ShoalEvent): string => (event['addresses'] as string[])[0] ?? '';
    const again = await share.waitFor('sharing', (event) => firstOf(event) !== firstOf(sharing));
    assert.deepEqual({ ...again, link: '', addresses: [] }, { ...sharing, link: '', addresses: [] });
    await share.waitForNote('the old link is dead');
    const other = scene.shoal('b', 'get', String(again['link']), '-o', '-');
    assert.equal(await other.exit(), 0);
    assert.ok(CONTENT.subarray(0, 100_000).equals(other.stdout));
    share.signal('SIGINT');
    assert.equal(await share.exit(), 0);
  });

  it('take a share over from a get that was to serve on, and ended without what it asked for', async () => {
    await using scene = new Scene();
    const get = scene.shoal('a', 'get', UNKNOWN_CID, '-o', 'none', '--seed', '--timeout', '1h');
    await get.waitFor('listening');
    const file = join(scene.folder, 'mine.bin');
    writeFileSync(file, CONTENT.subarray(0, 100_000));
    const share = scene.shoal('a', 'share', file);
    const sharing = await share.waitFor('sharing');
    get.signal('SIGINT');
    assert.equal(await get.exit(), 130);
    await servesByItself(scene, share, sharing);
  });

  it('return once a get that is to serve on has what it asked for', async () => {
    await using scene = new Scene();
    const { link } = await shareSlowly(scene, '50KB');
    const get = scene.shoal('a', 'get', link, '-o', 'copy', '--seed');
    await get.waitFor('progress');
    const file = join(scene.folder, 'mine.bin');
    writeFileSync(file, CONTENT.subarray(0, 100_000));
    const share = scene.shoal('a', 'share', file);
    await share.waitFor('sharing');
    await scene.unlimit('origin');
    assert.equal(await share.exit(), 0);
    assert.match(share.stderr, /goes on serving it/);
    assert.ok(get.isRunning);
  });

  it('remove the rest when an owner is killed that has removed some of it', async () => {
    await using scene = new Scene();
    const { link, origin } = await shareSlowly(scene, '50KB');
    const { cid } = await origin.waitFor('sharing');
    const file = join(scene.folder, 'mine.bin');
    writeFileSync(file, CONTENT.subarray(0, 100_000));
    const owner = scene.shoal('a', 'share', file);
    const mine = await owner.waitFor('sharing');
    const get = scene.shoal('a', 'get', link, '-o', 'copy');
    await get.waitFor('progress', ({ bytes }) => Number(bytes) > 0);
    // The second one waits for the download to end.
    const rm = scene.shoal('a', 'rm', String(mine['cid']), String(cid));
    await rm.waitFor('removed');
    owner.signal('SIGKILL');
    get.signal('SIGKILL');
    assert.equal(await rm.exit(), 0, rm.stderr);
    assert.deepEqual(
      rm.events.map((event) => event['cid']),
      [mine['cid'], cid],
    );
  });

  it('are not cut off from their input by a get that fails', async () => {
    await using scene = new Scene();
    const { link } = await shareSlowly(scene, '50KB');
    const get = scene.shoal('a', 'get', link, '-o', 'copy');
    await get.waitFor('progress', ({ bytes }) => Number(bytes) > 0);
    const share = scene.shoal('a', 'share', '-');
    await share.waitFor('listening');
    writeFileSync(join(scene.folder, 'copy'), 'in the way');
    await scene.unlimit('origin');
    await get.waitForNote('still at work here');
    share.input(CONTENT.subarray(0, 100_000));
    await share.waitFor('sharing');
    assert.equal(await get.exit(), 1);
    assert.equal(get.events.at(-1)?.['code'], 'ERR_TARGET_EXISTS');
  });

  it('say that an owner is in another network', async () => {
    await using scene = new Scene();
    await scene.shoal('a', 'seed').waitFor('listening');
    const other = scene.start(['ls', '--data', join(scene.folder, 'a'), '--network', 'other', '--json']);
    assert.equal(await other.exit(), 1);
    assert.equal(other.events.at(-1)?.['code'], 'ERR_NETWORK_MISMATCH');
  });

  it('find a folder free again whose owner was killed', async () => {
    await using scene = new Scene();
    const seed = scene.shoal('a', 'seed');
    await seed.waitFor('listening');
    seed.signal('SIGKILL');
    await seed.exit();
    const next = scene.shoal('a', 'seed');
    await next.waitFor('seeding');
    next.signal('SIGTERM');
    assert.equal(await next.exit(), 0);
  });

  it('find an owner at work whose terminal takes nothing, as one that was stopped with Ctrl-S', async function () {
    if (process.platform !== 'linux' || !existsSync('/usr/bin/script')) this.skip();
    await using scene = new Scene();
    const dataDir = join(scene.folder, 'a');
    const files = Array.from({ length: 300 }, (_, i) => join(scene.folder, `one-of-many-files-${i}`));
    for (const file of files) writeFileSync(file, file);
    // Its own terminal, which is full when nobody reads on from what it shows.
    const words = [process.execPath, MAIN, 'share', ...files, '--data', dataDir, '--network', scene.network];
    const command = [...words, '--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0'].join(' ');
    const terminal = spawn('script', ['-qfec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await once(terminal.stdout, 'readable');
      for (let shared = 0; shared < files.length;) {
        const list = scene.shoal('a', 'ls');
        assert.equal(await list.exit(), 0, list.stderr);
        shared = list.events.length;
      }
      const owner = await Owner.find(dataDir, new AbortController().signal);
      process.kill(owner?.hello.pid ?? 0, 'SIGKILL');
    } finally {
      const ended = once(terminal, 'exit');
      terminal.stdout.destroy();
      terminal.kill('SIGKILL');
      await ended;
    }
  });

  it('change the limits of the owner and of an asset while it serves', async () => {
    await using scene = new Scene();
    const { origin, link } = await shareSlowly(scene);
    const cid = String((await origin.waitFor('sharing'))['cid']);
    const asset = scene.shoal('origin', 'limit', link, '--upload-limit', '50KB');
    assert.equal(await asset.exit(), 0);
    assert.deepEqual(asset.events, [{ event: 'limited', cid, uploadBytesPerSec: 50_000 }]);
    const get = scene.shoal('b', 'get', link, '-o', join(scene.folder, 'copy'), '--linger', '0');
    const startMs = performance.now();
    const progress = await get.waitFor('progress', ({ bytes }) => Number(bytes) >= 131_072);
    // Two chunks of 64 KiB at 50 kB/s: the first goes at once, the second 1.3 s later.
    assert.ok(performance.now() - startMs > 1000, `${String(progress['bytes'])} bytes at once`);
    assert.equal(await scene.shoal('origin', 'limit', cid).exit(), 0);
    const node = scene.shoal('origin', 'limit', '--peer-upload-limit', '8MB');
    assert.equal(await node.exit(), 0);
    assert.deepEqual(node.events, [{ event: 'limited', perPeer: { uploadBytesPerSec: 8_000_000 } }]);
    assert.equal(await get.exit(), 0);
    assert.ok(CONTENT.equals(readFileSync(join(scene.folder, 'copy'))));
  });

  it('says so where no shoal runs whose limits could be changed', async () => {
    await using scene = new Scene();
    const limit = scene.shoal('nobody', 'limit', '--upload-limit', '1MB');
    assert.equal(await limit.exit(), 1);
    assert.equal(limit.events.at(-1)?.['code'], 'ERR_NOT_RUNNING');
    assert.ok(!existsSync(join(scene.folder, 'nobody')), 'a data folder was made');
  });

  it('make no data folder of a name that was mistyped, where they only ask about it', async () => {
    await using scene = new Scene();
    const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';
    for (const verb of ['ls', 'verify']) {
      const command = scene.shoal('typo', verb);
      assert.equal(await command.exit(), 0);
      assert.match(command.stderr, /there is no data folder .*typo/);
      assert.deepEqual(command.events, []);
    }
    for (const verb of ['rm', 'verify']) {
      const command = scene.shoal('typo', verb, cid);
      assert.equal(await command.exit(), 1);
      assert.deepEqual(command.events.at(-1)?.['code'], 'ERR_UNKNOWN_ASSET');
    }
    for (const [text, code] of [
      ['nonsense', 'ERR_INVALID_CID'],
      ['shoal:?n=video.mp4', 'ERR_INVALID_LINK'],
    ] as const) {
      const command = scene.shoal('typo', 'get', text);
      assert.equal(await command.exit(), 1);
      assert.deepEqual(
        command.events.map((event) => event['code']),
        [code],
      );
    }
    assert.ok(!existsSync(join(scene.folder, 'typo')), 'a data folder was made');
  });

  /** A node that owns the data folder `a` and is no more than `shoal verify` has, which lasts until it is closed. */
  async function localOwner(scene: Scene): Promise<{ shoal: Shoal; server: ControlServer }> {
    const dataDir = join(scene.folder, 'a');
    const shoal = await createShoal({ dataDir, listen: [], mdns: false, dht: false, network: scene.network });
    const { network } = scene;
    return { shoal, server: await ControlServer.listen(shoal, { network, version: '0', node: 'local' }) };
  }

  it('are done by one that does not serve, where it can, and else wait for its end', async () => {
    await using scene = new Scene();
    const { shoal, server } = await localOwner(scene);
    await shoal.share(CONTENT, { name: 'mine' });
    assert.equal(await scene.shoal('a', 'verify').exit(), 0);
    const list = scene.shoal('a', 'ls');
    assert.equal(await list.exit(), 0);
    assert.deepEqual(
      list.events.map(({ name }) => name),
      ['mine'],
    );
    const limit = scene.shoal('a', 'limit', '--upload-limit', '1MB');
    const seed = scene.shoal('a', 'seed');
    await seed.waitForNote('does not serve; waiting for its end');
    assert.equal(await limit.exit(), 1);
    assert.equal(limit.events.at(-1)?.['code'], 'ERR_NOT_RUNNING');
    await server.close();
    await shoal.close();
    assert.equal((await seed.waitFor('seeding'))['assets'], 1);
  });

  it('tell each thing once where an owner ends in the middle of a list', async () => {
    await using scene = new Scene();
    const { shoal, server } = await localOwner(scene);
    for (let i = 0; i < 3; i++) await shoal.share(Buffer.from([i]), { name: String(i) });
    const verify = shoal.verify.bind(shoal);
    shoal.verify = async function* (cid, options) {
      let isSecond = false;
      for await (const report of verify(cid, options)) {
        if (isSecond) await new Promise((_, reject) => options?.signal?.addEventListener('abort', reject));
        yield report;
        isSecond = true;
      }
    };
    const check = scene.shoal('a', 'verify');
    await check.waitFor('verified');
    await server.close();
    await shoal.close();
    assert.equal(await check.exit(), 0);
    assert.deepEqual(
      check.events
        .filter(({ event }) => event === 'verified')
        .map(({ name }) => name)
        .toSorted(),
      ['0', '1', '2'],
    );
  });

  it('do not say of a process that does not answer yet, or never does, that none runs', async () => {
    await using scene = new Scene();
    const dataDir = join(scene.folder, 'a');
    await using _application = await createShoal({ dataDir, listen: [], mdns: false, dht: false });
    const limit = scene.shoal('a', 'limit', '--upload-limit', '1MB');
    assert.equal(await limit.exit(), 1);
    assert.equal(limit.events.at(-1)?.['code'], 'ERR_DATA_DIR_IN_USE');
    assert.match(String(limit.events.at(-1)?.['message']), /an application with Shoal inside/);
  });
});
