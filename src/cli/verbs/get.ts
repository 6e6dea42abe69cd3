import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import type { GetJob, Output } from '../../daemon/job.ts';
import { DEFAULT_TIMEOUT_MS, type CommonOptions } from '../common-options.ts';
import { examples } from '../examples.ts';
import { parseAsset, parseDuration, parseText } from '../values.ts';

/** Long enough for a neighbour to fetch what only this peer has, short enough to wait for. */
const DEFAULT_LINGER_MS = 10_000;

interface GetOptions extends CommonOptions {
  output?: string;
  force?: boolean;
  linger?: number;
  seed?: boolean;
}

/** `shoal get <cid|link>` */
export function addGet(program: Command, onExit: (code: number) => void): void {
  program
    .command('get')
    .summary('download an asset')
    .description(
      'Download an asset by CID or link. It appears at its path only when every byte has been verified; an ' +
        'interrupted download goes on where it stopped. What was got is served to others for a while after.',
    )
    .argument('<cid|link>', 'a CID, or a shoal: link', parseAsset)
    .addOption(
      new Option(
        '-o, --output <path>',
        "file or folder to write; in an existing folder: under the asset's name; - is standard output",
      ).argParser(parseText),
    )
    .option('-f, --force', 'replace what is there')
    .addOption(
      new Option('--linger <time>', 'serve for so long when done (default: 10s; 0 with -o -)').argParser(
        parseDuration,
      ),
    )
    .addOption(new Option('--seed', 'serve until stopped when done').conflicts('linger'))
    .addHelpText(
      'after',
      examples([
        "shoal get 'shoal:bafy…?n=video.mp4&a=…'",
        'shoal get bafy… -o copy.mp4 --seed',
        'shoal get bafy… -o - | tar x',
      ]),
    )
    .action(async (target: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GetOptions>();
      const output = outputOf(options.output);
      const linger: GetJob['linger'] = options.seed
        ? 'forever'
        : (options.linger ?? (output.to === 'stdout' ? 0 : DEFAULT_LINGER_MS));
      const timeoutMs = options.timeout ?? DEFAULT_TIMEOUT_MS;
      const { runCommand } = await import('../run-command.ts');
      const job = { verb: 'get' as const, target, output, force: options.force ?? false, timeoutMs, linger };
      onExit(await runCommand({ job, node: 'serving', permanent: options.seed ?? false }, options));
    });
}

/** `-` is standard output, an existing folder (or one that is written with a final slash) takes it under its name. */
function outputOf(path: string | undefined): Output {
  if (path === '-') return { to: 'stdout', offset: 0 };
  if (path === undefined) return { to: 'folder', folder: process.cwd() };
  const absolute = resolve(path);
  const isFolder = /[/\\]$/.test(path) || isExistingFolder(absolute);
  return isFolder ? { to: 'folder', folder: absolute } : { to: 'path', path: absolute };
}

/** What cannot be looked at (a link to itself, a name too long) is no folder: who writes there says what is wrong. */
function isExistingFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
