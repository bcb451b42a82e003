import type { Redis } from 'ioredis';
import { beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock.ts';
import { createHookRecords } from '../../../src/io/hooks/records.ts';
import { noPace } from '../../../src/io/jobs/pace.ts';
import { createTrackedJobs } from '../../../src/io/jobs/trackedJobs.ts';
import { createQuarantine } from '../../../src/io/pools/quarantine.ts';
import { createPools } from '../../../src/io/pools/rescue.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { type Command, everySchedule } from '../../support/everySchedule.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second, seedJob } from '../../support/jobs.ts';
import { turnTaking } from '../../support/turnTaking.ts';

// One step requeues entries of several types. Here it runs beside everything else that works on their entries, one command at a
// time, in every order that Redis can see.

const { redis, keys, upstream } = await redisFixture();

const types = ['X', 'Y', 'Z'];
const recovery = { maxRecoveries: 3, windowS: 86_400 };
const hookSettings = { maxRecords: 100, breakerThreshold: 10, drainRate: 50, claimDuration: 60_000 };
let oldBeat = 0;
/** What each step has moved of each type. */
let steps: { readonly moved: number; readonly left: number }[][] = [];

const rescueOf = (client: Redis) => {
  const connection = { redis: client, description: '', epoch: () => 1, close: async () => undefined };
  const options = {
    connection,
    keys,
    scripts: createScripts(client),
    heartbeatAge: 10_000,
    recovery,
    clock: systemClock,
  };
  return {
    pools: createPools({ ...options, jobTypes: types, batch: 3 }),
    quarantine: createQuarantine({
      ...options,
      tracked: createTrackedJobs({ ...options, pace: noPace, pageSize: 10, random: () => 0 }),
      hooks: { endpointFor: () => undefined, announce: () => undefined },
      records: createHookRecords({ ...options, settings: hookSettings }),
      onQuarantined: () => undefined,
    }),
  };
};

/** Requeues what a dead pool holds, as the chart of a pool goes. */
const rescue = async (client: Redis) => {
  const { pools, quarantine } = rescueOf(client);
  const suspect = { pool: 'p', heartbeat: String(oldBeat), types, evidence: '', disruptions: 0, at: 0 };
  for (let open = [...types]; open.length > 0; ) {
    const requeued = await pools.requeue(suspect, open);
    if (requeued.outcome !== 'moved') return;
    const { counts, poison } = requeued;
    steps.push([...counts]);
    const last = open[counts.length - 1] as string;
    if (poison !== undefined && (await quarantine.add(suspect, last, poison)).outcome === 'alive') return;
    open = open.filter((_, i) => (counts[i]?.left ?? 1) > 0);
  }
};
const reaper = (command: Command, who: string) => rescue(turnTaking(redis, command, who));
const beat = (command: Command) =>
  command('p', 'heartbeat', () => redis.hset(keys.heartbeat('p'), { heartbeat_at: second(), job_names: 'X,Y,Z' }));

const entryOf = (type: string, id: string) => JSON.stringify({ name: type, id, t: 1, args: {} });
/** What the pool holds. The last one of a type is requeued first. */
const held: Readonly<Record<string, readonly string[]>> = {
  X: [entryOf('X', 'x1'), entryOf('X', 'x2')],
  Y: [entryOf('Y', 'bad'), entryOf('Y', 'y')],
  Z: [entryOf('Z', 'z')],
};
const reset = async () => {
  steps = [];
  oldBeat = second(-60);
  const writes = redis.multi().flushall().sadd(keys.pools, 'p');
  writes.hset(keys.heartbeat('p'), { heartbeat_at: oldBeat, job_names: 'X,Y,Z' });
  for (const [type, entries] of Object.entries(held)) {
    writes.rpush(keys.inProgress(type, 'p'), ...entries).set(keys.lock(type), entries.length);
    writes.hset(keys.lockInfo(type), 'p', entries.length);
  }
  await writes.exec();
};
const resetPoison = async () => {
  const deaths = [300, 200, 100].map((age) => [second(-age), 'q', second(-age)]);
  await reset();
  await redis.hset(keys.recoveries, 'bad', JSON.stringify(deaths));
  await seedJob(redis, 'bad', {});
};

/** Each entry is in one place of its type, as the same bytes, and the counters are the lengths of the lists. Returns how many are in `dead`. */
const check = async (): Promise<number> => {
  const reads = redis.pipeline().zrange(keys.dead, '0', '-1');
  for (const type of types) {
    const lists = [keys.inProgress(type, 'p'), keys.inProgress(type, 'q'), keys.queue(type), doneOf(type)];
    for (const list of lists) reads.lrange(list, 0, -1);
    reads.hmget(keys.lockInfo(type), 'p', 'q').get(keys.lock(type));
  }
  const [members, ...found] = ((await reads.exec()) ?? []).map(([, value]) => value) as [string[], ...unknown[]];
  const dead = members.map((member) => `${member.split(',"fails":1')[0]}}`);
  for (const [i, type] of types.entries()) {
    const [p, q, queued, done, fields, lock] = found.slice(6 * i) as [
      string[],
      string[],
      string[],
      string[],
      string[],
      string,
    ];
    const inDead = dead.filter((entry) => held[type]?.includes(entry));
    expect([...p, ...q, ...queued, ...done, ...inDead].sort()).toEqual(held[type]);
    expect([...fields.map(Number), Number(lock)]).toEqual([p.length, q.length, p.length + q.length]);
  }
  return dead.length;
};
const doneOf = (type: string) => `t:done:${type}`;

// Loaded beforehand: a script that Redis does not know yet takes one command more, and every run must be alike.
beforeAll(async () => {
  await resetPoison();
  await rescue(redis);
  expect(await check()).toBe(1);
});

test('two reapers requeue entries of several types in steps, in every order and dying anywhere', async () => {
  const runs = await everySchedule({
    reset,
    body: (command) => [reaper(command, 'a'), reaper(command, 'b')],
    check: async (trace) => {
      await check();
      if (trace.some((step) => step.includes('dies'))) return;
      expect(steps.flat().reduce((sum, { moved }) => sum + moved, 0)).toBe(5);
      expect(steps[0]?.map(({ moved }) => moved)).toEqual([2, 1]);
    },
    crashes: true,
  });
  expect(runs).toBeGreaterThan(7);
});

test("beside gocraft's own reaper, which goes through the types entry by entry, nothing is lost or doubled", async () => {
  const runs = await everySchedule({
    reset,
    body: (command) => [
      reaper(command, 'a'),
      (async () => {
        while ((await command('g', 'requeue one', () => upstream.requeue('p', types))) !== null);
        await command('g', 'stale locks', () => upstream.staleLocks('p', types));
      })(),
    ],
    check: async () => void (await check()),
    crashes: true,
  });
  expect(runs).toBeGreaterThan(30);
});

test('a pool that beats again keeps what it holds of each type, beside a pool that fetches what was requeued', async () => {
  const heldAtBeat: string[][] = [];
  const lists = () => Promise.all(types.map((type) => redis.lrange(keys.inProgress(type, 'p'), 0, -1)));
  const ends = new Set<number>();
  await everySchedule({
    reset: async () => {
      heldAtBeat.length = 0;
      await reset();
    },
    body: (command) => [
      reaper(command, 'a'),
      (async () => {
        await beat(command);
        heldAtBeat.push(...(await lists()));
      })(),
      (async () => {
        const entry = await command('q', 'fetch', () => upstream.fetch('Y', 'q'));
        if (entry === null) return;
        await command('q', 'finish', async () => {
          await upstream.finish('Y', 'q', entry);
          await redis.rpush(doneOf('Y'), entry);
        });
      })(),
    ],
    check: async () => {
      await check();
      expect(await lists()).toEqual(heldAtBeat);
      ends.add(heldAtBeat.flat().length);
    },
    crashes: false,
  });
  // Before the first step, between two, and after the last one.
  expect([...ends].sort()).toEqual([0, 2, 5]);
});

test('a poison job of the second type goes to dead once, and the types after it are requeued, beside another reaper', async () => {
  const runs = await everySchedule({
    reset: resetPoison,
    body: (command) => [reaper(command, 'a'), reaper(command, 'b')],
    check: async () => {
      expect(await check()).toBe(1);
      const left = await Promise.all(types.map((type) => redis.llen(keys.inProgress(type, 'p'))));
      expect(left).toEqual([0, 0, 0]);
    },
    crashes: false,
  });
  expect(runs).toBeGreaterThan(50);
});

test('a pool that beats again before its job is quarantined keeps it, and what it holds of the types after it', async () => {
  const ends = new Set<number>();
  await everySchedule({
    reset: resetPoison,
    body: (command) => [reaper(command, 'a'), beat(command)],
    check: async (trace) => {
      const dead = await check();
      if (dead === 0) expect(await redis.llen(keys.inProgress('Z', 'p'))).toBe(1);
      if (trace[0] === 'p: heartbeat') expect(steps).toEqual([]);
      ends.add(dead);
    },
    crashes: false,
  });
  expect([...ends].sort()).toEqual([0, 1]);
});
