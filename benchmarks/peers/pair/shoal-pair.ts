import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkBuilt } from '../../built.ts';
import { programOf } from '../../process.ts';
import type { Pair, PairSystem } from './pair.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const CHILDREN = join(ROOT, 'benchmarks', 'children');

/** The package as it is built, by the programs of `npm run bench -- pair`. */
export const shoalPair: PairSystem = {
  name: 'shoal',
  about: 'TCP, TLS 1.3; SHA-256 of each chunk before it is written',
  async version() {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    checkBuilt();
    return `shoal ${version}`;
  },
  start,
};

async function start(pair: Pair): Promise<() => void> {
  const dataOf = (side: 'sender' | 'receiver'): string => join(pair.folderOf(side), 'data');
  const command = (script: string, ...args: string[]): [string, ...string[]] => [
    process.execPath,
    programOf(join(CHILDREN, script)),
    ...args,
  ];
  const sender = pair.run('sender', command('seed.ts', pair.content.path, dataOf('sender')), { hear });
  const link = await sender.ready;
  const fetch = command('fetch.ts', link, pair.target, dataOf('receiver'), 'wait');
  const receiver = pair.run('receiver', fetch, { hear });
  await receiver.ready;
  return () => receiver.say('go');
}

/** Those programs speak in lines of JSON. */
function hear(line: string): string | undefined {
  const told = JSON.parse(line) as { link?: string; ready?: boolean; ms?: number };
  if (told.link !== undefined) return `ready ${told.link}`;
  if (told.ready) return 'ready';
  return told.ms === undefined ? undefined : 'done';
}
