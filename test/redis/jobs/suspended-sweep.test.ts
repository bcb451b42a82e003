/** A sweep on a Redis that refuses writes: it is suspended with one message, changes nothing, and the next one does all of it. */
import { rm } from 'node:fs/promises';
import { pino } from 'pino';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Reaper, ReaperOptions } from '../../../src/index.ts';
import { refusalOf } from '../../../src/io/redis/errors.ts';
import { createTestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { ackText, second, seedJob } from '../../support/jobs.ts';
import { type WriteRefusal, writeRefusals } from '../../support/writeRefusals.ts';

const { server, redis, opened } = await redisFixture();
beforeAll(async () => {
  // A snapshot of it fails: its folder is gone.
  const [, folder] = (await redis.config('GET', 'dir')) as [string, string];
  await rm(folder, { recursive: true });
  await redis.bgsave();
  await vi.waitFor(async () => expect(await redis.info('persistence')).toContain('rdb_last_bgsave_status:err'), 20_000);
});

const track = 't:job_track:inprogress';
/** Ways in which Redis refuses writes, and how it takes them again. */
const refusals: Record<string, WriteRefusal> = {
  ...writeRefusals(() => redis),
  // The snapshot that has failed counts where some are to be made.
  MISCONF: { begin: () => redis.config('SET', 'save', '3600 1'), end: () => redis.config('SET', 'save', '') },
};

/** Some hundred jobs of each verdict that acts. */
const seed = async (each = 300) => {
  const old = second(-100_000);
  const pipeline = redis.pipeline();
  const put = (id: string, fields: Record<string, string | number>) => {
    pipeline.hset(track, id, 2);
    pipeline.hset(`t:job_stats:${id}`, { id, name: 'X', kind: 'Generic', ...fields });
  };
  for (let i = 0; i < each; i++) {
    const times = { update_time: old, revision: old, enqueue_time: old };
    put(`hung-${i}`, { ...times, status: 'Running' });
    put(`behind-${i}`, { ...times, status: 'Running', ack: ackText('Success', old) });
    put(`settled-${i}`, { ...times, status: 'Success', ack: ackText('Success', old) });
    put(`refire-${i}`, { ...times, status: 'Success', web_hook_url: 'http://127.0.0.1:1/x' });
    pipeline.hset(track, `lost-${i}`, 2);
  }
  await pipeline.exec();
};
const contents = async () => {
  const names = (await redis.keys('*')).filter((name) => !name.includes(':reaper:')).sort();
  return Promise.all(names.map(async (name) => [name, (await redis.dumpBuffer(name))?.toString('base64')]));
};
const create = (options: Partial<ReaperOptions> = {}) => {
  const errors: string[] = [];
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(line) });
  const reaper: Reaper = opened.create({ redis: server.url, logger, ...options });
  reaper.on('error', ({ where, message }) => void errors.push(`${where}: ${message}`));
  return { reaper, errors, lines };
};

describe.each(Object.entries(refusals))('fault 119: %s', (name, { begin, end }) => {
  afterEach(end);

  test('before a sweep: it judges no job and reports that once, and the next sweep judges all', async () => {
    await seed(20);
    const before = await contents();
    await begin();
    const { reaper, errors, lines } = create();
    for (let i = 0; i < 2; i++) {
      expect(await reaper.sweep()).toMatchObject({ scanned: 0, suspended: { message: expect.stringContaining(name) } });
    }
    expect(errors).toEqual([expect.stringContaining(name)]);
    expect(lines).toHaveLength(1);
    expect(reaper.health().detail).toContain('sweeps are suspended');
    await end();
    expect(await contents()).toEqual(before);
    const summary = await reaper.sweep();
    expect(summary).toMatchObject({ scanned: 100, outcomes: { done: 80, enqueued: 20 } });
    expect(summary).not.toHaveProperty('suspended');
    expect(reaper.health().detail).not.toContain('suspended');
  });

  test('during a sweep: it ends there with one message, and the next sweep finds the remaining jobs', async () => {
    await seed();
    const { reaper, errors, lines } = create({ sweep: { pageSize: 50 } });
    let hasBegun = false;
    reaper.on('job', ({ outcome }) => {
      if (outcome !== 'done' || hasBegun) return;
      hasBegun = true;
      void begin();
    });
    const summary = await reaper.sweep();
    expect(summary.suspended?.message).toContain(name);
    expect(summary.scanned).toBeLessThan(1_500);
    expect(errors.filter((error) => error.startsWith('sweeping'))).toHaveLength(1);
    expect(lines.filter((line) => !/hook|deliver/i.test(line))).toHaveLength(1);
    await end();
    await reaper.sweep();
    // A hung job that has failed waits for its second sweep, in which nothing is left to do but to untrack it.
    const rest = Object.keys(await redis.hgetall(track)).filter((id) => !id.startsWith('refire'));
    expect(rest.filter((id) => !id.startsWith('hung') && !id.startsWith('behind'))).toEqual([]);
    for (const id of ['hung-0', 'hung-299']) expect(await redis.hget(`t:job_stats:${id}`, 'status')).toBe('Error');
    for (const id of ['behind-0', 'behind-299'])
      expect(await redis.hget(`t:job_stats:${id}`, 'status')).toBe('Success');
  });

  test('a plan writes nothing, and continues', async () => {
    await seed(5);
    await begin();
    const { reaper } = create();
    const summary = await reaper.sweep({ plan: true });
    expect(summary).toMatchObject({ scanned: 25, outcomes: { planned: 25 } });
    // The command line asks for that first.
    await reaper.ping();
    expect(summary).not.toHaveProperty('suspended');
  });
});

test('fault 119: a user without the right to write gets the reason at once', async () => {
  await seed(5);
  await redis.call('ACL', 'SETUSER', 'reader', 'on', '>pass', '~*', '+@all', '-hdel');
  const { reaper, errors } = create({ redis: `redis://reader:pass@127.0.0.1:${server.port}` });
  expect(await reaper.sweep()).toMatchObject({
    suspended: { code: 'redis-no-permission', message: expect.stringContaining('NOPERM') },
  });
  expect(errors).toEqual([expect.stringMatching(/run HDEL on t:job_track:inprogress\): allow it the commands[^:]*$/)]);
  await redis.call('ACL', 'SETUSER', 'reader', '-set');
  expect(await reaper.sweep()).toMatchObject({
    scanned: 0,
    suspended: { code: 'redis-no-permission', message: expect.stringContaining('NOPERM') },
  });
  await redis.call('ACL', 'DELUSER', 'reader');
});

test('a tracking hash of the wrong type ends a sweep at once, with advice', async () => {
  await redis.set(track, 'no hash');
  const { reaper, errors } = create();
  await expect(reaper.sweep()).rejects.toThrow(
    /a key of the namespace has the wrong type \(WRONGTYPE.*find it with TYPE/,
  );
  expect(errors).toEqual([]);
});

test('fault 119: a suspended scheduled sweep is repeated an interval later', async () => {
  await seedJob(redis, 'a');
  await redis.hdel('t:job_stats:a', 'id');
  const clock = createTestClock();
  await refusals.OOM?.begin();
  const { reaper } = create({
    clock,
    role: 'always',
    sweep: { initialDelay: 1_000, interval: 60_000, jitter: 0 },
    rescue: { initialDelay: 10_000_000 },
  });
  const ends: (string | undefined)[] = [];
  const at: number[] = [];
  reaper.on('sweep', ({ suspended }) => {
    ends.push(suspended?.message);
    at.push(clock.now());
  });
  reaper.start();
  await clock.until(() => ends.length === 1);
  await refusals.OOM?.end();
  await clock.until(() => ends.length === 2, 1_000);
  expect(ends).toEqual([expect.stringContaining('OOM'), undefined]);
  expect((at[1] as number) - (at[0] as number)).toBeGreaterThanOrEqual(60_000);
});

test.each([
  ["READONLY You can't write against a read only replica. script: 1, on @user_script:1.", 'READONLY'],
  [
    "ERR Error running script (call to f_12ab): @user_script:12: @user_script: 12: -READONLY You can't write against a read only replica.",
    'READONLY',
  ],
  ["NOPERM User default has no permissions to run the 'hdel' command", 'NOPERM'],
  ["ERR The user executing the script can't run this command or subcommand script: 1, on @user_script:14.", 'NOPERM'],
  ["ERR unknown command 'HDEL', with args beginning with:", 'unknown command'],
])('%s is a refusal', (message, words) => {
  expect(refusalOf(new Error(message))?.message).toContain(words);
});

test.each(['WRONGTYPE Operation against a key', 'Connection is closed.', 'LOADING Redis is loading'])(
  '%s is none',
  (message) => {
    expect(refusalOf(new Error(message))).toBeUndefined();
  },
);
