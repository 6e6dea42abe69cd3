import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { collect, type CommonOptions } from '../common-options.ts';
import { examples } from '../examples.ts';
import { chunkSizeOf, profileOption } from '../profile.ts';
import { parseChunkSize, parseText } from '../values.ts';

interface ShareOptions extends CommonOptions {
  chunkSize?: number;
  profile?: string;
}

/** `shoal share <path…>` */
export function addShare(program: Command, onExit: (code: number) => void): void {
  program
    .command('share')
    .summary('share files and directories')
    .description(
      'Share each path as an asset of its own, in place: nothing is copied. Serves until stopped; where a running ' +
        'shoal owns the data folder, hands over to it and returns. Ctrl-C is the normal end of serving: it exits ' +
        'with 0, and with 130 only while still hashing.',
    )
    .argument('<path...>', 'files and directories; - is standard input', collect(parseText))
    .addOption(
      new Option('--chunk-size <size>', 'bytes of a chunk (default: by file size)').argParser(parseChunkSize),
    )
    .addOption(profileOption())
    .addHelpText(
      'after',
      examples([
        'shoal share video.mp4',
        'shoal share photos/ notes.txt --upload-limit 2MB/s',
        'tar c src | shoal share -',
      ]),
    )
    .action(async (paths: string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ShareOptions>();
      if (paths.filter((path) => path === '-').length > 1)
        command.error("error: '-' can be given once: there is one standard input");
      const { runCommand } = await import('../run-command.ts');
      const sources = paths.map((path) => (path === '-' ? path : resolve(path)));
      const job = { verb: 'share' as const, sources, chunkSize: chunkSizeOf(options) };
      onExit(await runCommand({ job, node: 'serving', permanent: true }, options));
    });
}
