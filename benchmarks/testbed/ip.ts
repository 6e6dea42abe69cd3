import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Runs `ip` or `tc` with many lines at once: a process a command would take longer than the run.
 * @param namespace where; undefined: here
 * @throws Error with what the program said and on which line
 */
export async function batch(
  program: 'ip' | 'tc',
  lines: readonly string[],
  namespace?: string,
): Promise<void> {
  if (lines.length === 0) return;
  const inside = namespace === undefined ? [] : ['-n', namespace];
  const child = run(program, [...inside, '-batch', '-']);
  child.child.stdin?.on('error', () => {});
  child.child.stdin?.end(`${lines.join('\n')}\n`);
  try {
    await child;
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim() ?? String(error);
    throw new Error(
      `${program} failed in ${namespace ?? 'the main namespace'}: ${said}\n${lines.join('\n')}`,
      {
        cause: error,
      },
    );
  }
}

/** What a program prints. */
export async function output(program: string, ...args: string[]): Promise<string> {
  return (await run(program, args)).stdout;
}
