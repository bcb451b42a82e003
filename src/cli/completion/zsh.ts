import { type CommandNode, flatten, type OptionNode, summaryOf } from '../commandTree.ts';
import { wordsAfter } from './values.ts';

/** The completion script for zsh, for a folder of `fpath` or for `source`. */
export const zshScript = (program: CommandNode): string => `#compdef reaper
# zsh completion for reaper. In this shell only: source <(reaper completion zsh)

${flatten(program).map(functionOf).join('\n\n')}

if [ "$funcstack[1]" = _reaper ]; then
  _reaper "$@"
else
  compdef _reaper reaper
fi
`;

const nameOf = (words: readonly string[]): string => ['_reaper', ...words].join('_');

const functionOf = (node: CommandNode): string => {
  const { words, commands, options } = node;
  const specs = options.flatMap(specsOf);
  if (commands.length === 0) {
    const values = wordsAfter(node);
    const other = node.arguments[0]?.isFile ? "'*:file:_files'" : "'*: : '";
    const rest = values.length > 0 ? `'1: :(${values.join(' ')})'` : other;
    return `${nameOf(words)}() {\n  _arguments \\\n    ${[...specs, rest].join(' \\\n    ')}\n}`;
  }
  return `${nameOf(words)}() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C \\
    ${[...specs, "'1: :->command'", "'*::: :->rest'"].join(' \\\n    ')}
  case $state in
    command)
      local -a commands=(
${commands.map((each) => `        '${each.words.at(-1)}:${escaped(summaryOf(each.command.description()))}'`).join('\n')}
      )
      _describe command commands
      ;;
    rest)
      words=($line[1] "\${words[@]}")
      ((CURRENT += 1))
      case $line[1] in
${commands.map((each) => `        ${each.words.at(-1)}) ${nameOf(each.words)} ;;`).join('\n')}
      esac
      ;;
  esac
}`;
};

const specsOf = ({ names, value, description }: OptionNode): string[] => {
  const text = `[${escaped(summaryOf(description))}]`;
  if (value === undefined || value.isOptional) return names.map((name) => `'${name}${text}'`);
  const action = value.choices.length > 0 ? `(${value.choices.join(' ')})` : value.name === 'file' ? '_files' : ' ';
  return names.map((name) => `'${name}=${text}:${escaped(value.name)}:${action}'`);
};

/** A text in single quotes, in a specification of \`_arguments\`. */
const escaped = (text: string): string => text.replace(/[\\[\]:]/g, '\\$&').replaceAll("'", "'\\''");
