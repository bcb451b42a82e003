/** The bounds of the log: acts of a pass, and what happens again and again. */
import { describe, expect, test } from 'vitest';
import type { CodedLogger } from '../../src/io/log.ts';
import { type Act, createActLog } from '../../src/reaper/actLog.ts';
import { createRepeats, mergeCounts } from '../../src/reaper/repeats.ts';
import { createTestClock } from '../support/clock.ts';

describe('acts of a pass', () => {
  const create = () => {
    const levels: string[] = [];
    const write = (level: string) => () => void levels.push(level);
    const log: CodedLogger = {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
    };
    const acts = createActLog(log);
    const add = (times: number, group: Act['group'] = { type: 'X' }, level: Act['level'] = 'info') => {
      for (let i = 0; i < times; i++) acts.add('sweep', { level, group, fields: { code: 'job' }, message: 'job' });
    };
    const count = (level: string) => levels.filter((one) => one === level).length;
    return { acts, add, count };
  };

  test('49 have a line each; of 50 and more the others are at debug, and counted', () => {
    const { acts, add, count } = create();
    add(49);
    expect([count('info'), acts.take('sweep')]).toEqual([49, { acts: [{ type: 'X', count: 49 }] }]);
    acts.begin('sweep');
    add(10_000);
    expect([count('info'), count('debug')]).toEqual([49 + 49, 10_000 - 49]);
    expect(acts.take('sweep')).toEqual({ acts: [{ type: 'X', count: 10_000 }], unlisted: 10_000 - 49 });
  });

  test('errors are not hidden by many other acts, and are bounded too', () => {
    const { add, count } = create();
    add(60, { type: 'X' }, 'warn');
    add(60, { type: 'X' }, 'error');
    expect([count('warn'), count('error')]).toEqual([49, 49]);
  });

  test('the largest 20 groups are shown, and the others are summed, however many there are', () => {
    const { acts, add } = create();
    for (let i = 0; i < 2_000; i++) add(1, { type: `small-${i}`, verdict: 'fail' });
    add(3, { type: 'small-7', verdict: 'fail' });
    const { acts: groups, otherActs } = acts.take('sweep');
    expect(groups).toHaveLength(20);
    expect(groups[0]).toEqual({ type: 'small-7', verdict: 'fail', count: 4 });
    expect(otherActs).toBe(2_003 - 4 - 19);
  });

  test('a long name is cut', () => {
    const { acts, add } = create();
    add(1, { type: 'x'.repeat(1_000_000) });
    expect(JSON.stringify(acts.take('sweep')).length).toBeLessThan(200);
  });

  test('passes of the other kind are counted apart', () => {
    const { acts, add } = create();
    add(5);
    expect(acts.take('rescue')).toEqual({ acts: [] });
    expect(acts.take('sweep').acts).toHaveLength(1);
  });
});

describe('what happens again and again', () => {
  const create = () => {
    const clock = createTestClock();
    const reports: { key: string; count: number; isShared: boolean }[] = [];
    const repeats = createRepeats<{ key: string; count: number }>(clock, mergeCounts, (what, isShared) => {
      reports.push({ ...what, isShared });
    });
    const add = (key: string) => repeats.add(key, { key, count: 1 });
    return { clock, reports, add, flush: repeats.flush };
  };

  test('is reported at its first time, then once a minute with its count', () => {
    const { clock, reports, add } = create();
    for (let i = 0; i < 100; i++) add('a');
    expect(reports.map(({ count }) => count)).toEqual([1]);
    clock.advance(59_999);
    add('a');
    expect(reports).toHaveLength(1);
    clock.advance(1);
    add('a');
    add('a');
    expect(reports.map(({ count }) => count)).toEqual([1, 101]);
  });

  test('what waits is reported when its minute is over, or at the end; nothing is counted twice', () => {
    const { clock, reports, add, flush } = create();
    add('a');
    add('a');
    flush();
    expect(reports).toHaveLength(1);
    clock.advance(60_000);
    flush();
    expect(reports.map(({ count }) => count)).toEqual([1, 1]);
    add('a');
    flush(true);
    flush(true);
    expect(reports.map(({ count }) => count)).toEqual([1, 1, 1]);
  });

  test('more than 50 things in a minute share a report', () => {
    const { clock, reports, add, flush } = create();
    for (let i = 0; i < 10_000; i++) add(`key-${i}`);
    expect(reports).toHaveLength(51);
    expect(reports.filter(({ isShared }) => isShared)).toHaveLength(1);
    clock.advance(60_000);
    flush();
    expect(reports).toHaveLength(52);
    expect(reports.at(-1)).toMatchObject({ count: 10_000 - 51, isShared: true });
    // There is room again.
    add('new');
    expect(reports.at(-1)).toEqual({ key: 'new', count: 1, isShared: false });
  });
});
