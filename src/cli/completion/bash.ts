import { type CommandNode, flatten } from '../commandTree.ts';
import { valuesOf, wordsAfter } from './values.ts';

/** The completion script for bash. It needs no other package, and runs in bash 3.2 too. */
export const bashScript = (
  program: CommandNode,
): string => `# bash completion for reaper. In this shell only: source <(reaper completion bash)

# Sets the words and options that may follow a command; files=1 where it is a file.
_reaper_next() {
  case $1 in
${flatten(program).map(nextLine).join('\n')}
  esac
}

# Sets the values of an option. Fails for an option that takes none.
_reaper_values() {
  case $1 in
${valueLines(program).join('\n')}
    *) return 1 ;;
  esac
}

_reaper() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local IFS=$' \\t\\n' at= words= options= files= word i
  # Readline splits --option=value into three words.
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == -* ]]; then
      # The value of an option is no command.
      if _reaper_values "$word"; then
        [[ \${COMP_WORDS[i + 1]} == = ]] && ((i++))
        ((i++))
      fi
      continue
    fi
    case "\${at:+$at }$word" in
      ${flatten(program)
        .slice(1)
        .map(({ words }) => `'${words.join(' ')}'`)
        .join(' | ')}) at="\${at:+$at }$word" ;;
    esac
  done
  words= files=
  if ! _reaper_values "$prev"; then
    _reaper_next "$at"
    [[ $cur == -* ]] && words=$options files=
  fi
  if [[ $files ]]; then
    IFS=$'\\n'
    COMPREPLY=($(compgen -f -- "$cur"))
    compopt -o filenames 2> /dev/null
  else
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
  fi
}

complete -F _reaper reaper
`;

const nextLine = (node: CommandNode): string => {
  const options = node.options.flatMap(({ names }) => names).filter((name) => name.startsWith('--'));
  return `    '${node.words.join(' ')}') words='${wordsAfter(node).join(' ')}' options='${options.join(' ')}' ${node.arguments[0]?.isFile ? 'files=1 ' : ''};;`;
};

const valueLines = (program: CommandNode): string[] => {
  const all = [...valuesOf(program)];
  const line = (names: readonly string[], what: string) =>
    names.length === 0 ? [] : [`    ${names.join(' | ')}) ${what};;`];
  const files = all.filter(([, { isFile }]) => isFile);
  const others = all.filter(([, { isFile, choices }]) => !isFile && choices.length === 0);
  return [
    ...all.flatMap(([name, { choices }]) =>
      choices.length === 0 ? [] : line([name], `words='${choices.join(' ')}' `),
    ),
    ...line(
      files.map(([name]) => name),
      'files=1 ',
    ),
    ...line(
      others.map(([name]) => name),
      '',
    ),
  ];
};
