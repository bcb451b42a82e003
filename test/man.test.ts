/** The page of the manual: all that the program has, each thing once, and markup that the formatters accept. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { describeProgram, flatten } from '../src/cli/commandTree.ts';
import { createProgram } from '../src/cli/program.ts';
import { packageRoot } from '../src/package.ts';

const file = `${packageRoot}man/reaper.1`;
const page = readFileSync(file, 'utf8');
const sections = page.split(/^\.SH /m).slice(1);
const sectionOf = (name: string) => sections.find((section) => section.startsWith(`${name}\n`)) ?? '';
const nodes = flatten(describeProgram(createProgram()));
const bold = (text: string) => `\\fB${text.replaceAll('-', '\\-')}\\fR`;

test('the page has the sections of a page about a command, in their order', () => {
  expect(sections.map((section) => section.split('\n')[0])).toEqual([
    ...['NAME', 'SYNOPSIS', 'DESCRIPTION', 'COMMANDS', 'OPTIONS', 'ENVIRONMENT', 'FILES', 'EXIT STATUS', 'SIGNALS'],
    ...['EXAMPLES', 'SEE ALSO'],
  ]);
  expect(page).toMatch(/^\.TH REAPER 1 /);
});

test('every command is there, and every option: with its command, or once for all commands', () => {
  const [commands, options] = [sectionOf('COMMANDS'), sectionOf('OPTIONS')];
  const timesIn = (text: string, name: string) =>
    text.split(new RegExp(`^${name.replace(/[\\]/g, '\\$&')}[ ,\\n]`, 'm')).length - 1;
  for (const { words } of nodes.slice(1)) expect(commands).toContain(bold(['reaper', ...words].join(' ')));
  const shared = nodes.flatMap((node) => node.options.filter(({ heading }) => heading !== undefined));
  expect(new Set(shared.map(({ names }) => names[0])).size).toBeGreaterThan(50);
  for (const { names } of shared) expect([names[0], timesIn(options, bold(names[0] ?? ''))]).toEqual([names[0], 1]);
  for (const { words, options: own } of nodes.filter((node) => node.commands.length === 0)) {
    const part = commands.split(`${bold(['reaper', ...words].join(' '))}`)[1]?.split('\n.TP\n\\fBreaper ')[0] ?? '';
    for (const { names, heading } of own) {
      if (heading === undefined && names[0] !== '--help') expect(timesIn(part, bold(names[0] ?? ''))).toBe(1);
    }
  }
});

test('no line of the page is taken for markup, and no character is lost by a formatter without UTF-8', () => {
  expect(page).toMatch(/^[\t\n -~]+$/);
  const markup = page.split('\n').filter((line) => /^[.']/.test(line));
  expect(markup.filter((line) => !/^\.(TH|SH|SS|TP|IP|PP|RS|RE|nf|fi)( |$)/.test(line))).toEqual([]);
});

test.each([
  ['groff', ['-man', '-Tutf8', '-ww', '-z', file]],
  // A date would make the page stale each day.
  ['mandoc', ['-Tlint', '-Wwarning', file]],
])('%s accepts the page, where it is installed', (program, args) => {
  const { error, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined) expect(error).toMatchObject({ code: 'ENOENT' });
  else
    expect(`${stdout}${stderr}`.split('\n').filter((line) => line !== '' && !line.includes('missing date'))).toEqual(
      [],
    );
});

test('npm installs the page with the package', () => {
  const { man, files } = JSON.parse(readFileSync(`${packageRoot}package.json`, 'utf8'));
  expect(man).toEqual(['./man/reaper.1']);
  expect(files).toContain('man');
});
