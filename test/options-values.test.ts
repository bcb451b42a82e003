/** How single options are read: what is accepted, what it becomes, and what is said of all else. */
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { OptionsError } from '../src/errors.ts';
import { masked } from '../src/options/masked.ts';
import { read } from '../src/options/read.ts';
import { adviceFor } from '../src/options/renamed.ts';
import {
  countsByName,
  durationTextOf,
  functionOf,
  having,
  origins,
  originsByOrigin,
  parseDuration,
  pem,
  span,
  spanByType,
  text,
  timer,
} from '../src/options/values.ts';

/** What is read, or what is wrong with it. */
const readBy = (schema: z.ZodType, given: unknown): unknown => {
  try {
    return read('f', schema, given);
  } catch (error) {
    return (error as OptionsError).issues;
  }
};
const wrong = (message: string, path = '') => [{ path, message }];

const noDuration = "must be a duration such as '24h', '15s' or '500ms', or a whole number of milliseconds";
const needsUnit = (value: string) => `must have a unit: write '${value}s', '${value}ms' or another one`;

describe('a duration', () => {
  test.each([
    ['0', 0],
    [' 0 ', 0],
    [5, 5],
    ['1.5s', 1_500],
    [`1${' '.repeat(97)}ms`, 1],
  ])('%j', (given, value) => expect(parseDuration(given)).toBe(value));

  test.each([
    ['5', needsUnit('5')],
    ['0.5', needsUnit('0.5')],
    ['v5', noDuration],
    [`1${' '.repeat(98)}ms`, noDuration],
    ['', noDuration],
    ['0.5ms', noDuration],
    [0.5, noDuration],
    [null, noDuration],
  ])('%j is none', (given, error) => expect(parseDuration(given)).toEqual({ error }));

  test.each([
    [0, '0s'],
    [1, '1ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [1_001, '1001ms'],
    [60_000, '60s'],
    [120_000, '2m'],
    [150_000, '150s'],
    [3_600_000, '1h'],
    [86_400_000, '24h'],
    [172_800_000, '2d'],
  ])('%i ms is written as %s', (ms, written) => expect(durationTextOf(ms)).toBe(written));

  test('is in its range, or is refused with the nearest one', () => {
    expect(readBy(timer(1_000), '1s')).toBe(1_000);
    expect(readBy(timer(1_000), 999)).toEqual(wrong('must be at least 1s'));
    expect(readBy(span(0, 5_000), 5_000)).toBe(5_000);
    expect(readBy(span(0, 5_000), '6s')).toEqual(wrong('must be at most 5000 ms'));
    expect(readBy(span(), 'soon')).toEqual(wrong(noDuration));
    expect(readBy(timer(), '5')).toEqual(wrong(needsUnit('5')));
  });

  test('by type: each is read, and each that cannot be is named', () => {
    const types = JSON.parse('{"X":"1s","__proto__":5}');
    expect(Object.entries(readBy(spanByType(), types) as object)).toEqual([
      ['X', 1_000],
      ['__proto__', 5],
    ]);
    expect(readBy(spanByType(), { X: '5', Y: '1s', Z: -1 })).toEqual([
      { path: 'X', message: needsUnit('5') },
      { path: 'Z', message: 'must be at least 0s' },
    ]);
    for (const given of [null, 5, ['1s']]) {
      expect(readBy(spanByType(), given)).toEqual(wrong('must be an object: job type → duration'));
    }
  });
});

test('counts by name are whole numbers above 0', () => {
  for (const given of [{}, { a: 1 }, { a: 1, b: Number.MAX_SAFE_INTEGER }]) {
    expect(readBy(countsByName(), given)).toEqual(given);
  }
  for (const given of [{ a: 0 }, { a: 1, b: 0.5 }, { a: 2 ** 53 }, { a: -1 }, null, 5, [1]]) {
    expect(readBy(countsByName(), given)).toEqual(wrong('must be an object: name → whole number above 0'));
  }
});

test('a text is not empty, and a PEM text begins as one', () => {
  expect([readBy(text(), 'a'), readBy(text(), '')]).toEqual(['a', wrong('must not be empty')]);
  expect([text().meta()?.hint, text('name').meta()?.hint]).toEqual(['text', 'name']);
  expect(readBy(pem(), 'a')).toEqual(wrong('must be a PEM text'));
});

test('origins are of http or https', () => {
  const given = ['http://a', 'https://a:1'];
  expect(readBy(origins(), given)).toEqual(given);
  for (const odd of ['xhttps://a', 'httpsx://a', 'ftp://a', 'a', 5]) {
    expect(readBy(origins(), [odd])).toEqual([
      { path: '0', message: expect.stringMatching(/^(must be an origin|Invalid)/) },
    ]);
  }
  expect(readBy(originsByOrigin(), { 'http://a': 'https://b' })).toEqual({ 'http://a': 'https://b' });
});

describe('an origin has no part that is never used, or that may be secret', () => {
  const text = 'must be an origin such as https://core.example, without user, path and query';
  const target = 'the new origin must be an http or https URL without user and query';
  test.each(['http://u:s3cret@b', 'https:u:s3cret@b', 'http://s3cret@b/', 'http://b/?s3cret', 'http://b#s3cret'])(
    '%s',
    (odd) => {
      const key = expect.not.stringContaining('s3cret');
      expect(readBy(origins(), [odd])).toEqual(wrong(text, '0'));
      expect(readBy(originsByOrigin(), { 'http://a': odd })).toEqual(wrong(target, 'http://a'));
      expect(readBy(originsByOrigin(), { [odd]: 'http://a' })).toEqual([
        { path: key, message: `the old origin ${text}` },
      ]);
    },
  );

  test('a path may stand in front of those of hooks, but an origin that is compared has none', () => {
    expect(readBy(originsByOrigin(), { 'http://A:80/': 'https://b/in' })).toEqual({ 'http://A:80/': 'https://b/in' });
    expect(readBy(origins(), ['http://b/in'])).toEqual(wrong(text, '0'));
    expect(readBy(originsByOrigin(), { 'http://a/in': 5 })).toEqual([
      { path: 'http://a/in', message: `the old origin ${text}` },
      { path: 'http://a/in', message: target },
    ]);
    expect(readBy(originsByOrigin(), [])).toEqual(wrong('must be an object: old origin → new origin'));
  });
});

test.each([
  ['http://u:s3cret@b/c', 'http://***@b/c'],
  ['x=http://u:s3cret@b/,http://c', 'x=http://***@b/,http://c'],
  ['u:s3cret@b', '***@b'],
  ['https:u:s3\ncr@et@b', '***@b'],
  ['ws://b/c?s3cret', 'ws://b/c?***'],
  ['ws://u:s3?cret@b#s3cret', 'ws://***@b#***'],
  ['http://***@b/?***', 'http://***@b/?***'],
  ['http://b/c', 'http://b/c'],
  ['ann@core.example', 'ann@core.example'],
  ['X=1h,what?=2h', 'X=1h,what?=2h'],
])('%j is shown as %j', (given, shown) => expect(masked(given)).toBe(shown));

test('a value with methods has all of them, and a function is one', () => {
  const schema = having('Logger', 'a logger', 'info', 'warn');
  const logger = { info: () => undefined, warn: () => undefined };
  expect(readBy(schema, logger)).toBe(logger);
  for (const given of [{ info: logger.info }, { ...logger, warn: 'text' }, undefined, null]) {
    expect(readBy(schema, given)).toEqual(wrong('must be a logger (with info, warn)'));
  }
  expect(readBy(functionOf('() => void'), logger.info)).toBe(logger.info);
  expect(readBy(functionOf('() => void'), 'text')).toEqual(wrong('must be a function'));
});

describe('what is wrong with options', () => {
  const server = z.strictObject({ port: z.number({ error: 'must be a number' }), host: z.string().optional() });
  const schema = z.strictObject({ http: z.union([z.literal(false), server], { error: 'must be false or an object' }) });

  test('names each key by its path, and says what the error is of', () => {
    expect(() => read('createReaper', schema, { http: { port: 'x' } })).toThrow(
      new OptionsError('createReaper', wrong('must be a number', 'http.port')),
    );
    expect(readBy(schema, { http: false, more: 1, 'hooks.most': 1 })).toEqual([
      { path: 'more', message: 'unknown option' },
      { path: 'hooks.most', message: 'use hooks.maxRecords' },
    ]);
  });

  test('is said of the member that was meant, where one of several may stand', () => {
    expect(readBy(schema, { http: { port: 1, prot: 2 } })).toEqual(wrong('unknown option', 'http.prot'));
    expect(readBy(schema, { http: { port: 'x', host: 1 } })).toMatchObject([
      { path: 'http.port', message: 'must be a number' },
      { path: 'http.host' },
    ]);
    expect(readBy(schema, { http: 'x' })).toEqual(wrong('must be false or an object', 'http'));
  });
});

test.each([
  ['s', 86_400, "use now: '24h'"],
  ['ms', 0, "use now: '0s'"],
  ['s', { X: 60, Y: 0 }, `use now: { "X": '60s', "Y": '0s' }`],
  ['s', {}, 'use now: {  }'],
  ['s', -1, 'use now'],
  ['s', 0.5, 'use now'],
  ['s', '5', 'use now'],
  ['s', null, 'use now'],
  ['s', undefined, 'use now'],
  ['s', { X: 60, Y: 'a' }, 'use now'],
  [undefined, 5, 'use now'],
] as const)('a renamed option in %s with %j: its value is written anew where it is a number', (unit, value, advice) => {
  expect(adviceFor({ now: 'now', ...(unit === undefined ? {} : { unit }) }, value)).toBe(advice);
});
