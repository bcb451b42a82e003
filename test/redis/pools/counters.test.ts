import { expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import type { RescueSummary } from '../../../src/index.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second } from '../../support/jobs.ts';

const { server, opened } = await redisFixture();

const rescue = () => opened.create({ redis: server.url }).rescue({ grace: 0 });
const beat = async () => {
  await server.client.sadd('t:worker_pools', 'p');
  await server.client.hset('t:worker_pools:p', { heartbeat_at: second(), job_names: 'X' });
};

test('counters are rebuilt for every type that has some, even if nothing else names the type', async () => {
  await server.client.set('t:jobs:OnlyLock:lock', 3);
  await server.client.hset('t:jobs:Only:Info:lock_info', { p: -1 }); // (Of a live pool: what a dead one has left is settled beside the recount.)
  await beat();
  const { drift } = await rescue();
  expect([...drift].sort((a, b) => (a.type < b.type ? -1 : 1))).toEqual([
    { type: 'Only:Info', lockBefore: '0', lock: '0', fields: 1, size: { lock: 0, lockInfo: 1 } },
    { type: 'OnlyLock', lockBefore: '3', lock: '0', fields: 0, size: { lock: 3, lockInfo: 0 } },
  ]);
  expect(await server.client.get('t:jobs:OnlyLock:lock')).toBe('0');
  expect(await server.client.exists('t:jobs:Only:Info:lock_info')).toBe(0);
});

test('a queue whose type has the name of a counter is not mistaken for one', async () => {
  await server.client.lpush('t:jobs:Odd:lock', 'entry');
  expect(await rescue()).toMatchObject({ drift: [], unreadable: [] });
  expect(await server.client.lrange('t:jobs:Odd:lock', 0, -1)).toEqual(['entry']);
});

test('drift reports by how much lock and fields were wrong, for any contents', async () => {
  const seed = async (lock: string, fields: Record<string, string>) => {
    await server.client.flushall();
    await beat();
    await server.client.rpush('t:jobs:X:p:inprogress', 'a', 'b');
    await server.client.set('t:jobs:X:lock', lock);
    await server.client.hset('t:jobs:X:lock_info', fields);
    return (await rescue()).drift;
  };
  expect(await seed('2', { p: '2' })).toEqual([]);
  expect(await seed('5', { p: '5' })).toMatchObject([{ size: { lock: 3, lockInfo: 3 } }]);
  expect(await seed('-1', { p: '1', q: '0' })).toMatchObject([{ size: { lock: -3, lockInfo: 1 } }]);
  expect(await seed('nothing', { p: 'none' })).toMatchObject([{ size: { lock: -2, lockInfo: 2 } }]);
  expect(await server.client.get('t:jobs:X:lock')).toBe('2');
});

test('all lists of a type count, even those of pools that nothing else names', async () => {
  await beat();
  for (const pool of ['p', 'q', 'r']) await server.client.rpush(`t:jobs:X:${pool}:inprogress`, 'entry');
  const { drift } = await opened.create({ redis: server.url }).rescue({ grace: 0, plan: true });
  expect(drift).toMatchObject([{ type: 'X', lock: '3', fields: 3, size: { lock: -3, lockInfo: 3 } }]);
});

test('every scheduled pass rebuilds the counters, even if no pool is dead', async () => {
  const clock = new SimulatedClock();
  const reaper = opened.create({ redis: server.url, clock, role: 'always' });
  let ended: (summary: RescueSummary) => void = () => undefined;
  reaper.on('rescue', (summary) => ended(summary));
  reaper.start();
  for (const wait of [5_000, 10_000, 10_000]) {
    await server.client.set('t:jobs:X:lock', 7);
    const summary = new Promise<RescueSummary>((resolve) => {
      ended = resolve;
    });
    clock.increment(wait);
    expect(await summary).toMatchObject({ suspects: 0, drift: [{ type: 'X', size: { lock: 7 } }] });
    expect(await server.client.get('t:jobs:X:lock')).toBe('0');
  }
});
