import { fstatSync } from 'node:fs';
import { basename } from 'node:path';
import { isatty } from 'node:tty';
import { ShoalError } from '../index.ts';

/** A clean stop takes two seconds at most; what is not closed by then is left to the system. */
const GRACE_MS = 1_800;

/** The exit code of a command that was interrupted before its work was done. */
export const INTERRUPTED_CODE = 130;

/** The exit code of a command whose output could not be written before its work was done. */
const FAILED_CODE = 1;

/**
 * Whether the end of a terminal does not concern this process. `nohup` has SIGHUP ignored, but Node takes that back before
 * anything here runs. Most shells name it in `_`; and it leaves, as who starts a service does, nothing but files.
 */
function outlivesTerminal(): boolean {
  // Windows has no `nohup`, ends whoever is in a console that is closed, and does not tell of every handle what it is.
  if (process.platform === 'win32') return false;
  const isFile = (fd: number): boolean => {
    const kind = fstatSync(fd);
    return kind.isFile() || (kind.isCharacterDevice() && !isatty(fd));
  };
  return basename(process.env['_'] ?? '') === 'nohup' || [0, 1, 2].every(isFile);
}

/**
 * Turns SIGINT, SIGTERM and (but under `nohup`) SIGHUP into an abort: the first stops cleanly, the second at once. An output that
 * takes no more, such as a pipe whose reader has gone, stops the command too.
 */
export class StopSignal implements Disposable {
  readonly #controller = new AbortController();
  readonly #handler = (): void => this.#interrupt();
  readonly #onPipeError = (error: NodeJS.ErrnoException): void => this.outputFailed(error);
  readonly #whatNext: string;
  /** The code to end with when stopped. The command sets it to 0 once its work is done. */
  exitCode = INTERRUPTED_CODE;

  /** @param whatNext what becomes of work that is interrupted, for the error's message; by default it is begun anew */
  constructor(whatNext = 'run the command again to do it anew') {
    this.#whatNext = whatNext;
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, this.#handler);
    process.on('SIGHUP', outlivesTerminal() ? () => undefined : this.#handler);
    process.stdout.on('error', this.#onPipeError);
    process.stderr.on('error', this.#onPipeError);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    // The handlers stay: a signal during the last moments must not end the process with another code.
    process.stdout.off('error', this.#onPipeError);
    process.stderr.off('error', this.#onPipeError);
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  }

  /**
   * Resolves once standard output has taken all that was written: a full disk shows only then, after the last line of a
   * command that is done. One whose work was done before that (`share`, `get`) has not failed of it.
   *
   * @throws what the command was stopped by
   */
  async outputTaken(): Promise<void> {
    if (this.exitCode === 0) return;
    const { stdout } = process;
    await new Promise<void>((resolve) => {
      stdout.write('', (error) => {
        if (error) this.outputFailed(stdout.errored ?? error);
        resolve();
      });
    });
    this.signal.throwIfAborted();
  }

  /**
   * Stops because standard output or error cannot be written. What was not done by then has failed.
   *
   * @param error what writing failed with
   */
  outputFailed(error: NodeJS.ErrnoException): void {
    if (this.signal.aborted) return;
    if (this.exitCode === INTERRUPTED_CODE) this.exitCode = FAILED_CODE;
    this.#stop(
      error.code === 'EPIPE'
        ? new ShoalError('ERR_PIPE_CLOSED', 'the reader of the output has gone before its end', {
            fault: 'none',
          })
        : new ShoalError('ERR_IO', `the output cannot be written: ${error.message}`, { cause: error }),
    );
  }

  #interrupt(): void {
    if (this.signal.aborted) process.exit(this.exitCode);
    this.#stop(new ShoalError('ERR_INTERRUPTED', `interrupted; ${this.#whatNext}`, { fault: 'none' }));
  }

  #stop(reason: ShoalError): void {
    setTimeout(() => process.exit(this.exitCode), GRACE_MS).unref();
    this.#controller.abort(reason);
  }
}
