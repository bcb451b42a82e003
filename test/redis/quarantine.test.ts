import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Quarantined, QuarantineRecord, Reaper, ReaperOptions } from '../../src/index.ts';
import { keysOf } from '../../src/io/keys.ts';
import { createScripts } from '../../src/io/scripts.ts';
import { intercept, second, seedJob } from '../support/jobs.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { trackOpened } from '../support/reapers.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';
import { createUpstream } from '../support/upstream.ts';

let server: RedisServer;
let redis: Redis;
let upstream: ReturnType<typeof createUpstream>;
const opened = trackOpened();
beforeAll(async () => {
  server = await startRedis();
  redis = server.client;
  upstream = createUpstream(redis);
});
afterAll(() => server.stop());
beforeEach(() => redis.flushall());
afterEach(() => opened.close());

const keys = keysOf('t');
const create = (options: Partial<ReaperOptions> = {}): Reaper => opened.create({ redis: server.url, ...options });
const entryOf = (id: string, more = '') => `{"name":"X","id":"${id}","t":1700000000,"args":{"secret":"s3cret"}${more}}`;
/** A pool that has died with this entry in its hands, as gocraft's fetch put it there. */
const dieWith = async (pool: string, entry: string, type = 'X') => {
  await redis.sadd(keys.pools, pool);
  await redis.hset(keys.heartbeat(pool), { heartbeat_at: second(-60), job_names: type });
  await redis.lpush(keys.queue(type), entry);
  expect(await upstream.fetch(type, pool)).toBe(entry);
};
/** What the next pool takes from the queue, and dies of. */
const takeAndDie = async (pool: string, type = 'X') => {
  await redis.sadd(keys.pools, pool);
  await redis.hset(keys.heartbeat(pool), { heartbeat_at: second(-60), job_names: type });
  return upstream.fetch(type, pool);
};
/** Notes recoveries of a job as if they had been made `agesS` seconds ago, each from a pool of its own. */
const seedRecoveries = async (id: string, agesS: readonly number[]) => {
  await redis.hset(keys.recoveries, id, JSON.stringify(agesS.map((age, i) => [second(-age), `q${i}`, second(-age)])));
  await redis.zadd(keys.recovered, second(-Math.min(...agesS)), id);
};
const recordsOf = async (reaper: Reaper, filter = {}): Promise<QuarantineRecord[]> => {
  const all: QuarantineRecord[] = [];
  for await (const page of reaper.quarantine.list(filter)) all.push(...page);
  return all;
};
const deadMembers = () => redis.zrange(keys.dead, '0', '-1');
const failedAs = (entry: string) =>
  new RegExp(
    `^${entry.slice(0, -1).replace(/[.*+?^${}()|[\]\\]/g, '\\$&')},"fails":1,"err":"jobservice-reaper: quarantined, for its worker died or lost it 4 times within 24 h","failed_at":\\d+}$`,
  );

test('a job whose workers die goes back three times, then to dead as gocraft writes it, and its status is Error', async () => {
  const at = await seedJob(redis, 'bad');
  const reaper = create();
  const events: Quarantined[] = [];
  reaper.on('quarantined', (event) => void events.push(event));
  await dieWith('p0', entryOf('bad'));
  for (let death = 0; death < 3; death++) {
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 1, quarantined: 0 });
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([entryOf('bad')]);
    expect(await takeAndDie(`p${death + 1}`)).toBe(entryOf('bad'));
  }
  expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 0, quarantined: 1, pools: { rescued: 1 } });
  expect(await redis.llen(keys.queue('X'))).toBe(0);
  const [member, score] = (await redis.zrange(keys.dead, '0', '-1', 'WITHSCORES')) as [string, string];
  expect(member).toMatch(failedAs(entryOf('bad')));
  expect(JSON.parse(member).failed_at).toBe(Number(score));
  expect(Math.abs(Number(score) - second())).toBeLessThanOrEqual(2);
  expect(await redis.hmget(keys.stats('bad'), 'status', 'revision')).toEqual(['Error', String(at)]);
  expect(await redis.ttl(keys.stats('bad'))).toBeGreaterThan(604_000);
  expect(await redis.hget(keys.track, 'bad')).toBe('1');
  expect([await redis.get(keys.lock('X')), await redis.exists(keys.lockInfo('X'))]).toEqual(['0', 0]);
  const pools = ['p0', 'p1', 'p2', 'p3'];
  expect(events).toMatchObject([{ id: 'bad', type: 'X', recoveries: pools.map((pool) => ({ pool })) }]);
  expect(await recordsOf(reaper)).toMatchObject([
    { id: 'bad', types: ['X'], isInDead: true, recoveries: pools.map((pool) => ({ pool })) },
  ]);
});
