import type { Command } from 'commander';
import { cidOf } from '../../daemon/cid-text.ts';
import { collect, type CommonOptions } from '../common-options.ts';
import { examples } from '../examples.ts';
import { parseAsset } from '../values.ts';

/** `shoal rm <cid…>` */
export function addRm(program: Command, onExit: (code: number) => void): void {
  program
    .command('rm')
    .summary('forget assets')
    .description(
      'Forget assets, and delete what the data folder holds of them. Originals and saved copies stay.',
    )
    .argument('<cid...>', 'CIDs or links', collect(parseAsset))
    .addHelpText('after', examples(['shoal rm bafy…']))
    .action(async (cids: string[], _options: unknown, command: Command) => {
      const { runCommand } = await import('../run-command.ts');
      const job = { verb: 'rm' as const, cids: cids.map(cidOf) };
      onExit(
        await runCommand({ job, node: 'local', permanent: false }, command.optsWithGlobals<CommonOptions>()),
      );
    });
}
