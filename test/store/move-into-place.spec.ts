import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { lstat, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { moveIntoPlace } from '../../src/store/move-into-place.ts';
import { tempFolder } from './temp-folder.ts';

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
