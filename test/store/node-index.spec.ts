import assert from 'node:assert/strict';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { NodeIndex } from '../../src/store/node-index.ts';
import type { AssetEntry } from '../../src/store/asset-entry.ts';
import { tempFolder } from './temp-folder.ts';

const entry = (name: string): AssetEntry => ({ v: 1, nodes: 'n', name, type: 'file', places: [] });

/** An index whose disk does not take the next record, `spoil` says when: then LevelDB takes nothing before it is opened anew. */
async function spoiledIndex(path: string): Promise<{ index: NodeIndex; spoil: () => void }> {
  const db = new ClassicLevel<string, Uint8Array>(path, { keyEncoding: 'utf8', valueEncoding: 'view' });
  await db.open();
  const put = db.put.bind(db) as (key: string, value: Uint8Array) => Promise<void>;
  const get = db.get.bind(db) as (key: string) => Promise<Uint8Array | undefined>;
  const compactRange = db.compactRange.bind(db) as (from: string, to: string) => Promise<void>;
  const open = db.open.bind(db) as () => Promise<void>;
  let state: 'well' | 'to fail' | 'stuck' = 'well';
  const before = new Map<string, Uint8Array | undefined>();
  const failure = (): Error =>
    Object.assign(new Error('IO error: /index/000003.log: Input/output error'), { code: 'LEVEL_IO_ERROR' });
  Object.assign(db, {
    put: async (key: string, value: Uint8Array) => {
      if (state === 'stuck') throw failure();
      const old = await get(key);
      await put(key, value);
      if (state === 'well') return;
      // It is in the log all the same, and LevelDB does not know of it.
      state = 'stuck';
      before.set(key, old);
      throw failure();
    },
    get: async (key: string) => (before.has(key) ? before.get(key) : get(key)),
    compactRange: async (from: string, to: string) => {
      if (state !== 'stuck') await compactRange(from, to);
    },
    open: async () => {
      await open();
      state = 'well';
      before.clear();
    },
  });
  return { index: new NodeIndex(db, async () => {}), spoil: () => (state = 'to fail') };
}

describe('The index of a data folder whose disk failed to take a record', () => {
  it('takes what comes when the disk is well again, and what could not be written is not there', async () => {
    await using folder = await tempFolder();
    const { index, spoil } = await spoiledIndex(join(folder.path, 'index'));
    const names = async (): Promise<(string | undefined)[]> => {
      const records = await index.loadRecords(assert.fail);
      return ['a', 'b', 'c'].map((root) => records.get(root)?.name);
    };
    await index.putRecord('a', entry('first'));
    spoil();
    await assert.rejects(index.putRecord('a', entry('second')), { code: 'ERR_IO' });
    await index.putRecord('b', entry('third'));
    assert.deepEqual(await names(), ['first', 'third', undefined]);
    spoil();
    await assert.rejects(index.putRecord('c', entry('fourth')), { code: 'ERR_IO' });
    // What reads meanwhile waits.
    const reading = index.getSetting('s');
    await index.putSetting('s', new Uint8Array([1]));
    await reading;
    assert.deepEqual(await names(), ['first', 'third', undefined]);
    await index.close();
    await assert.rejects(index.getSetting('s'), { code: 'ERR_CLOSED' });
  });
});
