import { type CommandNode, flatten, type OptionNode, summaryOf } from '../commandTree.ts';
import { valuesOf, wordsAfter } from './values.ts';

/** The completion script for fish. */
export const fishScript = (
  program: CommandNode,
): string => `# fish completion for reaper. In this shell only: reaper completion fish | source

# Whether this command is typed; without a word: whether none is.
function __reaper_at
  set -l at
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1
      # The value of an option is no command.
      set skip 0
      continue
    end
    switch $word
      case ${[...valuesOf(program).keys()].join(' ')}
        set skip 1
      case '-*'
      case '*'
        switch "$at $word"
          case ${flatten(program)
            .slice(1)
            .map(({ words }) => `'${[...(words.length === 1 ? [''] : []), ...words].join(' ')}'`)
            .join(' ')}
            set at $at $word
        end
    end
  end
  test "$at" = "$argv"
end

complete -c reaper -f
${flatten(program).flatMap(linesOf).join('\n')}
`;

const linesOf = (node: CommandNode): string[] => {
  const { words, commands, options } = node;
  const begin = `complete -c reaper -n '${['__reaper_at', ...words].join(' ')}'`;
  const values = commands.length > 0 ? [] : wordsAfter(node);
  return [
    ...commands.map((each) => `${begin} -a ${each.words.at(-1)} -d ${quoted(summaryOf(each.command.description()))}`),
    ...(values.length > 0 ? [`${begin} -a ${quoted(values.join(' '))}`] : []),
    ...(node.arguments[0]?.isFile ? [`${begin} -F`] : []),
    ...options.map((option) => `${begin} ${optionLine(option)}`),
  ];
};

const optionLine = ({ names, value, description }: OptionNode): string =>
  [
    ...names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`)),
    ...(value === undefined || value.isOptional ? [] : [value.name === 'file' ? '-r -F' : '-x']),
    ...(value === undefined || value.choices.length === 0 ? [] : [`-a ${quoted(value.choices.join(' '))}`]),
    `-d ${quoted(summaryOf(description))}`,
  ].join(' ');

const quoted = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;
