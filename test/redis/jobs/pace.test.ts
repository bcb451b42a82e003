/** What a sweep leaves of a real Redis to others: short scripts, and a share of the time. */
import { expect, test, vi } from 'vitest';
import { PassError } from '../../../src/index.ts';
import { createPace, noPace, type Pace } from '../../../src/io/jobs/pace.ts';
import { createTrackedJobs } from '../../../src/io/jobs/trackedJobs.ts';
import type { Scripts } from '../../../src/io/redis/scripts.ts';
import { createTestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { seedJob } from '../../support/jobs.ts';

const { server, redis, opened, connection, keys, scripts } = await redisFixture();

/** Reads tracked jobs, and keeps what the scripts have read and said. */
const trackedWith = (pace: Pace, run: Scripts['run'] = scripts.run) => {
  const calls: { readonly name: string; readonly items: number; readonly us: number | undefined }[] = [];
  const watched: Scripts = {
    ...scripts,
    run: async (name, given, ...rest) => {
      const reply = await run(name, given, ...rest);
      const items = name === 'scan_tracked' ? Number(rest[0]?.[1]) : given.length;
      calls.push({ name, items, us: (reply as { us?: number }).us });
      return reply;
    },
  };
  const tracked = createTrackedJobs({ connection, keys, scripts: watched, pace, pageSize: 500, random: () => 0.5 });
  return { tracked, calls, of: (name: string) => calls.filter((call) => call.name === name) };
};
const readAll = async ({ tracked }: ReturnType<typeof trackedWith>): Promise<number> => {
  const reader = tracked.open();
  for (let count = 0; ; ) {
    const { jobs, isLast } = await reader.next();
    count += jobs.length;
    if (isLast) return count;
  }
};
const seed = async (count: number, fields = {}) => {
  for (let i = 0; i < count; i++) await seedJob(redis, `job-${i}`, fields);
};

test('scripts say what they have cost Redis', async () => {
  await seed(50);
  const usedByRedis = async () => {
    const info = await redis.info('cpu');
    return 1e6 * [...info.matchAll(/used_cpu_(?:sys|user):([\d.]+)/g)].reduce((sum, [, s]) => sum + Number(s), 0);
  };
  const before = await usedByRedis();
  const { us: scan = 0 } = await scripts.run('scan_tracked', [keys.track], ['0', 100]);
  const { us: read = 0 } = await scripts.run(
    'read_facts',
    Array.from({ length: 50 }, (_, i) => keys.stats(`job-${i}`)),
  );
  expect(scan).toBeGreaterThan(0);
  expect(read).toBeGreaterThan(0);
  expect(scan + read).toBeLessThanOrEqual((await usedByRedis()) - before);
});

test('where jobs take Redis long, a script reads fewer of them, and none is missed', async () => {
  await seed(1_000, { web_hook_url: `http://h/${'x'.repeat(10_000)}` });
  const slow = trackedWith({ ...noPace, scriptTime: 500 });
  expect(await readAll(slow)).toBe(1_000);
  const sizes = slow.of('read_facts').map(({ items }) => items);
  expect(sizes[0]).toBe(100);
  expect(sizes.at(-2)).toBeLessThan(50);
});

test('where a scan takes Redis long, the next one asks for fewer ids', async () => {
  await seed(2_000);
  const slow = trackedWith(noPace, async (name, ...call) => {
    const reply = await scripts.run(name, ...call);
    return name === 'scan_tracked' ? ({ ...(reply as object), us: 20_000 } as typeof reply) : reply;
  });
  expect(await readAll(slow)).toBe(2_000);
  const counts = slow.of('scan_tracked').map(({ items }) => items);
  expect(counts[0]).toBeGreaterThan(100);
  expect(counts.at(-1)).toBe(10);
});

test('a user who may not run INFO reads in pages too', async () => {
  await seed(1_500);
  const plain = trackedWith(createPace(createTestClock(), 1), async (name, ...call) => {
    const { us: _, ...reply } = (await scripts.run(name, ...call)) as { us?: number };
    return reply as never;
  });
  expect(await readAll(plain)).toBe(1_500);
  expect(new Set(plain.of('scan_tracked').map(({ items }) => items))).toEqual(new Set([200]));
});

test('the scripts of a sweep take no more than their share of the time', async () => {
  await seed(2_000);
  const clock = createTestClock();
  const began = clock.now();
  const paced = trackedWith(createPace(clock, 0.1));
  expect(await clock.untilSettled(readAll(paced), 1)).toBe(2_000);
  const costs = paced.calls.map(({ us = 0 }) => us);
  // What ran at first, and the last one, which nothing waits for.
  const others = costs.reduce((sum, us) => sum + us, 0) - 1_000 - Math.max(...costs);
  expect(clock.now() - began).toBeGreaterThanOrEqual((1.25 * others) / 1_000 / 0.1);
});

test('reading jobs takes no more than its share, as scanning does', async () => {
  await seed(2_000);
  const clock = createTestClock();
  const waits = vi.spyOn(clock, 'setTimeout');
  const paced = trackedWith(createPace(clock, 0.1), async (name, given, ...call) => {
    const reply = await scripts.run(name, given, ...call);
    return { ...(reply as object), us: name === 'read_facts' ? 10 * given.length : 0 } as typeof reply;
  });
  expect(await clock.untilSettled(readAll(paced), 1)).toBe(2_000);
  // 20 ms of Redis, without the last scripts.
  expect(waits.mock.calls.reduce((sum, [, ms]) => sum + ms, 0)).toBeGreaterThanOrEqual((1.25 * 15) / 0.1);
});

test('a job that a person asks for is read at once while a sweep waits', async () => {
  await seed(1_200);
  const paced = trackedWith(createPace(createTestClock(), 0.01));
  const reader = paced.tracked.open();
  void reader.next();
  await vi.waitUntil(() => paced.of('scan_tracked').length > 0);
  expect((await paced.tracked.load('job-7')).facts.id).toBe('job-7');
  expect((await paced.tracked.find('job-8')).facts.id).toBe('job-8');
});

test('a sweep that waits ends at once if it is aborted, or its reaper stops', async () => {
  await seed(3_000);
  for (const end of ['abort', 'stop'] as const) {
    const clock = createTestClock();
    const reaper = opened.create({ redis: server.url, clock, sweep: { maxRedisShare: 0.01 } });
    const controller = new AbortController();
    let judged = 0;
    reaper.on('job', () => void judged++);
    const sweep = reaper.sweep({ signal: controller.signal }).catch((error) => error);
    await clock.until(() => judged > 0, 1);
    if (end === 'abort') controller.abort();
    else await reaper.stop();
    expect(await sweep).toBeInstanceOf(PassError);
    expect(judged).toBeLessThan(3_000);
  }
});
