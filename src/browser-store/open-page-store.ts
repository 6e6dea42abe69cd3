import type { CID } from 'multiformats/cid';
import type { LogLevel } from '../api.ts';
import type { ShoalError } from '../errors.ts';
import { notLoaded } from '../not-loaded.ts';
import type { SpaceKind } from './chunk-space.ts';
import { MemoryBudget, MemoryChunks } from './memory-chunks.ts';
import { MemoryRecords } from './page-records.ts';
import { PageStore } from './page-store.ts';

/** What {@link openPageStore} takes. */
export interface OpenPageStoreOptions {
  /** `auto`: the best that the browser has and no other page owns; `memory`: nothing outlives the page. */
  storage: 'auto' | 'memory';
  /** Most bytes in memory. */
  memoryBytes: number;
  /** Ask the browser, when something is first kept, not to delete it. */
  persist: boolean;
  log: (level: LogLevel, message: string) => void;
  /** The browser deleted some of an asset that was here whole. */
  onEvicted: (root: CID, error: ShoalError) => void;
  signal: AbortSignal | undefined;
}

/** A store, and where it keeps what is new. */
export interface OpenedPageStore {
  store: PageStore;
  kind: SpaceKind;
  /** Why it is nothing better; undefined where it is the best there is, or what was asked for. */
  why: string | undefined;
  /** Whether what was kept on an earlier visit was gone. */
  wasEvicted: boolean;
}

/**
 * Opens what this origin keeps, which this page then owns until `close`: files written by a worker, IndexedDB where there
 * are none, memory where neither can be had or another page owns them.
 */
export async function openPageStore(options: OpenPageStoreOptions): Promise<OpenedPageStore> {
  const { log } = options;
  if (options.storage === 'memory') return openMemory(options, undefined);
  try {
    // A page that keeps nothing does not load what keeping takes.
    const { openKeptStore } = await import('./open-kept-store.ts').catch(notLoaded);
    return await openKeptStore(options);
  } catch (error) {
    options.signal?.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    log('warn', `what this page fetches lies in memory and goes with it: ${why}`);
    return openMemory(options, why);
  }
}

async function openMemory(options: OpenPageStoreOptions, why: string | undefined): Promise<OpenedPageStore> {
  const budget = new MemoryBudget(options.memoryBytes);
  const parts = { records: new MemoryRecords(budget), log: options.log };
  const store = await PageStore.open({ ...parts, spaces: [new MemoryChunks(budget)] });
  return { store, kind: 'memory', why, wasEvicted: false };
}
