import { expect, test } from 'vitest';
import type { PoolOutcome } from '../../src/index.ts';
import { readOptions } from '../../src/options.ts';
import { redisFixture } from '../support/fixture.ts';
import { second, seedJob } from '../support/jobs.ts';
import { idsIn, seedPool } from '../support/pools.ts';

const { server, redis, opened } = await redisFixture();

const names = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf', '__defineGetter__'];
/** Counts as JSON shows them, by name. */
const counts = (record: object): [string, unknown][] => Object.entries(JSON.parse(JSON.stringify(record))).sort();
const each = (count: number) => names.map((name) => [name, count]).sort();

test('fault 122: statuses and types of tracked jobs', async () => {
  for (const name of names) {
    await seedJob(redis, `${name} a`, { status: name });
    await seedJob(redis, `${name} b`, { status: name, name });
  }
  const reaper = opened.create({ redis: server.url });
  const { tracked } = await reaper.status();
  expect(counts(tracked.byStatus)).toEqual(each(2));
  expect(tracked).toMatchObject({ total: 2 * names.length, byReason: { malformed: 2 * names.length } });
  expect(await reaper.sweep()).toMatchObject({ scanned: 2 * names.length, verdicts: { keep: 2 * names.length } });
});

test('fault 122: types and ids of dead pools, of live ones, and their counters', async () => {
  for (const name of names) {
    const holds = new Map(names.map((type) => [type, [`${name} ${type}`]]));
    await seedPool(redis, name, { heartbeat: second(-60), jobNames: names.join(','), holds });
    await seedPool(redis, `${name} alive`, { heartbeat: second(), holds: new Map([[name, ['live']]]) });
  }
  const reaper = opened.create({ redis: server.url });
  const before = await reaper.status();
  expect(
    before.pools
      .filter(({ isAlive }) => !isAlive)
      .map(({ pool, inProgress }) => [pool, inProgress])
      .sort(),
  ).toEqual(each(names.length));
  const plan: PoolOutcome[] = [];
  const outcomes: PoolOutcome[] = [];
  reaper.on('pool', (outcome) => void (outcome.outcome === 'planned' ? plan : outcomes).push(outcome));
  await reaper.rescue({ plan: true, grace: 0 });
  const summary = await reaper.rescue({ grace: 0 });
  expect(summary).toMatchObject({ entries: names.length ** 2, pools: { rescued: names.length }, unreadable: [] });
  for (const outcome of [...plan, ...outcomes]) {
    expect([counts(outcome.moved), outcome.entries]).toEqual([each(1), names.length]);
  }
  expect([plan.length, outcomes.length]).toEqual([names.length, names.length]);
  const { queues } = await reaper.status();
  expect(queues.map(({ type, queued, inProgress, drift }) => [type, queued, inProgress, drift])).toEqual(
    names.toSorted().map((type) => [type, names.length, 1, 0]),
  );
  for (const name of names) expect(await idsIn(redis, `t:jobs:${name}:${name} alive:inprogress`)).toEqual(['live']);
});

test('fault 122: records of suspects', async () => {
  for (const name of names) await seedPool(redis, name, { heartbeat: second(3_600) });
  const reaper = opened.create({ redis: server.url, rescue: { grace: 60_000 } });
  void reaper.rescue().catch(() => undefined);
  await expect.poll(() => redis.hlen('t:reaper:suspects')).toBe(names.length);
  for (const name of names) await redis.hincrby(`t:worker_pools:${name}`, 'heartbeat_at', 5);
  expect(await opened.create({ redis: server.url }).rescue({ grace: 0 })).toMatchObject({
    alive: names.length,
    suspects: 0,
  });
});

test('fault 122: limits by job type', () => {
  const limits = JSON.parse(`{${names.map((name) => `"${name}":60000`).join(',')}}`);
  const options = { redis: 'redis://h', namespace: 't', hungAfterByType: limits, runTimeLimitByType: limits };
  const { hungAfterByType, runTimeLimitByType } = readOptions(options);
  expect([counts(hungAfterByType), counts(runTimeLimitByType)]).toEqual([each(60_000), each(60_000)]);
  const wrong = JSON.parse('{"__proto__":"x","constructor":-1}');
  expect(() => readOptions({ ...options, hungAfterByType: wrong, runTimeLimitByType: JSON.parse('null') })).toThrow(
    /hungAfterByType.__proto__: .*hungAfterByType.constructor: .*runTimeLimitByType: must be an object/,
  );
});

test('fault 122: a type with such a name is failed at its own limit', async () => {
  await seedJob(redis, 'short', { name: '__proto__', age: 600 });
  await seedJob(redis, 'long', { name: 'constructor', age: 600 });
  const hungAfterByType = JSON.parse('{"__proto__":60000}');
  const verdicts = new Map<string, string>();
  const reaper = opened.create({ redis: server.url, hungAfterByType });
  reaper.on('job', ({ id, verdict }) => void verdicts.set(id, verdict));
  await reaper.sweep({ plan: true });
  expect([...verdicts].sort()).toEqual([
    ['long', 'keep'],
    ['short', 'fail'],
  ]);
});
