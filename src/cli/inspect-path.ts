import { inspect } from '../index.ts';
import { errorCode } from '../daemon/error-text.ts';
import type { CommonOptions } from './common-options.ts';
import { createReporter } from './reporter.ts';
import { reportError } from './report-error.ts';
import { StopSignal } from './stop-signal.ts';

/** Tells what a path would be shared as. It needs no data folder and no network. @returns the exit code */
export async function inspectPath(
  path: string,
  chunkSize: number | undefined,
  options: CommonOptions,
): Promise<number> {
  using stop = new StopSignal();
  const asJson = options.json ?? false;
  const reporter = createReporter({
    asJson,
    contentToStdout: false,
    stdout: process.stdout,
    stderr: process.stderr,
    now: () => performance.now(),
  });
  try {
    const { cid, type, bytes, chunks, nodes, ipfsAdd, note, ...rest } = await inspect(path, {
      chunkSize,
      signal: stop.signal,
    });
    reporter.event({
      event: 'inspected',
      cid,
      type,
      bytes,
      path,
      chunkSize: rest.chunkSize,
      chunks,
      nodes,
      ipfsAdd,
      note,
    });
    reporter.close();
    await stop.outputTaken();
    return 0;
  } catch (error) {
    reporter.close();
    // As in `runCommand`: a reader that has seen enough is told nothing.
    if (asJson || errorCode(error) !== 'ERR_PIPE_CLOSED')
      reportError(error, { asJson, jsonTo: process.stdout });
    return stop.signal.aborted ? stop.exitCode : 1;
  }
}
