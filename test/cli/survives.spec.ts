import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pseudoRandomBytes } from '../node/test-nodes.ts';
import { Scene, type ShoalEvent } from './shoal-process.ts';

const BYTES = 24 * 1024 * 1024;

function fetched(done: ShoalEvent | undefined): number {
  return ((done?.['sources'] ?? []) as { bytes: number }[]).reduce((sum, { bytes }) => sum + bytes, 0);
}

function shareScene(scene: Scene): { content: Uint8Array; file: string } {
  const content = pseudoRandomBytes(BYTES);
  const file = join(scene.folder, 'data.bin');
  writeFileSync(file, content);
  return { content, file };
}

describe('a download, as processes', () => {
  it('killed with kill -9 at half fetches at most 2 % of the bytes again', async () => {
    await using scene = new Scene();
    const { content, file } = shareScene(scene);
    const origin = scene.shoal('a', 'share', file, '--upload-limit', '4MB');
    const link = String((await origin.waitFor('sharing'))['link']);
    const copy = join(scene.folder, 'copy');
    const first = scene.shoal('b', 'get', link, '-o', copy, '--linger', '0');
    const half = await first.waitFor('progress', ({ bytes }) => Number(bytes) > BYTES / 2);
    first.signal('SIGKILL');
    assert.equal(await first.exit(), null);
    await scene.unlimit('a');
    const second = scene.shoal('b', 'get', link, '-o', copy, '--linger', '0');
    assert.equal(await second.exit(), 0);
    const again = Number(half['bytes']) + fetched(second.events.at(-1)) - BYTES;
    assert.ok(again <= 0.02 * BYTES, `${again} bytes were fetched again`);
    assert.ok(Buffer.from(content).equals(readFileSync(copy)));
  });

  it('finds a bare CID through nodes that were only told of one another, and after the origin was killed', async () => {
    await using scene = new Scene();
    const { content, file } = shareScene(scene);
    const a = scene.shoal('a', 'share', file);
    const { cid, addresses } = await a.waitFor('sharing');
    const address = (event: ShoalEvent): string => (event['addresses'] as string[])[0] ?? '';
    const b = scene.shoal('b', 'seed', '--bootstrap', (addresses as string[])[0] ?? '');
    const bAddress = address(await b.waitFor('listening'));
    const c = scene.shoal('c', 'get', String(cid), '-o', 'c.bin', '--seed', '--bootstrap', bAddress);
    const cAddress = address(await c.waitFor('listening'));
    await c.waitFor('done');
    a.signal('SIGKILL');
    await a.exit();
    const d = scene.shoal('d', 'get', String(cid), '-o', 'd.bin', '--linger', '0', '--bootstrap', cAddress);
    assert.equal(await d.exit(), 0, d.stderr);
    for (const copy of ['c.bin', 'd.bin']) {
      assert.ok(Buffer.from(content).equals(readFileSync(join(scene.folder, copy))));
    }
  });

  it('two at once on one data folder both come to their end, though the one that owns it is killed', async () => {
    await using scene = new Scene();
    const { content, file } = shareScene(scene);
    const origin = scene.shoal('a', 'share', file, '--upload-limit', '2MB');
    const link = String((await origin.waitFor('sharing'))['link']);
    const other = pseudoRandomBytes(3_000_000, 7);
    writeFileSync(join(scene.folder, 'other.bin'), other);
    const otherLink = String((await scene.shoal('x', 'share', 'other.bin').waitFor('sharing'))['link']);
    const owner = scene.shoal('b', 'get', otherLink, '-o', 'other-copy', '--seed');
    await owner.waitFor('done');
    const handed = scene.shoal('b', 'get', link, '-o', join(scene.folder, 'copy'), '--linger', '0');
    await handed.waitFor('progress', ({ bytes }) => Number(bytes) > BYTES / 16);
    owner.signal('SIGKILL');
    await owner.exit();
    await scene.unlimit('a');
    assert.equal(await handed.exit(), 0, handed.stderr);
    assert.ok(Buffer.from(content).equals(readFileSync(join(scene.folder, 'copy'))));
    assert.ok(Buffer.from(other).equals(readFileSync(join(scene.folder, 'other-copy'))));
  });
});
