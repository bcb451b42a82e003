/** Redis URLs are read as Harbor's jobservice reads them, and nothing of their user info is ever shown: fault 116. */
import { Writable } from 'node:stream';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { createReaper, OptionsError } from '../../src/index.ts';
import { connect } from '../../src/io/redis/connection.ts';
import { describeRedis, parseRedisUrl } from '../../src/io/redis/url.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

/** What redigo 1.9 makes of each: where it connects, and the AUTH and SELECT that it sends there. */
test.each([
  ['redis://h', 'h:6379', ''],
  ['REDIS://H:1/3', 'H:1', 'SELECT 3'],
  ['redis://:p@ss@h', 'h:6379', 'AUTH p@ss'],
  ['redis://a@b:c@d@h:1', 'h:1', 'AUTH a@b c@d'],
  ['redis://pw@h/2', 'h:6379', 'AUTH pw, SELECT 2'],
  ['redis://u:@h/007', 'h:6379', 'SELECT 7'],
  ['redis://u:p@h:1/1/', 'h:1', 'AUTH u p'],
  ['redis://h/', 'h:6379', ''],
  ['redis://h/1/2', 'h:6379', 'SELECT 2'],
  ['redis://h//2', 'h:6379', 'SELECT 2'],
  ['redis://u%40x:p%3A%2F%25@h', 'h:6379', 'AUTH u@x p:/%'],
  ['redis://u:p:q@h', 'h:6379', 'AUTH u p:q'],
  ['redis://[fe80::1%25eth0]:7/2', 'fe80::1%eth0:7', 'SELECT 2'],
  ['redis://[::1]:7', '::1:7', ''],
  ['redis:///2', 'localhost:6379', 'SELECT 2'],
  ['redis://:6380', 'localhost:6380', ''],
  ['redis://h:1/2?idle_timeout_seconds=30', 'h:1', 'SELECT 2'],
  ['redis://h/%32#part', 'h:6379', 'SELECT 2'],
  // Harbor writes redis:// before what has no scheme.
  ['h:1/2', 'h:1', 'SELECT 2'],
  ['u:p@ss@redis:6379', 'redis:6379', 'AUTH u p@ss'],
  ['redis:6379', 'redis:6379', ''],
])('fault 116: %s leads to %s with %s', (url, address, commands) => {
  const { host, port, username, password, db } = parseRedisUrl(url);
  const auth = password === undefined ? [] : [['AUTH', username, password].filter(Boolean).join(' ')];
  expect(`${host}:${port}`).toBe(address);
  expect([...auth, ...(db === 0 ? [] : [`SELECT ${db}`])].join(', ')).toBe(commands);
});

test.each([
  'redis://u:s3cret#x@h',
  'redis://u:s3cret/x@h:1/2',
  'redis://s3cret?x@h',
  'redis://s3cret/x@h/2',
  'redis://u:12/s3cret@h',
  'redis://u:s3cret%zz@h',
  'redis://u:s3cret%@h',
  'redis://u:s3cret%ff@h',
  'redis://u:s3 cret@h',
  'redis://u:s3cret\\@h',
  'redis://u:s3crét@h',
  'redis://u:s3cret@h:x',
  'redis://u:s3cret@h:70000',
  'redis://u:s3cret@[h]',
  'redis://u:s3cret@[fe80::1%eth0]:1',
  'redis://u:s3cret@::1',
  'redis://u:s3cret@h/x',
  'redis://u:s3cret@h/1/x',
  'redis://u:s3cret@h/99999999999999999999',
  'redis://u:s3cret@h,i',
  'redis://u:s3cret@',
  'http://u:s3cret@h',
  'u:s3cret://x@h',
  'redis+sentinel://u:s3cret@h:1',
  'redis+sentinel://u:s3cret@h:1/m/x',
  'redis+sentinel://u:s3cret@h,,i/m',
])('fault 116: %s is refused, and nothing of it is repeated', (url) => {
  let error: unknown;
  try {
    createReaper({ redis: url, namespace: 't', logger: false });
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(OptionsError);
  expect((error as Error).stack).not.toMatch(/s3cr|cret|s3\b/);
});

describe('fault 117: the user and password of sentinels', () => {
  test('are those of the query, and those of the user info are for the master', () => {
    const url =
      'redis+sentinel://u:p@ss@h1:1,[::1]:2,h3/m/1/?sentinel_username=su&sentinel_password=s%2Bp@&idle_timeout_seconds=3';
    expect(parseRedisUrl(url)).toEqual({
      sentinels: [
        { host: 'h1', port: 1 },
        { host: '::1', port: 2 },
        { host: 'h3', port: 26379 },
      ],
      name: 'm',
      username: 'u',
      password: 'p@ss',
      sentinelUsername: 'su',
      sentinelPassword: 's+p@',
      db: 1,
    });
  });

  test('a user without password is not sent to the master, as Harbor does not', () => {
    const options = parseRedisUrl('redis+sentinel://u@h/m');
    expect([options.username, options.password]).toEqual([undefined, undefined]);
  });
});

/** Long enough to be found by no chance, of every kind of character that can stand there. */
const token = fc
  .tuple(
    fc.stringMatching(/^[a-z0-9]{6}$/),
    fc.constantFrom(
      '',
      '@',
      '%',
      '%41',
      '%zz',
      '/',
      '?',
      '#',
      ':',
      '//',
      '[',
      ']',
      '\\',
      ' ',
      'é',
      '&',
      '=',
      ',',
      '%00',
      '\n',
    ),
    fc.stringMatching(/^[a-z0-9]{6}$/),
  )
  .map((parts) => parts);

/** All that a reaper on such a URL says: its log, events, errors and health. */
const saidOf = async (url: string): Promise<string> => {
  const said: string[] = [];
  const sink = new Writable({
    write(chunk, _, done) {
      said.push(String(chunk));
      done();
    },
  });
  try {
    const reaper = createReaper({ redis: url, namespace: 't', logger: pino(sink) });
    closers.push(() => reaper.stop({ timeout: 0 }));
    reaper.on('error', (event) => void said.push(JSON.stringify(event)));
    const error: Error = await reaper.ping().catch((caught) => caught);
    expect(error.message).toContain('127.0.0.1:1');
    said.push(`${error.stack}`, JSON.stringify(error), reaper.health().detail);
  } catch (error) {
    said.push(`${(error as Error).stack}`);
  }
  return said.join('\n');
};

test('fault 116: whatever the user info is, no output, error or look-up has a part of it', async () => {
  const kind = fc.record({
    user: token,
    password: token,
    scheme: fc.constantFrom('redis', 'rediss', 'redis+sentinel'),
    odd: fc.constantFrom('@', ':', ''),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(kind, { minLength: 40, maxLength: 80 }), async (kinds) => {
      await Promise.all(
        kinds.map(async ({ user, password, scheme, odd }) => {
          const path = scheme === 'redis+sentinel' ? 'm/1' : '1';
          const said = await saidOf(`${scheme}://${user.join('')}:${odd}${password.join('')}@127.0.0.1:1/${path}`);
          for (const part of [user[0], user[2], password[0], password[2]]) expect(said).not.toContain(part);
        }),
      );
    }),
    { numRuns: 4, endOnFailure: true },
  );
});

test('fault 116: the client has neither user nor password in its options, and the description none', async () => {
  const connection = connect('redis://u-ser:pass-word@127.0.0.1:1/3', () => undefined);
  closers.push(() => connection.close());
  expect(JSON.stringify(connection.redis.options)).not.toMatch(/u-ser|pass-word/);
  expect(connection.description).toBe('127.0.0.1:1/3');
  expect(describeRedis(parseRedisUrl('redis://u:p@[fe80::1%25lo]:2/3'))).toBe('[fe80::1%lo]:2/3');
});

test('a port is a number from 1 to 65535', () => {
  for (const port of [1, 6379, 65_535]) expect(parseRedisUrl(`redis://h:${port}`)).toMatchObject({ host: 'h', port });
  for (const port of [0, 65_536]) expect(() => parseRedisUrl(`redis://h:${port}`)).toThrow('is not host[:port]');
});

test.each([
  [' redis://h\n', { host: 'h', port: 6379, db: 0 }],
  ['redis://@h', { host: 'h', port: 6379, db: 0 }],
  ['redis://:p@h', { host: 'h', port: 6379, password: 'p', db: 0 }],
  ['rediss://u:p@h', { host: 'h', port: 6379, username: 'u', password: 'p', tls: {}, db: 0 }],
  ['REDISS://h', { host: 'h', port: 6379, tls: {}, db: 0 }],
  ['redis://%C3%A9', { host: 'é', port: 6379, db: 0 }],
  ['redis://[2001:db8::12]', { host: '2001:db8::12', port: 6379, db: 0 }],
  ['redis+sentinel://:p@h/m', { sentinels: [{ host: 'h', port: 26379 }], name: 'm', password: 'p', db: 0 }],
  [
    'rediss+sentinel://h:1/m/2',
    {
      ...{ sentinels: [{ host: 'h', port: 1 }], name: 'm', db: 2 },
      ...{ tls: {}, enableTLSForSentinelMode: true, sentinelTLS: {} },
    },
  ],
])('%j is read as these options, and no others', (url, options) => {
  expect(parseRedisUrl(url)).toEqual(options);
});

test.each([
  ['redis+sentinel://h', 'a sentinel URL names its master: '],
  ['redis://h,i', 'a Redis URL names one host; for several, use redis+sentinel://'],
  ['', 'the Redis URL names no host; use [redis://]'],
  ['redis://h\u0001', 'the Redis URL has an unknown form; use [redis://]'],
  ['http://h', 'the Redis URL has an unknown form'],
  ['h2c://h', 'the Redis URL has an unknown form'],
  ['1http://h', 'a host of the Redis URL is not host[:port]'],
  ['redis://h/1@x', 'the Redis URL has an @ after its host: escape'],
  ['redis://h/%zz', 'the Redis URL has a % that begins no UTF-8 escape: escape'],
  ['redis://u^@h', 'the user or password of the Redis URL cannot be read: escape'],
  ['redis://h:x', 'a host of the Redis URL is not host[:port]'],
  ['redis://h%41', 'a host of the Redis URL is not host[:port]'],
  ['redis://h$x', 'a host of the Redis URL is not host[:port]'],
  ['redis://[x::1]', 'a host of the Redis URL is not host[:port]'],
  ['redis://h/x', 'the database of the Redis URL is not a number'],
  ['redis+sentinel://h/m/1e3', 'the database of the Redis URL is not a number'],
  ['redis+sentinel://h/m/0x10', 'the database of the Redis URL is not a number'],
])('%j is refused with what is wrong: %s', (url, message) => {
  expect(() => parseRedisUrl(url)).toThrow(expect.objectContaining({ message: expect.stringContaining(message) }));
});

test('the description of a connection has the master and all sentinels, and defaults where nothing is given', () => {
  expect(describeRedis(parseRedisUrl('redis+sentinel://h,[::1]:2/m'))).toBe('master m by sentinels h:26379,[::1]:2');
  expect(describeRedis({ sentinels: [{ host: 'h' }], name: 'm' })).toBe('master m by sentinels h:26379');
  expect(describeRedis({})).toBe('127.0.0.1:6379/0');
  expect(describeRedis({ path: '/run/redis.sock' })).toBe('/run/redis.sock');
});
