import { isLeftOut, type JobEvent } from '../daemon/job.ts';
import { Throttle } from '../daemon/throttle.ts';
import { printable } from './format.ts';
import { logText } from './log-text.ts';
import type { Reporter, TextStream } from './reporter.ts';

/** Programs that follow a download want to know now and then. */
const PROGRESS_INTERVAL_MS = 500;

/**
 * Prints one JSON object a line. Notes and logs are for people: they go to standard error where that is free. Where
 * it carries the events (`-o -`), logs are objects between the first event and `done`, and notes are left out.
 */
export class JsonReporter implements Reporter {
  readonly #out: TextStream;
  readonly #err: TextStream | undefined;
  readonly #now: () => number;
  /** Logged before the first event, which is `listening` by promise. */
  #early: string[] | undefined = [];
  #isDone = false;
  readonly #progress = new Throttle(PROGRESS_INTERVAL_MS);

  constructor(options: { out: TextStream; err: TextStream | undefined; now: () => number }) {
    this.#out = options.out;
    this.#err = options.err;
    this.#now = options.now;
  }

  event(event: JobEvent): void {
    // A pipe takes what it is given, however slowly its reader reads.
    if (isLeftOut(event, this.#out.writableLength ?? 0)) return;
    if (event.event === 'progress' && !this.#progress.passes(this.#now(), event.phase)) return;
    this.#out.write(`${JSON.stringify(event)}\n`);
    if (event.event === 'done') this.#isDone = true;
    this.#releaseEarly();
  }

  note(text: string): void {
    this.#err?.write(`${text}\n`);
  }

  log(level: string, message: string): void {
    if (this.#err) {
      this.#err.write(`${logText(level, printable(message))}\n`);
      return;
    }
    if (this.#isDone) return;
    const isWarning = level === 'error' || level === 'warn';
    const line = JSON.stringify(isWarning ? { event: 'warning', message } : { event: 'log', level, message });
    if (this.#early) this.#early.push(line);
    else this.#out.write(`${line}\n`);
  }

  close(): void {
    this.#releaseEarly();
  }

  #releaseEarly(): void {
    const lines = this.#early ?? [];
    this.#early = undefined;
    for (const line of lines) this.#out.write(`${line}\n`);
  }
}
