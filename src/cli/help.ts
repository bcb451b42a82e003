import { type Command, Help } from 'commander';

export const registerHelp = (program: Command): void => {
  const command = program
    .command('help')
    .description('show the help of a command')
    .argument('[command...]', 'such as: sweep, or hooks drop')
    .action(async (words: string[]) => {
      let target = program;
      for (const word of words) {
        const next = target.commands.find((one) => one.name() === word);
        // Only the program itself suggests names that are similar.
        if (next === undefined && target === program) await program.parseAsync([word], { from: 'user' });
        target = next ?? target.error(`error: unknown command '${word}'`);
      }
      target.help();
    });
  withExamples(command, { 'all commands': 'reaper help', 'the options of a command': 'reaper help hooks drop' });
};

/** Columns of a help for the names of options. */
const termWidth = 30;

/** The layout of a help: the description of an option with a long name begins on the next line. */
export const helpLayout: Partial<Help> = {
  minWidthToWrap: 20,
  padWidth: (command, helper) => Math.min(termWidth, Help.prototype.padWidth.call(helper, command, helper)),
  formatItem(term, width, description, helper) {
    const format = (text: string) => Help.prototype.formatItem.call(helper, text, width, description, helper);
    return helper.displayWidth(term) <= width ? format(term) : `  ${term}\n${format('')}`;
  },
};

/** What an example is for, and the command lines. */
export type Examples = Readonly<Record<string, string | readonly string[]>>;

const all = new WeakMap<Command, Examples>();

/** Adds examples to the help of a command, and to the man page. A test parses each of them. */
export const withExamples = (command: Command, examples: Examples): Command => {
  all.set(command, examples);
  const lines = Object.entries(examples).map(([purpose, given]) => [`  # ${purpose}`, ...linesOf(given).map(indented)]);
  return command.addHelpText('after', `\nExamples:\n${lines.flat().join('\n')}`);
};

export const examplesOf = (command: Command): Examples => all.get(command) ?? {};

export const linesOf = (given: string | readonly string[]): readonly string[] =>
  typeof given === 'string' ? [given] : given;

const indented = (line: string): string => `  ${line}`;
