/** What callers, events and the log get of the error behind a failure, on a real Redis. */
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { PassError, ReaperError } from '../../src/index.ts';
import { createTestClock } from '../support/clock.ts';
import { redisFixture } from '../support/fixture.ts';
import { second } from '../support/jobs.ts';
import { seedPool } from '../support/pools.ts';
import { freePort } from '../support/redisServer.ts';

const { server, redis, opened } = await redisFixture();

/** A logger, and the lines that it has written. */
const memoryLog = () => {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  return { logger, of: (msg: string) => lines.filter((line) => line.msg === msg) };
};
const errorOf = (call: Promise<unknown>): Promise<ReaperError> =>
  call.then(
    () => expect.unreachable('it did not fail'),
    (error) => error,
  );

test('the cause of a sweep that did not complete is the error that ended it; the log has it with its stack', async () => {
  await redis.set('t:job_track:inprogress', 'no hash');
  const { logger, of } = memoryLog();
  const error = await errorOf(opened.create({ redis: server.url, logger }).sweep());
  expect(error).toBeInstanceOf(PassError);
  expect(error.cause).toBeInstanceOf(ReaperError);
  expect(error).toMatchObject({
    code: 'pass-incomplete',
    cause: { code: 'redis-wrong-type', cause: { name: 'ReplyError', message: expect.stringContaining('WRONGTYPE') } },
  });
  // What was sent to Redis may be secret.
  expect((error.cause as Error).cause).not.toHaveProperty('command');
  expect(of('a sweep did not complete')).toMatchObject([
    { code: 'redis-wrong-type', err: { code: 'redis-wrong-type', stack: expect.stringContaining('\n    at ') } },
  ]);
});

test('the cause of a rescue pass that did not complete is the error that ended it; the log has it with its stack', async () => {
  const { logger, of } = memoryLog();
  const clock = createTestClock();
  const port = await freePort();
  const reaper = opened.create({ redis: { port, retryStrategy: () => null }, logger, clock });
  const error = await clock.untilSettled(errorOf(reaper.rescue()), 500);
  expect(error).toMatchObject({
    code: 'pass-incomplete',
    cause: { code: 'redis-unreachable', cause: expect.any(Error) },
  });
  expect(of('a rescue pass did not complete')).toMatchObject([
    { code: 'redis-unreachable', err: { stack: expect.stringContaining('\n    at ') } },
  ]);
});

test('the log line of a pool that is given up has the error with its code and stack', async () => {
  await seedPool(redis, 'dead', { heartbeat: second(-3_600), jobNames: 'X', holds: new Map([['X', ['a']]]) });
  const { logger, of } = memoryLog();
  const clock = createTestClock();
  const reaper = opened.create({ redis: server.url, logger, clock, role: 'always' });
  const ends: object[] = [];
  reaper.on('pool', (outcome) => void ends.push(outcome));
  reaper.start();
  clock.advance(5_000);
  await expect.poll(() => redis.hlen('t:reaper:suspects')).toBe(1);
  await redis.config('SET', 'maxmemory', '1');
  try {
    await clock.until(() => ends.length > 0, 500);
  } finally {
    await redis.config('SET', 'maxmemory', '0');
  }
  expect(of('pool')).toMatchObject([
    { pool: { outcome: 'abandoned' }, code: 'suspended', err: { stack: expect.stringContaining('\n    at ') } },
  ]);
  // Only the log has it.
  expect(ends).toMatchObject([{ outcome: 'abandoned', error: expect.stringContaining('OOM') }]);
  expect(ends[0]).not.toHaveProperty('cause');
});

test('ping says by its code whether Redis refuses the password or cannot be reached', async () => {
  await redis.config('SET', 'requirepass', 'right');
  try {
    const refused = await errorOf(opened.create({ redis: `redis://:wrong@127.0.0.1:${server.port}` }).ping());
    expect(refused).toBeInstanceOf(ReaperError);
    expect(refused.code).toBe('redis-wrong-password');
  } finally {
    await redis.config('SET', 'requirepass', '');
  }
  const unreachable = await errorOf(opened.create({ redis: `redis://127.0.0.1:${await freePort()}` }).ping());
  expect(unreachable).toBeInstanceOf(ReaperError);
  expect(unreachable.code).toBe('redis-unreachable');
});

test('an error of Redis or of the connection has a code in every call', async () => {
  const away = opened.create({ redis: { port: await freePort(), retryStrategy: () => null } });
  const calls = [away.tracked(), away.explain('a'), away.status(), away.lifecycle.load('a')];
  for (const call of calls) {
    const error = await errorOf(call);
    expect(error).toBeInstanceOf(ReaperError);
    expect(error).toMatchObject({ code: 'redis-unreachable', cause: expect.any(Error) });
  }
});

test('what a job to save lacks is an error with a code', async () => {
  const { lifecycle } = opened.create({ redis: server.url });
  const job = { id: 'a', name: 'X' };
  const issues = [
    [{ ...job, id: '' }, 'id'],
    [{ ...job, name: '' }, 'name'],
    [{ ...job, status: 'Success' as const }, 'status'],
    [{ ...job, runAt: 0.5 }, 'runAt'],
  ] as const;
  for (const [refused, path] of issues) {
    const error = await errorOf(lifecycle.save(refused));
    expect(error).toBeInstanceOf(ReaperError);
    expect(error).toMatchObject({ code: 'invalid-options', issues: [{ path }] });
  }
  expect(await redis.keys('*')).toEqual([]);
});
