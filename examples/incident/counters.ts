/** What each pool holds, and the counters of each type: some are right, some have drifted. */
import type { ChainableCommander } from 'ioredis';
import type { IncidentJob } from './jobs.ts';
import { key } from './namespace.ts';
import type { Pool, Pools } from './pools.ts';
import { counters } from './scenario.ts';
import { type JobType, jobTypes } from './types.ts';

export interface Seats {
  /** Workers of live pools that run a job. */
  readonly busy: ReadonlySet<string>;
  /** How many jobs of a type a pool holds. */
  heldBy(type: JobType, pool: string): number;
  /** Writes the entry of a job that a pool holds, and the observation of its worker if the pool lives. Pools take turns. */
  place(page: ChainableCommander, job: IncidentJob, now: number): void;
}

export const createSeats = ({ live, dead }: Pools): Seats => {
  const busy = new Set<string>();
  const held = new Map<string, number>();
  const turns = { live: 0, dead: 0 };
  const nextOf = (by: 'live' | 'dead') => {
    const pools = by === 'live' ? live : dead;
    const turn = turns[by]++;
    const pool = pools[turn % pools.length] as Pool;
    return { pool, worker: pool.workers[Math.floor(turn / pools.length)] as string };
  };
  const nameOf = (type: JobType, pool: string) => `${type} ${pool}`;
  return {
    busy,
    heldBy: (type, pool) => held.get(nameOf(type, pool)) ?? 0,
    place(page, { id, type, entry, place, stats }, now) {
      if (place?.kind !== 'held') return;
      const { pool, worker } = nextOf(place.by);
      const name = nameOf(type, pool.id);
      held.set(name, (held.get(name) ?? 0) + 1);
      page.lpush(key('jobs', type, pool.id, 'inprogress'), entry);
      if (place.by === 'dead') return;
      busy.add(worker);
      const started = Number(stats?.update_time ?? now);
      page.hset(key('worker', worker), { job_name: type, job_id: id, started_at: started, args: '' });
      page.expire(key('worker', worker), 86_400);
    },
  };
};

/** Writes the caps, locks and counts of all types, and pauses those that are paused. What no pool holds is counted for gone pools. */
export const writeCounters = (page: ChainableCommander, { heldBy }: Seats, { live, dead, gone }: Pools): void => {
  for (const type of jobTypes) {
    const { cap = 0, isPaused = false, lock } = counters[type] ?? {};
    const holders = [...live, ...dead].flatMap(({ id }) => {
      const count = heldBy(type, id);
      return count > 0 ? [[id, count] as const] : [];
    });
    const counted = holders.reduce((sum, [, count]) => sum + count, 0);
    const excess = (lock ?? counted) - counted;
    const shares = excess > 0 ? sharesOf(excess, gone) : [];
    const fields = Object.fromEntries([...holders, ...shares]);
    page.set(key('jobs', type, 'max_concurrency'), cap).set(key('jobs', type, 'lock'), lock ?? counted);
    if (Object.keys(fields).length > 0) page.hset(key('jobs', type, 'lock_info'), fields);
    if (isPaused) page.set(key('jobs', type, 'paused'), '1');
  }
};

/** A number in about equal parts, one for each pool. */
const sharesOf = (total: number, pools: readonly string[]): (readonly [string, number])[] =>
  pools
    .map(
      (pool, i) =>
        [pool, Math.floor((total * (i + 1)) / pools.length) - Math.floor((total * i) / pools.length)] as const,
    )
    .filter(([, share]) => share > 0);
