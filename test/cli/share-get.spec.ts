import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Scene } from './shoal-process.ts';

const CONTENT = randomBytes(3_000_000);

/** A CID of nobody's: the raw leaf of bytes that no test shares. */
const UNKNOWN_CID = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';

describe('shoal share and shoal get, as processes', () => {
  it('pass a file on, byte for byte, and tell it in lines of JSON', async () => {
    await using scene = new Scene();
    const file = join(scene.folder, 'data.bin');
    writeFileSync(file, CONTENT);
    const origin = scene.shoal('a', 'share', file);
    const sharing = await origin.waitFor('sharing');
    const listening = origin.events[0];
    assert.equal(listening?.event, 'listening');
    assert.deepEqual(Object.keys(sharing).sort(), ['addresses', 'bytes', 'cid', 'event', 'link', 'path']);
    assert.equal(sharing['bytes'], CONTENT.length);
    assert.equal(sharing['path'], file);
    assert.match(
      String((sharing['addresses'] as string[])[0]),
      new RegExp(`^/ip4/127\\.0\\.0\\.1/tcp/\\d+/p2p/${String(listening['peer'])}$`),
    );

    const copy = join(scene.folder, 'copy.bin');
    const get = scene.shoal('b', 'get', String(sharing['link']), '-o', copy, '--linger', '0');
    assert.equal(await get.exit(), 0);
    assert.ok(CONTENT.equals(readFileSync(copy)));
    assert.equal(get.events[0]?.event, 'listening');
    const progress = await get.waitFor('progress');
    for (const field of ['bytes', 'total', 'peers']) assert.equal(typeof progress[field], 'number', field);
    const done = get.events.at(-1);
    assert.ok(done);
    assert.deepEqual(
      { ...done, durationMs: 0 },
      {
        event: 'done',
        cid: sharing['cid'],
        bytes: CONTENT.length,
        path: copy,
        durationMs: 0,
        sources: [{ peer: listening['peer'], bytes: CONTENT.length }],
      },
    );
    assert.equal(
      (await origin.waitFor('upload', ({ bytes }) => bytes === CONTENT.length))['cid'],
      sharing['cid'],
    );

    origin.signal('SIGINT');
    assert.equal(await origin.exit(), 0);
  });

  it('write verified bytes to standard output, and everything else to standard error', async () => {
    await using scene = new Scene();
    const file = join(scene.folder, 'data.bin');
    writeFileSync(file, CONTENT);
    const sharing = await scene.shoal('a', 'share', file).waitFor('sharing');
    const get = scene.shoal('b', 'get', String(sharing['link']), '-o', '-');
    assert.equal(await get.exit(), 0);
    assert.ok(CONTENT.equals(get.stdout));
    assert.equal(get.events.at(-1)?.['path'], '-');
  });

  it('leave nothing behind of what went through a pipe, though its nodes were read before', async () => {
    await using scene = new Scene();
    const file = join(scene.folder, 'data.bin');
    writeFileSync(file, CONTENT);
    const { link, cid } = await scene.shoal('a', 'share', file).waitFor('sharing');
    assert.equal(await scene.shoal('b', 'inspect', String(link)).exit(), 0);
    const known = scene.shoal('b', 'ls');
    assert.equal(await known.exit(), 0);
    assert.deepEqual(
      known.events.map((event) => [event['cid'], event['state'], event['path']]),
      [[cid, 'partial', undefined]],
    );
    const get = scene.shoal('b', 'get', String(link), '-o', '-');
    assert.equal(await get.exit(), 0);
    assert.ok(CONTENT.equals(get.stdout));
    const list = scene.shoal('b', 'ls');
    assert.equal(await list.exit(), 0);
    assert.deepEqual(list.events, []);
  });

  it('share standard input', async () => {
    await using scene = new Scene();
    const origin = scene.shoal('a', 'share', '-');
    origin.input(CONTENT);
    const sharing = await origin.waitFor('sharing');
    const get = scene.shoal('b', 'get', String(sharing['link']), '-o', '-');
    assert.equal(await get.exit(), 0);
    assert.ok(CONTENT.equals(get.stdout));
  });

  it('do not share nothing in the place of a folder as standard input', async function () {
    if (process.platform === 'win32') this.skip();
    await using scene = new Scene();
    const before = ['sh', '-c', 'exec "$@" < .', 'sh'];
    const share = scene.start(
      ['share', '-', '--data', join(scene.folder, 'a'), '--json', '--no-mdns'],
      before,
    );
    assert.equal(await share.exit(), 1);
    assert.equal(share.events.at(-1)?.['code'], 'ERR_SHARE_SOURCE');
  });

  it('put a download into an existing folder under its name, and never replace a file without --force', async () => {
    await using scene = new Scene();
    const file = join(scene.folder, 'data.bin');
    writeFileSync(file, CONTENT);
    mkdirSync(join(scene.folder, 'in'));
    const target = join(scene.folder, 'in', 'data.bin');
    const link = String((await scene.shoal('a', 'share', file).waitFor('sharing'))['link']);
    assert.equal(await scene.shoal('b', 'get', link, '-o', 'in', '--linger', '0').exit(), 0);
    assert.ok(CONTENT.equals(readFileSync(target)));
    // Whoever was killed before it could say so, or asks twice, has it.
    for (const text of [link, link.slice('shoal:'.length).split('?', 1)[0]!.toUpperCase()])
      for (const output of ['in', target])
        assert.equal(
          await scene.shoal('b', 'get', text, '-o', output, '--linger', '0').exit(),
          0,
          `${text} ${output}`,
        );

    writeFileSync(target, 'mine');
    const refused = scene.shoal('c', 'get', link, '-o', 'in', '--linger', '0');
    assert.equal(await refused.exit(), 1);
    assert.equal(refused.events.at(-1)?.['code'], 'ERR_TARGET_EXISTS');
    assert.equal(readFileSync(target, 'utf8'), 'mine');
    assert.equal(await scene.shoal('d', 'get', link, '-o', 'in', '--linger', '0', '--force').exit(), 0);
    assert.ok(CONTENT.equals(readFileSync(target)));
  });

  it('say what is wrong with a target that cannot be looked at', async () => {
    await using scene = new Scene();
    const file = join(scene.folder, 'data.bin');
    writeFileSync(file, CONTENT);
    symlinkSync('loop', join(scene.folder, 'loop'));
    const { link } = await scene.shoal('a', 'share', file).waitFor('sharing');
    const get = (target: string, ...args: string[]) =>
      scene.shoal('b', 'get', String(link), '-o', join(scene.folder, target), '--linger', '0', ...args);
    for (const [target, code] of [
      ['loop', 'ERR_TARGET_EXISTS'],
      [join('loop', 'copy'), 'ERR_IO'],
      ['x'.repeat(300), 'ERR_NAME_TOO_LONG'],
    ] as const) {
      const failed = get(target);
      assert.equal(await failed.exit(), 1);
      assert.equal(failed.events.at(-1)?.['code'], code);
    }
    assert.equal(await get('loop', '--force').exit(), 0);
    assert.ok(CONTENT.equals(readFileSync(join(scene.folder, 'loop'))));
  });

  it('serve for a while after a download, say so, and end cleanly on Ctrl-C', async () => {
    await using scene = new Scene();
    const file = join(scene.folder, 'data.bin');
    writeFileSync(file, CONTENT);
    const link = String((await scene.shoal('a', 'share', file).waitFor('sharing'))['link']);
    const get = scene.shoal('b', 'get', link, '-o', 'copy');
    await get.waitForNote('Serving it to others for 10 s more');
    get.signal('SIGINT');
    assert.equal(await get.exit(), 0);
    assert.equal(get.events.at(-1)?.event, 'done');
  });

  it('exit with 130 when interrupted, and go on from there next time', async () => {
    await using scene = new Scene();
    const file = join(scene.folder, 'data.bin');
    writeFileSync(file, CONTENT);
    const origin = scene.shoal('a', 'share', file, '--upload-limit', '200KB');
    const link = String((await origin.waitFor('sharing'))['link']);
    const args = [link, '-o', join(scene.folder, 'copy'), '--linger', '0'];
    const first = scene.shoal('b', 'get', ...args);
    const { bytes } = await first.waitFor('progress', (progress) => Number(progress['bytes']) > 0);
    first.signal('SIGTERM');
    assert.equal(await first.exit(), 130);
    assert.equal(first.events.at(-1)?.['code'], 'ERR_INTERRUPTED');
    assert.match(String(first.events.at(-1)?.['message']), /kept, and the same command goes on from there$/);
    await scene.unlimit('a');
    const second = scene.shoal('b', 'get', ...args);
    assert.equal(await second.exit(), 0);
    const sources = second.events.at(-1)?.['sources'] as { bytes: number }[];
    const fetched = sources.reduce((sum, source) => sum + source.bytes, 0);
    assert.ok(
      fetched + Number(bytes) <= CONTENT.length,
      `${fetched} bytes were fetched after ${String(bytes)}`,
    );
    assert.ok(CONTENT.equals(readFileSync(join(scene.folder, 'copy'))));
  });

  it('fail a get whose reader went away before the end, and tell a program so', async () => {
    await using scene = new Scene();
    const file = join(scene.folder, 'data.bin');
    writeFileSync(file, CONTENT);
    const origin = scene.shoal('a', 'share', file, '--upload-limit', '200KB');
    const link = String((await origin.waitFor('sharing'))['link']);
    const get = scene.shoal('b', 'get', link, '-o', '-');
    await get.waitFor('progress', ({ bytes }) => Number(bytes) > 0);
    get.closeOutput();
    assert.equal(await get.exit(), 1);
    assert.equal(get.events.at(-1)?.['code'], 'ERR_PIPE_CLOSED');
    assert.ok(!get.events.some(({ event }) => event === 'done'));
  });

  it('warn of a peer that cannot be reached, without being asked for a log', async () => {
    await using scene = new Scene();
    const nobody = '/ip4/127.0.0.1/tcp/1';
    const get = scene.shoal('a', 'get', UNKNOWN_CID, '--peer', nobody, '--timeout', '1s');
    assert.equal(await get.exit(), 1);
    assert.match(get.stderr, /^shoal: warning: cannot reach \/ip4\/127\.0\.0\.1\/tcp\/1: [^\n]+\n$/);
    assert.equal(get.events[0]?.event, 'listening');
    assert.equal(get.events.at(-1)?.['code'], 'ERR_NO_PROVIDERS');
  });
});

describe('shoal verify and shoal inspect, as processes', () => {
  it('find what has changed on disk, and exit with 1', async () => {
    await using scene = new Scene();
    const file = join(scene.folder, 'data.bin');
    writeFileSync(file, CONTENT);
    const origin = scene.shoal('a', 'share', file);
    await origin.waitFor('sharing');
    origin.signal('SIGTERM');
    assert.equal(await origin.exit(), 0);
    assert.equal(await scene.shoal('a', 'verify').exit(), 0);
    writeFileSync(file, randomBytes(CONTENT.length));
    const verify = scene.shoal('a', 'verify');
    assert.equal(await verify.exit(), 1);
    const report = await verify.waitFor('verified');
    assert.match(String((report['problems'] as string[])[0]), /data\.bin/);
    assert.equal(verify.events.at(-1)?.['code'], 'ERR_VERIFY_FAILED');
  });

  it('fail where what they print cannot be written', async function () {
    if (!existsSync('/dev/full')) this.skip();
    await using scene = new Scene();
    writeFileSync(join(scene.folder, 'data.bin'), CONTENT);
    const toFullDisk = ['sh', '-c', 'exec "$0" "$@" > /dev/full'];
    for (const args of [['ls'], ['ls', '--json'], ['inspect', 'data.bin']]) {
      const printing = scene.start([...args, '--data', join(scene.folder, 'a')], toFullDisk);
      assert.equal(await printing.exit(), 1, args.join(' '));
    }
  });

  it('tell the CID of a path without sharing it, and what is behind a CID', async () => {
    await using scene = new Scene();
    mkdirSync(join(scene.folder, 'dir'));
    writeFileSync(join(scene.folder, 'dir', 'data.bin'), CONTENT);
    const ofPath = scene.shoal('b', 'inspect', 'dir');
    assert.equal(await ofPath.exit(), 0);
    const origin = scene.shoal('a', 'share', join(scene.folder, 'dir'));
    const sharing = await origin.waitFor('sharing');
    assert.equal(ofPath.events[0]?.['cid'], sharing['cid']);
    assert.match(String(ofPath.events[0]?.['ipfsAdd']), /^ipfs add /);
    const ofCid = scene.shoal('b', 'inspect', String(sharing['link']));
    assert.equal(await ofCid.exit(), 0);
    const inspected = await ofCid.waitFor('inspected');
    assert.deepEqual(
      (inspected['entries'] as { path: string; size: number }[])
        .filter(({ path }) => path !== '')
        .map(({ path, size }) => ({ path, size })),
      [{ path: 'data.bin', size: CONTENT.length }],
    );
  });
});

describe('what bad input gets', () => {
  const cases: [string, string[], number, string][] = [
    ['an unknown option', ['ls', '--nonsense'], 2, 'ERR_USAGE'],
    ['an unknown verb', ['gte', 'x'], 2, 'ERR_USAGE'],
    ['a bad value', ['get', UNKNOWN_CID, '--timeout', 'soon'], 2, 'ERR_USAGE'],
    // As of a variable that is not set: it would be the current folder.
    ['an empty path', ['share', ''], 2, 'ERR_USAGE'],
    ['an empty path among others', ['share', process.execPath, ''], 2, 'ERR_USAGE'],
    ['no path to tell of', ['inspect', ''], 2, 'ERR_USAGE'],
    ['a missing path', ['share', 'no-such-file'], 1, 'ERR_NOT_FOUND'],
    ['a malformed CID', ['get', 'nonsense'], 1, 'ERR_INVALID_CID'],
    ['a CID that nobody has', ['get', UNKNOWN_CID, '--timeout', '300ms'], 1, 'ERR_NO_PROVIDERS'],
    ['an invalid multiaddr', ['get', UNKNOWN_CID, '--peer', 'localhost:80'], 1, 'ERR_INVALID_MULTIADDR'],
    ['an address for a verb that dials nobody', ['ls', '--listen', 'tcp'], 1, 'ERR_INVALID_MULTIADDR'],
    ['half an address', ['rm', UNKNOWN_CID, '--bootstrap', '/ip4'], 1, 'ERR_INVALID_MULTIADDR'],
    ['no time at all', ['get', UNKNOWN_CID, '--timeout', '0'], 2, 'ERR_USAGE'],
    // Said before anybody is looked for: no time-out is waited for.
    ['a target that exists', ['get', UNKNOWN_CID, '-o', process.execPath], 1, 'ERR_TARGET_EXISTS'],
    ['an asset that is not there', ['rm', UNKNOWN_CID], 1, 'ERR_UNKNOWN_ASSET'],
  ];
  for (const [what, args, exitCode, code] of cases) {
    it(`${what}: one line, ${code}, exit code ${exitCode}`, async () => {
      await using scene = new Scene();
      const [verb = '', ...rest] = args;
      const failed = scene.shoal('a', verb, ...rest);
      assert.equal(await failed.exit(), exitCode);
      const error = failed.events.at(-1);
      assert.equal(error?.event, 'error');
      assert.equal(error['code'], code, String(error['message']));
      const forPeople = scene.start([
        ...args,
        '--data',
        'p',
        '--no-mdns',
        '--listen',
        '/ip4/127.0.0.1/tcp/0',
      ]);
      assert.equal(await forPeople.exit(), exitCode);
      // Where nobody was found, a line for each way that was tried follows.
      const tried = code === 'ERR_NO_PROVIDERS' ? '(  [^\\n]+\\n){6}' : '';
      assert.match(forPeople.stderr, new RegExp(`^shoal: [^\\n]+ \\(${code}\\)\\n${tried}$`));
    });
  }

  it('a folder that was deleted under it: one line, ERR_NOT_FOUND, exit code 1', async function () {
    // Windows deletes no folder that somebody is in.
    if (process.platform === 'win32') this.skip();
    await using scene = new Scene();
    const before = ['sh', '-c', 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', 'sh'];
    const failed = scene.start(['share', 'file', '--json', '--data', join(scene.folder, 'a')], before);
    assert.equal(await failed.exit(), 1);
    assert.deepEqual(
      failed.events.map(({ event, code }) => ({ event, code })),
      [{ event: 'error', code: 'ERR_NOT_FOUND' }],
    );
  });

  it('no verb: an error event, ERR_USAGE, exit code 2', async () => {
    await using scene = new Scene();
    const failed = scene.start(['--json']);
    assert.equal(await failed.exit(), 2);
    assert.deepEqual(
      failed.events.map(({ event, code }) => ({ event, code })),
      [{ event: 'error', code: 'ERR_USAGE' }],
    );
    assert.equal(failed.stderr, '');
  });
});
