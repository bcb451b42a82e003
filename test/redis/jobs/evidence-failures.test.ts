/** If a place or a page cannot be read, no job counts as lost, and no job is left out. */
import type { Redis } from 'ioredis';
import { describe, expect, test, vi } from 'vitest';
import type { JobOutcome } from '../../../src/index.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { scanWithEvidence } from '../../../src/io/evidence/scan.ts';
import { createSearch, type Search } from '../../../src/io/evidence/search.ts';
import { noPace } from '../../../src/io/jobs/pace.ts';
import { createTrackedJobs, type TrackedJobs } from '../../../src/io/jobs/trackedJobs.ts';
import { createPools, type Pools } from '../../../src/io/pools/rescue.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { nowhere, policy } from '../../support/facts.ts';
import { redisFixture } from '../../support/fixture.ts';
import { intercept, second, seedJob } from '../../support/jobs.ts';
import { flush } from '../../support/paths.ts';
import { entryOf, seedPool } from '../../support/pools.ts';

const { server, redis, opened, connection, keys, scripts } = await redisFixture();

const connectionOf = (client: Redis) => ({ ...connection, redis: client });
const trackedOf = (client = redis, pageSize = 10): TrackedJobs =>
  createTrackedJobs({
    connection: connectionOf(client),
    keys,
    scripts: createScripts(client),
    pace: noPace,
    pageSize,
    random: () => 0.5,
  });
/** A search in which the pools with these names are confirmed dead. */
const searchWith = (confirmed: readonly string[] = []): Search => {
  const connection = connectionOf(redis);
  const fixed = { heartbeatAge: 10_000, batch: 1, recovery: { maxRecoveries: 3, windowS: 86_400 }, clock: systemClock };
  const pools = createPools({ connection, keys, scripts, jobTypes: [], ...fixed });
  const readRegistry: Pools['readRegistry'] = async (thorough) => {
    const seen = await pools.readRegistry(thorough);
    return {
      ...seen,
      pools: seen.pools.map((state) => ({ ...state, isConfirmedDead: confirmed.includes(state.pool) })),
    };
  };
  return createSearch({ connection, keys, pools: { ...pools, readRegistry }, pace: noPace, seed: 1 });
};
const factsOf = (id: string) => ({ id, name: 'X', readAt: 0, stats: 'found', hasHook: false }) as const;
const findAll = async (ids: readonly string[], confirmed: readonly string[] = []) => {
  const search = searchWith(confirmed);
  search.add(ids.map(factsOf));
  await search.run();
  return Object.fromEntries(ids.map((id) => [id, search.evidenceOf(factsOf(id)).found]));
};
/** Runs a sweep. Returns the verdict, the reason and the evidence of each job. */
const sweep = async (): Promise<Record<string, string>> => {
  const words: Record<string, string> = {};
  const reaper = opened.create({ redis: server.url });
  reaper.on('job', ({ id, verdict, reason, facts }: JobOutcome) => {
    words[id] = `${verdict} ${reason} ${facts.evidence?.found}`;
  });
  await reaper.sweep();
  return words;
};
const observe = (worker: string, id: string, startedAt: number) =>
  redis.hset(`t:worker:${worker}`, { job_id: id, job_name: 'X', started_at: startedAt, args: '' });

describe('a search for evidence', () => {
  test('if workers of a live and a dead pool claim to run the same job, the live pool counts', async () => {
    await seedPool(redis, 'alive', { heartbeat: second(), jobNames: 'X' });
    // Pools are read in the order of their names, so this one comes second.
    await redis.hset('t:jobs:X:lock_info', 'late', 1);
    await seedPool(redis, 'late', { heartbeat: second(-60), isRegistered: false });
    await redis.hset('t:worker_pools:alive', 'worker_ids', 'alive-1');
    await redis.hset('t:worker_pools:late', 'worker_ids', 'late-1,late-2');
    await observe('alive-1', 'a', 5);
    await observe('late-1', 'a', 7);
    await observe('late-2', 'b', 7);
    const search = searchWith();
    const [a, b] = await search.observed([factsOf('a'), factsOf('b')]);
    expect(search.observations().map(({ pool, job }) => [pool, job])).toEqual([
      ['alive', 'a'],
      ['late', 'a'],
      ['late', 'b'],
    ]);
    expect(a).toMatchObject({ found: 'observed', pool: 'alive', startedAt: 5 });
    expect(b).toMatchObject({ found: 'observed', pool: 'late' });
    expect(b).not.toHaveProperty('startedAt');
  });

  test('an entry in dead or in the list of a dead pool proves nothing if another place cannot be read', async () => {
    await seedPool(redis, 'gone', { heartbeat: second(-600), jobNames: 'X', holds: new Map([['X', ['left']]]) });
    await redis.zadd('t:dead', 1, entryOf('dead'));
    const ids = ['dead', 'left', 'nowhere'];
    expect(await findAll(ids, ['gone'])).toEqual({ dead: 'dead', left: 'left', nowhere: 'nowhere' });
    await redis.set('t:jobs:X', 'no list');
    expect(await findAll(ids, ['gone'])).toEqual({ dead: 'unreadable', left: 'unreadable', nowhere: 'unreadable' });
    for (const id of ['dead', 'nowhere']) await seedJob(redis, id, { age: 100_000 });
    const kept = { dead: 'keep inconclusive unreadable', nowhere: 'keep inconclusive unreadable' };
    expect(await sweep()).toEqual(kept);
  });

  test('a job is kept if the heartbeat of a pool cannot be read, because its workers may run the job', async () => {
    await seedJob(redis, 'a', { age: 100_000 });
    await redis.sadd('t:worker_pools', 'p');
    await redis.set('t:worker_pools:p', 'no hash');
    expect(await sweep()).toEqual({ a: 'keep inconclusive unreadable' });
    await redis.del('t:worker_pools:p');
    expect(await sweep()).toEqual({ a: 'fail hung nowhere' });
  });
});

/** Searches that are full after so many calls of `add`. They count the calls. */
const countedSearches = (fullAfter: number, fail: (run: number) => void = () => undefined) => {
  const searches: { added: number; runs: number; done: boolean; early: number }[] = [];
  const create = (): Search => {
    const own = { added: 0, runs: 0, done: false, early: 0 };
    searches.push(own);
    return {
      observed: async (jobs) => jobs.map(() => undefined),
      add: () => {
        own.added += 1;
      },
      get isFull() {
        return own.added >= fullAfter;
      },
      async run() {
        own.runs += 1;
        fail(own.runs);
        own.done = true;
      },
      evidenceOf() {
        if (!own.done) own.early += 1;
        return nowhere;
      },
      observations: () => [],
    };
  };
  return { searches, create };
};

/** Reads all pages. After an error it tries again, a few times. */
const readAll = async (next: () => Promise<{ jobs: readonly { facts: { id: string } }[]; isLast: boolean }>) => {
  const [pages, errors]: [string[][], string[]] = [[], []];
  for (;;) {
    try {
      const page = await next();
      pages.push(page.jobs.map(({ facts }) => facts.id));
      if (page.isLast) return { pages, errors, ids: pages.flat().toSorted() };
    } catch (error) {
      errors.push((error as Error).message);
      if (errors.length > 3) throw new Error(`the same error again and again: ${errors.join(', ')}`);
    }
  }
};
/** 60 jobs in pages of 10, some of which look hung in every page. */
const seedSixty = async () => {
  const ids = Array.from({ length: 60 }, (_, i) => `job-${i}`);
  for (const [i, id] of ids.entries()) await seedJob(redis, id, { age: i % 2 === 0 ? 100_000 : 600 });
  return ids.toSorted();
};

describe('a scan with evidence', () => {
  test('after a failed search no job is judged, and the search runs again', async () => {
    const ids = await seedSixty();
    const { searches, create } = countedSearches(100, (run) => {
      if (run <= 2) throw new Error('Connection is closed.');
    });
    const reader = scanWithEvidence({ tracked: trackedOf(), policy, createSearch: create });
    const read = await readAll(() => reader.next());
    expect(read.ids).toEqual(ids);
    expect(read.errors).toEqual(['Connection is closed.', 'Connection is closed.']);
    expect(searches).toEqual([expect.objectContaining({ runs: 3, early: 0 })]);
  });

  test('a full search runs once before further jobs are collected, and then another search begins', async () => {
    const ids = await seedSixty();
    const { searches, create } = countedSearches(2);
    const reader = scanWithEvidence({ tracked: trackedOf(), policy, createSearch: create });
    expect((await readAll(() => reader.next())).ids).toEqual(ids);
    expect(searches).toEqual(Array.from({ length: 3 }, () => ({ added: 2, runs: 1, done: true, early: 0 })));
  });

  test('the error of a page that was read ahead is reported once, and the page is read again', async () => {
    const ids = await seedSixty();
    const tracked = trackedOf();
    const { create } = countedSearches(100);
    let reads = 0;
    const reader = scanWithEvidence({
      tracked: {
        ...tracked,
        async read(some) {
          reads += 1;
          // The first page of the collected jobs is read on demand, the second page ahead.
          if (reads === 2) throw new Error('Connection is closed.');
          return tracked.read(some);
        },
      },
      policy,
      createSearch: create,
    });
    const read = await readAll(() => reader.next());
    expect(read.ids).toEqual(ids);
    expect(read.errors).toEqual(['Connection is closed.']);
  });
});

describe('a scan of tracked jobs', () => {
  test('a small hash, which Redis returns at once, is split into pages, and no job is lost', async () => {
    const ids = Array.from({ length: 25 }, (_, i) => `job-${i}`);
    for (const id of ids) await seedJob(redis, id);
    expect(await redis.object('ENCODING', 't:job_track:inprogress')).toMatch(/^(listpack|ziplist)$/);
    const reader = trackedOf().open();
    const read = await readAll(() => reader.next());
    expect(read.ids).toEqual(ids.toSorted());
    expect(read.pages.map(({ length }) => length)).toEqual([10, 10, 5]);
  });

  test('if a page cannot be read ahead, the next call rejects, and there is no unhandled rejection before', async () => {
    for (let i = 0; i < 25; i++) await seedJob(redis, `job-${i}`);
    let calls = 0;
    const client = opened.hold(
      intercept(redis, 'evalsha', () => {
        calls += 1;
        // A scan and a page, and then the page that is read ahead.
        if (calls === 3) throw new Error('ERR read ahead');
      }),
    );
    const unhandled: unknown[] = [];
    const note = (error: unknown) => void unhandled.push(error);
    process.on('unhandledRejection', note);
    try {
      const reader = trackedOf(client).open();
      expect((await reader.next()).jobs).toHaveLength(10);
      await vi.waitUntil(() => calls >= 3);
      // Node reports unhandled rejections before it runs the next task.
      await flush();
      await flush();
      expect(unhandled).toEqual([]);
      const read = await readAll(() => reader.next());
      expect(read.errors).toEqual([expect.stringContaining('read ahead')]);
      expect(read.ids).toHaveLength(15);
    } finally {
      process.off('unhandledRejection', note);
    }
  });

  test('a job is found by its id, even if an id that is not UTF-8 is printed the same way', async () => {
    await seedJob(redis, 'a\\xffb', { name: 'SHOWN' });
    const track = 't:job_track:inprogress';
    await redis.hset(track, Buffer.from('a\xffb', 'latin1') as unknown as string, 2);
    expect((await trackedOf().find('a\\xffb')).facts).toMatchObject({ stats: 'found', name: 'SHOWN' });
    await redis.hdel(track, 'a\\xffb');
    expect((await trackedOf().find('a\\xffb')).facts).not.toMatchObject({ name: 'SHOWN' });
  });
});
