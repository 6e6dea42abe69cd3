import assert from 'node:assert/strict';
import { rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HandlePool } from '../../src/store/handle-pool.ts';
import { tempFolder } from './temp-folder.ts';

async function files(path: string, count: number): Promise<string[]> {
  const paths = Array.from({ length: count }, (_, i) => join(path, `f${i}`));
  for (const path of paths) await writeFile(path, path);
  return paths;
}

describe('The pool of open files', () => {
  it('opens a file once, however often it is used', async () => {
    await using folder = await tempFolder();
    const [path] = (await files(folder.path, 1)) as [string];
    const pool = new HandlePool();
    const owner = {};
    const seen = await Promise.all(
      [1, 2, 3].map(() => pool.use(owner, path, 'read', async (handle) => handle.fd)),
    );
    assert.equal(new Set(seen).size, 1);
    assert.equal(pool.size, 1);
    await pool.close();
    assert.equal(pool.size, 0);
  });

  it('closes the one that was not used for longest, and never one in use', async () => {
    await using folder = await tempFolder();
    const [a, b, c, d] = (await files(folder.path, 4)) as [string, string, string, string];
    const pool = new HandlePool(2);
    const owner = {};
    const touch = (path: string): Promise<number> =>
      pool.use(owner, path, 'read', async (handle) => handle.fd);
    await pool.use(owner, a, 'read', async (handle) => {
      for (const path of [b, c, d]) await touch(path);
      assert.equal(pool.size, 2);
      assert.equal((await handle.read(Buffer.alloc(4), 0, 4, 0)).bytesRead, 4);
    });
    await pool.close();
  });

  it('lets a file be used to the end when its owner is released meanwhile', async () => {
    await using folder = await tempFolder();
    const [path] = (await files(folder.path, 1)) as [string];
    const pool = new HandlePool();
    const owner = {};
    await pool.use(owner, path, 'read', async (handle) => {
      await pool.release(owner);
      assert.equal(pool.size, 0);
      assert.equal((await handle.read(Buffer.alloc(4), 0, 4, 0)).bytesRead, 4);
    });
    await pool.close();
  });

  it('closes the files of one owner, and leaves those of others', async () => {
    await using folder = await tempFolder();
    const [path] = (await files(folder.path, 1)) as [string];
    const pool = new HandlePool();
    const [one, two] = [{}, {}];
    for (const owner of [one, two]) await pool.use(owner, path, 'read', async () => {});
    await pool.release(one);
    assert.equal(pool.size, 1);
    await pool.close();
  });

  it('opens a file anew after what was opened failed', async () => {
    await using folder = await tempFolder();
    const [path] = (await files(folder.path, 1)) as [string];
    const pool = new HandlePool();
    const owner = {};
    await pool.use(owner, path, 'read', async (dead) => {
      // As one of a disk that was taken away, beside another reader.
      await assert.rejects(
        pool.use(owner, path, 'read', async () => Promise.reject(new Error('EIO'))),
        /EIO/,
      );
      await pool.use(owner, path, 'read', async (handle) => assert.notEqual(handle, dead));
      assert.equal((await dead.read(Buffer.alloc(4), 0, 4, 0)).bytesRead, 4);
    });
    assert.equal(pool.size, 1);
    await pool.close();
  });

  it('tries again after a file could not be opened, and follows no link', async () => {
    await using folder = await tempFolder();
    const pool = new HandlePool();
    const owner = {};
    const path = join(folder.path, 'f0');
    await assert.rejects(
      pool.use(owner, path, 'read', async () => {}),
      { code: 'ERR_NOT_FOUND' },
    );
    await files(folder.path, 2);
    await pool.use(owner, path, 'read', async () => {});
    await pool.release(owner);
    await rm(path);
    await symlink('f1', path);
    await assert.rejects(
      pool.use(owner, path, 'read', async () => {}),
      { code: 'ERR_IO' },
    );
    assert.equal(pool.size, 0);
    await pool.close();
  });
});
