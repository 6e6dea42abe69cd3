import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Outcome } from '../../src/simulator/index.ts';
import type { Task } from './worker.ts';

/** A run of 10,000 peers needs several GiB. */
const HEAP_MIB = 16_000;

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
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
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
