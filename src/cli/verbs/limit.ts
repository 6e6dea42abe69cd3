import type { Command } from 'commander';
import { cidOf } from '../../daemon/cid-text.ts';
import { collect, type CommonOptions } from '../common-options.ts';
import { examples } from '../examples.ts';
import { parseAsset } from '../values.ts';

/** `shoal limit [cid…]` */
export function addLimit(program: Command, onExit: (code: number) => void): void {
  program
    .command('limit')
    .summary('change the limits of the shoal that is running')
    .description(
      'Change the limits of the shoal that runs with the data folder, or those of single assets of it, for as long as ' +
        'it runs. Limits that are not given end: without any option there are none.',
    )
    .argument('[cid...]', 'CIDs or links; without any: the node, and each single peer', collect(parseAsset))
    .addHelpText(
      'after',
      examples([
        'shoal limit --upload-limit 2MB/s --peer-upload-limit 500KB/s',
        'shoal limit bafy… --upload-limit 200KB/s',
        'shoal limit',
      ]),
    )
    .action(async (cids: string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions>();
      const { uploadLimit, downloadLimit, peerUploadLimit, peerDownloadLimit } = options;
      if (cids.length > 0 && (peerUploadLimit ?? peerDownloadLimit) !== undefined)
        command.error(
          'error: --peer-upload-limit and --peer-download-limit concern the node; give no CID with them',
        );
      const { runCommand } = await import('../run-command.ts');
      const limits = { uploadBytesPerSec: uploadLimit, downloadBytesPerSec: downloadLimit };
      const perPeer = { uploadBytesPerSec: peerUploadLimit, downloadBytesPerSec: peerDownloadLimit };
      const job = { verb: 'limit' as const, cids: cids.map(cidOf), limits, perPeer };
      onExit(await runCommand({ job, node: 'local', permanent: false }, options));
    });
}
