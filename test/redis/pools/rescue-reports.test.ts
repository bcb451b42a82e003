import { describe, expect, test } from 'vitest';
import type { PoolOutcome, ReaperOptions, RescueSummary } from '../../../src/index.ts';
import { countTimers, createTestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { intercept, second } from '../../support/jobs.ts';
import { idsIn, type SeededPool, seedPool } from '../../support/pools.ts';

const { server, opened } = await redisFixture();

/** A reaper that does every scheduled pass, with what it reports. */
const create = (options: Partial<ReaperOptions> = {}) => {
  const reports: RescueSummary[] = [];
  const ends: PoolOutcome[] = [];
  const log: { level: string; what: unknown }[] = [];
  const write = (level: string) => (what: unknown) => void log.push({ level, what });
  const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  const reaper = opened.create({ redis: server.url, role: 'always', logger: logger as never, ...options });
  reaper.on('rescue', (summary) => void reports.push(summary));
  reaper.on('pool', (outcome) => void ends.push(outcome));
  return { reaper, reports, ends, log };
};
const count = (of: readonly unknown[]) => expect.poll(() => of.length);
const dead = (...ids: string[]): SeededPool => ({ heartbeat: second(-60), holds: new Map([['X', ids]]) });

describe('each rescue is reported once', () => {
  test('fault 135: by the scheduled pass that found it, from its suspicion to its end', async () => {
    await seedPool(server.client, 'dead', dead('a'));
    const clock = createTestClock();
    const { reaper, reports, ends } = create({ clock });
    const timers = countTimers(clock);
    reaper.start();
    clock.advance(5_000);
    await expect.poll(() => timers(10_000)).toBe(1); // The next pass waits for its time.
    clock.advance(10_000);
    await count(reports).toBe(1);
    expect(reports).toMatchObject([{ suspects: 0, entries: 0, pools: { rescued: 0 } }]);
    clock.advance(5_000);
    await count(reports).toBe(2);
    expect(ends).toMatchObject([{ pool: 'dead', outcome: 'rescued', entries: 1, durationMs: 15_000 }]);
    expect(reports.filter(({ suspects }) => suspects > 0)).toMatchObject([
      { suspects: 1, entries: 1, pools: { rescued: 1 }, durationMs: 15_000 },
    ]);
    expect(await idsIn(server.client, 't:jobs:X')).toEqual(['a']);
  });

  const { heartbeat } = dead();
  test.each<[string, SeededPool]>([
    ['registered, with a heartbeat', { heartbeat }],
    ['registered, without one', {}],
    ['not registered, with a heartbeat', { heartbeat, isRegistered: false }],
    ['not registered, without one', { isRegistered: false }],
  ])(
    'fault 115: by the one of two reapers that removes the pool, and each counts the entries that it requeued: %s',
    async (_, traces) => {
      await seedPool(server.client, 'dead', { ...dead('a', 'b', 'c'), heartbeat: undefined, ...traces });
      const other = create();
      let calls = 0;
      const client = intercept(server.client, 'evalsha', async (args) => {
        if (args.includes('t:reaper:recovered') && ++calls === 2) await other.reaper.rescue({ grace: 0 });
      });
      const { reaper, ends, log } = create({ redis: opened.hold(client), rescue: { batchSize: 1 } });
      const summary = await reaper.rescue({ grace: 0 });
      expect(summary).toMatchObject({ entries: 1, pools: { rescued: 0, cleaned: 1 } });
      expect(summary.changes.filter(({ act }) => act === 'deregister')).toEqual([]);
      expect(await server.client.exists('t:reaper:rescues:dead')).toBe(0);
      expect(ends).toMatchObject([{ pool: 'dead', outcome: 'cleaned', moved: { X: 1 } }]);
      expect(other.ends).toMatchObject([{ pool: 'dead', outcome: 'rescued', moved: { X: 2 } }]);
      await reaper.stop();
      const lines = log.filter(({ what }) => (what as { code?: string }).code === 'pool');
      expect(lines).toMatchObject([{ level: 'info', what: { pool: { entries: 1 } } }]);
      expect(await idsIn(server.client, 't:jobs:X')).toHaveLength(3);
    },
  );

  test.each([undefined, 0, 300])(
    'fault 115: by the pass that a caller requests beside a scheduled one (grace %s)',
    async (grace) => {
      await seedPool(server.client, 'dead', dead('a', 'b'));
      const clock = createTestClock();
      const { reaper, reports, ends } = create({ clock });
      reaper.start();
      clock.advance(5_000);
      await expect.poll(() => server.client.hlen('t:reaper:suspects')).toBe(1);
      const asked = reaper.rescue(grace === undefined ? {} : { grace });
      // The scheduled pass has nothing left to wait for as soon as the other one has found the pool.
      await count(reports).toBe(grace === 0 ? 2 : 1);
      expect(reports[0]).toMatchObject({ suspects: 0, entries: 0 });
      if (grace !== 0) clock.advance(grace ?? 15_000);
      expect(await asked).toMatchObject({ suspects: 1, entries: 2, pools: { rescued: 1 } });
      expect(reports.reduce((sum, { entries }) => sum + entries, 0)).toBe(2);
      expect(ends).toMatchObject([{ pool: 'dead', entries: 2 }]);
    },
  );

  test('fault 115: by one of two simultaneous callers', async () => {
    await seedPool(server.client, 'dead', dead('a', 'b'));
    const { reaper, ends } = create();
    const both = await Promise.all([reaper.rescue({ grace: 300 }), reaper.rescue({ grace: 300 })]);
    expect(both.map(({ entries }) => entries).sort()).toEqual([0, 2]);
    expect(ends.filter(({ entries }) => entries > 0)).toHaveLength(1);
  });
});

test('fault 115: a pass that ends late does not report an outdated state of Redis', async () => {
  await seedPool(server.client, 'dead', dead('a'));
  const clock = createTestClock();
  const { reaper, reports, ends } = create({ clock });
  const faults: string[] = [];
  const details: string[] = [];
  reaper.on('error', ({ where }) => void faults.push(where));
  reaper.on('rescue', ({ suspects }) => void (suspects > 0 && details.push(reaper.health().detail)));
  reaper.start();
  clock.advance(5_000);
  await expect.poll(() => server.client.hlen('t:reaper:suspects')).toBe(1);
  await server.client.config('SET', 'maxmemory', '1');
  try {
    await clock.until(() => ends.length > 0, 500);
    const passes = reports.length;
    await clock.until(() => reports.length > passes, 500);
  } finally {
    await server.client.config('SET', 'maxmemory', '0');
  }
  expect(ends).toMatchObject([{ pool: 'dead', outcome: 'abandoned' }]);
  expect(details).toEqual([expect.stringContaining('no pool is judged')]);
  expect(faults.filter((where) => where === 'judging pools')).toHaveLength(1);
});

describe('fault 136: a pool that stopped gracefully does not count as rescued', () => {
  const left: Record<string, () => Promise<unknown>> = {
    'a count of 0': () => server.client.hset('t:jobs:X:lock_info', 'gone', 0),
    'its registration': () => server.client.sadd('t:worker_pools', 'gone'),
    'its heartbeat, and counts of 0': async () => {
      await seedPool(server.client, 'gone', { heartbeat: second(-60), isRegistered: false, jobNames: 'X,Y' });
      await server.client.hset('t:jobs:X:lock_info', 'gone', 0);
      await server.client.hset('t:jobs:Y:lock_info', 'gone', 0);
    },
  };
  test.each(Object.keys(left))('with %s left, it is cleaned up, and logged at debug level only', async (what) => {
    await server.client.sadd('t:known_jobs', 'X');
    await left[what]?.();
    const { reaper, reports, ends, log } = create();
    await reaper.rescue({ grace: 0 });
    expect(ends).toMatchObject([{ pool: 'gone', outcome: 'cleaned', entries: 0 }]);
    expect(reports).toMatchObject([{ suspects: 1, pools: { cleaned: 1, rescued: 0 } }]);
    expect(log.filter(({ level }) => level !== 'debug')).toEqual([]);
    expect(await server.client.keys('t:worker_pools*')).toEqual([]);
    expect(await server.client.keys('t:jobs:*:lock_info')).toEqual([]);
  });

  test.each([
    [1, 'all pools', {}],
    [1, 'this pool', { pools: ['gone'] }],
    [101, 'this pool', { pools: ['gone'] }],
  ])('so it is with counts above 0 in %i types left, in a rescue of %s', async (types, _, scope) => {
    await server.client.sadd('t:worker_pools', 'gone');
    for (let i = 0; i < types; i++) {
      await server.client.sadd('t:known_jobs', `X${i}`);
      await server.client.hset(`t:jobs:X${i}:lock_info`, 'gone', 3);
    }
    const { reaper, ends } = create();
    await reaper.rescue({ grace: 0, ...scope });
    expect(ends).toMatchObject([{ pool: 'gone', outcome: 'cleaned', entries: 0 }]);
    expect(await server.client.keys('t:jobs:*:lock_info')).toEqual([]);
  });

  test.each<[string, SeededPool]>([
    ['held an entry', dead('a')],
    ['was registered, and whose heartbeat stood still', { heartbeat: second(-60) }],
  ])('one that %s is', async (_, pool) => {
    await seedPool(server.client, 'dead', pool);
    const { reaper, ends, log } = create();
    expect((await reaper.rescue({ grace: 0 })).pools).toMatchObject({ rescued: 1, cleaned: 0 });
    expect(ends).toMatchObject([{ outcome: 'rescued' }]);
    expect(log.filter(({ level }) => level === 'info')).toHaveLength(2);
  });
});

describe('a dead pool waits only for its grace', () => {
  test('fault 137: a pass begins as soon as a heartbeat is too old, but not for a pool with fresh heartbeats', async () => {
    const beat = () => server.client.hset('t:worker_pools:lives', 'heartbeat_at', Date.now() / 1_000);
    await seedPool(server.client, 'lives', { heartbeat: Date.now() / 1_000 });
    await seedPool(server.client, 'dies', { ...dead('a'), heartbeat: Date.now() / 1_000 });
    const hour = 3_600_000;
    const { reaper, reports, ends } = create({
      rescue: { initialDelay: 0, interval: hour, heartbeatTimeout: 4_000, grace: 0 },
    });
    reaper.start();
    await expect
      .poll(
        async () => {
          await beat();
          return server.client.llen('t:jobs:X');
        },
        { timeout: 30_000 },
      )
      .toBe(1);
    await count(reports).toBe(2);
    expect(reports.map(({ alive }) => alive)).toEqual([2, 1]);
    expect(ends).toMatchObject([{ pool: 'dies', outcome: 'rescued', entries: 1 }]);
  });

  test('fault 137: an old heartbeat causes one pass, even while passes are suspended', async () => {
    await seedPool(server.client, 'dies', { ...dead('a'), heartbeat: Date.now() / 1_000 - 2 });
    const clock = createTestClock();
    const day = 86_400_000;
    const { reaper, reports } = create({
      clock,
      rescue: { initialDelay: 0, interval: day, heartbeatTimeout: 4_000, grace: 0 },
    });
    reaper.start();
    clock.advance(0);
    await count(reports).toBe(1);
    await server.client.config('SET', 'maxmemory', '1');
    try {
      await clock.until(() => reports.length > 1, 50);
      for (let i = 0; i < 200; i++) {
        clock.advance(100);
        await server.client.ping();
      }
      expect(reports.map(({ suspended }) => suspended !== undefined)).toEqual([false, true]);
    } finally {
      await server.client.config('SET', 'maxmemory', '0');
    }
    clock.advance(day);
    await count(reports).toBe(3);
    expect(reports[2]).toMatchObject({ alive: 0, suspects: 1, pools: { rescued: 1 } });
  });

  test.each([
    ['rescue', 5_000, 10_000],
    ['sweep', 300_000, 3_600_000],
  ] as const)('fault 137: requested plans do not postpone a %s that is due', async (pass, first, interval) => {
    const clock = createTestClock();
    const { reaper } = create({ clock });
    const scheduled: unknown[] = [];
    reaper.on(pass, ({ plan }) => void (plan || scheduled.push(pass)));
    reaper.start();
    clock.advance(first);
    await count(scheduled).toBe(1);
    for (let i = 0; i < 3; i++) {
      clock.advance(0.4 * interval);
      await reaper[pass]({ plan: true });
    }
    await count(scheduled).toBe(2);
  });

  test('fault 140: graces run side by side, and pools with entries come first, for any number of suspects', async () => {
    const stale = Array.from({ length: 300 }, (_, i) => `stale-${i}`);
    await server.client.sadd('t:worker_pools', ...stale);
    await seedPool(server.client, 'dead', { ...dead('a'), isRegistered: false });
    const clock = createTestClock();
    const { reaper, ends } = create({ clock, rescue: { concurrency: 1 } });
    reaper.start();
    clock.advance(5_000);
    await expect.poll(() => server.client.hlen('t:reaper:suspects')).toBe(301);
    await clock.until(() => ends.length > 0, 500);
    const at = clock.now();
    await count(ends).toBe(301);
    expect(clock.now()).toBe(at);
    expect(ends[0]).toMatchObject({ pool: 'dead', outcome: 'rescued', entries: 1 });
    expect(ends.slice(1).every(({ outcome }) => outcome === 'cleaned')).toBe(true);
  });
});
