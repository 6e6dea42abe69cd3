import assert from 'node:assert/strict';
import { mkdirSync, promises, writeFileSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { mock } from 'node:test';
import { moveIntoPlace } from '../../src/store/move-into-place.ts';
import { tempFolder } from './temp-folder.ts';

const { link } = promises;

describe('A folder that is put in its place', () => {
  it('takes nobody else’s place who came a moment before, unless by force', async () => {
    // Another download of the same name ends at the same time, a few looks at the disk earlier or later.
    for (let looks = 0; looks < 40; looks++) {
      await using folder = await tempFolder();
      const [partial, target, asidePath] = ['partial', 'target', 'aside'].map((name) =>
        join(folder.path, name),
      ) as [string, string, string];
      await mkdir(partial);
      await writeFile(join(partial, 'ours'), 'ours');
      const options = { type: 'directory', force: false, asidePath, onAside: async () => {} } as const;
      const ended = moveIntoPlace(partial, target, options).then(
        () => 'ours',
        ({ code }: { code: string }) => code,
      );
      for (let n = 0; n < looks % 8; n++) await lstat(folder.path);
      try {
        mkdirSync(target);
        writeFileSync(join(target, 'theirs'), 'theirs');
      } catch {
        // Ours was there before.
      }
      const outcome = await ended;
      const there = await readdir(target);
      if (outcome === 'ours') assert.ok(there.includes('ours'));
      else assert.deepEqual([outcome, there], ['ERR_TARGET_EXISTS', ['theirs']]);
      assert.ok(!(await readdir(folder.path)).includes('aside'));
    }
  });
});

describe('What is put in its place', () => {
  const named = (folder: string) =>
    ['partial', 'target', 'aside'].map((name) => join(folder, name)) as [string, string, string];

  it('leaves the folder that it was to replace where it was, if it cannot be put there', async () => {
    await using folder = await tempFolder();
    const [partial, target, asidePath] = named(folder.path);
    await mkdir(target);
    await writeFile(join(target, 'theirs'), 'theirs');
    const order: string[] = [];
    const onAside = async (): Promise<void> => void order.push(...(await readdir(folder.path)));
    const moving = moveIntoPlace(partial, target, { type: 'directory', force: true, asidePath, onAside });
    await assert.rejects(moving, { code: 'ERR_NOT_FOUND' });
    // It was noted before it was done.
    assert.deepEqual(order, ['target']);
    assert.deepEqual(await readdir(folder.path), ['target']);
    assert.deepEqual(await readdir(target), ['theirs']);
  });

  it('takes no file’s place that came a moment before, and goes where there are no hard links', async () => {
    for (const code of ['EEXIST', 'EPERM']) {
      await using folder = await tempFolder();
      const [partial, target, asidePath] = named(folder.path);
      await writeFile(partial, 'ours');
      const linking = mock.method(promises, 'link', async (...paths: [string, string]) => {
        if (code === 'EPERM') throw Object.assign(new Error('no links here'), { code });
        await writeFile(target, 'theirs');
        return link(...paths);
      });
      try {
        syncBuiltinESMExports();
        const options = { type: 'file', force: false, asidePath, onAside: async () => {} } as const;
        const moving = moveIntoPlace(partial, target, options);
        if (code === 'EEXIST') await assert.rejects(moving, { code: 'ERR_TARGET_EXISTS' });
        await moving.catch(() => {});
      } finally {
        linking.mock.restore();
        syncBuiltinESMExports();
      }
      const there = await Promise.all(
        (await readdir(folder.path)).map((name) => readText(folder.path, name)),
      );
      assert.deepEqual(there, code === 'EEXIST' ? ['partial: ours', 'target: theirs'] : ['target: ours']);
    }
  });
});

async function readText(folder: string, name: string): Promise<string> {
  return `${name}: ${await readFile(join(folder, name), 'utf8')}`;
}
