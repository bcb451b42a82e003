import { messageOf } from './messageOf.ts';
import type { PoolInput, PoolResult } from './types/pool.ts';

/** A rescue pass as the pools refer to it: the id of its actor. */
export interface PassRef {
  readonly id: string;
  /** A caller asked for the pass. Such a pass takes over what scheduled passes have found. */
  readonly isAsked: boolean;
}

/**
 * A suspect that waits for the end of its grace, or for a slot. It is data, and one timer serves all of them: thousands of
 * actors would cost too much, and slots are for pools that are worked on.
 */
export interface WaitingPool {
  readonly input: PoolInput;
  /** Since when it has been suspected, in monotonic ms. A grace that begins again does not change it. */
  readonly since: number;
  /** Passes that report its end: one pass; for a plan, which changes nothing, every plan that found it. */
  readonly reportedBy: readonly PassRef[];
  /** Passes that wait for its end, which another pass reports. */
  readonly awaitedBy: readonly PassRef[];
  /** Its only pass was aborted while it was worked on: it is not tried again. */
  readonly isAborted?: true;
}

/** Suspects whose grace is over at the same moment, in monotonic ms. */
export interface Grace {
  readonly dueAt: number;
  readonly pools: readonly WaitingPool[];
}

/** All suspects that wait, for their grace or for a slot. */
export const waitingIn = ({
  graces,
  suspects,
}: {
  readonly graces: readonly Grace[];
  readonly suspects: readonly WaitingPool[];
}): readonly WaitingPool[] => [...graces.flatMap(({ pools }) => pools), ...suspects];

/** @param graces sorted by `dueAt`, and so is the result. */
export const addToGraces = (graces: readonly Grace[], pools: readonly WaitingPool[]): readonly Grace[] => {
  const byTime = new Map<number, WaitingPool[]>();
  for (const pool of pools) {
    const dueAt = pool.input.suspect.at + pool.input.grace;
    const same = byTime.get(dueAt);
    if (same === undefined) byTime.set(dueAt, [pool]);
    else same.push(pool);
  }
  if (byTime.size === 0) return graces;
  const known = graces.map((grace): Grace => {
    const more = byTime.get(grace.dueAt);
    byTime.delete(grace.dueAt);
    return more === undefined ? grace : { ...grace, pools: [...grace.pools, ...more] };
  });
  const added = [...byTime].map(([dueAt, waiting]): Grace => ({ dueAt, pools: waiting }));
  return [...known, ...added].sort((a, b) => a.dueAt - b.dueAt);
};

/** The graces with only those pools that are chosen. */
export const filterGraces = (graces: readonly Grace[], isChosen: (pool: WaitingPool) => boolean): readonly Grace[] =>
  graces.map((grace) => ({ ...grace, pools: grace.pools.filter(isChosen) })).filter(({ pools }) => pools.length > 0);

/** Pools that hold entries come first; the order stays otherwise. */
export const byUrgency = (pools: readonly WaitingPool[]): readonly WaitingPool[] => {
  const holds = ({ input }: WaitingPool) => input.suspect.holdsEntries === true;
  return [...pools.filter(holds), ...pools.filter((pool) => !holds(pool))];
};

/** The outcome of a pool that is given up, with what had been done by then. */
export const abandonedPool = ({ suspect, before }: PoolInput, error: unknown): PoolResult => {
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
    ...(error instanceof Error ? { cause: error } : {}),
  };
};
