import type { LeftAct, PlannedEntry, PoisonEntry } from '../../machines/types/changes.ts';
import type { FinishedEntry, LivePool, OrphanedEntry, RequeuedOrphans } from '../../machines/types/rescue.ts';
import type { Deps } from '../redis/deps.ts';
import { retry } from '../redis/retry.ts';
import { callOnce, type Fence, type ReplyOf } from '../redis/scripts.ts';
import { type HeldEntry, keyOf } from './heldEntries.ts';
import { createProofOf, createRequeueOrphan, isDue, type OrphanSettings, type UnobservedEntry } from './orphanJudge.ts';
import { fingerprintOf, keyOfAct } from './plannedEntry.ts';
import { finishStaleEntry, type StaleEntry } from './staleEntries.ts';
import type { StepErrors } from './stepErrors.ts';

/** What a pass has read of the live pools of a plan. */
export interface LookAtEntries {
  readonly live: readonly LivePool[];
  readonly held: readonly HeldEntry[];
  readonly stale: readonly StaleEntry[];
  /** Those of `held` that no worker is observed with and that are not stale. */
  readonly candidates: readonly HeldEntry[];
  /** Candidates that could be observed. */
  readonly unobserved: readonly UnobservedEntry[];
  /** Why the entries of a pool cannot be judged, by its name. */
  readonly unjudged: ReadonlyMap<string, string>;
}

export type AppliedEntries = Pick<RequeuedOrphans, 'orphaned' | 'finished' | 'poison'> &
  Required<Pick<RequeuedOrphans, 'applied' | 'early'>>;

/**
 * Does the acts of a plan that are about entries of live pools: each only if the entry is there, its job has not changed, and it
 * is proven now as in any pass. No other entry is touched.
 */
export type ApplyEntries = (
  planned: readonly PlannedEntry[],
  look: LookAtEntries,
  options: {
    readonly fence: Fence | undefined;
    readonly signal?: AbortSignal | undefined;
    readonly errors: StepErrors;
  },
) => Promise<AppliedEntries>;

/** Why an act is not done; `early`: a second look may still prove it. Undefined if it was done. */
type Refused = string | { readonly early: true } | undefined;

export const createApplyEntries = (
  deps: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & OrphanSettings,
): ApplyEntries => {
  const requeueOrphan = createRequeueOrphan(deps);
  const proofOf = createProofOf(deps);

  const finish = async (act: PlannedEntry, one: StaleEntry | undefined, fence: Fence | undefined): Promise<Refused> => {
    if (one === undefined || fingerprintOf(one.updateTime, one.revision) !== act.fingerprint) return jobChanged;
    const { keys, scripts, clock, heartbeatAge } = deps;
    const change = callOnce(keys);
    const { outcome } = await retry(clock, () =>
      finishStaleEntry(scripts, keys, heartbeatAge, one, false, fence, change),
    );
    return outcome === 'done' ? undefined : whyFinish[outcome];
  };

  const requeue = async (entry: UnobservedEntry, fence: Fence | undefined): Promise<Refused> => {
    const { outcome } = await requeueOrphan(entry, false, fence);
    return outcome === 'requeued' ? undefined : whyRequeue[outcome];
  };

  const quarantine = async (entry: UnobservedEntry, fence: Fence | undefined): Promise<Refused> => {
    const { outcome } = await requeueOrphan(entry, true, fence);
    if (outcome === 'requeued') return 'its job was not recovered too often: it would be requeued';
    if (outcome !== 'poison') return whyRequeue[outcome];
    const { pool, type, id, place } = entry;
    const taken = await deps.quarantine.addOrphan({ ...pool, fence }, type, id, place, proofOf(entry));
    return taken.outcome === 'quarantined' ? undefined : 'its entry or its job has changed, or a worker may run it';
  };

  return async (planned, look, { fence, signal, errors }) => {
    const find = createFinder(look);
    const results: AppliedResults = { orphaned: [], finished: [], poison: [], done: [], left: [], early: [] };

    const apply = (act: PlannedEntry): Refused | Promise<Refused> => {
      const held = find.held(act);
      if (typeof held === 'string') return held;
      if (act.act === 'finish') return finish(act, find.stale(act), fence);
      const entry = find.unobserved(act);
      if (typeof entry === 'string') return entry;
      if (fingerprintOf(entry.signs) !== act.fingerprint) return jobChanged;
      if (!isDue(entry, deps)) return { early: true };
      return act.act === 'quarantine' ? quarantine(entry, fence) : requeue(entry, fence);
    };
    for (const act of planned) {
      if (signal?.aborted) break;
      const tried = await errors.attempt(async () => ({ refused: await apply(act) }));
      if (tried === undefined) results.left.push({ act, why: errors.latest ?? '', isMoved: false });
      else if (tried.refused === undefined) addDone(results, act, find);
      else if (typeof tried.refused === 'string') results.left.push({ act, why: tried.refused, isMoved: true });
      else results.early.push(act);
    }
    const { done, left, ...rest } = results;
    return { ...rest, applied: { done, left } };
  };
};

const jobChanged = 'its job has changed';
const gone = 'it is not in the in-progress list any more';
const poolDead = 'its pool is not alive';
const observed = 'a worker is observed with it';
const whyFinish: Readonly<Record<Exclude<ReplyOf<'finish_entry'>['outcome'], 'done'>, string>> = {
  ...{ gone, dead: poolDead, overtaken: jobChanged },
};
const whyRequeue: Readonly<Record<Exclude<ReplyOf<'requeue_orphan'>['outcome'], 'requeued'>, string>> = {
  ...{ gone, observed, dead: poolDead, early: jobChanged },
  poison: 'its job was recovered too often since: it would be quarantined',
  undecided: 'nothing proves that no worker runs it',
  changed: 'its pool has other workers',
};

interface AppliedResults {
  readonly orphaned: OrphanedEntry[];
  readonly finished: FinishedEntry[];
  readonly poison: PoisonEntry[];
  readonly done: PlannedEntry[];
  readonly left: LeftAct[];
  readonly early: PlannedEntry[];
}

const addDone = ({ orphaned, finished, poison, done }: AppliedResults, act: PlannedEntry, find: Finder): void => {
  const { id, type, pool } = act;
  done.push(act);
  if (act.act === 'quarantine') poison.push({ id, type, pool });
  else if (act.act === 'finish') {
    const endedS = find.stale(act)?.endedS ?? 0;
    finished.push({ id, type, pool, endedS, plan: false });
  } else {
    const { at = 0, since = 0 } = find.seen(act) ?? {};
    orphaned.push({ id, type, pool, unobservedS: Math.round((at - since) / 1_000), plan: false });
  }
};

type Finder = ReturnType<typeof createFinder>;

/** Finds what was read of an act's entry, or says why there is nothing to act on. */
const createFinder = ({ live, held, stale, candidates, unobserved, unjudged }: LookAtEntries) => {
  const pools = new Set(live.map(({ pool }) => pool));
  const free = new Set(candidates.map(keyOf));
  const heldOf = new Map(held.map((one) => [keyOf(one), one]));
  const staleOf = new Map(stale.map((one) => [keyOf(one.held), one]));
  const unobservedOf = new Map(unobserved.map((one) => [keyOf(one), one]));
  return {
    held(act: PlannedEntry): HeldEntry | string {
      const { pool, copies } = act;
      if (!pools.has(pool)) return poolDead;
      const found = heldOf.get(keyOfAct(act));
      if (found === undefined) return gone;
      if (found.copies === copies) return found;
      return `the list holds it ${found.copies} times, planned were ${copies}`;
    },
    stale: (act: PlannedEntry): StaleEntry | undefined => staleOf.get(keyOfAct(act)),
    seen: (act: PlannedEntry): UnobservedEntry | undefined => unobservedOf.get(keyOfAct(act)),
    unobserved(act: PlannedEntry): UnobservedEntry | string {
      const key = keyOfAct(act);
      if (staleOf.has(key)) return 'its job has ended in Success';
      if (!free.has(key)) return observed;
      const found = unobservedOf.get(key);
      const why = unjudged.get(act.pool);
      if (found === undefined) throw new Error(`${act.pool}: its workers cannot be observed`);
      return why ?? found;
    },
  };
};
