import { Command } from 'commander';
import { version } from '../version.ts';
import { addCommonOptions } from './common-options.ts';
import { examples } from './examples.ts';
import { addCompletion } from './verbs/completion.ts';
import { addGet } from './verbs/get.ts';
import { addId } from './verbs/id.ts';
import { addInspect } from './verbs/inspect.ts';
import { addLimit } from './verbs/limit.ts';
import { addLs } from './verbs/ls.ts';
import { addRm } from './verbs/rm.ts';
import { addSeed } from './verbs/seed.ts';
import { addShare } from './verbs/share.ts';
import { addVerify } from './verbs/verify.ts';
import { addWeb } from './verbs/web.ts';

/**
 * The whole command line as a tree. It loads nothing but the parser: a verb loads the rest when it runs.
 *
 * @param onExit told the exit code of a verb that ran
 */
export function createProgram(onExit: (code: number) => void): Command {
  const program = new Command('shoal');
  program
    .description('Share files and directories with a swarm that keeps them when the origin is gone.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      'after',
      examples(['shoal share video.mp4', "shoal get 'shoal:bafy…?n=video.mp4&a=…'", 'shoal help get']),
    );
  addCommonOptions(program);
  for (const add of [
    addShare,
    addGet,
    addSeed,
    addWeb,
    addLs,
    addRm,
    addLimit,
    addVerify,
    addInspect,
    addId,
    addCompletion,
  ])
    add(program, onExit);
  return program;
}
