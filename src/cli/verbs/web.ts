import { Option, type Command } from 'commander';
import type { CommonOptions } from '../common-options.ts';
import { examples } from '../examples.ts';
import { parsePort } from '../values.ts';

/** The same one each time: what a browser keeps for a page belongs to its address, port included. */
const DEFAULT_PORT = 7420;

interface WebOptions extends CommonOptions {
  port: number;
}

/** `shoal web` */
export function addWeb(program: Command, onExit: (code: number) => void): void {
  program
    .command('web')
    .summary('serve a page that shares and fetches')
    .description(
      'Serve a page to the browsers of this machine, in which files are shared, and links opened, played and saved; and, ' +
        'as `shoal seed` does, everything the data folder knows. The page is a peer of its own, which this node helps ' +
        'to be found. Ctrl-C is its normal end.',
    )
    .addOption(
      new Option('--port <port>', 'port of the page on 127.0.0.1 (0: any free one)')
        .argParser(parsePort)
        .default(DEFAULT_PORT),
    )
    .addHelpText('after', examples(['shoal web', 'shoal web --port 8080 --data /srv/shoal']))
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<WebOptions>();
      if (options.web === false) command.error("error: '--no-web' leaves the page without a node");
      const { runCommand } = await import('../run-command.ts');
      onExit(
        await runCommand(
          {
            job: { verb: 'seed', stay: true },
            node: 'serving',
            permanent: true,
            page: { port: options.port },
          },
          options,
        ),
      );
    });
}
