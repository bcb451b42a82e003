import { createHash, randomBytes } from 'node:crypto';
import { ReaperError } from '../../errors.ts';
import type { Suspect } from '../../machines/types/pool.ts';
import type { Found, LivePool, PlannedActs, RescueScope } from '../../machines/types/rescue.ts';
import { monotonicOf } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { createStepwiseWalk, walkAllKeys } from '../redis/keyWalk.ts';
import { existingOf } from '../redis/paged.ts';
import { findWrongTyped, keysOfType, singleKeysOf } from '../redis/wrongTypes.ts';
import type { createHeartbeatWatch } from './heartbeatWatch.ts';
import { aheadTolerance, evidenceOf, type PoolState } from './poolState.ts';
import type { Registry, RegistryReader } from './registry.ts';
import type { Suspects } from './suspects.ts';

/** Finds suspected and live pools, for a rescue pass. */
export interface PoolFinder {
  /**
   * Reads the registry and returns what a rescue pass needs. Records the suspects in Redis, unless it is a plan.
   * @param thorough scans the names of all keys at once. Otherwise each call scans a bounded number of keys and continues where
   *   the last one stopped, so that a Redis with millions of keys is not scanned every few seconds.
   * @param scope the pools that the pass is about; the others are neither returned nor recorded.
   * @throws ReaperError with the code `not-found` if Redis knows nothing of one of them. The pools of a plan may be gone.
   * @param disruptions how many disruptions there were so far (`Preflight`). The suspects carry the number.
   */
  find(thorough: boolean, disruptions: number, plan?: boolean, scope?: RescueScope): Promise<Found>;
}

/** Job types whose keys are checked with each pass. For other types, a wrong key is reported when a step meets it. */
const maxTypesChecked = 1_000;
/** In-progress lists of suspects that are looked up. */
const maxListsAsked = 500_000;

export const createPoolFinder = ({
  connection,
  keys,
  clock,
  registry,
  suspects,
  watch,
  onClockAhead,
}: Pick<Deps, 'connection' | 'keys' | 'clock'> & {
  registry: RegistryReader;
  suspects: Suspects;
  watch: ReturnType<typeof createHeartbeatWatch>;
  /** Called once for each pool whose heartbeat is ahead of Redis, with the seconds. */
  onClockAhead: (pool: string, seconds: number) => void;
}): PoolFinder => {
  const { redis } = connection;
  /** Only for rescue passes: other reads of the registry scan by themselves. */
  const walk = createStepwiseWalk(connection, keys);
  const reportClocks = createClockReports(onClockAhead);

  const findKeys = async (thorough: boolean) => {
    if (!thorough) return walk.step();
    const found = await walkAllKeys(connection, keys);
    walk.keep(found);
    return found;
  };

  /** Which of the pools hold entries, as far as a bounded number of lookups shows. Those are rescued first. */
  const findHolding = async (pools: readonly PoolState[], { types, lists }: Registry): Promise<ReadonlySet<string>> => {
    const holding = new Set(lists.map(([, pool]) => pool));
    const asked = pools
      .filter(({ pool }) => !holding.has(pool))
      .slice(0, Math.floor(maxListsAsked / (types.length || 1)));
    const poolOf = new Map(
      asked.flatMap(({ pool }) => types.map((type) => [keys.inProgress(type, pool), pool] as const)),
    );
    for (const key of await existingOf(redis, [...poolOf.keys()])) holding.add(poolOf.get(key) as string);
    return holding;
  };

  return {
    async find(thorough, disruptions, plan = false, scope = undefined) {
      const whole = await registry.read(await findKeys(thorough));
      const at = monotonicOf(clock);
      watch.keep(whole.pools, at);
      const read = scope === undefined ? whole : restrictedTo(scope, whole);
      const { pools, types, lists } = read;
      const ahead = reportClocks(whole.pools);
      if (!plan) await suspects.record(pools, scope !== undefined ? 'some' : thorough ? 'all' : 'known');
      const unreadable = await findWrongTyped(redis, [
        ...singleKeysOf(keys),
        ...types.slice(0, maxTypesChecked).flatMap((type) => keysOfType(keys, type)),
      ]);
      const dead = pools.filter(
        ({ pool, isAlive, isReadable }) => !isAlive && isReadable && (scope?.acts?.pools.has(pool) ?? true),
      );
      const holding = await findHolding(dead, read);
      const live = pools.filter(({ isAlive }) => isAlive);
      const pass = tokenOf(scope?.acts);
      return {
        alive: live.length,
        clockAhead: pools.filter(({ pool }) => ahead.has(pool)).length,
        ...{ types: scope === undefined ? types : [...new Set(lists.map(([type]) => type))], lists, pass },
        unreadable: [...new Set([...read.unreadable, ...unreadable])],
        suspects: dead.map((state) => ({
          ...suspectOf(state, read),
          ...{ disruptions, at, pass, holdsEntries: holding.has(state.pool) },
        })),
        live: livePoolsOf(live.filter(isMeant(scope)), read, pass),
      };
    },
  };
};

/**
 * Token of a pass. All passes that do the acts of one plan have the same: what one of them has requeued before it was cut off must
 * not count for the next one, which would quarantine what the plan requeues (`lua/includes/recovery.lua`).
 */
const tokenOf = (acts: PlannedActs | undefined): string => {
  if (acts === undefined) return randomBytes(6).toString('base64url');
  const all = JSON.stringify([...acts.pools.values(), ...acts.entries, ...acts.counters]);
  return createHash('sha1').update(all).digest('base64url').slice(0, 8);
};

/** Whether a pass may look for orphaned entries in a live pool. */
const isMeant = (scope: RescueScope | undefined) => {
  if (scope?.acts === undefined) return () => true;
  const pools = new Set(scope.acts.entries.map(({ pool }) => pool));
  return ({ pool }: PoolState) => pools.has(pool);
};

/**
 * The registry with these pools and their lists only, and all lists of a type whose counters a plan rebuilds. Types stay: a pool
 * may hold entries of any.
 */
const restrictedTo = ({ pools, acts }: RescueScope, registry: Registry): Registry => {
  const only = new Set([...pools, ...(acts?.entries ?? []).map(({ pool }) => pool)]);
  const counted = new Set((acts?.counters ?? []).map(({ type }) => type));
  const known = new Set(registry.pools.map(({ pool }) => pool));
  const unknown = pools.filter((pool) => !known.has(pool));
  if (unknown.length > 0 && acts === undefined) {
    const message = `unknown pool: ${unknown.join(', ')}; nothing was changed. See: reaper status`;
    throw new ReaperError('not-found', message);
  }
  return {
    ...registry,
    pools: registry.pools.filter(({ pool }) => only.has(pool)),
    lists: registry.lists.filter(([type, pool]) => only.has(pool) || counted.has(type)),
  };
};

const suspectOf = (state: PoolState, { types, countedIn }: Registry): Omit<Suspect, 'disruptions' | 'at'> => ({
  pool: state.pool,
  heartbeat: state.heartbeat,
  // All suspects share one array. It includes the types of their heartbeats.
  types,
  evidence: evidenceOf(state),
  traces: {
    isRegistered: state.isRegistered,
    hasHeartbeat: state.hasHeartbeat,
    lockInfo: (countedIn.get(state.pool) ?? []).toSorted(),
  },
});

const livePoolsOf = (live: readonly PoolState[], { lists, readList }: Registry, pass: string): LivePool[] => {
  const typesOf = new Map<string, string[]>();
  for (const [type, pool] of lists) {
    const held = typesOf.get(pool);
    if (held === undefined) typesOf.set(pool, [type]);
    else held.push(type);
  }
  // If names hold colons, a list with the name of a live pool's list may be another live pool's.
  const isOwn = (type: string, pool: string) => {
    if (!type.includes(':') && !pool.includes(':')) return true;
    const reading = readList(type, pool);
    return typeof reading === 'object' && reading.type === type && reading.pool === pool;
  };
  return live.map(({ pool, workerIds, jobNames, isFresh, heartbeat }) => ({
    pool,
    workerIds,
    types: [...new Set([...jobNames, ...(typesOf.get(pool) ?? [])])].filter((type) => isOwn(type, pool)),
    pass,
    ...(isFresh ? {} : { moving: heartbeat }),
  }));
};

/** Reports each pool with a heartbeat ahead of Redis once, until its clock is right. Returns them. */
const createClockReports = (onClockAhead: (pool: string, seconds: number) => void) => {
  let aheadBefore: ReadonlySet<string> = new Set();
  return (states: readonly PoolState[]): ReadonlySet<string> => {
    const ahead = new Map<string, number>();
    for (const { pool, age } of states) if (age !== undefined && age < -aheadTolerance) ahead.set(pool, -age / 1_000);
    for (const [pool, seconds] of ahead) if (!aheadBefore.has(pool)) onClockAhead(pool, Math.round(seconds));
    aheadBefore = new Set(ahead.keys());
    return aheadBefore;
  };
};
