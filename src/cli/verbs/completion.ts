import { Argument, type Command } from 'commander';
import { examples } from '../examples.ts';

/** `shoal completion <shell>` */
export function addCompletion(program: Command, onExit: (code: number) => void): void {
  program
    .command('completion')
    .summary('print a completion script')
    .description('Print a script that completes verbs and options in a shell.')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      examples([
        'source <(shoal completion bash)',
        'source <(shoal completion zsh)',
        'shoal completion fish > ~/.config/fish/completions/shoal.fish',
      ]),
    )
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const { completionScript } = await import('../completion-script.ts');
      process.stdout.write(completionScript(program, shell));
      onExit(0);
    });
}
