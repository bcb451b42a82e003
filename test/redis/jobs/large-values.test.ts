import { expect, test } from 'vitest';
import { keysOf } from '../../../src/io/redis/keys.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { createTestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second, seedJob } from '../../support/jobs.ts';

// What is read of large values is bounded by bytes: none of it comes to this process, and a script holds few of them at once.

const { server, redis, opened } = await redisFixture();

const keys = keysOf('t');
const count = 60;
const big = 'x'.repeat(1_000_000);
/** Whose beginning says the id, that of a periodic execution, and one with another id in its arguments. */
const entryOf = (i: number) => {
  const args = [{}, { _job_kind_periodic_: '7' }, { inner: { id: 'x' } }][i % 3];
  return JSON.stringify({ name: 'X', id: `${i}`, t: second(60), args: { ...args, big } });
};
const idOf = (i: number) => (i % 3 === 1 ? `${i}@7` : `${i}`);
const hold = async (pool: string, entries = count) => {
  for (let i = 0; i < entries; i++) await redis.lpush(keys.inProgress('X', pool), entryOf(i));
  await redis.set(keys.lock('X'), entries);
  await redis.hset(keys.lockInfo('X'), pool, entries);
};
const info = async (section: string, field: string) =>
  Number(new RegExp(`${field}:(\\d+)`).exec(await redis.info(section))?.[1]);
const sent = () => info('stats', 'total_net_output_bytes');
const beat = async () => {
  await redis.sadd(keys.pools, 'p');
  await redis.hset(keys.heartbeat('p'), { heartbeat_at: second(), job_names: 'X', worker_ids: 'w1,w2' });
  for (const worker of ['w1', 'w2']) {
    const args = JSON.stringify({ big });
    await redis.hset(keys.worker(worker), { job_name: 'X', job_id: 'other', started_at: second(), args });
  }
};

test('fault 114: a rescue of large entries reads none of them, and Redis holds few of them twice', async () => {
  await redis.sadd(keys.pools, 'dead');
  await redis.sadd(keys.knownJobs, 'X');
  await hold('dead');
  const [used, before] = [await info('memory', 'used_memory'), await sent()];
  expect(await opened.create({ redis: server.url }).rescue({ grace: 0 })).toMatchObject({ entries: count });
  expect(await redis.llen(keys.queue('X'))).toBe(count);
  expect((await info('memory', 'used_memory_peak')) - used).toBeLessThan(40_000_000);
  expect((await sent()) - before).toBeLessThan(500_000);
});

test('fault 114: large orphaned entries are requeued, and large arguments of observations read, without coming here', async () => {
  await hold('p', 20);
  for (let i = 0; i < 20; i++) await seedJob(redis, idOf(i), { status: 'Pending' });
  const before = await sent();
  const clock = createTestClock();
  const reaper = opened.create({ redis: server.url, clock });
  const lost: string[] = [];
  reaper.on('orphan', ({ id }) => lost.push(id));
  // Four passes, or more: in a pass that takes long, the heartbeat grows old, and its entries wait for the next one.
  while (lost.length < 20) {
    await beat();
    await clock.untilSettled(reaper.rescue(), 100);
    clock.advance(10_000);
  }
  expect(lost.sort()).toEqual(Array.from({ length: 20 }, (_, i) => idOf(i)).sort());
  expect(await redis.llen(keys.queue('X'))).toBe(20);
  expect((await sent()) - before).toBeLessThan(500_000);
});

test('fault 114: records of large entries are listed some at a time, all of them', async () => {
  for (let i = 0; i < 20; i++) {
    const entry = entryOf(i);
    await redis.zadd(keys.dead, i, `${entry} `);
    const record = { at: second(), recoveries: [[second(), 'p', '']], entries: [['X', entry, `${entry} `]] };
    await redis.hset(keys.quarantine, idOf(i), JSON.stringify(record));
  }
  const before = await sent();
  const scripts = createScripts(redis);
  const sizes: number[] = [];
  let cursor = '0';
  do {
    const { cursor: next, records } = await scripts.run('read_quarantine', [keys.quarantine, keys.dead], [cursor, 500]);
    sizes.push(records.length);
    cursor = next;
  } while (cursor !== '0');
  // HSCAN gives whole buckets.
  expect(Math.max(...sizes)).toBeLessThan(10);
  const reaper = opened.create({ redis: server.url });
  const listed: string[] = [];
  for await (const page of reaper.quarantine.list()) listed.push(...page.map(({ id }) => id));
  expect([...new Set(listed)].sort()).toEqual(Array.from({ length: 20 }, (_, i) => idOf(i)).sort());
  expect(await reaper.quarantine.release({})).toEqual({ done: 20, gone: 0 });
  expect((await sent()) - before).toBeLessThan(500_000);
});

test('fault 114: a page of jobs with large fields is cut short, and no job is missed', async () => {
  const url = `http://h/${'x'.repeat(1_000_000)}`;
  for (let i = 0; i < 12; i++) await seedJob(redis, `j${i}`, { web_hook_url: url });
  const scripts = createScripts(redis);
  const ids = Array.from({ length: 12 }, (_, i) => keys.stats(`j${i}`));
  expect((await scripts.run('read_facts', ids)).jobs).toHaveLength(1);
  const { tracked } = await opened.create({ redis: server.url }).status();
  expect(tracked.total).toBe(12);
});
