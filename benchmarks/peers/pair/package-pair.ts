import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programOf } from '../../process.ts';
import type { PairConfig } from '../systems/client.ts';
import type { Pair, PairSystem, Side } from './pair.ts';

const PEERS = join(import.meta.dirname, '..');

/** A system that comes as a package of npm, and is used by a program of ours. */
export interface PackageClient extends Pick<PairSystem, 'name' | 'about' | 'asked'> {
  /** The package's name. */
  package: string;
  /** File in `systems`, told a {@link PairConfig}; the sender tells how it is reached. */
  program: string;
}

/** Both sides by the same program. */
export function packagePair({ package: name, program, ...system }: PackageClient): PairSystem {
  return {
    ...system,
    async version() {
      const path = join(PEERS, 'node_modules', name, 'package.json');
      try {
        const { version } = JSON.parse(await readFile(path, 'utf8')) as { version: string };
        return `${name} ${version}`;
      } catch {
        throw new Error('It is not installed: npm ci --prefix benchmarks/peers.');
      }
    },
    start: (pair) => start(pair, programOf(join(PEERS, 'systems', program))),
  };
}

async function start(pair: Pair, program: string): Promise<() => void> {
  const run = (side: Side, config: Omit<PairConfig, 'folder'>): ReturnType<Pair['run']> =>
    pair.run(side, [
      process.execPath,
      program,
      JSON.stringify({ ...config, folder: join(pair.folderOf(side), 'store') }),
    ]);
  const sender = run('sender', { role: 'origin', path: pair.content.path });
  const receiver = run('receiver', { role: 'peer', path: pair.target });
  const [contact] = await Promise.all([sender.ready, receiver.ready]);
  return () => receiver.say(`go ${contact}`);
}
