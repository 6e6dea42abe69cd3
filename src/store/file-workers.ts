import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { collectAll } from './short-lived-memory.ts';
import { runFileJob, type FileFailure, type FileJob, type FileJobResults } from './file-jobs.ts';

/**
 * Threads at most. A disk gains from a few requests side by side, and hashing from every core; beyond four it is the
 * disk that bounds both.
 */
const MAX_WORKERS = 4;

/** A thread that had nothing to do for so long ends: it holds some 10 MB. */
const IDLE_MS = 500;

/**
 * A collection of the whole heap when the threads have ended, no more often than this: a program that streams a small file every few
 * seconds stood still for it each time.
 */
const COLLECT_MS = 60_000;

/** Memory of a thread beyond its code: buffers of jobs lie outside of its heap. */
const LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 };

/** What {@link FileWorkers} takes. */
export interface FileWorkersOptions {
  /** Threads at most. Default: as many as this process has cores, at most four. */
  max?: number;
  /** The worker's file; `none`: no threads. Default: the one of this build. */
  url?: URL | 'none';
  /** Gives back what a burst of work left. Default: a collection of the whole heap. */
  collect?: () => void;
}

interface Task {
  job: FileJob;
  resolve: (result: never) => void;
  reject: (error: unknown) => void;
}

interface Thread {
  worker: Worker;
  task: Task | undefined;
  idleTimer: NodeJS.Timeout | undefined;
}

/**
 * Threads that work on files, made when first needed. Where none can be made (the file of the worker is not there, since
 * an application was bundled into one file, or threads are not permitted) a job is done in the caller's thread, which
 * waits for it: all that works works there too, slower.
 */
export class FileWorkers implements AsyncDisposable {
  readonly #max: number;
  readonly #url: URL | 'none';
  readonly #collect: () => void;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Task[] = [];
  #isAble: boolean;
  #collectedAtMs = -Infinity;

  constructor(options: FileWorkersOptions = {}) {
    const { max = defaultMax(), url = workerUrl() ?? 'none', collect = collectAll } = options;
    this.#max = max;
    this.#collect = collect;
    this.#url = url;
    this.#isAble = url !== 'none';
  }

  /** Jobs that are done side by side, where threads can be made. */
  get parallel(): number {
    return this.#isAble ? this.#max : 1;
  }

  /** Threads that live now. */
  get size(): number {
    return this.#threads.size;
  }

  /** Does a job, those that came before first. */
  run<K extends FileJob['kind']>(job: Extract<FileJob, { kind: K }>): Promise<FileJobResults[K]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject });
      this.#assign();
    });
  }

  /** Ends all threads. Jobs that were not done yet, and those to come, are done in the caller's thread. */
  async close(): Promise<void> {
    this.#isAble = false;
    const ending = [...this.#threads].map((thread) => this.#end(thread));
    this.#assign();
    await Promise.all(ending);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #assign(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#isAble ? this.#free() : undefined;
      if (!thread && this.#isAble) return;
      const task = this.#waiting.shift() as Task;
      if (thread) this.#give(thread, task);
      else doHere(task);
    }
  }

  #free(): Thread | undefined {
    for (const thread of this.#threads) if (!thread.task) return thread;
    return this.#threads.size < this.#max ? this.#start() : undefined;
  }

  #start(): Thread | undefined {
    try {
      // Not the flags of the application, which may load its modules into each thread.
      const worker = new Worker(this.#url as URL, {
        name: 'shoal-files',
        execArgv: [],
        resourceLimits: LIMITS,
      });
      const thread: Thread = { worker, task: undefined, idleTimer: undefined };
      this.#threads.add(thread);
      worker.on('message', (message) =>
        this.#done(thread, message as { result: never } | { error: unknown }),
      );
      worker.on('error', () => this.#lost(thread));
      worker.on('exit', () => this.#lost(thread));
      worker.unref();
      return thread;
    } catch {
      this.#isAble = false;
      return undefined;
    }
  }

  #give(thread: Thread, task: Task): void {
    clearTimeout(thread.idleTimer);
    thread.task = task;
    // While it works it keeps the process alive, as a file request of Node's own does.
    thread.worker.ref();
    thread.worker.postMessage(task.job);
  }

  #done(thread: Thread, message: { result: never } | { error: unknown }): void {
    const { task } = thread;
    if (!task) return;
    thread.task = undefined;
    thread.worker.unref();
    thread.idleTimer = setTimeout(() => void this.#end(thread), IDLE_MS).unref();
    if ('error' in message) task.reject(message.error);
    else task.resolve(message.result);
    this.#assign();
  }

  /** A thread could not start, or died: none is started any more, and what it was to do is done here. */
  #lost(thread: Thread): void {
    if (!this.#threads.delete(thread)) return;
    clearTimeout(thread.idleTimer);
    this.#isAble = false;
    const { task } = thread;
    thread.task = undefined;
    if (task) doHere(task);
    this.#assign();
  }

  async #end(thread: Thread): Promise<void> {
    const { task } = thread;
    this.#threads.delete(thread);
    clearTimeout(thread.idleTimer);
    thread.task = undefined;
    await thread.worker.terminate();
    if (task) doHere(task);
    else if (this.#threads.size === 0 && this.#isAble) this.#giveBack();
  }

  /** What an import left would stay for all of the transfer that follows. */
  #giveBack(): void {
    const nowMs = performance.now();
    if (nowMs - this.#collectedAtMs < COLLECT_MS) return;
    this.#collectedAtMs = nowMs;
    this.#collect();
  }
}

function doHere({ job, resolve, reject }: Task): void {
  try {
    resolve(runFileJob(job) as never);
  } catch (error) {
    reject(error);
  }
}

function defaultMax(): number {
  return Math.min(MAX_WORKERS, availableParallelism());
}

/** What a job told of an item, as the error that Node's own call would have thrown. */
export function errorOf({ code, message, syscall }: FileFailure): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code, ...(syscall === undefined ? {} : { syscall }) });
}

/** The file beside this one; in the bundle, in the folder of this chunk or above it. */
function workerUrl(): URL | undefined {
  try {
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const places = [`./file-worker.${ending}`, `../file-worker.${ending}`];
    return places
      .map((place) => new URL(place, import.meta.url))
      .find((url) => existsSync(fileURLToPath(url)));
  } catch {
    // No file at all: code that was loaded from elsewhere, or bundled into CommonJS, which knows no address of its own.
    return undefined;
  }
}
