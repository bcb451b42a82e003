import { messageOf } from './job.ts';
import type { PoolInput, PoolOutcome } from './pool.ts';

/**
 * A suspect that waits, for the end of its grace or for a slot. It is data, and one timer is enough for all: an actor for
 * each of thousands would cost too much, and a slot is only for a pool that is worked on.
 */
export interface WaitingPool {
  readonly input: PoolInput;
  /** Since when it has been suspected, in monotonic ms: a grace that begins anew leaves it. */
  readonly since: number;
  /** Passes that report its end: the one that has it in hand; of plans, which change nothing, all that have found it. */
  readonly reportedBy: readonly number[];
  /** Passes that wait for its end, which another one reports. */
  readonly awaitedBy: readonly number[];
}

/** Suspects whose grace is over at the same moment, in monotonic ms. */
export interface Grace {
  readonly dueAt: number;
  readonly pools: readonly WaitingPool[];
}

/** All that wait. */
export const waitingIn = ({
  graces,
  suspects,
}: {
  readonly graces: readonly Grace[];
  readonly suspects: readonly WaitingPool[];
}): readonly WaitingPool[] => [...graces.flatMap(({ pools }) => pools), ...suspects];

/** @param graces by when they are over, the first one first. */
export const addToGraces = (graces: readonly Grace[], pools: readonly WaitingPool[]): readonly Grace[] => {
  const byTime = new Map<number, WaitingPool[]>();
  for (const pool of pools) {
    const dueAt = pool.input.suspect.at + pool.input.grace;
    const same = byTime.get(dueAt);
    if (same === undefined) byTime.set(dueAt, [pool]);
    else same.push(pool);
  }
  if (byTime.size === 0) return graces;
  const kept = graces.map((grace): Grace => {
    const more = byTime.get(grace.dueAt);
    byTime.delete(grace.dueAt);
    return more === undefined ? grace : { ...grace, pools: [...grace.pools, ...more] };
  });
  const added = [...byTime].map(([dueAt, waiting]): Grace => ({ dueAt, pools: waiting }));
  return [...kept, ...added].sort((a, b) => a.dueAt - b.dueAt);
};

/** Those that hold entries come first; else the order stays. */
export const byUrgency = (pools: readonly WaitingPool[]): readonly WaitingPool[] => {
  const holds = ({ input }: WaitingPool) => input.suspect.holdsEntries === true;
  return [...pools.filter(holds), ...pools.filter((pool) => !holds(pool))];
};

/** What is told of a pool that is given up before its end, with what had been done by then. */
export const abandonedPool = ({ suspect, before }: PoolInput, error: unknown): PoolOutcome => {
  const moved = before?.moved ?? {};
  const poison = before?.quarantined ?? [];
  return {
    pool: suspect.pool,
    outcome: 'abandoned',
    evidence: suspect.evidence,
    moved,
    entries: Object.values(moved).reduce((sum, count) => sum + count, 0),
    quarantined: poison.length,
    ...(poison.length === 0 ? {} : { poison }),
    error: messageOf(error),
  };
};
