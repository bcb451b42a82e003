/** Which Redis can be worked on: by what it says of itself, step by step of the handshake. */
import { describe, expect, test } from 'vitest';
import { UnusableRedisError } from '../../src/io/redis/errors.ts';
import { ensureUsable, factsOfInfo, shakeHands, type Wanted } from '../../src/io/redis/handshake.ts';
import type { RedisLine, Reply } from '../../src/io/redis/redisLine.ts';

const infoOf = (fields: Record<string, string | number>) =>
  Object.entries({ redis_version: '7.0.15', redis_mode: 'standalone', role: 'master', ...fields })
    .map((pair) => pair.join(':'))
    .join('\r\n');
const wanted: Wanted = {
  ...{ description: 'h:1/2', database: 2, username: undefined, password: undefined, isMaster: false },
};
const usable = (fields: Record<string, string | number>, isMaster = false) =>
  ensureUsable(factsOfInfo(infoOf(fields)), { ...wanted, isMaster });
const refusalOf = (act: () => unknown): UnusableRedisError => {
  try {
    act();
  } catch (error) {
    if (error instanceof UnusableRedisError) return error;
  }
  throw new Error('it was not refused');
};

describe('the INFO of Redis', () => {
  test.each(['6.2.0', '6.2.13', '6.10.0', '7.0.0', '10.0.0', '255.255.255', 'unstable'])(
    'version %s is supported',
    (version) => {
      expect(usable({ redis_version: version })).toMatchObject({ version, role: 'master', database: 2 });
    },
  );
  test.each(['6.0.16', '5.0.14', '2.8.24', '6.1.9'])('version %s is too old', (version) => {
    const { code, kind, message } = refusalOf(() => usable({ redis_version: version }));
    expect([code, kind]).toEqual(['redis-too-old', 'permanent']);
    expect(message).toContain(`is version ${version}: Redis 6.2 or newer is needed`);
  });
  test.each([
    [{ redis_mode: 'sentinel' }, 'redis-sentinel', 'permanent'],
    [{ cluster_enabled: 1 }, 'redis-cluster', 'permanent'],
    [{ loading: 1 }, 'redis-busy', 'transient'],
    [{ role: 'slave', slave_read_only: 0 }, 'redis-read-only', 'transient'],
  ] as const)('%j cannot be worked on: %s', (fields, code, kind) => {
    const error = refusalOf(() => usable(fields));
    expect([error.code, error.kind]).toEqual([code, kind]);
    expect(error.message).toContain('Redis at h:1/2');
  });
  test('a read-only replica may be read, but is not the master that the sentinels should name', () => {
    expect(usable({ role: 'slave', slave_read_only: 1 })).toMatchObject({ role: 'replica' });
    expect(refusalOf(() => usable({ role: 'slave', slave_read_only: 1 }, true)).code).toBe('redis-read-only');
    expect(usable({ role: 'master', cluster_enabled: 0, loading: 0 }, true)).toMatchObject({ role: 'master' });
  });
});

/** A line that answers as the test says, and what was sent on it. */
const lineOf = (answers: Record<string, Reply>) => {
  const sent: string[] = [];
  const line = {
    async call(...args: string[]) {
      sent.push(args.join(' '));
      const reply = answers[args[0] as string] ?? 'OK';
      if (reply instanceof Error) throw reply;
      return reply;
    },
  } as unknown as RedisLine;
  return { line, sent };
};
const shake = async (answers: Record<string, Reply>, more: Partial<Wanted> = {}) => {
  const { line, sent } = lineOf({ INFO: infoOf({}), ...answers });
  const facts = await shakeHands(line, { ...wanted, ...more }).catch((error: Error) => error);
  return { facts, sent };
};

describe('the handshake', () => {
  test.each([
    [{}, ['SELECT 2', 'INFO']],
    [{ database: 0 }, ['INFO']],
    [{ password: 'p' }, ['AUTH p', 'SELECT 2', 'INFO']],
    [{ username: 'u', password: 'p' }, ['AUTH u p', 'SELECT 2', 'INFO']],
    [{ username: 'u' }, ['AUTH u ', 'SELECT 2', 'INFO']],
  ])('of %j sends %j', async (more, commands) => {
    const { facts, sent } = await shake({}, more);
    expect(sent).toEqual(commands);
    expect(facts).toMatchObject({ version: '7.0.15', database: (more as Partial<Wanted>).database ?? 2 });
  });

  test.each([
    ['AUTH', 'WRONGPASS invalid username-password pair', 'redis-wrong-password', 'refuses the user or password'],
    ['AUTH', 'ERR AUTH <password> called without any password configured', 'redis-wrong-password', 'has no password'],
    ['AUTH', "ERR wrong number of arguments for 'auth' command", 'redis-wrong-password', 'has no ACL support'],
    ['SELECT', 'ERR DB index is out of range', 'redis-wrong-database', 'give one that this Redis has'],
    [
      'SELECT',
      "NOPERM this user has no permissions to run the 'select' command",
      'redis-wrong-database',
      'allow the user +select',
    ],
    ['SELECT', 'NOAUTH Authentication required.', 'redis-wrong-password', 'needs a user and password'],
    ['INFO', 'NOAUTH Authentication required.', 'redis-wrong-password', 'needs a user and password'],
  ])('that is refused at %s (%s) says what to do', async (command, error, code, what) => {
    const { facts } = await shake({ [command]: new Error(error) }, { password: 's3cret' });
    expect(facts).toBeInstanceOf(UnusableRedisError);
    expect(facts).toMatchObject({ code, kind: 'permanent', message: expect.stringContaining(what) });
    expect((facts as Error).message).not.toContain('s3cret');
  });

  test.each(['LOADING x', 'BUSY Redis is busy running a script', 'MASTERDOWN x'])(
    'is repeated after %s',
    async (error) => {
      for (const command of ['AUTH', 'SELECT', 'INFO']) {
        const { facts } = await shake({ [command]: new Error(error) }, { password: 'p' });
        expect(facts).toMatchObject({ code: 'redis-busy', kind: 'transient' });
      }
    },
  );

  test('keeps the error of a connection that was closed', async () => {
    const broken = new Error('read ECONNRESET');
    for (const command of ['AUTH', 'SELECT', 'INFO'])
      expect((await shake({ [command]: broken }, { password: 'p' })).facts).toBe(broken);
  });

  test('uses HELLO if INFO is refused, and continues without either', async () => {
    const noperm = new Error("NOPERM this user has no permissions to run the 'info' command");
    const hello = ['server', 'redis', 'version', '7.2.0', 'mode', 'standalone', 'role', 'replica'];
    const known = await shake({ INFO: noperm, HELLO: hello });
    expect([known.facts, known.sent]).toEqual([
      { version: '7.2.0', role: 'replica', mode: 'standalone', database: 2 },
      ['SELECT 2', 'INFO', 'HELLO 2'],
    ]);
    expect((await shake({ INFO: noperm, HELLO: ['version', '6.0.0'] })).facts).toMatchObject({ code: 'redis-too-old' });
    expect((await shake({ INFO: noperm, HELLO: noperm })).facts).toEqual({
      ...{ version: undefined, role: undefined, mode: undefined, database: 2 },
    });
    const broken = new Error('read ECONNRESET');
    expect((await shake({ INFO: noperm, HELLO: broken })).facts).toBe(broken);
  });
});
