import type { Argument, Command, Option } from 'commander';

/** A command as the completion scripts and the man page need it. */
export interface CommandNode {
  readonly command: Command;
  /** The words that select it, without the name of the program. */
  readonly words: readonly string[];
  /** Its own commands. If it has some, `list` is what it does without a word. */
  readonly commands: readonly CommandNode[];
  readonly options: readonly OptionNode[];
  readonly arguments: readonly ArgumentNode[];
}

export interface OptionNode {
  /** Such as `--json`, and `-h` where there is a short form. */
  readonly names: readonly string[];
  /** Undefined for a flag. */
  readonly value: ValueNode | undefined;
  readonly description: string;
  readonly heading: string | undefined;
}

export interface ValueNode {
  /** Such as `duration`. */
  readonly name: string;
  readonly isOptional: boolean;
  /** Whether several may follow. */
  readonly isVariadic: boolean;
  /** All values, if there are few. */
  readonly choices: readonly string[];
}

export interface ArgumentNode {
  readonly isFile: boolean;
  readonly choices: readonly string[];
}

/** Describes a program and its commands, from its definition. */
export const describeProgram = (program: Command): CommandNode => {
  const describe = (command: Command, words: readonly string[]): CommandNode => {
    const commands = command.commands.map((each) => describe(each, [...words, each.name()]));
    const byDefault = commands.find((each) => each.words.at(-1) === 'list');
    const own = [...command.options.map(optionOf), helpOption];
    const more = (byDefault?.options ?? []).filter(({ names }) => !own.some((each) => each.names[0] === names[0]));
    return {
      ...{ command, words, commands, options: [...own, ...more] },
      arguments: command.registeredArguments.map((each) => ({
        isFile: each.name() === 'file',
        choices: each.argChoices ?? namesFor(each, program),
      })),
    };
  };
  return describe(program, []);
};

/** All commands, the program itself first. */
export const flatten = (node: CommandNode): readonly CommandNode[] => [node, ...node.commands.flatMap(flatten)];

/** The first sentence of a description. */
export const summaryOf = (description: string): string =>
  /^(.*?)(?:[.;:](?: .*)?| \((?:default|env).*)?$/s.exec(description)?.[1] ?? description;

const helpOption: OptionNode = {
  names: ['--help', '-h'],
  value: undefined,
  description: 'display help for command',
  heading: undefined,
};

const optionOf = (option: Option): OptionNode => {
  const [, name] = /[<[](.*?)(?:\.\.\.)?[>\]]$/.exec(option.flags) ?? [];
  return {
    names: [option.long, option.short].filter((each) => each != null),
    value:
      name === undefined
        ? undefined
        : {
            name,
            isOptional: option.optional,
            isVariadic: option.variadic,
            choices: option.argChoices ?? choicesIn(name),
          },
    description: option.description,
    heading: option.helpGroupHeading,
  };
};

/** The values that a placeholder lists: `auto|always|never`. */
const choicesIn = (name: string): string[] => (name.includes('|') ? name.split('|') : []);

/** An argument that is a command. */
const namesFor = (argument: Argument, program: Command): string[] =>
  argument.name() === 'command' ? program.commands.map((command) => command.name()) : [];
