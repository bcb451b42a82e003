/** Builds the state of the incident in an empty Redis: pages of jobs through pipelines, so that memory stays bounded. */
import type { ChainableCommander, Redis } from 'ioredis';
import { createSeats, writeCounters } from './counters.ts';
import { writeJobHistory, writeReaperHistory } from './history.ts';
import { type Endpoints, type IncidentJob, jobsOf } from './jobs.ts';
import { key } from './namespace.ts';
import { createPools, heartbeatOf, type Pool, type Pools } from './pools.ts';
import { createRandom } from './random.ts';
import { fullSize, groupsOf } from './scenario.ts';
import { jobTypes } from './types.ts';

export interface SeedOptions {
  /** The same number gives the same ids, places and parameters. Times are relative to the clock of Redis. */
  readonly seed?: number;
  /** How many jobs are tracked: 50,000, or fewer for a test. */
  readonly size?: number;
  readonly endpoints?: Partial<Endpoints>;
}

export interface Incident {
  readonly pools: Pools;
  /** Workers of live pools that run a job. */
  readonly busy: ReadonlySet<string>;
}

/** Jobs in one pipeline. */
const pageSize = 1_000;

/**
 * @throws Error if the Redis is not empty.
 * @throws RangeError if the size is too small.
 */
export const seedIncident = async (
  redis: Redis,
  { seed = 1, size = fullSize, endpoints = {} }: SeedOptions = {},
): Promise<Incident> => {
  const groups = groupsOf(size);
  if ((await redis.dbsize()) > 0)
    throw new Error('this Redis is not empty: give one that is, or another database of it');
  const now = Number((await redis.time())[0]);
  const random = createRandom(seed);
  const pools = createPools(random, now);
  const seats = createSeats(pools);
  const context = {
    ...{ random, now },
    endpoints: { core: 'http://harbor-core.invalid', old: 'http://harbor-core-old.invalid', ...endpoints },
  };
  let page = redis.pipeline();
  let written = 0;
  for (const group of groups) {
    for (const job of jobsOf(group, context)) {
      writeJob(page, job);
      seats.place(page, job, now);
      writeJobHistory(page, job, context);
      if (++written % pageSize > 0) continue;
      await run(page);
      page = redis.pipeline();
    }
  }
  writePools(page, pools);
  writeCounters(page, seats, pools);
  writeReaperHistory(page, context, { beside: pools.dead[0] as Pool, size });
  await run(page);
  return { pools, busy: seats.busy };
};

/** @throws the first error of a command. */
const run = async (page: ChainableCommander): Promise<void> => {
  for (const [error] of (await page.exec()) ?? []) if (error !== null) throw error;
};

const writeJob = (page: ChainableCommander, { id, type, stats, tracked, ttl, place, entry }: IncidentJob): void => {
  page.hset(key('job_track', 'inprogress'), id, tracked);
  if (stats !== undefined) page.hset(key('job_stats', id), stats);
  if (ttl !== undefined) page.expire(key('job_stats', id), ttl);
  if (place?.kind === 'queue') page.lpush(key('jobs', type), entry);
  if (place?.kind === 'scheduled') {
    page.zadd(key('scheduled'), place.at, entry).zadd(key('executions', place.policy), place.at, id);
  }
};

const writePools = (page: ChainableCommander, { live, dead, left }: Pools): void => {
  page.sadd(key('known_jobs'), ...jobTypes);
  for (const pool of [...live, ...dead, left]) writeHeartbeat(page, pool);
};

const writeHeartbeat = (page: ChainableCommander, pool: Pool): void => {
  page.sadd(key('worker_pools'), pool.id).hset(key('worker_pools', pool.id), heartbeatOf(pool, jobTypes));
};
