import { letExit } from '../swarm/let-exit.ts';
import { collectAll } from '../store/short-lived-memory.ts';

const LOOK_MS = 30_000;

/** At rest: this process used less than so much of a core since it was last looked at. */
const REST_SHARE = 0.03;

/** So much more memory than when it last was at rest is worth a collection. */
const WORTH_BYTES = 16e6;

/** A larger heap is the application's, and takes its time to collect; V8 looks after it more often too. */
const MAX_HEAP_BYTES = 128e6;

/** What is looked at: this process, or a test's. */
export interface Usage {
  /** CPU time of all threads so far. */
  cpuMs: number;
  rssBytes: number;
  heapBytes: number;
}

function usageOfProcess(): Usage {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return { cpuMs: (user + system) / 1000, rssBytes: rss, heapBytes: heapUsed };
}

/**
 * Has V8 give back memory when a node comes to rest. V8 collects when so much was allocated, and a node at rest allocates next to
 * nothing: what importing 10,000 files or a hundred new peers left, half of the process's memory, would stay for hours.
 * Done once for each burst of work.
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
    const { cpuMs, rssBytes, heapBytes } = this.#usage();
    const share = (cpuMs - this.#cpuMs) / LOOK_MS;
    this.#cpuMs = cpuMs;
    if (share > REST_SHARE) return;
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
