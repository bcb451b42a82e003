import { expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock.ts';
import { scanWithEvidence } from '../../../src/io/evidence/scan.ts';
import { createSearch, type Search } from '../../../src/io/evidence/search.ts';
import { noPace } from '../../../src/io/jobs/pace.ts';
import type { ReadPage } from '../../../src/io/jobs/pageReader.ts';
import { createTrackedJobs, type TrackedJobs } from '../../../src/io/jobs/trackedJobs.ts';
import { createPools } from '../../../src/io/pools/rescue.ts';
import { nowhere, policy } from '../../support/facts.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second, seedJob } from '../../support/jobs.ts';

const { redis, keys, scripts, connection } = await redisFixture('--hash-max-ziplist-entries', '0');
const trackedOf = (): TrackedJobs => {
  return createTrackedJobs({
    connection,
    keys,
    scripts,
    pace: noPace,
    pageSize: 10,
    random: () => 0.5,
  });
};
const noSearch = (more: Partial<Search> = {}): Search => ({
  observed: async (jobs) => jobs.map(() => undefined),
  add: () => undefined,
  isFull: false,
  run: async () => undefined,
  evidenceOf: () => nowhere,
  observations: () => [],
  ...more,
});
/** Reads on until the last page, or until there is enough; an error is tried again. */
const readFrom = async (
  from: ReadPage['from'] | undefined,
  search: Search,
  isEnough: (page: ReadPage) => boolean = () => false,
) => {
  const reader = scanWithEvidence({ tracked: trackedOf(), from, policy, createSearch: () => search });
  const ids: string[] = [];
  let errors = 0;
  for (;;) {
    let page: ReadPage;
    try {
      page = await reader.next();
    } catch {
      errors += 1;
      continue;
    }
    ids.push(...page.jobs.map(({ facts }) => facts.id));
    if (page.isLast || isEnough(page)) return { ids, errors, page };
  }
};

const seed = async () => {
  for (let i = 0; i < 100; i++) await seedJob(redis, `job-${i}`, { age: i % 10 === 0 ? 100_000 : 600 });
  return new Set(Array.from({ length: 100 }, (_, i) => `job-${i}`));
};

test('a page is not lost if observations cannot be read or a search fails', async () => {
  const all = await seed();
  const failures = { observed: 0, run: 0 };
  const search = noSearch({
    async observed(jobs) {
      if (failures.observed++ % 2 === 0) throw new Error('Connection is closed.');
      return jobs.map(() => undefined);
    },
    async run() {
      if (failures.run++ < 2) throw new Error('Connection is closed.');
    },
  });
  const { ids, errors } = await readFrom(undefined, search);
  expect(errors).toBeGreaterThan(2);
  expect(ids).toHaveLength(100);
  expect(new Set(ids)).toEqual(all);
});

test('a successor finds the candidates, at any point of takeover', async () => {
  const all = await seed();
  const pages = 12;
  for (let after = 1; after <= pages; after++) {
    let count = 0;
    const first = await readFrom(undefined, noSearch(), () => ++count === after);
    const rest = await readFrom(first.page.from, noSearch());
    // The page at which it takes over may have jobs that are not done yet: it begins with that one.
    const done = new Set([...first.ids, ...rest.ids]);
    expect(done, `taken over after ${after} pages`).toEqual(all);
    for (const id of all)
      if (Number(id.slice(4)) % 10 === 0)
        expect([after, id, rest.ids.includes(id) || first.page.isLast]).toEqual([after, id, true]);
  }
});

test('observations of the first page are not used for a later page', async () => {
  await redis.sadd('t:worker_pools', 'p');
  await redis.hset('t:worker_pools:p', { heartbeat_at: second(), worker_ids: 'w1,w2' });
  const run = (worker: string, id: string) =>
    redis.hset(`t:worker:${worker}`, { job_id: id, job_name: 'X', started_at: 1, args: '' });
  await run('w1', 'a');
  const fixed = { heartbeatAge: 10_000, batch: 1, recovery: { maxRecoveries: 3, windowS: 86_400 }, clock: systemClock };
  const pools = createPools({ connection, keys, scripts, jobTypes: [], ...fixed });
  let now = 0;
  const search = createSearch({ connection, keys, pools, pace: noPace, seed: 1, monotonic: () => now });
  const facts = (id: string) => ({ id, readAt: 0, stats: 'found', hasHook: false }) as const;
  const isSeen = async () =>
    (await search.observed([facts('a'), facts('b')])).map((evidence) => evidence !== undefined);
  expect(await isSeen()).toEqual([true, false]);
  await redis.del('t:worker:w1');
  await run('w2', 'b');
  now = 3_000;
  expect(await isSeen()).toEqual([true, false]);
  now = 3_001;
  expect(await isSeen()).toEqual([false, true]);
});
