import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { looksLikeCid } from '../../daemon/cid-text.ts';
import { DEFAULT_TIMEOUT_MS, type CommonOptions } from '../common-options.ts';
import { examples } from '../examples.ts';
import { chunkSizeOf, profileOption } from '../profile.ts';
import { parseChunkSize, parseText } from '../values.ts';

interface InspectOptions extends CommonOptions {
  chunkSize?: number;
  profile?: string;
}

/** `shoal inspect <path|cid>` */
export function addInspect(program: Command, onExit: (code: number) => void): void {
  program
    .command('inspect')
    .summary('tell what a path or a CID is')
    .description(
      'Of a path: the CID it would be shared under, and the ipfs add options that give the same one. Of a CID or ' +
        'link: type, size and entries, from the data folder or the swarm.',
    )
    .argument('<path|cid>', 'a path, a CID or a link', parseText)
    .addOption(
      new Option('--chunk-size <size>', 'bytes of a chunk (default: by file size)').argParser(parseChunkSize),
    )
    .addOption(profileOption())
    .addHelpText('after', examples(['shoal inspect video.mp4', 'shoal inspect bafy… --json']))
    .action(async (target: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<InspectOptions>();
      if (looksLikeCid(target) && !existsSync(target)) {
        const { runCommand } = await import('../run-command.ts');
        const job = {
          verb: 'inspect' as const,
          cid: target,
          timeoutMs: options.timeout ?? DEFAULT_TIMEOUT_MS,
        };
        onExit(await runCommand({ job, node: 'looking', permanent: false }, options));
      } else {
        const { inspectPath } = await import('../inspect-path.ts');
        onExit(await inspectPath(resolve(target), chunkSizeOf(options), options));
      }
    });
}
