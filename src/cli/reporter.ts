import type { JobEvent } from '../daemon/job.ts';
import { HumanReporter } from './human-reporter.ts';
import { JsonReporter } from './json-reporter.ts';

/** Where text goes; the standard streams, or a test's list of lines. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  /** Bytes that its reader has not taken yet. */
  readonly writableLength?: number;
}

/** Shows what happens in a job. */
export interface Reporter {
  event(event: JobEvent): void;
  /** What a person wants to know and a program does not: "serving for 10 s more". */
  note(text: string): void;
  log(level: string, message: string): void;
  /** Ends what is still open: the live line, a table. */
  close(): void;
}

export interface ReporterOptions {
  asJson: boolean;
  /** Standard output carries content: everything else goes to standard error. */
  contentToStdout: boolean;
  stdout: TextStream;
  stderr: TextStream;
  /** For the live line: milliseconds. */
  now: () => number;
}

/** Picks how to show things: JSON lines, a live line on a terminal, plain lines in a pipe. */
export function createReporter(options: ReporterOptions): Reporter {
  const out = options.contentToStdout ? options.stderr : options.stdout;
  const { stderr, now } = options;
  if (options.asJson)
    return new JsonReporter({ out, err: options.contentToStdout ? undefined : stderr, now });
  return new HumanReporter({
    out,
    err: stderr,
    now,
    isLive: out.isTTY === true && process.env['TERM'] !== 'dumb',
  });
}
