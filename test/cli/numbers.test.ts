/** Fault 121: a number that can't be meant is refused, wherever it is given. What is done instead is nothing. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { milliseconds, wholeNumber } from '../../src/cli/shared.ts';
import { builtOf } from '../support/programs.ts';

const main = builtOf('src/cli/main.ts');
/** Nothing listens there: who gets that far ends with 1. */
const run = async (args: readonly string[], env: Record<string, string> = {}) => {
  const child = spawn(process.execPath, [main, ...args, '--redis', 'redis://127.0.0.1:1', '--namespace', 't'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, stderr };
};

test.each([
  '1e3',
  '0x10',
  '',
  ' ',
  ' 5',
  '5 ',
  '-1',
  '+1',
  '1.5',
  '.5',
  'NaN',
  'Infinity',
  '1_000',
  '１',
  '9007199254740992',
])('fault 121: %j is no whole number', (text) => {
  expect(() => wholeNumber(text)).toThrow('a whole number');
  expect(() => milliseconds(text)).toThrow('a whole number');
});

test('fault 121: ms go up to the longest timer, whole numbers to the last that can be told apart', () => {
  expect([milliseconds('0'), milliseconds('2147483647')]).toEqual([0, 2_147_483_647]);
  expect(() => milliseconds('2147483648')).toThrow('a whole number up to 2147483647 is needed');
  expect(wholeNumber('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER);
});

test.each([
  [['rescue', '--grace', '99999999999'], {}],
  [['rescue', '--grace', '1e3'], {}],
  [['run', '--sweep-interval', '2147483648'], {}],
  [['run', '--rescue-interval', '0x10'], {}],
  [['inspect', '0', '--sweep-interval', '99999999999'], {}],
  [['sweep', '--hung-after', '9007199254740991'], {}],
  [['sweep', '--drain-per-second', '0'], {}],
  [['sweep', '--drain-per-second', '100001'], {}],
  [['run'], { REAPER_SWEEP_INTERVAL: '' }],
  [['run'], { REAPER_RESCUE_INTERVAL: '99999999999' }],
  [['sweep'], { REAPER_HUNG_AFTER: '1e3' }],
  [['sweep'], { REAPER_DRAIN_PER_SECOND: '' }],
] as [string[], Record<string, string>][])(
  'fault 121: reaper %j with %j ends with 2 and names what is wrong',
  async (args, env) => {
    const { code, stderr } = await run(args, env);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/--(grace|\w+-interval|hung-after|drain)|hungAfterS|drainPerSecond/),
    ]);
  },
);
