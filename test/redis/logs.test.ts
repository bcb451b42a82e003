/** The log of a reaper on a real Redis: bounded whatever there is to do, with a code in each line, and without secrets. */
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { errorCodes } from '../../src/errors.ts';
import type { HookOutcome, ReaperOptions } from '../../src/index.ts';
import { logCodes } from '../../src/io/log.ts';
import { createTestClock } from '../support/clock.ts';
import { redisFixture } from '../support/fixture.ts';
import { ackText, second } from '../support/jobs.ts';
import { entryOf, seedPool } from '../support/pools.ts';
import { freePort } from '../support/redisServer.ts';

const { server, redis, opened } = await redisFixture();

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly code: string;
  readonly [field: string]: unknown;
}
const debug = 20;

/** A reaper that logs everything, and its lines above `debug`. After each test each line must have a code, and no secret. */
const create = (options: Partial<ReaperOptions> = {}) => {
  const all: Line[] = [];
  const write = (line: string) => {
    expect(line).not.toContain('secret');
    all.push(JSON.parse(line));
  };
  const reaper = opened.create({ redis: server.url, logger: pino({ level: 'debug' }, { write }), ...options });
  const shown = () => all.filter(({ level }) => level > debug);
  return { reaper, all, shown, of: (code: string) => shown().filter((line) => line.code === code) };
};
const known = new Set<string>([...Object.keys(logCodes), ...errorCodes]);
const expectCodes = (lines: readonly Line[]) => expect(lines.filter(({ code }) => !known.has(code))).toEqual([]);

/** Tracked jobs with secret parameters, each of a type that its number gives. */
const seedJobs = async (count: number, fieldsOf: (i: number) => Record<string, string | number>) => {
  const at = second(-100_000);
  const pipeline = redis.pipeline();
  for (let i = 0; i < count; i++) {
    const id = `job-${i}`;
    pipeline.hset('t:job_track:inprogress', id, 2);
    pipeline.hset(`t:job_stats:${id}`, {
      ...{ id, name: 'X', kind: 'Generic', status: 'Success', parameters: '{"token":"secret"}' },
      ...{ update_time: at, revision: at, enqueue_time: at },
      ...fieldsOf(i),
    });
  }
  await pipeline.exec();
};

test('refires to a dead endpoint: as many lines for 1,200 as for 200, one a minute, and each failure is counted', async () => {
  const url = `http://127.0.0.1:${await freePort()}/secret?token=secret`;
  const clock = createTestClock();
  const [lengths, bytes]: [number[], number[]] = [[], []];
  for (const count of [200, 1_200]) {
    await redis.flushall();
    await seedJobs(count, () => ({ web_hook_url: url }));
    const { reaper, all, shown, of } = create({ clock, hooks: { breakerThreshold: 1_000 } });
    const failures: HookOutcome[] = [];
    reaper.on('hook', (outcome) => void (outcome.outcome === 'failed' && failures.push(outcome)));
    await reaper.sweep();
    const first = failures.length;
    expect(first).toBeGreaterThanOrEqual(200);
    expect(of('hook-failed')).toMatchObject([{ count: 1, endpoint: new URL(url).origin, last: { outcome: 'failed' } }]);
    // All are attempted again and again.
    for (let minute = 0; minute < 2; minute++) {
      clock.advance(61_000);
      await reaper.hooks.quiet();
    }
    expect(failures.length).toBeGreaterThan(first);
    expect(of('hook-failed').length).toBeLessThanOrEqual(4);
    await reaper.stop();
    expect(of('hook-failed').reduce((sum, { count: part }) => sum + Number(part), 0)).toBe(failures.length);
    expect(of('job')).toHaveLength(49);
    expect(of('sweep')).toMatchObject([
      {
        sweep: { scanned: count, outcomes: { enqueued: count } },
        acts: [{ verdict: 'refire', type: 'X', reason: 'unacknowledged', count }],
        unlisted: count - 49,
      },
    ]);
    expectCodes(all);
    lengths.push(shown().filter(({ code }) => code !== 'hook-failed').length);
    bytes.push(JSON.stringify(shown()).length);
  }
  expect(lengths).toEqual([50, 50]);
  expect(bytes[1]).toBeLessThan(30_000);
});

test('a sweep of many types groups its acts, and says what it left', async () => {
  await seedJobs(600, (i) => (i < 500 ? { name: `T${i % 50}` } : { status: 'Odd', name: 'Z' }));
  const { reaper, all, shown, of } = create();
  await reaper.sweep();
  const [line] = of('sweep');
  expect(line).toMatchObject({ otherActs: 600 - 100 - 19 * 10, unlisted: 600 - 49 });
  const groups = line?.acts as readonly object[];
  expect(groups).toHaveLength(20);
  expect(groups[0]).toEqual({ verdict: 'keep', type: 'Z', reason: 'malformed', count: 100 });
  expect(shown()).toHaveLength(50);
  expectCodes(all);
});

test('fewer than 50 acts have a line each, and the sweep says nothing of lines that are missing', async () => {
  await seedJobs(49, () => ({ ack: ackText('Success', second(-100_000)) }));
  const { reaper, of } = create();
  await reaper.sweep();
  expect(of('job')).toHaveLength(49);
  expect(of('sweep')).toMatchObject([{ acts: [{ verdict: 'untrack', type: 'X', reason: 'acknowledged', count: 49 }] }]);
  expect(of('sweep')[0]).not.toHaveProperty('unlisted');
});

test('a rescue of many pools and poison jobs has few lines, and its own line counts all', async () => {
  for (let i = 0; i < 120; i++) {
    await seedPool(redis, `dead-${i}`, { heartbeat: second(-600), holds: new Map([['X', [`a${i}`]]]) });
  }
  const { reaper, all, shown, of } = create();
  await reaper.rescue({ grace: 0 });
  expect(of('pool')).toHaveLength(49);
  expect(of('rescue')).toMatchObject([
    { acts: [{ act: 'pool', outcome: 'rescued', count: 120 }], unlisted: 120 - 49, rescue: { entries: 120 } },
  ]);
  expect(shown()).toHaveLength(50);

  // Each of them kills its worker again and again.
  let before = 0;
  for (let death = 0; death < 4; death++) {
    before = shown().length;
    const entries = Array.from({ length: 60 }, (_, i) => entryOf(`poison-${i}`));
    await redis.del('t:jobs:X');
    await redis.lpush(`t:jobs:X:killed-${death}:inprogress`, ...entries);
    await reaper.rescue({ grace: 0 });
  }
  expect(of('quarantine')).toHaveLength(49);
  expect(of('rescue').at(-1)).toMatchObject({
    rescue: { quarantined: 60 },
    acts: expect.arrayContaining([{ act: 'quarantine', type: 'X', count: 60 }]),
  });
  expect(shown().length - before).toBeLessThanOrEqual(50);
  expectCodes(all);
});

test('the line of a planned pool names no entry', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-600), holds: new Map([['X', ['a', 'b']]]) });
  const { reaper, of, all } = create();
  await reaper.rescue({ grace: 0, plan: true });
  expect(of('pool')).toMatchObject([{ pool: { pool: 'p', outcome: 'planned', moved: { X: 2 } } }]);
  expect(JSON.stringify(all)).not.toContain('marks');
});

test('a listener that always throws has one line a minute', async () => {
  await seedJobs(500, () => ({ ack: ackText('Success', second(-100_000)) }));
  const { reaper, of } = create();
  reaper.on('job', () => {
    throw new Error('mine');
  });
  await reaper.sweep();
  expect(of('listener-failed')).toMatchObject([{ event: 'job', count: 1, err: { message: 'mine' } }]);
  await reaper.stop();
  expect(of('listener-failed')).toMatchObject([{ count: 1 }, { count: 499 }]);
});
