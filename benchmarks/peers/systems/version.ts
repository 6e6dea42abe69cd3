import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * The first line that a command prints, on either output.
 * @throws Error that says what to install where the command cannot run
 */
export async function versionOf(
  [command, ...args]: readonly [string, ...string[]],
  install: string,
): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args);
    return `${stdout}${stderr}`.split('\n')[0]?.trim() ?? '';
  } catch {
    throw new Error(`It does not run here: ${install}.`);
  }
}
