/** The pools of the jobservice: two live, three died minutes ago, one is left from an old deployment, and six are only counted. */
import type { Random } from './random.ts';

export interface Pool {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** Unix s. */
  readonly startedAt: number;
  readonly heartbeatAt: number;
  readonly workers: readonly string[];
}

export interface Pools {
  readonly live: readonly Pool[];
  /** They hold entries. */
  readonly dead: readonly Pool[];
  /** Registered, with a heartbeat, and without entries. */
  readonly left: Pool;
  /** Ids of pools that only counters name. */
  readonly gone: readonly string[];
}

const workersPerPool = 10;

/** @param now unix s by the clock of Redis. */
export const createPools = (random: Random, now: number): Pools => {
  const create = (node: string, age: number): Pool => ({
    id: random.hex(24),
    host: `harbor-jobservice-${node}-${random.hex(5)}`,
    pid: 1,
    startedAt: now - random.between(3, 40) * 3_600 - age,
    heartbeatAt: now - age,
    workers: Array.from({ length: workersPerPool }, () => random.hex(24)),
  });
  return {
    live: [create('7c9d6f5b88', 2), create('7c9d6f5b88', 1)],
    // Two on a node that went down, and one that was killed for its memory.
    dead: [create('7c9d6f5b88', 371), create('7c9d6f5b88', 368), create('7c9d6f5b88', 112)],
    left: create('5d8b7c6f44', 2 * 86_400),
    gone: Array.from({ length: 6 }, () => random.hex(24)),
  };
};

/** The registration and the heartbeat of a pool, as gocraft writes them. */
export const heartbeatOf = (pool: Pool, types: readonly string[]): Readonly<Record<string, string | number>> => ({
  heartbeat_at: pool.heartbeatAt,
  started_at: pool.startedAt,
  job_names: types.join(','),
  concurrency: pool.workers.length,
  worker_ids: pool.workers.join(','),
  host: pool.host,
  pid: pool.pid,
});
