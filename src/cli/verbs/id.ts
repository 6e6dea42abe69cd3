import type { Command } from 'commander';
import type { CommonOptions } from '../common-options.ts';
import { examples } from '../examples.ts';

/** `shoal id` */
export function addId(program: Command, onExit: (code: number) => void): void {
  program
    .command('id')
    .summary('print the peer id of the data folder')
    .description(
      'Print the peer id of the data folder, and the addresses of the shoal that runs with it, if one does.',
    )
    .addHelpText('after', examples(['shoal id', 'shoal id --json']))
    .action(async (_options: unknown, command: Command) => {
      const { runCommand } = await import('../run-command.ts');
      onExit(
        await runCommand(
          { job: { verb: 'id' }, node: 'local', permanent: false },
          command.optsWithGlobals<CommonOptions>(),
        ),
      );
    });
}
