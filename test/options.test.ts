/** Faults 121 and 143: every number that is accepted is kept to, and no timer is longer than the longest there is. */
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { createReaper, OptionsError, type Reaper, type ReaperOptions } from '../src/index.ts';
import { createReaperClock, longestTimer } from '../src/io/clock.ts';
import { renamedOptions } from '../src/options/renamed.ts';
import { longestSpan } from '../src/options/values.ts';
import { readOptions } from '../src/options.ts';
import { createAuthority } from './support/certificates.ts';
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
  ...['initialDelay', 'interval'].flatMap((name) => [`sweep.${name}`, `rescue.${name}`]),
  ...['grace', 'heartbeatTimeout', 'orphanedAfter'].map((name) => `rescue.${name}`),
  ...['headerTimeout', 'timeout', 'deadline'].map((name) => `hooks.${name}`),
  'lease.duration',
];
const spans = [
  'hungAfter',
  'refireGrace',
  'hungAfterByType.X',
  'runTimeLimitByType.X',
  'hooks.maxAge',
  'hooks.parkedRetention',
];
const counts = [
  ...['concurrency', 'pageSize'].map((name) => `sweep.${name}`),
  ...['batchSize', 'concurrency', 'maxRecoveries', 'recoveryWindow'].map((name) => `rescue.${name}`),
  ...['concurrency', 'concurrencyPerEndpoint', 'maxRecords', 'breakerThreshold', 'drainRate'].map(
    (name) => `hooks.${name}`,
  ),
  'lease.renewInterval',
];
const never = [Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 2 ** 53, '5', '1e3', '', null, [5], 10n];

test('probes and metrics are shown to this host only, unless an address is given', () => {
  const { http } = readOptions({ redis: 'redis://h', namespace: 't', http: { port: 0 } });
  expect(http).toMatchObject({ host: '127.0.0.1' });
});

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
  test.each(spans)('%s goes up to the largest whole number', (path) => {
    create(withOption(path, longestSpan));
    expect(() => create(withOption(path, longestSpan + 1))).toThrow(path);
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
  'fault 143: with every number at its maximum (random %d) no timer is too long for Node',
  async (random) => {
    const clock = createStrictClock();
    const longest = Object.fromEntries(['initialDelay', 'interval'].map((name) => [name, longestTimer]));
    const reaper = create({
      ...{ clock, role: 'always', random: () => random, redis: { port: 1, retryStrategy: () => null } },
      sweep: { ...longest, jitter: 1 },
      rescue: { ...longest, grace: longestTimer, orphanedAfter: longestTimer },
      hooks: { timeout: longestTimer, headerTimeout: longestTimer, deadline: longestTimer },
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

test('fault 143: a timer of any length fires once at its time, unless it is cleared', () => {
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

describe('the documented defaults apply', () => {
  const settings = readOptions({ redis: 'redis://h', namespace: 't' });
  test('at the top', () => {
    expect(settings).toMatchObject({
      ...{ role: 'auto', plan: false, inspect: false, jobTypes: [], lease: { duration: 10_000, renewInterval: 3_000 } },
      ...{ hungAfter: 86_400_000, hungAfterByType: {}, runTimeLimitByType: {}, refireGrace: 60_000 },
      clockTolerance: 300_000,
    });
  });
  test('of sweeps and rescues', () => {
    expect(settings.sweep).toEqual({
      ...{ initialDelay: 300_000, interval: 3_600_000, jitter: 0.05, concurrency: 32, pageSize: 500 },
      ...{ maxRedisShare: 0.25, screen: false },
    });
    expect(settings.rescue).toMatchObject({
      ...{ initialDelay: 5_000, interval: 10_000, grace: 15_000, heartbeatTimeout: 10_000, orphanedAfter: 30_000 },
      ...{ batchSize: 100, concurrency: 16, maxRecoveries: 3, recoveryWindow: 86_400_000 },
    });
  });
  test('of hooks', () => {
    expect(settings.hooks).toMatchObject({
      ...{ concurrency: 64, concurrencyPerEndpoint: 16, maxRecords: 500_000, headerTimeout: 10_000, timeout: 30_000 },
      ...{ deadline: 86_400_000, maxAge: 604_800_000, breakerThreshold: 10, drainRate: 50 },
      ...{ parkedRetention: 2_592_000_000, allowLinkLocal: false, rewriteOrigins: {}, tls: {} },
    });
    expect(settings.hooks.allowedOrigins).toBeUndefined();
  });
  test('of the inspector: it has no address of its own, and is read-only', () => {
    const { inspect } = readOptions({ redis: 'redis://h', namespace: 't', inspect: true });
    expect(inspect).toEqual({ allowedHosts: [], control: false });
  });
});

const authority = createAuthority();
afterAll(() => authority.remove());
const { cert, key } = authority;
const pem = '-----BEGIN CERTIFICATE-----';
test.each([
  [{ lease: { duration: 5_999, renewInterval: 3_000 } }, 'twice renewInterval'],
  [{ lease: { duration: '5s' } }, 'twice renewInterval'],
  [{ hooks: { tls: { cert } } }, 'cert and key belong together'],
  [{ hooks: { tls: { key } } }, 'cert and key belong together'],
  [{ hooks: { tls: { cert, key: authority.issue('DNS:x').key } } }, 'cert and key belong together'],
  [{ hooks: { tls: { cert, key: key.slice(0, 60) } } }, 'cert and key belong together'],
  [{ hooks: { tls: { ca: '/etc/ca.pem' } } }, 'must be a PEM text'],
  [{ hooks: { tls: { ca: pem } } }, 'hooks.tls.ca: must hold certificates'],
  [{ hooks: { tls: { ca: `${cert.trim()}${cert}` } } }, 'hooks.tls.ca: must hold certificates'],
  [{ hooks: { tls: { ca: ` ${cert}` } } }, 'hooks.tls.ca: must hold certificates'],
  [{ hooks: { tls: { ca: `${cert} ${cert}` } } }, 'hooks.tls.ca: must hold certificates'],
  [{ hooks: { tls: { ca: `${key.slice(0, 60)}\n${cert}` } } }, 'hooks.tls.ca: must hold certificates'],
  [{ hooks: { tls: { ca: key } } }, 'hooks.tls.ca: must hold certificates'],
  [{ hooks: { tls: { ca: `${cert}${cert.slice(0, 300)}` } } }, 'hooks.tls.ca: must hold certificates'],
  [{ hooks: { tls: { ca: `${cert.slice(0, 300)}\n${cert}` } } }, 'hooks.tls.ca: must hold certificates'],
  [{ hooks: { allowedOrigins: ['ftp://core.example'] } }, 'must be an origin'],
  [{ hooks: { allowedOrigins: ['core.example'] } }, 'must be an origin'],
  [{ hooks: { rewriteOrigins: { 'http://a': 'ftp://b' } } }, 'must be an http or https URL'],
  [{ namespace: ' \t' }, 'must not be empty'],
  [{ inspect: { token: '15 characters..' } }, 'at least 16 characters'],
  [{ inspect: { stately: 'http://127.0.0.1:1' } }, 'must be a ws:// or wss:// URL'],
  [{ inspect: { stately: 'ws://127.0.0.1:1/#x' } }, 'must have no fragment'],
  [{ hungAfterByType: { X: -1 } }, 'hungAfterByType.X'],
  [{ runTimeLimitByType: { X: 1.5 } }, 'runTimeLimitByType.X'],
  [{ runTimeLimitByType: [1] }, 'must be an object'],
  [{ redis: new URL('redis://h') }, 'redis: must be a Redis URL as a string'],
  [{ redis: '' }, 'redis: must be a Redis URL as a string'],
  [{ redis: [] }, 'redis: must be a Redis URL as a string'],
  [{ role: 'sometimes' }, 'role'],
])('what does not fit together is refused: %j', (options, message) => {
  expect(() => create(options)).toThrow(OptionsError);
  expect(() => create(options)).toThrow(message);
});

test('options that fit together are accepted', () => {
  create({ lease: { duration: 6_000, renewInterval: '3s' } });
  create({ hooks: { tls: { ca: `# ours\r\n${key}${cert}\r\n${cert}`.replaceAll('\n', '\r\n') } } });
  const { hooks } = readOptions({ redis: 'redis://h', namespace: 't', hooks: { tls: { cert, key: `${cert}${key}` } } });
  expect(hooks.tls).toEqual({ cert, key: `${cert}${key}` });
});

describe('durations', () => {
  const hungAfter = (value: unknown) =>
    readOptions({ redis: 'redis://h', namespace: 't', hungAfter: value as number }).hungAfter;
  test.each([
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['1.5h', 5_400_000],
    ['15 seconds', 15_000],
    ['500ms', 500],
    ['0', 0],
    [0, 0],
    [86_400_000, 86_400_000],
  ])('%j is %d ms', (value, milliseconds) => expect(hungAfter(value)).toBe(milliseconds));
  test.each(['24', '86400', '0.5'])('%j is refused, because its unit is missing', (value) => {
    expect(() => hungAfter(value)).toThrow(`hungAfter: must have a unit: write '${value}s'`);
  });
  test.each(['', 'h', '24 x', '-1h', '0.5ms', '1h30m', 'x'.repeat(101)])('%j is refused', (value) => {
    expect(() => hungAfter(value)).toThrow(/^createReaper: hungAfter: must be /);
  });
});

describe('options of version 0.1.0', () => {
  test.each(Object.entries(renamedOptions))('%s is refused, and its new name is named', (path, { now }) => {
    expect(() => create(withOption(path, 7))).toThrow(`${path}: use ${now}`);
    expect(() => create(withOption(path, 7))).toThrow(OptionsError);
  });
  test.each([
    [{ hungAfterS: 86_400 }, "hungAfterS: use hungAfter: '24h'"],
    [{ hooks: { tooOldS: 604_800 } }, "hooks.tooOldS: use hooks.maxAge: '7d'"],
    [{ rescue: { graceMs: 15_000 } }, "rescue.graceMs: use rescue.grace: '15s'"],
    [{ hungAfterByTypeS: { GC: 604_800, X: 90 } }, `hungAfterByTypeS: use hungAfterByType: { "GC": '7d', "X": '90s' }`],
    [
      { sweep: { lanes: 8, firstAfterMs: 0 } },
      "sweep.lanes: use sweep.concurrency; sweep.firstAfterMs: use sweep.initialDelay: '0s'",
    ],
    [{ inspect: { hostNames: ['x'] } }, 'inspect.hostNames: use inspect.allowedHosts'],
  ])('the value of %j is converted in the message', (options, message) => {
    expect(() => create(options)).toThrow(message);
  });
  test('an option that never existed is refused by its path', () => {
    expect(() => create({ sweep: { speed: 1 }, colour: 'red' })).toThrow(
      'createReaper: sweep.speed: unknown option; colour: unknown option',
    );
  });
});
