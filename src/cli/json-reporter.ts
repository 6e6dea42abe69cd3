import type { JobEvent } from '../daemon/job.ts';
import { Throttle } from '../daemon/throttle.ts';
import type { Reporter, TextStream } from './reporter.ts';

/** Programs that follow a download want to know now and then. */
const PROGRESS_INTERVAL_MS = 500;

/** Prints one JSON object a line. Notes and logs are for people: they go to standard error where that is free. */
export class JsonReporter implements Reporter {
  readonly #out: TextStream;
  readonly #err: TextStream | undefined;
  readonly #now: () => number;
  readonly #progress = new Throttle(PROGRESS_INTERVAL_MS);

  constructor(options: { out: TextStream; err: TextStream | undefined; now: () => number }) {
    this.#out = options.out;
    this.#err = options.err;
    this.#now = options.now;
  }

  event(event: JobEvent): void {
    if (event.event === 'progress' && !this.#progress.passes(this.#now(), event.phase)) return;
    this.#out.write(`${JSON.stringify(event)}\n`);
  }

  note(text: string): void {
    this.#err?.write(`${text}\n`);
  }

  log(level: string, message: string): void {
    if (this.#err) this.#err.write(`${level}: ${message}\n`);
    else this.#out.write(`${JSON.stringify({ event: 'log', level, message })}\n`);
  }

  close(): void {
    // Nothing is held back.
  }
}
