import { type CommandNode, describeProgram, flatten, type OptionNode } from '../../src/cli/commandTree.ts';
import { failed, needsAttention, notFound, wrongUsage } from '../../src/cli/exitCodes.ts';
import { examplesOf, linesOf } from '../../src/cli/help.ts';
import { createProgram } from '../../src/cli/program.ts';
import { version } from '../../src/package.ts';
import { bold, escaped, flags, paragraphs, term } from './roff.ts';

/** `man/reaper.1`, from the definitions of the commands. Options that several commands share are described once. */
export const manPage = (): string => {
  const program = describeProgram(createProgram());
  const shared = sharedOptions(program);
  return `${[
    `.TH REAPER 1 "" "jobservice-reaper ${version}" "User Commands"`,
    '.SH NAME',
    'reaper \\- supervise Redis job queues of Harbor jobservice and gocraft/work',
    '.SH SYNOPSIS',
    `${bold('reaper')} [\\fIglobal options\\fR] \\fIcommand\\fR [\\fIoptions\\fR] [\\fIarguments\\fR]`,
    '.SH DESCRIPTION',
    paragraphs(...description),
    '.SH COMMANDS',
    ...commandLines(program, shared),
    '.SH OPTIONS',
    paragraphs(
      'Only commands that name a group take its options. The groups Redis, Configuration and Output belong to every command that uses Redis, and their options may stand before the command too.',
    ),
    ...[...shared].flatMap(([heading, options]) => [`.SS "${escaped(heading)}"`, ...options.map(optionLines)]),
    ...endSections,
    '.SH EXAMPLES',
    ...[program, ...leaves(program)].flatMap(exampleLines).slice(1),
    '.SH SEE ALSO',
    `${bold('redis-cli')}(1), ${bold('redis-server')}(1)`,
    paragraphs('The pages in docs/ of the package: operations.md, options.md, verdicts.md and errors.md come first.'),
  ].join('\n')}\n`;
};

const description = [
  'A jobservice that dies leaves jobs that never end: entries of dead pools, locks that no one holds, and statuses that no endpoint received. The reaper finds them and repairs them. "reaper status" says what is wrong, and "reaper explain" why a job does not run. "reaper rescue" requeues the entries of dead pools. "reaper sweep" repairs statuses and sends missing webhooks. "reaper run" does both on a schedule, beside a running jobservice.',
  'Each change is one script in Redis that changes nothing if the job is no longer as it was judged. With --plan, nothing is changed at all. Every act is on record: see "reaper audit" and "reaper undo".',
  "Every command that uses Redis needs the namespace of the queues. Harbor's is {harbor_job_service_namespace}, with the braces.",
];

const globalHeadings: ReadonlySet<string> = new Set(['Redis', 'Configuration', 'Output']);

/** The options with a heading, each under the first heading that it has in any command. */
const sharedOptions = (program: CommandNode): ReadonlyMap<string, readonly OptionNode[]> => {
  const seen = new Set<string>();
  const all = new Map<string, OptionNode[]>();
  for (const option of leaves(program).flatMap(({ options }) => options)) {
    const name = nameOf(option);
    if (option.heading === undefined || seen.has(name)) continue;
    seen.add(name);
    const heading = option.heading.replace(/:$/, '');
    all.set(heading, [...(all.get(heading) ?? []), option]);
  }
  return all;
};

const leaves = (program: CommandNode): readonly CommandNode[] =>
  flatten(program).filter(({ commands }) => commands.length === 0);

const nameOf = ({ names }: OptionNode): string => names[0] ?? '';

const commandLines = (program: CommandNode, shared: ReturnType<typeof sharedOptions>): string[] => {
  let heading: string | undefined;
  return flatten(program)
    .slice(1)
    .flatMap((node) => {
      const { command, words, commands } = node;
      const above = words.length === 1 ? command.helpGroup().replace(/:$/, '') : heading;
      const head = above === heading ? [] : [`.SS "${escaped(above ?? '')}"`];
      heading = above;
      const taken = commands.length > 0 ? '' : takenBy(node, shared);
      return [
        ...head,
        ...term(`${bold(['reaper', ...words].join(' '))}${argumentsOf(node)}`, sentence(command.description())),
        ...(taken === '' ? [] : ['.IP', escaped(`Shared options: ${taken}.`)]),
        ...(commands.length > 0 ? [] : ownOptions(node)),
      ];
    });
};

const argumentsOf = ({ command }: CommandNode): string =>
  command.registeredArguments
    .map((argument) => {
      const name = `\\fI${escaped(argument.name())}\\fR${argument.variadic ? ' ...' : ''}`;
      return argument.required ? ` ${name}` : ` [${name}]`;
    })
    .join('');

/** The groups that a command takes; of a group that it takes in part, the smaller part by name. */
const takenBy = ({ options }: CommandNode, shared: ReturnType<typeof sharedOptions>): string => {
  const own = new Set(options.filter(({ heading }) => heading !== undefined).map(nameOf));
  return [...shared]
    .filter(([heading]) => !globalHeadings.has(heading))
    .flatMap(([heading, group]) => {
      const names = group.map(nameOf);
      const [taken, missing] = [names.filter((name) => own.has(name)), names.filter((name) => !own.has(name))];
      if (taken.length <= missing.length) return taken;
      return missing.length === 0 ? [heading] : [`${heading} (without ${missing.join(', ')})`];
    })
    .join(', ');
};

const ownOptions = ({ options }: CommandNode): string[] => {
  const own = options.filter((option) => option.heading === undefined && nameOf(option) !== '--help');
  return own.length === 0 ? [] : ['.RS', ...own.map(optionLines), '.RE'];
};

const optionLines = ({ names, value, description: text }: OptionNode): string => {
  const placeholder =
    value === undefined
      ? ''
      : value.isOptional
        ? ` [\\fI${escaped(value.name)}\\fR]`
        : ` \\fI${escaped(value.name)}\\fR${value.isVariadic ? ' ...' : ''}`;
  return term(`${flags(names)}${placeholder}`, sentence(withoutVariable(text))).join('\n');
};

/** The names of variables follow a rule that ENVIRONMENT says. */
const withoutVariable = (text: string): string =>
  text.replace(/; env: [A-Z_]+\)$/, ')').replace(/ \(env: [A-Z_]+\)$/, '');

/** A text of the help as a sentence. */
const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.)]$/.test(text) ? '' : '.'}`;

/** Each example begins with a paragraph; the first one follows a heading, which begins one too. */
const exampleLines = ({ command }: CommandNode): string[] =>
  Object.entries(examplesOf(command)).flatMap(([purpose, lines]) => [
    '.PP',
    `${escaped(sentence(purpose).replace(/\.$/, ':'))}`,
    '.PP',
    '.RS 4',
    '.nf',
    ...linesOf(lines).map(escaped),
    '.fi',
    '.RE',
  ]);

const endSections = [
  '.SH ENVIRONMENT',
  paragraphs(
    'Each option under OPTIONS but --json is also a variable: its name in capitals after REAPER_, such as REAPER_NAMESPACE and REAPER_SWEEP_INTERVAL. An option wins over its variable, and that over the config file. An empty variable counts as not set.',
  ),
  ...term(bold('REAPER_CONFIG'), 'The config file, as --config.'),
  ...term(
    `${bold('REAPER_REDIS_FILE')}, ${bold('REAPER_SENTINEL_PASSWORD_FILE')}, ${bold('REAPER_INSPECT_TOKEN_FILE')}`,
    'Files that hold a secret.',
  ),
  ...term(bold('COLUMNS'), 'The width of the help, and of tables on a terminal.'),
  ...term(
    `${bold('NO_COLOR')}, ${bold('FORCE_COLOR')}`,
    'No colors, or colors where the output is no terminal. TERM=dumb has no colors and no progress.',
  ),
  '.SH FILES',
  paragraphs(
    'No file is read by default. The file of --config is YAML or JSON, with the options by their paths in docs/options.md: sweep.interval, or interval below sweep. Files that it names are relative to it.',
  ),
  '.SH EXIT STATUS',
  ...term(bold('0'), 'Done.'),
  ...term(
    bold(String(failed)),
    'Something failed: Redis cannot be used, a pass was suspended, or a job or pool was given up.',
  ),
  ...term(bold(String(wrongUsage)), 'Wrong usage.'),
  ...term(bold(String(needsAttention)), 'doctor: something needs attention.'),
  ...term(bold(String(notFound)), 'The job, hook or entry that was named is not there.'),
  ...term(bold('130, 143'), 'Ended by SIGINT or SIGTERM before the command was done.'),
  '.SH SIGNALS',
  ...term(
    bold('SIGINT, SIGTERM'),
    'The first one stops in order: acts that have begun are finished. run and inspect then end with 0. The second one ends the process at once.',
  ),
];
