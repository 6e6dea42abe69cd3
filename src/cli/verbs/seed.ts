import type { Command } from 'commander';
import type { CommonOptions } from '../common-options.ts';
import { examples } from '../examples.ts';

/** `shoal seed` */
export function addSeed(program: Command, onExit: (code: number) => void): void {
  program
    .command('seed')
    .summary('serve everything the data folder knows')
    .description(
      'Serve everything the data folder knows until stopped. Other commands with the same data folder hand over to ' +
        'it. Ctrl-C is its normal end, and exits with 0; 130 is for work that was interrupted.',
    )
    .addHelpText(
      'after',
      examples([
        'shoal seed',
        'shoal seed --data /srv/shoal --listen /ip4/0.0.0.0/tcp/4001 --upload-limit 10MB/s',
      ]),
    )
    .action(async (_options: unknown, command: Command) => {
      const { runCommand } = await import('../run-command.ts');
      onExit(
        await runCommand(
          { job: { verb: 'seed' }, node: 'serving', permanent: true },
          command.optsWithGlobals<CommonOptions>(),
        ),
      );
    });
}
