import type { Command, Option } from 'commander';

type Shell = 'bash' | 'zsh' | 'fish';

interface Word {
  word: string;
  about: string;
}

interface VerbWords {
  verb: Word;
  options: Word[];
  /** What an argument can be, where that is a fixed list. */
  choices: string[];
}

/** Writes a script that completes verbs, options and fixed values, from the command tree itself. */
export function completionScript(program: Command, shell: Shell): string {
  const verbs = program.commands.map((command) => verbWords(program, command));
  verbs.push({
    verb: { word: 'help', about: 'print help for a command' },
    options: [],
    choices: verbs.map(({ verb }) => verb.word),
  });
  const common = optionWords([...program.options, ...program.createHelp().visibleOptions(program)]);
  const values = optionValues(program);
  if (shell === 'bash') return bashScript(verbs, common, values, freeValueOptions(program));
  return shell === 'zsh' ? zshScript(verbs, common, values) : fishScript(verbs, common, values);
}

function verbWords(program: Command, command: Command): VerbWords {
  const options = [
    ...command.createHelp().visibleOptions(command),
    ...program.options.filter((option) => option.long !== '--version'),
  ];
  return {
    verb: { word: command.name(), about: command.summary() },
    options: optionWords(options),
    choices: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  };
}

function optionWords(options: readonly Option[]): Word[] {
  const words = new Map<string, string>();
  for (const option of options) {
    for (const word of [option.short, option.long]) if (word) words.set(word, option.description);
  }
  return [...words].map(([word, about]) => ({ word, about: about.replaceAll(/['"`$\\:[\]]/g, '') }));
}

/** Options that take one of a few values. */
function optionValues(program: Command): Map<string, readonly string[]> {
  const values = new Map<string, readonly string[]>();
  for (const command of [program, ...program.commands]) {
    for (const option of command.options)
      if (option.long && option.argChoices) values.set(option.long, option.argChoices);
  }
  return values;
}

/** Options whose value can be anything, a path perhaps. */
function freeValueOptions(program: Command): string[] {
  const options = [program, ...program.commands].flatMap((command) => command.options);
  const free = options.filter((option) => option.required && !option.argChoices);
  return [...new Set(free.flatMap(({ short, long }) => [short, long]))].filter((word) => word !== undefined);
}

function bashScript(
  verbs: readonly VerbWords[],
  common: readonly Word[],
  values: ReadonlyMap<string, readonly string[]>,
  freeValues: readonly string[],
): string {
  const join = (words: readonly Word[]): string => words.map(({ word }) => word).join(' ');
  const valueCases = [...values].map(
    ([option, choices]) =>
      `    ${option}) COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$current")); return ;;`,
  );
  const verbCases = verbs.map(
    ({ verb, options, choices }) =>
      `    ${verb.word}) options='${join(options)}'; words='${choices.join(' ')}' ;;`,
  );
  return `# bash completion of shoal: source <(shoal completion bash)
_shoal() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}"
  local verb='' word options words
  # To bash, --option=value is three words.
  if [[ "$current" == '=' ]]; then
    current=''
  elif [[ "$previous" == '=' ]]; then
    previous="\${COMP_WORDS[COMP_CWORD - 2]}"
  fi
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
    case "$word" in ${verbs.map(({ verb }) => verb.word).join('|')}) verb="$word"; break ;; esac
  done
  COMPREPLY=()
  case "$previous" in
${valueCases.join('\n')}
    ${freeValues.join('|')}) return ;;
  esac
  case "$verb" in
${verbCases.join('\n')}
    *) options='${join(common)}'; words='${join(verbs.map(({ verb }) => verb))}' ;;
  esac
  if [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  elif [[ -n "$words" ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
}
complete -o default -F _shoal shoal
`;
}

function zshScript(
  verbs: readonly VerbWords[],
  common: readonly Word[],
  values: ReadonlyMap<string, readonly string[]>,
): string {
  const list = (words: readonly Word[]): string =>
    words.map(({ word, about }) => `'${word}:${about}'`).join(' ');
  const valueCases = [...values].map(
    ([option, choices]) => `    ${option}) compadd -- ${choices.join(' ')}; return ;;`,
  );
  const verbCases = verbs.map(
    ({ verb, options, choices }) =>
      `    ${verb.word}) options=(${list(options)}); choices=(${choices.join(' ')}) ;;`,
  );
  return `#compdef shoal
# zsh completion of shoal: source <(shoal completion zsh)
_shoal() {
  local verb='' word
  local -a options choices verbs
  verbs=(${list(verbs.map(({ verb }) => verb))})
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$word" in (${verbs.map(({ verb }) => verb.word).join('|')}) verb="$word"; break ;; esac
  done
  case "\${words[CURRENT-1]}" in
${valueCases.join('\n')}
  esac
  case "$verb" in
${verbCases.join('\n')}
    *) options=(${list(common)}) ;;
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then
    _describe -o option options
  elif [[ -z "$verb" ]]; then
    _describe verb verbs
  elif (( \${#choices} )); then
    compadd -- "\${choices[@]}"
  else
    _files
  fi
}
if [[ "\${funcstack[1]}" = _shoal ]]; then _shoal "$@"; else compdef _shoal shoal; fi
`;
}

function fishScript(
  verbs: readonly VerbWords[],
  common: readonly Word[],
  values: ReadonlyMap<string, readonly string[]>,
): string {
  const names = verbs.map(({ verb }) => verb.word).join(' ');
  const option = (condition: string, { word, about }: Word): string => {
    const name = word.startsWith('--') ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`;
    const choices = values.get(word);
    return `complete -c shoal ${condition} ${name} -d '${about}'${choices ? ` -x -a '${choices.join(' ')}'` : ''}`;
  };
  const lines = ['# fish completion of shoal: shoal completion fish > ~/.config/fish/completions/shoal.fish'];
  const none = `-n 'not __fish_seen_subcommand_from ${names}'`;
  for (const { verb } of verbs) lines.push(`complete -c shoal ${none} -f -a ${verb.word} -d '${verb.about}'`);
  for (const word of common) lines.push(option(none, word));
  for (const { verb, options, choices } of verbs) {
    const seen = `-n '__fish_seen_subcommand_from ${verb.word}'`;
    for (const word of options) lines.push(option(seen, word));
    if (choices.length > 0) lines.push(`complete -c shoal ${seen} -f -a '${choices.join(' ')}'`);
  }
  return `${lines.join('\n')}\n`;
}
