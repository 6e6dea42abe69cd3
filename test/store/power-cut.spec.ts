import assert from 'node:assert/strict';
import { promises } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { mock } from 'node:test';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { bytesOf, CHUNK, download, putNodes, remoteFile, remoteTree, writeChunks } from './assets.ts';
import { tempFolder } from './temp-folder.ts';
import { unsyncedNames } from './unsynced-names.ts';

/** With what is no file: that is on the disk only where its folder is. */
const tree = () =>
  remoteTree({
    file: bytesOf(3 * CHUNK),
    folder: { entries: { link: { link: '../file' }, empty: { entries: { too: { entries: {} } } } } },
  });

describe('What a record goes by is on the disk before it, whenever the power is cut', () => {
  const holds = (title: string, task: (store: Store, base: string) => Promise<void>): void => {
    it(title, async () => {
      await using folder = await tempFolder();
      await using store = await openStore(join(folder.path, 'data'));
      await mkdir(join(folder.path, 'elsewhere'));
      assert.deepEqual(await unsyncedNames(() => task(store, folder.path)), []);
    });
  };

  it('in a new data folder: its version before its index, and the key of its node', async () => {
    await using folder = await tempFolder();
    const dataDir = join(folder.path, 'data');
    const found = await unsyncedNames(
      async () => {
        await using store = await openStore(dataDir);
        await store.identity();
      },
      { atEnd: true },
    );
    const names = ['version', 'identity.key'].map((name) => join(dataDir, name));
    assert.deepEqual(
      found.filter((path) => names.includes(path)),
      [],
    );
  });

  holds('content that is taken in', async (store) => {
    const content = async function* (): AsyncGenerator<Uint8Array> {
      yield bytesOf(100_000);
    };
    await store.share({ content: content() });
  });

  holds('a file that was fetched', async (store, base) => {
    await (await download(store, await remoteFile(bytesOf(3 * CHUNK)), join(base, 'file'))).close();
  });

  it('a bitmap that tells that what lies at the target is the download', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(bytesOf(3 * CHUNK));
    await putNodes(store, asset);
    const events: string[] = [];
    const { open, link } = promises;
    const opening = mock.method(promises, 'open', async (...args: Parameters<typeof open>) => {
      const handle = await open(...args);
      if (String(args[0]).endsWith('.bits'))
        mock.method(handle, 'sync', async () => void events.push('bitmap'));
      return handle;
    });
    const linking = mock.method(promises, 'link', async (from: string, to: string) => {
      events.push('target');
      await link(from, to);
    });
    try {
      syncBuiltinESMExports();
      await (await download(store, asset, join(folder.path, 'file'))).close();
    } finally {
      for (const { mock } of [opening, linking]) mock.restore();
      syncBuiltinESMExports();
    }
    assert.deepEqual(events, ['bitmap', 'target']);
  });

  holds('a folder that was fetched, with its empty folders and links', async (store, base) => {
    await (await download(store, await tree(), join(base, 'tree'))).close();
  });

  holds('a folder that was replaced', async (store, base) => {
    const target = join(base, 'elsewhere');
    await writeFile(join(target, 'old'), 'old');
    await (await download(store, await tree(), target, { force: true })).close();
  });

  holds('a download that was moved to another folder', async (store, base) => {
    const asset = await remoteFile(bytesOf(3 * CHUNK));
    await putNodes(store, asset);
    const first = await store.startDownload(asset.root, { path: join(base, 'file') });
    await writeChunks(first, asset, [1]);
    await first.close();
    await (await store.startDownload(asset.root, { path: join(base, 'elsewhere', 'file') })).close();
  });

  holds('that a download, or content, is gone', async (store, base) => {
    const asset = await remoteFile(bytesOf(3 * CHUNK));
    await putNodes(store, asset);
    const stored = await store.startDownload(asset.root, { path: join(base, 'file') });
    await writeChunks(stored, asset, [1]);
    await stored.close();
    await store.remove(asset.root);
    await (await download(store, asset, undefined)).close();
    await store.remove(asset.root);
  });
});
