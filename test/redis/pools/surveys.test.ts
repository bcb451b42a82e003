import { expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import type { RescueSummary } from '../../../src/index.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second, seedJob } from '../../support/jobs.ts';
import { idsIn, seedPool } from '../../support/pools.ts';

const { server, redis, opened } = await redisFixture();

const count = 40;
const pools = Array.from({ length: count }, (_, i) => `dead-${i}`);
/** Dead pools of which only the names of their lists tell, among keys enough for dozens of SCANs. */
const seed = async () => {
  for (let from = 0; from < 30_000; from += 5_000) {
    await redis.mset(...Array.from({ length: 5_000 }, (_, i) => [`other:${from + i}`, 1]).flat());
  }
  for (const pool of pools) {
    await seedPool(redis, pool, { isRegistered: false, isCounted: false, holds: new Map([[`T-${pool}`, [pool]]]) });
  }
};

test('fault 142: a rescue beside status and explain finds every dead pool, and so do they', async () => {
  await seed();
  await seedJob(redis, 'job');
  const reaper = opened.create({ redis: server.url });
  await reaper.ping();
  const [plan, statuses] = await Promise.all([
    reaper.rescue({ plan: true, grace: 0 }),
    Promise.all(Array.from({ length: 3 }, () => reaper.status())),
    Promise.all(Array.from({ length: 3 }, () => reaper.explain('job'))),
  ]);
  expect(plan).toMatchObject({ pools: { planned: count }, entries: count });
  for (const status of statuses) {
    expect(status.pools.map(({ pool, inProgress }) => [pool, inProgress]).sort()).toEqual(
      pools.map((pool) => [pool, 1]).sort(),
    );
  }

  const [rescued] = await Promise.all([
    reaper.rescue({ grace: 0 }),
    reaper.status(),
    reaper.explain('job'),
    reaper.status(),
    reaper.sweep(),
  ]);
  expect(rescued).toMatchObject({ pools: { rescued: count }, entries: count });
});

test('two rescues at once find every dead pool, and requeue each entry once', async () => {
  await seed();
  const [one, other] = [opened.create({ redis: server.url }), opened.create({ redis: server.url })];
  const summaries = await Promise.all([
    one.rescue({ grace: 0 }),
    one.rescue({ grace: 0 }),
    other.rescue({ grace: 0 }),
    other.rescue({ grace: 0 }),
  ]);
  expect(await redis.keys('*:inprogress')).toEqual([]);
  for (const pool of pools) expect(await idsIn(redis, `t:jobs:T-${pool}`)).toEqual([pool]);
  expect(summaries.map(({ pools: { abandoned } }) => abandoned)).toEqual([0, 0, 0, 0]);
});

test('fault 142: scheduled passes, which walk a part of the keys each, miss no pool, whatever else is asked meanwhile', async () => {
  await seed();
  const clock = new SimulatedClock();
  const reaper = opened.create({ redis: server.url, clock, role: 'always', rescue: { grace: 0 } });
  let ended: (summary: RescueSummary) => void = () => undefined;
  reaper.on('rescue', (summary) => ended(summary));
  const pass = async (wait: number) => {
    const summary = new Promise<RescueSummary>((resolve) => {
      ended = resolve;
    });
    clock.increment(wait);
    await Promise.all([summary, reaper.status(), reaper.status()]);
    return summary;
  };
  reaper.start();
  expect(await pass(5_000)).toMatchObject({ pools: { rescued: count } });
  // One that died after the first pass, of which two rounds of bounded steps find the name.
  await seedPool(redis, 'late', { isRegistered: false, isCounted: false, holds: new Map([['Late', ['late']]]) });
  let rescued = 0;
  for (let passes = 0; passes < 6; passes++) rescued += (await pass(10_000)).pools.rescued;
  expect(rescued).toBe(1);
  expect(await idsIn(redis, 't:jobs:Late')).toEqual(['late']);
});

test('counters are rebuilt from the lists that the same pass has found', async () => {
  await seedPool(redis, 'alive', { heartbeat: second(), jobNames: 'X', holds: new Map([['X', ['a', 'b']]]) });
  // Of an unregistered pool, which no counter names any more.
  await seedPool(redis, 'gone', { isRegistered: false, isCounted: false, holds: new Map([['X', ['c']]]) });
  const reaper = opened.create({ redis: server.url, rescue: { grace: 60_000 } });
  await redis.set('t:jobs:X:lock', 3);
  const clock = new SimulatedClock();
  const slow = opened.create({ redis: server.url, clock });
  const ended = slow.rescue();
  // While its pass waits for the grace of the pool, another one looks around.
  const status = await reaper.status();
  expect(status.queues).toMatchObject([{ type: 'X', lock: 3, inProgress: 3, drift: 0 }]);
  const queued = () => {
    clock.increment(15_000);
    return redis.llen('t:jobs:X');
  };
  await expect.poll(queued).toBe(1);
  expect(await ended).toMatchObject({ entries: 1, pools: { rescued: 1 } });
  expect([await redis.get('t:jobs:X:lock'), await redis.llen('t:jobs:X:alive:inprogress')]).toEqual(['2', 2]);
});
