import type { PlannedEntry } from '../../machines/types/changes.ts';
import type { FinishedEntry, LivePool, RequeuedOrphans } from '../../machines/types/rescue.ts';
import { clockOverride } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { inChunks } from '../redis/paged.ts';
import { retry } from '../redis/retry.ts';
import { callOnce, type Fence } from '../redis/scripts.ts';
import { type HeldEntry, keyOf, readHeldEntries } from './heldEntries.ts';
import { type Observation, readObservations } from './observations.ts';
import { createOrphanJudge, isDue, type OrphanSettings, type UnobservedEntry } from './orphanJudge.ts';
import { createApplyEntries } from './plannedEntries.ts';
import { fingerprintOf, keyOfAct, plannedEntryOf } from './plannedEntry.ts';
import { createPoolObserver, type PoolObserver } from './poolObserver.ts';
import { createReportingPools } from './reportingPools.ts';
import { findStaleEntries, finishStaleEntry, type StaleEntry } from './staleEntries.ts';
import { createStepErrors, type StepErrors } from './stepErrors.ts';

/** One pass over the entries of live pools. Once `signal` is aborted, it begins no further change. */
export interface OrphanPass {
  readonly plan: boolean;
  readonly fence?: Fence | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The pools are some of those that are live: what is known of the others stays. */
  readonly isScoped?: boolean;
  /** The acts of a plan: these and no others. */
  readonly planned?: readonly PlannedEntry[];
}

/**
 * Requeues orphaned entries of live pools (defect 7). If the reply to a fetch is lost, the pool holds and counts an entry that
 * none of its workers knows.
 */
export interface Orphans {
  /**
   * Reads the in-progress lists of live pools once. Entries that are proven to be orphaned go back to their queues, and entries
   * whose jobs have succeeded are removed. A plan only counts them. One pass proves nothing: an entry must stay unobserved.
   */
  requeue(live: readonly LivePool[], options: OrphanPass): Promise<RequeuedOrphans>;
}

interface Pass extends OrphanPass {
  readonly fence: Fence | undefined;
  readonly errors: StepErrors;
}

/** How far this process's clock may be ahead of that of Redis when a wait is over, in ms: the next pass must not be early. */
const earliness = 50;
/** Pools that a result names. */
const maxNamed = 20;
const silent = 'its workers have never said what they run';
const noInfo = 'the Redis user of the reaper may not run INFO, so no restart would be seen: allow it (+info)';

type OrphanDeps = Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & OrphanSettings;

export const createOrphans = (deps: OrphanDeps): Orphans => {
  const observer = createPoolObserver(deps);
  const look = createLook(deps, observer);
  const judge = createOrphanJudge(deps);
  const applyEntries = createApplyEntries(deps);

  return {
    async requeue(live, options) {
      const pass: Pass = { ...options, fence: options.fence, errors: createStepErrors() };
      const { plan, planned, isScoped = false, errors } = pass;
      if (!isScoped) observer.begin(live);
      const seen = await look(live, pass);
      const { provable, unprovable, silentPools, finished } = seen;
      if (planned !== undefined) {
        const applied = await applyEntries(planned, seen, pass);
        const early = new Set(applied.early.map(keyOfAct));
        const waiting = provable.filter((one) => early.has(keyOf(one)));
        return { ...nothingElse, ...applied, dueInMs: dueIn(waiting, deps), ...errorOf(errors) };
      }
      const { acts, ...judged } = await judge(
        provable.filter((one) => isDue(one, deps)),
        pass,
      );
      return {
        ...judged,
        undecided: judged.undecided + unprovable.length,
        finished,
        unobserved: silentPools.slice(0, maxNamed),
        dueInMs: dueIn(provable, deps),
        ...(plan ? { acts: [...seen.acts, ...acts] } : {}),
        ...errorOf(errors),
      };
    },
  };
};

/** When all of these have been unobserved for long enough. */
const dueIn = (entries: readonly UnobservedEntry[], deps: OrphanDeps): number | undefined => {
  const waiting = entries.filter((one) => !isDue(one, deps)).map(({ at, since }) => since + deps.orphanedAfter - at);
  return waiting.length === 0 ? undefined : Math.max(...waiting) + (clockOverride(deps.clock) === '' ? earliness : 0);
};

/** Reads the entries of live pools, removes those that are stale, and observes those that may be orphaned. */
const createLook = (deps: OrphanDeps, observer: PoolObserver) => {
  const { connection, keys, onSkipped } = deps;
  const reporting = createReportingPools(deps);
  let skippedBefore: ReadonlyMap<string, string> = new Map();

  /** Reports pools whose entries cannot be judged, with the reason, once each until that changes. */
  const reportPools = (pools: ReadonlyMap<string, string>, live: ReadonlySet<string>, isScoped: boolean) => {
    for (const [pool, reason] of pools) if (skippedBefore.get(pool) !== reason) onSkipped({ pool, reason });
    const others = isScoped ? [...skippedBefore].filter(([pool]) => !live.has(pool)) : [];
    skippedBefore = new Map([...others, ...pools]);
  };

  return async (live: readonly LivePool[], pass: Pass) => {
    const { plan, isScoped = false, planned, errors } = pass;
    const [held, observations] = await Promise.all([
      readHeldEntries(connection, keys, live),
      readObservations(connection, keys, live),
    ]);
    const observed = jobsByPool(observations);
    await errors.attempt(() => reporting.record(new Set(observed.keys()), live, plan, isScoped));
    const known = held.filter(({ fault }) => fault === undefined);
    const stale = await findStaleEntries(connection, keys, known);
    const ended = planned === undefined ? await finishStale(deps, stale, pass) : { finished: [], acts: [] };
    const staleEntries = new Set(stale.map((one) => one.held));
    const candidates = held.filter(
      (entry) => !staleEntries.has(entry) && !isObserved(entry.id, observed.get(entry.pool.pool)),
    );
    const unobserved = await observe(observer, live, candidates, pass);
    const sorted = await sortOut(reporting, unobserved, (one) => isDue(one, deps));
    const unjudged = new Map([
      ...sorted.silentPools.map((pool) => [pool, silent] as const),
      ...sorted.unprovable.map(({ pool }) => [pool.pool, noInfo] as const),
    ]);
    reportPools(unjudged, new Set(live.map(({ pool }) => pool)), isScoped);
    return { ...sorted, ...ended, live, held, stale, candidates, unobserved, unjudged };
  };
};

const errorOf = ({ first: error }: StepErrors) => (error === undefined ? {} : { error });
/** What the acts of a plan say of other entries. */
const nothingElse = { unobserved: [], undecided: 0, oldestUndecidedS: 0 };

/** Removes entries whose jobs have succeeded, up to a batch. */
const finishStale = async (
  { keys, scripts, clock, heartbeatAge, batch }: OrphanDeps,
  stale: readonly StaleEntry[],
  { plan, fence, signal, errors }: Pass,
) => {
  const acts: PlannedEntry[] = [];
  const finished: FinishedEntry[] = [];
  for (const one of stale.slice(0, batch)) {
    const { pool, type, id } = one.held;
    if (signal?.aborted) break;
    await errors.attempt(async () => {
      const change = callOnce(keys);
      const finish = () => finishStaleEntry(scripts, keys, heartbeatAge, one, plan, fence, change);
      const { outcome } = await retry(clock, finish);
      if (outcome !== 'done') return;
      finished.push({ id, type, pool: pool.pool, endedS: one.endedS, plan });
      acts.push(plannedEntryOf('finish', one.held, fingerprintOf(one.updateTime, one.revision)));
    });
  }
  return { finished, acts };
};

/** Observes each pool on its own, so that a pool with unusable records does not affect the others. */
const observe = async (
  observer: PoolObserver,
  live: readonly LivePool[],
  entries: readonly HeldEntry[],
  { plan, errors }: Pass,
) => {
  const entriesOf = byPool(entries);
  const found = await inChunks(live, async (pool): Promise<UnobservedEntry[]> => {
    const held = entriesOf.get(pool) ?? [];
    const result = await errors.attempt(async () => {
      await observer.keepOnly(pool.pool, held, plan);
      return held.length === 0 ? undefined : observer.observe(pool.pool, pool.workerIds, held, plan);
    });
    if (result === undefined) return [];
    const { at, since, signs, ...rest } = result;
    return held.map((entry) => ({
      ...entry,
      ...rest,
      ...{ at, since: since.get(entry.field) ?? at, signs: signs.get(entry.field) ?? '' },
    }));
  });
  return found.flat();
};

/** Separates entries that can be judged from those of silent pools, and from those without INFO. */
const sortOut = async (
  reporting: Pick<ReturnType<typeof createReportingPools>, 'silentOf'>,
  unobserved: readonly UnobservedEntry[],
  isDue: (entry: UnobservedEntry) => boolean,
) => {
  const silentPools = await reporting.silentOf(new Set(unobserved.map(({ pool }) => pool.pool)));
  const ofSilent = unobserved.filter(({ pool }) => silentPools.has(pool.pool));
  const ofReporting = unobserved.filter(({ pool }) => !silentPools.has(pool.pool));
  return {
    silentPools: [...new Set(ofSilent.filter(isDue).map(({ pool }) => pool.pool))],
    unprovable: ofReporting.filter(({ isProvable }) => !isProvable),
    provable: ofReporting.filter(({ isProvable }) => isProvable),
  };
};

const byPool = (entries: readonly HeldEntry[]): ReadonlyMap<LivePool, readonly HeldEntry[]> => {
  const pools = new Map<LivePool, HeldEntry[]>();
  for (const entry of entries) {
    const held = pools.get(entry.pool);
    if (held === undefined) pools.set(entry.pool, [entry]);
    else held.push(entry);
  }
  return pools;
};

const jobsByPool = (observations: readonly Observation[]): ReadonlyMap<string, ReadonlySet<string>> => {
  const jobs = new Map<string, Set<string>>();
  for (const { pool, job } of observations) jobs.set(pool, (jobs.get(pool) ?? new Set()).add(job));
  return jobs;
};

/** An observation that names a policy without an execution may be of any of its executions. */
const isObserved = (id: string, observed: ReadonlySet<string> = new Set()): boolean =>
  observed.has(id) || observed.has(id.slice(0, Math.max(0, id.lastIndexOf('@'))));
