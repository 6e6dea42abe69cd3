import { getHeapSpaceStatistics } from 'node:v8';
import { letExit } from '../swarm/let-exit.ts';
import { collectAll } from '../store/short-lived-memory.ts';

const LOOK_MS = 30_000;

/** At rest: this process used less than so much of a core since it was last looked at. */
const REST_SHARE = 0.03;

/** So much more memory than when it last was at rest is worth a collection. */
const WORTH_BYTES = 16e6;

/** A larger heap is the application's, and takes its time to collect; V8 looks after it more often too. */
const MAX_HEAP_BYTES = 128e6;

/**
 * V8 doubles the young generation, up to 32 MiB, each time that as much as it holds has outlived collections: a minute's
 * work of a fast transfer. Having become so large it is given back also in a busy process, where the heap is Shoal's for
 * the most part and takes a twentieth of a second to collect.
 */
const MAX_YOUNG_BYTES = 12e6;
const SMALL_HEAP_BYTES = 48e6;

/** What is looked at: this process, or a test's. */
export interface Usage {
  /** CPU time of all threads so far. */
  cpuMs: number;
  rssBytes: number;
  heapBytes: number;
  /** Of the young generation, used or not. */
  youngBytes: number;
}

function usageOfProcess(): Usage {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  return {
    cpuMs: (user + system) / 1000,
    rssBytes: rss,
    heapBytes: heapUsed,
    youngBytes: young?.space_size ?? 0,
  };
}

/**
 * Has V8 give back memory when a node comes to rest. V8 collects when so much was allocated, and a node at rest allocates next to
 * nothing: what importing 10,000 files or a hundred new peers left, half of the process's memory, would stay for hours.
 * Done once for each burst of work, and in the midst of it where the young generation has become large.
 */
export class MemoryAtRest {
  readonly #usage: () => Usage;
  readonly #collect: () => void;
  #cpuMs = 0;
  /** The least memory since the last collection. */
  #leastBytes = 0;

  constructor(usage = usageOfProcess, collect = collectAll) {
    this.#usage = usage;
    this.#collect = collect;
  }

  /** Call it every {@link LOOK_MS}. */
  look(): void {
    const { cpuMs, rssBytes, heapBytes, youngBytes } = this.#usage();
    const share = (cpuMs - this.#cpuMs) / LOOK_MS;
    this.#cpuMs = cpuMs;
    if (share > REST_SHARE) {
      if (youngBytes > MAX_YOUNG_BYTES && heapBytes < SMALL_HEAP_BYTES) this.#collect();
      return;
    }
    this.#leastBytes = Math.min(this.#leastBytes, rssBytes);
    if (rssBytes - this.#leastBytes < WORTH_BYTES || heapBytes > MAX_HEAP_BYTES) return;
    this.#collect();
    this.#leastBytes = this.#usage().rssBytes;
  }
}

/** Nodes of this process. */
let nodes = 0;
let timer: NodeJS.Timeout | undefined;

/** Looks after this process's memory, once for all its nodes, until the signal of each ends it. */
export function tendMemory(signal: AbortSignal): void {
  if (nodes++ === 0) {
    const memory = new MemoryAtRest();
    timer = setInterval(() => memory.look(), LOOK_MS);
    letExit(timer);
  }
  signal.addEventListener('abort', () => --nodes === 0 && clearInterval(timer), { once: true });
}
