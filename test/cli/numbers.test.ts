/** Fault 121: a number or duration that makes no sense is refused, wherever it comes from, and nothing is done. */
import { expect, test } from 'vitest';
import { callCli } from '../support/cli.ts';

/** No Redis listens there: a command that gets that far ends with 1. */
const nowhere = ['--redis', 'redis://127.0.0.1:1', '--namespace', 't'];

test.each([
  [['rescue', '--grace', '99999999999ms'], {}, '--grace <duration>'],
  [['rescue', '--grace', '1e3'], {}, 'It must be a duration'],
  [['run', '--sweep-interval', '2147483648ms'], {}, "--sweep-interval '2147483648ms': must be at most"],
  [['run', '--rescue-interval', '0x10'], {}, "--rescue-interval '0x10': must be a duration"],
  [['inspect', '0', '--interval', '99999999999ms'], {}, "'99999999999ms' is invalid. It must be at most"],
  [['sweep', '--hung-after', '9007199254740992ms'], {}, "--hung-after '9007199254740992ms': must be at most"],
  [['sweep', '--hung-after', '86400'], {}, "--hung-after '86400': must have a unit: write '86400s'"],
  [['sweep', '--hung-after', ''], {}, "--hung-after '': must be a duration"],
  [['sweep', '--hung-after-by-type', 'GC=7d,X=soon'], {}, "--hung-after-by-type 'GC=7d,X=soon': must be a duration"],
  [['sweep', '--hung-after-by-type', 'GC'], {}, "--hung-after-by-type 'GC': must be NAME=VALUE"],
  [['sweep', '--hooks-drain-rate', '0'], {}, '--hooks-drain-rate '],
  [['sweep', '--hooks-drain-rate', '100001'], {}, '--hooks-drain-rate '],
  ...['1e3', '0x10', '', ' ', ' 5', '5 ', '-1', '+1', '.5', '1.5', 'NaN', '1_000', '１', '9007199254740992'].map(
    (text) => [['sweep', `--hooks-drain-rate=${text}`], {}, '--hooks-drain-rate '],
  ),
  [['run'], { REAPER_RESCUE_INTERVAL: '99999999999ms' }, "REAPER_RESCUE_INTERVAL '99999999999ms': must be at most"],
  [['sweep'], { REAPER_HUNG_AFTER: '1e3' }, "REAPER_HUNG_AFTER '1e3': must be a duration"],
  [['sweep'], { REAPER_HOOKS_DRAIN_RATE: 'many' }, "REAPER_HOOKS_DRAIN_RATE 'many': "],
] as [string[], Record<string, string>, string][])(
  'fault 121: reaper %j with %j ends with 2 and names what is wrong',
  async (args, env, message) => {
    const { code, stderr } = await callCli([...args, ...nowhere], env);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  },
);
