import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pseudoRandomBytes } from '../node/test-nodes.ts';
import { Scene, type ShoalEvent, type ShoalProcess } from './shoal-process.ts';

const CONTENT = pseudoRandomBytes(6_000_000, 5);

interface Spread {
  link: string;
  cid: string;
  origin: ShoalProcess;
  file: string;
}

async function share(scene: Scene, ...args: string[]): Promise<Spread> {
  const file = join(scene.folder, 'data.bin');
  writeFileSync(file, CONTENT);
  const origin = scene.shoal('origin', 'share', file, ...args);
  const { link, cid } = await origin.waitFor('sharing');
  return { link: String(link), cid: String(cid), origin, file };
}

async function kill(process: ShoalProcess): Promise<void> {
  process.signal('SIGKILL');
  await process.exit();
}

function isWhole(path: string): boolean {
  return Buffer.from(CONTENT).equals(readFileSync(path));
}

const address = (event: ShoalEvent): string => (event['addresses'] as string[])[0] ?? '';

describe('a node that was restarted, as processes', () => {
  it('goes on with a download from peers it met, when its link names only a dead origin', async () => {
    await using scene = new Scene();
    const { link, origin } = await share(scene);
    const a = scene.shoal('a', 'get', link, '-o', join(scene.folder, 'a.bin'), '--seed', '--no-dht');
    await a.waitFor('done');
    const slow = ['--no-dht', '--download-limit', '100KB', '--log-level', 'debug'];
    const b = scene.shoal('b', 'get', link, '-o', join(scene.folder, 'b.bin'), '--linger', '0', ...slow);
    const { bytes } = await b.waitFor('progress', (progress) => Number(progress['bytes']) > 0);
    // The origin and the one that will be left.
    await b.waitForNote('noted 2 of its peers');
    await kill(b);
    await kill(origin);
    const again = scene.shoal(
      'b',
      'get',
      link,
      '-o',
      join(scene.folder, 'b.bin'),
      '--linger',
      '0',
      '--no-dht',
    );
    assert.equal(await again.exit(), 0, again.stderr);
    assert.ok(isWhole(join(scene.folder, 'b.bin')));
    const sources = again.events.at(-1)?.['sources'] as { bytes: number }[];
    const fetched = sources.reduce((sum, source) => sum + source.bytes, 0);
    assert.ok(
      fetched + Number(bytes) <= CONTENT.length,
      `${fetched} bytes were fetched after ${String(bytes)}`,
    );
  });

  it('listens where it listened before, and is found by those that knew it', async () => {
    await using scene = new Scene();
    const { link, origin } = await share(scene);
    const a = scene.shoal('a', 'get', link, '-o', join(scene.folder, 'a.bin'), '--seed', '--no-dht');
    const before = address(await a.waitFor('listening'));
    await a.waitFor('done');
    const b = scene.shoal('b', 'get', link, '-o', join(scene.folder, 'b.bin'), '--seed', '--no-dht');
    await b.waitFor('done');
    await kill(origin);
    await kill(a);
    await kill(b);
    const seedA = scene.shoal('a', 'seed', '--no-dht');
    assert.equal(address(await seedA.waitFor('seeding')), before);
    // It knows nobody but the peers of its swarm, and goes back to one of them.
    const seedB = scene.shoal('b', 'seed', '--no-dht', '--log-level', 'debug');
    const bAddress = address(await seedB.waitFor('seeding'));
    const c = scene.shoal(
      'c',
      'get',
      link,
      '-o',
      join(scene.folder, 'c.bin'),
      '--linger',
      '0',
      '--no-dht',
      '--peer',
      bAddress,
    );
    assert.equal(await c.exit(), 0, c.stderr);
    assert.ok(isWhole(join(scene.folder, 'c.bin')));
  });

  it('serves pages at the addresses of before, certificate hash included, unless told not to', async () => {
    await using scene = new Scene();
    const { link, origin } = await share(scene);
    const { addresses } = await origin.waitFor('listening');
    assert.match(link, /\/webrtc-direct\/certhash\/uEi/);
    assert.match(link, /\/tcp\/\d+\/ws\//);
    await kill(origin);
    const again = scene.shoal('origin', 'seed');
    assert.deepEqual((await again.waitFor('seeding'))['addresses'], addresses);
    await kill(again);
    const plain = scene.shoal('origin', 'seed', '--no-web');
    assert.deepEqual((await plain.waitFor('seeding'))['addresses'], (addresses as string[]).slice(0, 1));
  });

  it('tells what it tried when nobody is left', async () => {
    await using scene = new Scene();
    const { link, origin } = await share(scene, '--upload-limit', '100KB');
    const target = join(scene.folder, 'b.bin');
    const b = scene.shoal('b', 'get', link, '-o', target, '--linger', '0', '--log-level', 'debug');
    await b.waitForNote('noted 1 of its peers');
    await kill(b);
    await kill(origin);
    const again = scene.shoal('b', 'get', link, '-o', target, '--timeout', '2s');
    assert.equal(await again.exit(), 1);
    const failure = again.events.at(-1);
    assert.equal(failure?.['code'], 'ERR_NO_PROVIDERS');
    const tried = failure?.['tried'] as {
      way: string;
      tried: number;
      reached: number;
      failures: unknown[];
    }[];
    assert.deepEqual(
      tried.map(({ way, tried: nodes, reached }) => `${way} ${reached} of ${nodes}`),
      ['link 0 of 1', 'peers 0 of 0', 'earlier 0 of 1', 'swarm 0 of 0', 'dht 0 of 0', 'mdns 0 of 0'],
    );
    assert.match(JSON.stringify(tried[0]?.failures), /"reason":"refused"/);
  });
});
