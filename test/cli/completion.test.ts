/** Completion in the real shells; for a shell that is not installed, the content of its script. */
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { describeProgram, flatten } from '../../src/cli/commandTree.ts';
import { bashScript } from '../../src/cli/completion/bash.ts';
import { fishScript } from '../../src/cli/completion/fish.ts';
import { valuesOf } from '../../src/cli/completion/values.ts';
import { zshScript } from '../../src/cli/completion/zsh.ts';
import { createProgram } from '../../src/cli/program.ts';
import { spawnOnTerminal } from '../support/terminal.ts';

const program = describeProgram(createProgram());
const scripts = { bash: bashScript(program), zsh: zshScript(program), fish: fishScript(program) };
type Shell = keyof typeof scripts;

const folder = mkdtempSync(join(tmpdir(), 'reaper-completion-'));
afterAll(() => rmSync(folder, { recursive: true }));
for (const [shell, text] of Object.entries(scripts)) writeFileSync(join(folder, shell), text);
for (const name of ['one.yaml', 'two words.yaml']) writeFileSync(join(folder, name), '');

const isInstalled = (program: string) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0;

/** What bash has to complete: Readline splits words at `=`. */
const completeInBash = (words: readonly string[], script = 'bash'): string[] => {
  const split = ['reaper', ...words.flatMap((word) => word.split(/(=)/).filter((part, i) => part !== '' || i === 0))];
  const program = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _reaper; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['--norc', '-c', program, 'bash', join(folder, script), ...split], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '');
};

const completeInFish = (words: readonly string[]): string[] => {
  const line = ['reaper', ...words].join(' ');
  const program = `source "${join(folder, 'fish')}"; complete -C "${line}"`;
  return execFileSync('fish', ['--no-config', '-c', program], {
    encoding: 'utf8',
    env: { ...process.env, HOME: folder },
  })
    .split('\n')
    .filter((each) => each !== '')
    .map((each) => (each.split('\t')[0] ?? '').replace(/^--[a-z-]+=/, ''));
};

/** An interactive zsh on a terminal of its own: its completion writes each candidate to a file, and END after them. */
const openZsh = async () => {
  const heard = join(folder, 'heard');
  const rc = `
    autoload -Uz compinit && compinit -u -D
    source ${join(folder, 'zsh')}
    compadd() {
      if [[ " $* " == *" -"[ODA]" "* ]]; then builtin compadd "$@"; return; fi
      local -a hits
      builtin compadd -A hits "$@"
      print -rl -- $hits >> ${heard}
      builtin compadd "$@"
    }
    listed() { _main_complete; print END >> ${heard} }
    zle -C listed complete-word listed
    bindkey '^I' listed
    bindkey '^U' kill-whole-line
    print END >> ${heard}
  `;
  writeFileSync(join(folder, '.zshrc'), rc);
  writeFileSync(heard, '');
  const child = spawnOnTerminal(['zsh', '--no-globalrcs', '-i'], { ZDOTDIR: folder, TERM: 'dumb' });
  child.stdout.resume();
  const closed = once(child, 'close');
  const lines = () => readFileSync(heard, 'utf8').split('\n');
  await vi.waitUntil(() => lines().includes('END'));
  return {
    async complete(words: readonly string[]): Promise<string[]> {
      writeFileSync(heard, '');
      child.stdin.write(`\u0015${['reaper', ...words].join(' ')}\t`);
      await vi.waitUntil(() => lines().includes('END'));
      return lines().filter((line) => !['', 'END'].includes(line));
    },
    async close() {
      child.stdin.write('\u0015exit\n');
      await closed;
    },
  };
};
let zsh: ReturnType<typeof openZsh> | undefined;
afterAll(async () => (await zsh)?.close());
const completeInZsh = async (words: readonly string[]): Promise<string[]> => {
  zsh ??= openZsh();
  return (await zsh).complete(words);
};

const complete: Record<Shell, (words: readonly string[]) => string[] | Promise<string[]>> = {
  bash: completeInBash,
  zsh: completeInZsh,
  fish: completeInFish,
};

/** What the words so far are completed to. */
const cases: readonly [words: readonly string[], candidates: readonly string[]][] = [
  [['sw'], ['sweep']],
  [
    ['hooks', ''],
    ['drop', 'list', 'retry'],
  ],
  [
    ['sweep', '--hooks-tls'],
    ['--hooks-tls-ca-file', '--hooks-tls-cert-file', '--hooks-tls-key-file'],
  ],
  [['hooks', 'drop', '--hooks-t'], []],
  [['hooks', '--end'], ['--endpoint']],
  [
    ['run', '--role', ''],
    ['always', 'auto', 'never'],
  ],
  [['run', '--role=al'], ['always']],
  [['--log-level', 'd'], ['debug']],
  [['--namespace', 'sweep', 'quarantine', 'dr'], ['drop']],
  [
    ['completion', ''],
    ['bash', 'fish', 'zsh'],
  ],
  [['help', 'exp'], ['explain']],
];

describe.each(Object.keys(scripts) as Shell[])('%s', (shell) => {
  test('has the script of every command, option and value', () => {
    const script = scripts[shell];
    const options = flatten(program).flatMap((node) => node.options);
    expect(options.length).toBeGreaterThan(200);
    for (const { words } of flatten(program)) expect(script).toContain(words.join(shell === 'zsh' ? '_' : ' '));
    for (const { names } of options)
      expect(script).toContain(shell === 'fish' ? `-l ${names[0]?.slice(2)} ` : names[0]);
    for (const { value } of options) expect(script).toContain((value?.choices ?? []).join(' '));
  });

  if (!isInstalled(shell)) return;

  test('accepts the script', () => {
    expect(execFileSync(shell, ['-n', join(folder, shell)], { encoding: 'utf8' })).toBe('');
  });

  test.each(cases)('completes reaper %j', async (words, candidates) => {
    expect([...new Set(await complete[shell](words))].sort()).toEqual(candidates);
  });

  test('completes the files of an option that is a file', async () => {
    const found = await complete[shell](['doctor', '--config', join(folder, 'o')]);
    expect(found.map((path) => path.split('/').at(-1))).toEqual(['one.yaml']);
  });
});

describe('forms of arguments that no command has yet', () => {
  const other = describeProgram(
    new Command('reaper')
      .helpCommand(false)
      .addCommand(new Command('apply').argument('<file>'))
      .addCommand(new Command('sweep').addOption(new Option('--verdict <verdict...>').choices(['fail', 'reset']))),
  );
  const completeWith = (script: string, ...words: string[]) => {
    writeFileSync(join(folder, 'other'), script);
    return completeInBash(words, 'other');
  };
  test('values of an option that takes several', () => {
    expect(completeWith(bashScript(other), 'sweep', '--verdict', '')).toEqual(['fail', 'reset']);
    expect(zshScript(other)).toContain(':verdict:(fail reset)');
    expect(fishScript(other)).toContain("-l verdict -x -a 'fail reset'");
  });
  test('an argument that is a file', () => {
    expect(completeWith(bashScript(other), 'apply', join(folder, 'o'))).toContain(join(folder, 'one.yaml'));
    expect(completeWith(bashScript(other), 'apply', '--h')).toEqual(['--help']);
    expect(zshScript(other)).toContain("'*:file:_files'");
    expect(fishScript(other)).toContain("'__reaper_at apply' -F");
  });
});

test('an option takes a value in all commands that have it, or in none', () => {
  const valued = valuesOf(program);
  const flags = flatten(program).flatMap(({ options }) => options.filter(({ value }) => value === undefined));
  expect(flags.filter(({ names }) => names.some((name) => valued.has(name)))).toEqual([]);
});
