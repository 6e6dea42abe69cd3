import { parentPort } from 'node:worker_threads';
import { runFileJob, type FileJob } from './file-jobs.ts';

/** A thread of `FileWorkers`: takes a job, does it, and answers with its result or with what it threw. */
parentPort?.on('message', (job: FileJob) => {
  try {
    const result = runFileJob(job);
    const transfer = Object.values(result)
      .filter((value) => ArrayBuffer.isView(value))
      .map((view) => view.buffer as ArrayBuffer);
    parentPort?.postMessage({ result }, transfer);
  } catch (error) {
    parentPort?.postMessage({ error });
  }
});
