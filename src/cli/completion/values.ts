import { type CommandNode, flatten } from '../commandTree.ts';

/** What follows an option, in all commands that have it. */
export interface Values {
  readonly choices: readonly string[];
  readonly isFile: boolean;
}

/** The options that take a value, by their names. Values that may be left out are not completed. */
export const valuesOf = (program: CommandNode): ReadonlyMap<string, Values> => {
  const all = new Map<string, Values>();
  for (const { names, value } of flatten(program).flatMap(({ options }) => options)) {
    if (value === undefined || value.isOptional) continue;
    for (const name of names) {
      const choices = [...new Set([...(all.get(name)?.choices ?? []), ...value.choices])];
      all.set(name, { choices, isFile: value.name === 'file' });
    }
  }
  return all;
};

/** The words that may follow a command: its commands, or the values of its first argument. */
export const wordsAfter = ({ commands, arguments: [first] }: CommandNode): readonly string[] => [
  ...commands.map(({ words }) => words.at(-1) ?? ''),
  ...(first?.choices ?? []),
];
