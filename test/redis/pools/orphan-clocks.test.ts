/** Entries of pools that live only since their heartbeat moves: the clocks of their hosts are wrong. */
import { beforeEach, describe, expect, test } from 'vitest';
import { createTestClock, type TestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second, seedJob } from '../../support/jobs.ts';

const { server, redis, opened, keys } = await redisFixture();
let clock: TestClock;
beforeEach(async () => {
  clock = createTestClock();
});

const list = keys.inProgress('X', 'p');
const enqueued = second(-900);
const entryOf = (id: string) => JSON.stringify({ name: 'X', id, t: enqueued, args: {} });
const hold = async (id: string, status: string, age: number) => {
  await seedJob(redis, id, { status, age });
  await redis.rpush(list, entryOf(id));
  await redis.incr(keys.lock('X'));
  await redis.hincrby(keys.lockInfo('X'), 'p', 1);
};
const create = (more: object = {}) => opened.create({ redis: server.url, clock, ...more });

describe.each([
  ['20 s behind', () => second(-20)],
  ['a day behind', () => second(-86_400)],
  ['3 s ahead', () => second(3)],
  ['20 s ahead', () => second(20)],
  ['two years ahead', () => second(63_072_000)],
  ['in milliseconds', () => Date.now()],
])('fault 104: a pool that beats %s', (_, at) => {
  let beatAt = 0;
  const beat = () =>
    redis.hset(keys.heartbeat('p'), { heartbeat_at: ++beatAt, job_names: 'X', worker_ids: 'w1', host: 'h' });
  beforeEach(async () => {
    beatAt = at();
    await redis.sadd(keys.pools, 'p');
    await redis.zadd(keys.observed, second(), 'p');
    // A look before this one has seen it.
    const record = { heartbeat: String(beatAt), first: Date.now(), moved: false, since: Date.now(), disruption: '' };
    await redis.hset(keys.suspects, 'p', JSON.stringify(record));
  });
  const look = async (options: { plan?: boolean } = {}) => {
    await beat();
    return create().rescue({ grace: 0, ...options });
  };

  test('has its orphans requeued', async () => {
    await hold('j', 'Pending', 100);
    expect(await look()).toMatchObject({ alive: 1, suspects: 0, orphaned: 0 });
    clock.advance(30_000);
    expect(await look()).toMatchObject({ alive: 1, suspects: 0, orphaned: 1 });
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([entryOf('j')]);
    expect([await redis.llen(list), await redis.get(keys.lock('X'))]).toEqual([0, '0']);
  });

  test('has the entries of jobs in Success removed, and a plan reports it', async () => {
    await hold('j', 'Success', 480);
    await redis.hset(keys.worker('w1'), { job_name: 'X', job_id: 'j', started_at: second(-500), args: '' });
    expect(await look({ plan: true })).toMatchObject({ alive: 1, finished: 1 });
    expect(await look()).toMatchObject({ alive: 1, finished: 1 });
    expect([await redis.llen(list), await redis.get(keys.lock('X'))]).toEqual([0, '0']);
    expect(await redis.exists(keys.worker('w1'))).toBe(0);
  });

  test('keeps its entries once it is not registered, or its heartbeat stands still', async () => {
    await hold('j', 'Pending', 100);
    await look();
    clock.advance(30_000);
    await redis.srem(keys.pools, 'p');
    expect(await look()).toMatchObject({ orphaned: 0 });
    await redis.sadd(keys.pools, 'p');
    await redis.del(keys.heartbeat('p'));
    expect(await create().rescue({ plan: true, grace: 0 })).toMatchObject({ alive: 0, orphaned: 0 });
    expect(await redis.llen(list)).toBe(1);
  });
});
