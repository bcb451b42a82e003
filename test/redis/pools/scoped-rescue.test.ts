/** A rescue of some pools touches nothing else. A real Redis. */
import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import type { PoolOutcome, ReaperOptions, RescueOptions } from '../../../src/index.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second, seedJob, seedWithHook, unheard } from '../../support/jobs.ts';
import { entryOf, seedPool } from '../../support/pools.ts';

const { server, redis, opened } = await redisFixture();
const create = (options: Partial<ReaperOptions> = {}) =>
  opened.create({ redis: server.url, rescue: { orphanedAfter: 0 }, ...options });

/** Two dead pools and two live ones with an orphaned entry each; counters of both types have drifted. */
const seed = async () => {
  for (const name of ['dead-1', 'dead-2', 'live-1', 'live-2']) {
    const heartbeat = name.startsWith('live') ? second() : second(-100);
    const ids = [`${name}-a`, `${name}-b`];
    await seedPool(redis, name, { heartbeat, holds: new Map([['X', ids]]) });
    for (const id of ids) await seedJob(redis, id, { status: 'Pending', age: 600 });
    if (!name.startsWith('live')) continue;
    await redis.hset(`t:worker_pools:${name}`, { worker_ids: `w-${name}`, job_names: 'X' });
    await redis.hset(`t:worker:w-${name}`, { job_name: 'X', job_id: `${name}-a`, started_at: second(-50), args: '' });
  }
  await redis.incrby('t:jobs:X:lock', 5);
  await redis.hset('t:jobs:X:lock_info', 'gone', 3);
  await redis.set('t:jobs:Y:lock', 7);
  await redis.hset('t:jobs:Y:lock_info', 'dead-2', 7);
};
/** Everything but what is of these pools, of the queue and of the counters of X, and what the reaper remembers. */
const rest = async (...pools: readonly string[]) => {
  const keys = (await redis.keys('*')).filter(
    (key) =>
      !pools.some((pool) => key.includes(pool)) && !/^t:(reaper:|jobs:X(:lock(_info)?)?$|worker_pools$)/.test(key),
  );
  const dumps = await Promise.all(
    keys.sort().map(async (key) => [key, (await redis.dumpBuffer(key))?.toString('hex')]),
  );
  const suspects = (await redis.hkeys('t:reaper:suspects')).filter((pool) => !pools.includes(pool));
  return { dumps, suspects };
};
const rescue = async (given: RescueOptions, reaper = create()) => {
  const pools: PoolOutcome[] = [];
  reaper.on('pool', (outcome) => void pools.push(outcome));
  const summary = await reaper.rescue({ grace: 0, ...given });
  return { pools: pools.map(({ pool, outcome }) => `${pool} ${outcome}`).sort(), summary };
};

test('a rescue of a dead pool requeues its entries and removes it, and does what its plan says', async () => {
  await seed();
  const before = await rest('dead-1');
  const planned = await rescue({ pools: ['dead-1'], plan: true });
  expect(await redis.llen('t:jobs:X:dead-1:inprogress')).toBe(2);
  const { pools, summary } = await rescue({ pools: ['dead-1'] });
  expect(pools).toEqual(['dead-1 rescued']);
  expect(summary).toMatchObject({ isScoped: true, alive: 0, suspects: 1, entries: 2, orphaned: 0, drift: [] });
  expect(summary.changes).toEqual(planned.summary.changes);
  expect(summary.changes).toContainEqual({ act: 'lock', type: 'X', before: '13', after: '11' });
  expect(await rest('dead-1')).toEqual(before);
  expect((await redis.smembers('t:worker_pools')).sort()).toEqual(['dead-2', 'live-1', 'live-2']);
  // The counters of the requeued entries only: those of others stay as wrong as they were.
  expect(await redis.get('t:jobs:X:lock')).toBe('11');
  expect(await redis.hgetall('t:jobs:X:lock_info')).toEqual({ 'dead-2': '2', 'live-1': '2', 'live-2': '2', gone: '3' });
  expect((await redis.hkeys('t:reaper:suspects')).filter((pool) => pool !== 'dead-1')).toEqual([]);
});

test('a rescue of a live pool requeues its orphaned entries, and those of no other pool', async () => {
  await seed();
  const before = await rest('live-1');
  const { pools, summary } = await rescue({ pools: ['live-1'] });
  expect(pools).toEqual([]);
  expect(summary).toMatchObject({ alive: 1, suspects: 0, orphaned: 1 });
  expect(await redis.lrange('t:jobs:X', 0, -1)).toEqual([entryOf('live-1-b')]);
  expect(await rest('live-1')).toEqual(before);
});

test('a rescue of a pool that is not there is refused before anything is changed', async () => {
  await seed();
  const before = await rest();
  const lines: { level: number; code?: string }[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const refused = rescue({ pools: ['dead-1', 'dead-9'] }, create({ logger }));
  await expect(refused).rejects.toMatchObject({
    code: 'pass-incomplete',
    cause: { code: 'not-found', message: 'unknown pool: dead-9; nothing was changed. See: reaper status' },
  });
  expect(await rest()).toEqual(before);
  expect(lines).toMatchObject([{ level: 30, code: 'not-found' }]);
  await expect(create().rescue({ pools: [] })).rejects.toThrow('rescue: pools: must not be empty');
});

test('a rescue of some pools is no complete pass, and lets no other pool begin before its grace is over', async () => {
  await seed();
  const reaper = create({ rescue: { orphanedAfter: 0, grace: 1_000_000 } });
  const whole = new AbortController();
  const other = reaper.rescue({ signal: whole.signal });
  await rescue({ pools: ['dead-1'], grace: 0 }, reaper);
  expect(reaper.health().lastRescueAt).toBeUndefined();
  expect((await reaper.status()).leader.rescueEndedAt).toBeUndefined();
  expect(await redis.llen('t:jobs:X:dead-2:inprogress')).toBe(2);
  const metrics = await reaper.metrics();
  expect(metrics).toMatch(/passes_total\{pass="rescue",outcome="scoped"\} 1$/m);
  expect(metrics).not.toMatch(/pools_alive 0$/m);
  whole.abort();
  await expect(other).rejects.toMatchObject({ code: 'aborted' });
});

test.each(['pools', 'acts', undefined] as const)(
  'fault 124: a rescue sends the hook of a poison job; those of other jobs only if it is of all pools (by %s)',
  async (by) => {
    await seedPool(redis, 'dead', { heartbeat: second(-100), holds: new Map([['X', ['bad']]]) });
    await seedJob(redis, 'bad', { status: 'Running', age: 600, web_hook_url: `${unheard}/x` });
    const deaths = [1, 2, 3].map((n) => [second(-3_600 + n), `gone${n}`, second(-3_700)]);
    await redis.hset('t:reaper:recoveries', 'bad', JSON.stringify(deaths));
    await seedWithHook(redis, 'other', 'pending', { dueIn: -1_000 });
    const other = await redis.hget('t:reaper:hooks', 'other');
    const reaper = create();
    const attempted = new Set<string>();
    reaper.on('hook', ({ id }) => void attempted.add(id));
    const { acts = [] } = await reaper.rescue({ plan: true, grace: 0 });
    const scope = by === 'pools' ? { pools: ['dead'] } : by === 'acts' ? { acts } : {};
    expect(await reaper.rescue({ grace: 0, ...scope })).toMatchObject({ quarantined: 1 });
    await vi.waitUntil(() => attempted.has('bad') && (by !== undefined || attempted.has('other')));
    if (by !== undefined) expect(await redis.hget('t:reaper:hooks', 'other')).toBe(other);
  },
);
