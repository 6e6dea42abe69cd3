import assert from 'node:assert/strict';
import { promises } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { mock } from 'node:test';
import { openStore } from '../../src/store/open-store.ts';
import { bytesOf, download, remoteLink, remoteTree } from './assets.ts';
import { tempFolder } from './temp-folder.ts';

/** As exFAT does it, and Windows for who has not the right. */
async function withoutLinks(task: () => Promise<void>): Promise<void> {
  const linking = mock.method(promises, 'symlink', async () => {
    throw Object.assign(new Error('EPERM: operation not permitted'), { code: 'EPERM', syscall: 'symlink' });
  });
  try {
    syncBuiltinESMExports();
    await task();
  } finally {
    linking.mock.restore();
    syncBuiltinESMExports();
  }
}

describe('A download to where no symbolic links can be made', () => {
  it('has all but its links, and tells of them', async () => {
    await using folder = await tempFolder();
    const warnings: string[] = [];
    await using store = await openStore(join(folder.path, 'data'), {
      log: (level, message) => level === 'warn' && warnings.push(message),
    });
    const asset = await remoteTree({ file: bytesOf(10), one: { link: 'file' }, two: { link: 'file' } });
    const target = join(folder.path, 'tree');
    await withoutLinks(async () => (await download(store, asset, target)).close());
    assert.deepEqual(await readdir(target), ['file']);
    assert.equal(warnings.length, 1);
    assert.match(
      warnings.join(),
      /link one could not be made .* takes no symbolic links .* it and 1 more are left out/,
    );
  });

  it('fails where the asset is nothing but a link', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteLink('file');
    await withoutLinks(() =>
      assert.rejects(download(store, asset, join(folder.path, 'link')), { code: 'ERR_ACCESS' }),
    );
  });
});
