import type { Command } from 'commander';
import type { CommonOptions } from '../common-options.ts';
import { examples } from '../examples.ts';

/** `shoal ls` */
export function addLs(program: Command, onExit: (code: number) => void): void {
  program
    .command('ls')
    .summary('list what the data folder knows')
    .description(
      'List what the data folder knows: what is shared from here, what was got, and what is on its way.',
    )
    .addHelpText(
      'after',
      examples(['shoal ls', 'shoal ls --json | jq -r \'select(.state == "partial").cid\'']),
    )
    .action(async (_options: unknown, command: Command) => {
      const { runCommand } = await import('../run-command.ts');
      onExit(
        await runCommand(
          { job: { verb: 'ls' }, node: 'local', permanent: false },
          command.optsWithGlobals<CommonOptions>(),
        ),
      );
    });
}
