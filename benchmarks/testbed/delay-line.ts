import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

/** A running delay line. */
export interface DelayLine {
  /** Frames it had no room for; known after `stop`. */
  readonly drops: number;
  stop(): Promise<void>;
}

/**
 * Joins the interfaces by a switch that delays every frame by half of the round trip. Compiled for each run, which
 * takes a moment: the sources are what is in the repository, and no binary is.
 * @param folder where the compiled program is put
 * @throws Error where no C compiler is there
 */
export async function startDelayLine(
  folder: string,
  rttMs: number,
  links: readonly string[],
): Promise<DelayLine> {
  const program = join(folder, 'delay-line');
  const source = join(import.meta.dirname, 'delay-line.c');
  await promisify(execFile)('cc', ['-O2', '-Wall', '-o', program, source]);
  const child = spawn(program, [String(Math.round((rttMs * 1000) / 2)), ...links], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  if ((await lines.next()).value !== 'ready') throw new Error('the delay line did not start; see above');
  const exited = once(child, 'exit');
  let drops = 0;
  return {
    get drops(): number {
      return drops;
    },
    async stop(): Promise<void> {
      child.stdin.on('error', () => {});
      child.stdin.end();
      drops = Number((await lines.next()).value ?? 0);
      await exited;
    },
  };
}
