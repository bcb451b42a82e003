import { fromPromise } from 'xstate';
import type { Lease } from '../io/leader/lease.ts';
import type { Orphans } from '../io/pools/orphans.ts';
import type { Preflight } from '../io/pools/preflight.ts';
import type { Pools } from '../io/pools/rescue.ts';
import type { AppliedActs, PlannedLiveAct } from '../machines/types/changes.ts';
import type {
  FindInput,
  Found,
  OrphansInput,
  Recounted,
  RecountInput,
  RequeuedOrphans,
} from '../machines/types/rescue.ts';
import { orPermanent } from './permanent.ts';
import { ensureRunnable } from './runnable.ts';

const nothingFound: Found = {
  alive: 0,
  clockAhead: 0,
  suspects: [],
  types: [],
  lists: [],
  live: [],
  unreadable: [],
};

const nothingRequeued: RequeuedOrphans = {
  ...{ orphaned: [], finished: [], poison: [], unobserved: [], undecided: 0, oldestUndecidedS: 0 },
  dueInMs: undefined,
};
/** The acts of a plan, given to a reaper with the option `plan`. */
const onlyPlans = (acts: readonly PlannedLiveAct[]): AppliedActs => ({
  done: [],
  left: acts.map((act) => ({ act, why: 'this reaper only plans', isMoved: false })),
});

/**
 * What the chart of a rescue invokes. Behind a fence, each suspect carries it, and the pass is recorded as ended.
 * @param signalOf the signal of the caller of a pass, and of a stop: once it is aborted, a step begins no further act.
 */
export const createRescueActors = (
  pools: Pools,
  orphans: Pick<Orphans, 'requeue'>,
  preflight: Preflight,
  lease: Pick<Lease, 'completeRescue'>,
  signalOf: (pass: number) => AbortSignal,
) => {
  /** Of the present pass, for the audit stream. */
  let present = 'rescue';
  return {
    watch: fromPromise<void>(({ signal }) => pools.untilStale(signal)),
    find: fromPromise<Found, FindInput>(({ input: { thorough, plan, fence, scope } }) =>
      orPermanent(async () => {
        const state = await preflight.run(plan);
        if ('blocked' in state) return { ...nothingFound, suspended: state.blocked };
        const found = await preflight.watch(() => pools.find(thorough, state.disruptions, plan, scope));
        present = `rescue/${found.pass}`;
        return {
          ...found,
          suspects: found.suspects.map((suspect) => ({
            ...suspect,
            fence,
            planned: scope?.acts?.pools.get(suspect.pool),
          })),
        };
      }),
    ),
    requeueOrphans: fromPromise<RequeuedOrphans, OrphansInput>(
      async ({ input: { number, live, plan, fence, scope } }) => {
        await ensureRunnable(preflight, plan);
        if (plan && scope?.acts !== undefined) return { ...nothingRequeued, applied: onlyPlans(scope.acts.entries) };
        const options = { plan, fence, signal: signalOf(number), isScoped: scope !== undefined };
        const planned = scope?.acts?.entries;
        return preflight.watch(() => orphans.requeue(live, planned === undefined ? options : { ...options, planned }));
      },
    ),
    recount: fromPromise<Recounted, RecountInput>(async ({ input: { number, types, lists, plan, fence, scope } }) => {
      const signal = signalOf(number);
      if (plan && scope?.acts !== undefined)
        return { ...(await pools.readLocks(types)), applied: onlyPlans(scope.acts.counters) };
      if (scope?.acts !== undefined)
        return pools.rebuildPlanned(scope.acts.counters, types, { fence, lists, signal, pass: present });
      if (scope !== undefined) return pools.readLocks(types);
      const recounted = await pools.recount(types, { fence, lists, plan, signal, pass: present });
      if (fence !== undefined) await lease.completeRescue(fence);
      return recounted;
    }),
  };
};
