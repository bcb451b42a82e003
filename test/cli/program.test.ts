/** The commands and their options, parsed by the real program in this process: help, examples, global options and wrong usage. */
import type { Command } from 'commander';
import { CommanderError } from 'commander';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { configOf, reaperOf } from '../../src/cli/config.ts';
import { examplesOf, linesOf } from '../../src/cli/help.ts';
import { createProgram } from '../../src/cli/program.ts';

beforeEach(() => {
  vi.stubEnv('COLUMNS', '80');
  vi.stubEnv('REAPER_NAMESPACE', '');
});
afterEach(() => vi.unstubAllEnvs());

const withAll = (command: Command): Command[] => [command, ...command.commands.flatMap(withAll)];
const nameOf = (command: Command): string =>
  [...(command.parent === null ? [] : [nameOf(command.parent)]), command.name()].join(' ');
const names = withAll(createProgram()).map(nameOf);
const find = (name: string) => withAll(createProgram()).find((command) => nameOf(command) === name) as Command;

/** Parses arguments; the action of the command is replaced. Gives the command with its options, or what was printed and the exit code. */
const parse = async (args: readonly string[]) => {
  const program = createProgram();
  let parsed: Command | undefined;
  let [stdout, stderr] = ['', ''];
  for (const command of withAll(program)) {
    command.configureOutput({ writeOut: (text) => (stdout += text), writeErr: (text) => (stderr += text) });
    if (command.commands.length > 0 || command.name() === 'help') continue;
    command.action(() => {
      parsed = command;
    });
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return { parsed, stdout, stderr, code: 0 };
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { parsed, stdout, stderr, code: error.exitCode };
  }
};

describe('the help', () => {
  test.each(names)('of %s fits 80 columns and ends with two or three examples', async (name) => {
    const { stdout, code } = await parse([...name.split(' ').slice(1), '--help']);
    expect(code).toBe(0);
    expect(stdout.split('\n').filter((line) => [...line].length > 80)).toEqual([]);
    const examples = Object.entries(examplesOf(find(name)));
    expect(examples.length).toBeGreaterThanOrEqual(2);
    expect(examples.length).toBeLessThanOrEqual(3);
    const [, end] = stdout.split('\nExamples:\n');
    expect(end?.trimEnd()).toBe(
      examples
        .flatMap(([purpose, lines]) => [`  # ${purpose}`, ...linesOf(lines).map((line) => `  ${line}`)])
        .join('\n'),
    );
  });

  test('is that of COLUMNS in a wider or narrower terminal', async () => {
    for (const columns of [70, 120]) {
      vi.stubEnv('COLUMNS', String(columns));
      const { stdout } = await parse(['audit', '--help']);
      const widths =
        stdout
          .split('\nExamples:')[0]
          ?.split('\n')
          .map((line) => line.length) ?? [];
      expect(Math.max(...widths)).toBeLessThanOrEqual(columns);
      expect(Math.max(...widths)).toBeGreaterThan(columns - 15);
    }
  });

  test('of a command is that of `reaper help`', async () => {
    for (const words of [['sweep'], ['hooks', 'drop'], ['quarantine'], []]) {
      expect(await parse(['help', ...words])).toEqual(await parse([...words, '--help']));
    }
  });

  test('is printed to stderr, with a code for wrong usage, if no command is given', async () => {
    const { stdout } = await parse(['--help']);
    expect(await parse([])).toMatchObject({ code: 1, stdout: '', stderr: stdout });
  });

  test('names commands by what they are for, before the examples', async () => {
    const { stdout } = await parse(['--help']);
    const headings = [...stdout.matchAll(/^(\S.*):$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual([
      'Options',
      'What is wrong',
      'Repair',
      'On record',
      'Keep running',
      'This command',
      'Examples',
    ]);
  });

  test.each([
    ['hooks drop', ['--hooks-timeout', '--hooks-max-age', '--hung-after', '--rescue-grace'], ['--audit-operator']],
    ['hooks retry', ['--hooks-max-age', '--hooks-max-records', '--hooks-parked-retention'], ['--hooks-timeout']],
    ['hooks list', ['--hooks-timeout', '--audit-operator'], ['--hooks-breaker-threshold']],
    ['audit', ['--audit-max-entries', '--audit-operator', '--hung-after'], ['--who']],
    ['undo', ['--hooks-timeout', '--hung-after'], ['--audit-operator']],
    ['quarantine list', ['--audit-operator', '--hooks-timeout'], ['--type']],
    ['inspect', ['--sweep-interval', '--hooks-timeout', '--audit-operator'], ['--interval', '--rescue-max-recoveries']],
  ])('of %s has only the options that take effect', async (name, without, with_) => {
    const flags = find(`reaper ${name}`).options.map(({ long }) => long);
    expect(flags).not.toEqual(expect.arrayContaining([expect.toBeOneOf(without)]));
    expect(flags).toEqual(expect.arrayContaining(with_));
  });
});

/** The words of a command line, as a shell splits them; only up to a pipe or a file. */
const wordsOf = (line: string) =>
  [...(line.split(/ [|>] /)[0] ?? '').matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '');

const examples = withAll(createProgram()).flatMap((command) => Object.values(examplesOf(command)).flatMap(linesOf));

test.each(examples)('the example works: %s', async (line) => {
  const [program, ...words] = wordsOf(line);
  expect(program).toBe('reaper');
  const { parsed, stderr, code } = await parse(words);
  expect([code, stderr]).toEqual([0, '']);
  if (['completion', 'help'].includes(words[0] ?? '')) return;
  // The file of an example is not there; all other values must be ones that the reaper takes.
  parsed?.setOptionValue('config', undefined);
  expect(() => reaperOf(configOf(parsed as Command, { REAPER_NAMESPACE: 't' }))).not.toThrow();
});

describe('global options', () => {
  test.each([
    [['--namespace', 'a', '--json', 'status']],
    [['status', '--namespace', 'a', '--json']],
    [['--json', 'status', '--namespace', 'a']],
    [['--namespace', 'b', '--json', 'status', '--namespace', 'a']],
    [['--namespace', 'a', 'hooks', '--json']],
    [['hooks', '--namespace', 'a', '--json', 'list']],
    [['--namespace', 'b', 'hooks', '--namespace', 'a', 'drop', '--all', '--json']],
  ])('may stand before or after the command: %j', async (args) => {
    const { parsed, stderr } = await parse(args);
    expect(stderr).toBe('');
    expect(parsed?.opts()).toMatchObject({ namespace: 'a', json: true });
  });

  test('are refused before a command that has no use for them', async () => {
    expect(await parse(['--json', 'help', 'status'])).toMatchObject({
      stderr: "reaper: unknown option '--json'. See: reaper help --help\n",
    });
  });

  test('of one command are no options of the program', async () => {
    expect(await parse(['--grace', '0', 'rescue'])).toMatchObject({
      code: 1,
      stderr: "reaper: unknown option '--grace'. See: reaper --help\n",
    });
  });
});

test.each([
  [['staus'], "unknown command 'staus'. Did you mean status?"],
  [['frobnicate'], "unknown command 'frobnicate'. See: reaper --help"],
  [['help', 'staus'], "unknown command 'staus'. Did you mean status?"],
  [['help', 'hooks', 'frob'], "unknown command 'frob'. See: reaper hooks --help"],
  [['hooks', 'dorp'], "unknown command 'dorp'. It must be one of: list, retry, drop."],
  [['hooks', 'list', 'x'], /^reaper: too many arguments for 'list'\. .* See: reaper hooks list --help\n$/],
  [['completion', 'tcsh'], /^reaper: [^\n]*Allowed choices are bash, zsh, fish\.\n$/],
  [['sweep', '--job-typs', 'x'], "unknown option '--job-typs'. Did you mean --job-types?"],
  [['sweep', '--frobnicate'], "unknown option '--frobnicate'. See: reaper sweep --help"],
  [['hooks', 'drop', '--reson', 'x'], "unknown option '--reson'. Did you mean --reason?"],
  [['explain'], "missing required argument 'job'. See: reaper explain --help"],
  [['explain', 'a', 'b'], /^reaper: too many arguments for 'explain'\. .* See: reaper explain --help\n$/],
  [['audit', '--id'], "option '--id <job>' argument missing. See: reaper audit --help"],
  [
    ['rescue', '--grace', '5'],
    "option '--grace <duration>' argument '5' is invalid. It must have a unit: write '5s', '5ms' or another one.",
  ],
  [
    ['sweep', '--x\n(Did you mean --forged?)\n'],
    /^reaper: unknown option '--x\\u000a\(Did you mean --forged\?\)\\u000a'\. See: [^\n]*\n$/,
  ],
] as [string[], string | RegExp][])('wrong usage is one line that says what to do: %j', async (args, message) => {
  const { parsed, stdout, stderr, code } = await parse(args);
  expect([parsed, stdout, code]).toEqual([undefined, '', 1]);
  if (typeof message === 'string') expect(stderr).toBe(`reaper: ${message}\n`);
  else expect(stderr).toMatch(message);
});
