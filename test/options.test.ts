/** Faults 121 and 143: every number that is accepted is kept to, and no timer is longer than the longest there is. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createReaper, OptionsError, type Reaper, type ReaperOptions } from '../src/index.ts';
import { createReaperClock, longestTimer } from '../src/io/clock.ts';
import { longestSeconds, readOptions } from '../src/options.ts';
import { createTestClock, type TestClock } from './support/clock.ts';

const reapers: Reaper[] = [];
afterEach(() => Promise.all(reapers.splice(0).map((reaper) => reaper.stop({ timeout: 0 }))));
const create = (options: object) => {
  const reaper = createReaper({
    redis: 'redis://127.0.0.1:1',
    namespace: 't',
    logger: false,
    ...options,
  } as ReaperOptions);
  reapers.push(reaper);
  return reaper;
};
/** Options with one of them set, by its path. */
const withOption = (path: string, value: unknown): object =>
  path.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object;

const timers = [
  ...['firstAfterMs', 'intervalMs'].flatMap((name) => [`sweep.${name}`, `rescue.${name}`]),
  ...['graceMs', 'heartbeatAgeMs', 'lostAfterMs'].map((name) => `rescue.${name}`),
  ...['headerTimeoutMs', 'totalTimeoutMs', 'deadlineMs'].map((name) => `hooks.${name}`),
  'lease.durationMs',
];
const spans = [
  'hungAfterS',
  'refireGraceS',
  'hungAfterByTypeS.X',
  'runLimitByTypeS.X',
  'hooks.tooOldS',
  'hooks.keepParkedS',
];
const counts = [
  ...['lanes', 'pageSize'].map((name) => `sweep.${name}`),
  ...['batch', 'atOnce', 'maxRecoveries', 'recoveryWindowS'].map((name) => `rescue.${name}`),
  ...['concurrency', 'perReceiver', 'most', 'breakAfter', 'drainPerSecond'].map((name) => `hooks.${name}`),
  'lease.renewMs',
];
const never = [Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 2 ** 53, '5', '1e3', '', null, [5], 10n];

describe('fault 121', () => {
  test.each([...timers, ...spans, ...counts])('%s is a whole number in range, or is refused by name', (path) => {
    for (const value of never) {
      expect(() => create(withOption(path, value)), String(value)).toThrow(OptionsError);
      expect(() => create(withOption(path, value)), String(value)).toThrow(path);
    }
  });
  test.each(timers)('%s goes up to the longest timer', (path) => {
    create(withOption(path, longestTimer));
    expect(() => create(withOption(path, longestTimer + 1))).toThrow(path);
  });
  test.each(spans)('%s goes up to what is a whole number of ms too', (path) => {
    create(withOption(path, longestSeconds));
    expect(() => create(withOption(path, longestSeconds + 1))).toThrow(path);
  });
  test.each([Number.NaN, -1, 1.01, '0.5', Number.POSITIVE_INFINITY])('a jitter of %j is refused', (jitter) => {
    expect(() => create({ sweep: { jitter } })).toThrow('sweep.jitter');
  });

  test.each([...never.filter((value) => value !== null), longestTimer + 1])(
    'rescue({ grace: %s }) is refused, and nothing is done',
    async (grace) => {
      const reaper = create({});
      await expect(reaper.rescue({ grace: grace as number })).rejects.toThrow(OptionsError);
      await expect(reaper.rescue({ grace: grace as number })).rejects.toThrow(/^rescue: grace: /);
    },
  );
  test.each([{ plan: 'false' }, { plan: 1 }, { plna: true }, 'plan', 7])('sweep(%j) is refused', async (given) => {
    await expect(create({}).sweep(given as object)).rejects.toThrow(/^sweep: /);
    await expect(create({}).rescue(given as object)).rejects.toThrow(/^rescue: /);
  });
});

/** A clock that holds every timer to what Node's have. */
const createStrictClock = (): TestClock & { readonly timers: number[] } => {
  const clock = createTestClock();
  const given: number[] = [];
  return {
    ...clock,
    timers: given,
    setTimeout(fn, timeout) {
      given.push(timeout);
      return clock.setTimeout(fn, timeout);
    },
  };
};

test.each([0, 0.5, 0.999_999])(
  'fault 143: with every number at its most (random %d) no timer is longer than there is',
  async (random) => {
    const clock = createStrictClock();
    const longest = Object.fromEntries(['firstAfterMs', 'intervalMs'].map((name) => [name, longestTimer]));
    const reaper = create({
      ...{ clock, role: 'always', random: () => random, redis: { port: 1, retryStrategy: () => null } },
      sweep: { ...longest, jitter: 1 },
      rescue: { ...longest, graceMs: longestTimer, lostAfterMs: longestTimer },
      hooks: { totalTimeoutMs: longestTimer, headerTimeoutMs: longestTimer, deadlineMs: longestTimer },
    });
    let sweeps = 0;
    reaper.on('sweep', () => void sweeps++);
    reaper.start();
    await vi.waitUntil(() => clock.timers.length >= 2);
    const due = longestTimer * (1 + (random - 0.5));
    clock.advance(Math.floor(Math.min(due, longestTimer) - 1));
    expect(sweeps).toBe(0);
    await clock.until(() => sweeps === 1, longestTimer / 4);
    reaper.sweep().catch(() => undefined);
    await clock.until(() => sweeps === 2, 60_000);
    for (const ms of clock.timers) {
      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThanOrEqual(longestTimer);
    }
  },
);

test('fault 143: a timer of any length fires when its time has come, once, unless it is cleared', () => {
  const base = createStrictClock();
  const clock = createReaperClock(base);
  const fired: string[] = [];
  clock.setTimeout(() => fired.push('long'), 3 * longestTimer + 5);
  const other = clock.setTimeout(() => fired.push('cleared'), 3 * longestTimer);
  base.advance(2 * longestTimer);
  clock.clearTimeout(other);
  base.advance(longestTimer + 4);
  expect(fired).toEqual([]);
  base.advance(longestTimer);
  expect(fired).toEqual(['long']);
  clock.setTimeout(() => fired.push('ended'), 5);
  clock.end();
  clock.setTimeout(() => fired.push('too late'), 5);
  base.advance(longestTimer);
  expect(fired).toEqual(['long']);
  expect(Math.max(...base.timers)).toBe(longestTimer);
});

describe('what is documented holds where nothing is set', () => {
  const settings = readOptions({ redis: 'redis://h', namespace: 't' });
  test('at the top', () => {
    expect(settings).toMatchObject({
      ...{ role: 'auto', plan: false, inspect: false, jobTypes: [], lease: { durationMs: 10_000, renewMs: 3_000 } },
      ...{ hungAfterS: 86_400, hungAfterByTypeS: {}, runLimitByTypeS: {}, refireGraceS: 60, clockToleranceS: 300 },
    });
  });
  test('of sweeps and rescues', () => {
    expect(settings.sweep).toEqual({
      ...{ firstAfterMs: 300_000, intervalMs: 3_600_000, jitter: 0.05, lanes: 32, pageSize: 500 },
    });
    expect(settings.rescue).toMatchObject({
      ...{ firstAfterMs: 5_000, intervalMs: 10_000, graceMs: 15_000, heartbeatAgeMs: 10_000, lostAfterMs: 30_000 },
      ...{ batch: 500, atOnce: 16, maxRecoveries: 3, recoveryWindowS: 86_400 },
    });
  });
  test('of hooks', () => {
    expect(settings.hooks).toMatchObject({
      ...{ concurrency: 64, perReceiver: 16, most: 500_000, headerTimeoutMs: 10_000, totalTimeoutMs: 30_000 },
      ...{ deadlineMs: 86_400_000, tooOldS: 604_800, breakAfter: 10, drainPerSecond: 50, keepParkedS: 2_592_000 },
      ...{ allowLinkLocal: false, moved: {}, tls: {} },
    });
    expect(settings.hooks.allowOrigins).toBeUndefined();
  });
  test('of the inspector: it is seen from this machine only, and does nothing', () => {
    const { inspect } = readOptions({ redis: 'redis://h', namespace: 't', inspect: true });
    expect(inspect).toEqual({ host: '127.0.0.1', hostNames: [], control: false });
  });
});

const pem = '-----BEGIN CERTIFICATE-----';
test.each([
  [{ lease: { durationMs: 5_999, renewMs: 3_000 } }, 'twice renewMs'],
  [{ lease: { durationMs: 5_000 } }, 'twice renewMs'],
  [{ hooks: { tls: { cert: pem } } }, 'cert and key belong together'],
  [{ hooks: { tls: { key: pem } } }, 'cert and key belong together'],
  [{ hooks: { tls: { ca: '/etc/ca.pem' } } }, 'must be a PEM text'],
  [{ hooks: { allowOrigins: ['ftp://core.example'] } }, 'must be an origin'],
  [{ hooks: { allowOrigins: ['core.example'] } }, 'must be an origin'],
  [{ hooks: { moved: { 'http://a': 'ftp://b' } } }, 'must be an http or https URL'],
  [{ namespace: ' \t' }, 'must not be empty'],
  [{ inspect: { token: '15 characters..' } }, 'at least 16 characters'],
  [{ inspect: { stately: 'http://127.0.0.1:1' } }, 'must be a ws:// or wss:// URL'],
  [{ inspect: { stately: 'ws://127.0.0.1:1/#x' } }, 'must have no fragment'],
  [{ hungAfterByTypeS: { X: -1 } }, 'hungAfterByTypeS.X'],
  [{ runLimitByTypeS: { X: 1.5 } }, 'runLimitByTypeS.X'],
  [{ runLimitByTypeS: [1] }, 'must be an object'],
  [{ redis: new URL('redis://h') }, 'redis: must be a Redis URL as a string'],
  [{ redis: '' }, 'redis: must be a Redis URL as a string'],
  [{ redis: [] }, 'redis: must be a Redis URL as a string'],
  [{ role: 'sometimes' }, 'role'],
])('what does not fit together is refused: %j', (options, message) => {
  expect(() => create(options)).toThrow(OptionsError);
  expect(() => create(options)).toThrow(message);
});

test('what does fit together is taken', () => {
  create({ lease: { durationMs: 6_000, renewMs: 3_000 } });
  create({ hooks: { tls: { ca: pem } } });
  const { hooks } = readOptions({ redis: 'redis://h', namespace: 't', hooks: { tls: { cert: pem, key: pem } } });
  expect(hooks.tls).toEqual({ cert: pem, key: pem });
});
