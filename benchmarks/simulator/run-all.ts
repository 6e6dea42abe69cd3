import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Outcome } from '../../src/simulator/index.ts';
import type { Task } from './worker.ts';

/** A run of 10,000 peers needs several GiB. */
const HEAP_MIB = 16_000;

/**
 * What is on its way in a network of 10,000 is some 100 MB at any time. Where the young generation holds less all of it
 * moves to the old one, and dies there: the whole heap is then marked again and again. (Beside 6 million old objects, 100 MB
 * of short-lived ones at any time: 7.6 s of CPU in place of 18.8 with the default. V8 takes a third of it as it needs it.)
 */
const YOUNG_MIB = 768;

/**
 * Runs tasks on all cores, one after another on each, and tells of each when it is done.
 *
 * @throws what a run threw, and the signal's reason, at once: runs under way are dropped
 */
export async function runAll(
  tasks: readonly Task[],
  signal: AbortSignal,
  onStart: (task: Task) => void,
  onDone: (task: Task, outcome: Outcome) => void,
): Promise<void> {
  const waiting = [...tasks];
  const stopping = new AbortController();
  const either = AbortSignal.any([signal, stopping.signal]);
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL('worker.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB, maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    try {
      for (let task = waiting.shift(); task; task = waiting.shift()) {
        either.throwIfAborted();
        onStart(task);
        worker.postMessage(task);
        const [answer] = (await once(worker, 'message', { signal: either })) as [
          { outcome: Outcome } | { error: unknown },
        ];
        if ('error' in answer) throw answer.error;
        onDone(task, answer.outcome);
      }
    } catch (error) {
      stopping.abort(error);
      throw error;
    } finally {
      await worker.terminate();
    }
  };
  const workers = Array.from({ length: Math.min(tasks.length, availableParallelism()) }, work);
  const results = await Promise.allSettled(workers);
  signal.throwIfAborted();
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}
