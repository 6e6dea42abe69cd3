import { existsSync, promises } from 'node:fs';
import { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { dirname } from 'node:path';
import { mock } from 'node:test';
import { NodeIndex } from '../../src/store/node-index.ts';

/**
 * Runs `task`, and tells what a power cut could take back of the names in folders though a record had been written by
 * then that goes by it. A partial that is new does not count, nor what it has inside, before it is at its target.
 *
 * @param atEnd whether the end of the task counts as a record
 */
export async function unsyncedNames(task: () => Promise<void>, { atEnd = false } = {}): Promise<string[]> {
  /** Folders by what has been made, moved or deleted there since they were synced. */
  const pending = new Map<string, string>();
  /** Those that are new. */
  const made = new Set<string>();
  const found = new Set<string>();
  const note = (path: string): void => void pending.set(path, dirname(path));
  const look = (): void => {
    for (const path of pending.keys()) if (!made.has(path) || !path.includes('.shoal-part')) found.add(path);
  };
  const real = { ...promises };
  const { putRecord, deleteRecord } = NodeIndex.prototype;
  const mocks = [
    mock.method(promises, 'rename', async (from: string, to: string) => {
      await real.rename(from, to);
      for (const path of [...pending.keys()].filter((path) => path.startsWith(`${from}/`))) {
        pending.delete(path);
        note(to + path.slice(from.length));
        if (made.delete(path)) made.add(to + path.slice(from.length));
      }
      note(to);
    }),
    ...(['link', 'symlink'] as const).map((name) =>
      mock.method(promises, name, async (from: string, to: string) => {
        await real[name](from, to);
        note(to);
        made.add(to);
      }),
    ),
    mock.method(promises, 'mkdir', async (path: string, options?: { recursive: true }) => {
      const isNew = !existsSync(path);
      await real.mkdir(path, options);
      if (!isNew) return;
      note(path);
      made.add(path);
    }),
    ...(['rm', 'unlink'] as const).map((name) =>
      mock.method(promises, name, async (path: string, options?: object) => {
        const isThere = existsSync(path);
        await (real[name] as (path: string, options?: object) => Promise<void>)(path, options);
        if (isThere) note(path);
      }),
    ),
    mock.method(promises, 'open', async (...[path, ...others]: Parameters<typeof real.open>) => {
      const handle: FileHandle = await real.open(path, ...others);
      mock.method(handle, 'sync', async () => {
        for (const [name, folder] of pending) if (folder === path) pending.delete(name);
      });
      return handle;
    }),
    mock.method(NodeIndex.prototype, 'putRecord', async function (this: NodeIndex, ...args: [string, never]) {
      look();
      await putRecord.apply(this, args);
    }),
    mock.method(
      NodeIndex.prototype,
      'deleteRecord',
      async function (this: NodeIndex, ...args: [string, never]) {
        look();
        await deleteRecord.apply(this, args);
      },
    ),
  ];
  try {
    syncBuiltinESMExports();
    await task();
    if (atEnd) look();
  } finally {
    for (const { mock } of mocks) mock.restore();
    syncBuiltinESMExports();
  }
  return [...found];
}
