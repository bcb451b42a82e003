/** Progress on a terminal: after a second, on stderr, cleared before other output; none in pipes, with --json or on a dumb terminal. */
import stringWidth from 'string-width';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { beginProgress, describeProgress, endProgress } from '../../src/cli/progress.ts';
import { doing } from '../../src/cli/rescue.ts';
import { complain, print } from '../../src/cli/text.ts';
import { createTestClock, type TestClock } from '../support/clock.ts';

const clear = '\r\u001b[K';
let clock: TestClock;
let written: string[];
const isTerminal = process.stderr.isTTY;
beforeEach(() => {
  clock = createTestClock();
  written = [];
  process.stderr.isTTY = true;
  vi.stubEnv('TERM', 'xterm');
  vi.stubEnv('COLUMNS', '80');
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  }
});
afterEach(() => {
  endProgress();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  process.stderr.isTTY = isTerminal;
});

const commandOf = (name: string, options: Record<string, unknown> = {}) => {
  const command = createProgram().commands.find((each) => each.name() === name);
  if (command === undefined) throw new Error(`no command ${name}`);
  for (const [option, value] of Object.entries(options)) command.setOptionValue(option, value);
  return command;
};
/** The line that is shown, without what clears it. */
const line = () => written.at(-1)?.replace(/^\r/, '').replace(clear.slice(1), '');

test('appears after a second, counts the seconds, and is cleared at the end', () => {
  beginProgress(commandOf('status'), clock);
  clock.advance(999);
  expect(written).toEqual([]);
  clock.advance(1);
  expect(written).toEqual(['\rreading queues, pools and tracked jobs, 1 s so far\u001b[K']);
  clock.advance(2_000);
  expect(line()).toBe('reading queues, pools and tracked jobs, 3 s so far');
  endProgress();
  expect(written.at(-1)).toBe(clear);
  const count = written.length;
  clock.advance(10_000);
  expect(written).toHaveLength(count);
});

test('a command that takes less than a second shows nothing', () => {
  beginProgress(commandOf('status'), clock);
  clock.advance(900);
  endProgress();
  clock.advance(10_000);
  expect(written).toEqual([]);
});

test('is cleared before each line of output, and drawn again below it', () => {
  beginProgress(commandOf('rescue'), clock);
  clock.advance(1_000);
  const shown = '\rreading pools, 1 s so far\u001b[K';
  print('a line', 'another line');
  clock.advance(250);
  complain('a fault');
  clock.advance(250);
  expect(written).toEqual([shown, clear, 'a line\n', 'another line\n', shown, clear, 'a fault\n', shown]);
});

test('a sweep has a bar with the time that is left', () => {
  beginProgress(commandOf('sweep'), clock);
  let value = 0;
  expect(describeProgress(() => ({ what: 'jobs judged', value, total: 50_000 }))).toBe(true);
  clock.advance(1_000);
  expect(line()).toBe(`jobs judged ${'░'.repeat(24)} 0 of 50,000`);
  value = 12_500;
  clock.advance(2_000);
  expect(line()).toBe(`jobs judged ${'█'.repeat(6)}${'░'.repeat(18)} 12,500 of 50,000, 09s to go`);
});

test('fits one line of the terminal, and shows control characters', () => {
  vi.stubEnv('COLUMNS', '40');
  beginProgress(commandOf('rescue'), clock);
  describeProgress(() => `requeuing entries of pool ${'\u001b[2J\n'.repeat(5)}x`);
  clock.advance(1_000);
  expect(stringWidth(line() ?? '')).toBe(39);
  expect(line()).toContain('\\u000ax, 1 s so far');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
  expect(line()).not.toMatch(/[\u0000-\u001f]/);
});

describe('is not shown', () => {
  test.each([
    ['with --json', () => commandOf('sweep', { json: true })],
    ['while a command shows itself again and again', () => commandOf('status', { watch: true })],
    ['for a command that runs until it is stopped', () => commandOf('run')],
    [
      'on a dumb terminal',
      () => {
        vi.stubEnv('TERM', 'dumb');
        return commandOf('sweep');
      },
    ],
    [
      'in a pipe',
      () => {
        process.stderr.isTTY = false;
        return commandOf('sweep');
      },
    ],
  ])('%s', (_, command) => {
    beginProgress(command(), clock);
    expect(describeProgress(() => 'anything')).toBe(false);
    clock.advance(5_000);
    expect(written).toEqual([]);
  });
});

test.each([
  [undefined, 'reading pools'],
  [{ step: 'rebuilding-counters', waiting: 3, graceLeftMs: 15_000, pools: [] }, 'rebuilding counters'],
  [{ step: 'rescuing-pools', waiting: 3, graceLeftMs: 11_200, pools: [] }, 'grace of 3 suspected pools: 12 s left'],
  [{ step: 'rescuing-pools', waiting: 1, graceLeftMs: 900, pools: [] }, 'grace of 1 suspected pool: 1 s left'],
  [{ step: 'requeuing-orphans', waiting: 0, graceLeftMs: undefined, pools: [] }, 'looking for orphaned entries'],
  [
    { step: 'awaiting-second-try', waiting: 0, graceLeftMs: undefined, pools: [] },
    'waiting for a second look at entries that seem to be orphaned',
  ],
  [
    { step: 'rescuing-pools', waiting: 3, graceLeftMs: 1, pools: [{ pool: 'p1', entries: 700, requeued: 200 }] },
    'requeuing entries of pool p1: 200 of 700',
  ],
  [
    {
      step: 'requeuing-orphans',
      waiting: 0,
      graceLeftMs: undefined,
      pools: ['p1', 'p2', 'p3'].map((pool) => ({ pool, entries: 7, requeued: 0 })),
    },
    'requeuing entries of pool p1: 0 of 7, and 2 other pools',
  ],
] as const)('a rescue in %j says: %s', (progress, text) => {
  expect(doing(progress)).toBe(text);
});
