import { CommanderError } from 'commander';
import { createProgram } from './program.ts';
import { reportError } from './report-error.ts';

/** Commander's codes for output that was asked for, which is a success. */
const ASKED_FOR: ReadonlySet<string> = new Set(['commander.helpDisplayed', 'commander.version']);

/** `shoal` alone, or a verb that needs a sub-verb: the help is shown, and it is wrong usage all the same. */
const HELP_INSTEAD = 'commander.help';

/** Reads the command line, runs its verb, and ends the process with the right code. */
export async function runCli(args: readonly string[]): Promise<void> {
  const failure = {
    asJson: args.includes('--json'),
    jsonTo: writesContent(args) ? process.stderr : process.stdout,
  };
  // Help whose reader has seen enough. A verb's own handler ends the verb, too.
  process.stdout.on('error', () => undefined);
  let code = 0;
  try {
    const program = createProgram((exitCode) => (code = exitCode));
    // The help that stands in for a missing verb is for people.
    if (failure.asJson) program.configureOutput({ writeErr: () => undefined });
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    code = reportFailure(error, failure);
  }
  await exit(code);
}

/** `-o -`: standard output is for content alone, even where the arguments cannot be understood. */
function writesContent(args: readonly string[]): boolean {
  return / (-o ?-|--output[= ]-) /.test(` ${args.join(' ')} `);
}

function reportFailure(error: unknown, options: { asJson: boolean; jsonTo: NodeJS.WriteStream }): number {
  if (!(error instanceof CommanderError)) {
    reportError(isWithoutFolder(error) ? noFolder() : error, options);
    return 1;
  }
  if (ASKED_FOR.has(error.code) || (error.code === HELP_INSTEAD && error.exitCode === 0)) return 0;
  const isHelp = error.code === HELP_INSTEAD;
  if (!isHelp || options.asJson) {
    const message = usageMessage(isHelp ? 'no command is given' : error.message);
    reportError(ownError('ERR_USAGE', message), options);
  }
  return 2;
}

/** An error of a code of ours, without loading what makes them. */
function ownError(code: string, message: string): Error {
  return Object.assign(new Error(message), { name: 'ShoalError', code });
}

/** What is relative to the current folder leads nowhere where that was deleted. */
function isWithoutFolder(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'uv_cwd';
}

function noFolder(): Error {
  return ownError('ERR_NOT_FOUND', 'the current folder has been deleted; go to another one (cd)');
}

/** Commander's text as one sentence: `error: unknown option '--foo'\n(Did you mean --force?)`. */
function usageMessage(text: string): string {
  return `${text
    .replace(/^error: /, '')
    .replace(/\.$/, '')
    .replaceAll(/\s*\n\s*/g, ' ')}; see shoal --help`;
}

/** What libp2p leaves behind would keep the process alive for seconds; all that matters is closed by now. */
async function exit(code: number): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => {
      if (stream.destroyed || stream.errored !== null || !stream.writable) resolve();
      else stream.write('', () => resolve());
    });
  }
  process.exit(code);
}
