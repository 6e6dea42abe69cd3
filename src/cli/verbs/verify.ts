import type { Command } from 'commander';
import { cidOf } from '../../daemon/cid-text.ts';
import { collect, type CommonOptions } from '../common-options.ts';
import { examples } from '../examples.ts';
import { parseAsset } from '../values.ts';

/** `shoal verify [cid…]` */
export function addVerify(program: Command, onExit: (code: number) => void): void {
  program
    .command('verify')
    .summary('check what is on disk')
    .description(
      'Read and hash again what is on disk, of these assets or of all. Exits with 1 when something is wrong.',
    )
    .argument('[cid...]', 'CIDs or links', collect(parseAsset))
    .addHelpText('after', examples(['shoal verify', 'shoal verify bafy… --json']))
    .action(async (cids: string[], _options: unknown, command: Command) => {
      const { runCommand } = await import('../run-command.ts');
      const job = { verb: 'verify' as const, cids: cids.map(cidOf) };
      onExit(
        await runCommand({ job, node: 'local', permanent: false }, command.optsWithGlobals<CommonOptions>()),
      );
    });
}
