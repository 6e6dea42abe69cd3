import assert from 'node:assert/strict';
import { openPageStore } from '../../src/browser-store/open-page-store.ts';
import { PageDatabase } from '../../src/browser-store/page-database.ts';
import { MemoryRecords } from '../../src/browser-store/page-records.ts';
import { withGlobals } from './globals.ts';

/** A database that can be opened, and in which there is room for nothing. */
class FullDatabase extends MemoryRecords {
  isClosed = false;

  override async putSetting(): Promise<void> {
    throw new DOMException('there is no room', 'QuotaExceededError');
  }

  override async close(): Promise<void> {
    this.isClosed = true;
  }

  async loadShares() {
    return new Map();
  }

  async rootsOfChunks() {
    return [];
  }
}

describe('where a page keeps what it fetches', () => {
  it('is memory where the first thing that is to be kept finds no room', async () => {
    const db = new FullDatabase();
    const locks: Promise<void>[] = [];
    const request = (_name: string, _options: object, held: () => Promise<void>) => {
      locks.push(held());
      return Promise.all(locks);
    };
    using _globals = withGlobals({ indexedDB: {}, navigator: { locks: { request } } });
    const { open } = PageDatabase;
    PageDatabase.open = async () => db as unknown as PageDatabase;
    try {
      const { store, kind, why } = await openPageStore({
        storage: 'auto',
        memoryBytes: 1 << 20,
        persist: false,
        log: () => {},
        onEvicted: () => {},
        signal: undefined,
      });
      assert.equal(kind, 'memory');
      assert.match(why ?? '', /there is no room/);
      assert.ok((await store.identity()).byteLength > 0);
      assert.ok(db.isClosed);
      assert.equal(locks.length, 1);
      await locks[0];
    } finally {
      PageDatabase.open = open;
    }
  });
});
