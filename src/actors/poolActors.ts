import { fromPromise } from 'xstate';
import type { Lease } from '../io/leader/lease.ts';
import type { Orphans } from '../io/pools/orphans.ts';
import type { Preflight } from '../io/pools/preflight.ts';
import type { Quarantine } from '../io/pools/quarantine.ts';
import type { Pools } from '../io/pools/rescue.ts';
import type { Fence } from '../machines/lease.ts';
import type { Confirmation, Quarantining, Requeued, Settled, Suspect } from '../machines/pool.ts';
import type { Found, LivePool, Recounted, Restored } from '../machines/supervisor.ts';
import { orPermanent } from './permanent.ts';

/** @throws Error that says why nothing may be judged now. */
const ensureRunnable = async (preflight: Preflight, plan: boolean) => {
  const fitness = await preflight.run(plan);
  if ('blocked' in fitness) throw new Error(fitness.blocked);
  return fitness;
};

/** What the chart of a pool invokes, done in Redis: each step only where nobody need doubt what the pool was judged by. */
export const createPoolActors = (pools: Pools, quarantine: Quarantine, preflight: Preflight) => {
  const surely = async <T>({ pool, disruptions }: Suspect, step: () => Promise<T>, plan = false): Promise<T> => {
    const now = await ensureRunnable(preflight, plan);
    if (now.disruptions !== disruptions) throw new Error(`${pool} could not prove that it lives: ${now.last}`);
    return preflight.watch(step);
  };
  return {
    confirm: fromPromise<Confirmation, { suspect: Suspect; plan: boolean }>(({ input: { suspect, plan } }) =>
      surely(suspect, () => (plan ? pools.plan(suspect, quarantine.keysFor) : pools.confirm(suspect)), plan),
    ),
    review: fromPromise<'alive' | Suspect, { suspect: Suspect; plan: boolean }>(
      async ({ input: { suspect, plan } }) => {
        const { disruptions } = await ensureRunnable(preflight, plan);
        return preflight.watch(() => pools.review(suspect, disruptions));
      },
    ),
    requeue: fromPromise<Requeued, { suspect: Suspect; type: string }>(({ input: { suspect, type } }) =>
      surely(suspect, () => pools.requeue(suspect, type)),
    ),
    quarantine: fromPromise<Quarantining, { suspect: Suspect; type: string; id: string }>(
      ({ input: { suspect, type, id } }) =>
        surely(suspect, async () => {
          try {
            return await quarantine.add(suspect, type, id);
          } catch (error) {
            const refused = await pools.refusalBehind(error, suspect, type);
            if (refused === undefined) throw error;
            return { refused };
          }
        }),
    ),
    settle: fromPromise<Settled, { suspect: Suspect; types: readonly string[]; isLeft: boolean }>(
      async ({ input: { suspect, types, isLeft } }) =>
        isLeft ? 'left' : surely(suspect, () => pools.deregister(suspect, types)),
    ),
  };
};

const nothingFound: Found = {
  alive: 0,
  clockAhead: 0,
  suspects: [],
  types: [],
  lists: [],
  live: [],
  unreadable: [],
};

/** What the supervisor's rescue invokes. Behind a fence each suspect goes with it, and the end of the pass is noted. */
export const createRescueActors = (pools: Pools, orphans: Orphans, preflight: Preflight, lease: Lease) => ({
  watch: fromPromise<void>(({ signal }) => pools.untilStale(signal)),
  find: fromPromise<Found, { thorough: boolean; plan: boolean; fence: Fence | undefined }>(
    ({ input: { thorough, plan, fence } }) =>
      orPermanent(async () => {
        const fitness = await preflight.run(plan);
        if ('blocked' in fitness) return { ...nothingFound, suspended: fitness.blocked };
        const found = await preflight.watch(() => pools.find(thorough, fitness.disruptions, plan));
        return { ...found, suspects: found.suspects.map((suspect) => ({ ...suspect, fence })) };
      }),
  ),
  restore: fromPromise<Restored, { live: readonly LivePool[]; plan: boolean; fence: Fence | undefined }>(
    async ({ input: { live, plan, fence } }) => {
      await ensureRunnable(preflight, plan);
      return preflight.watch(() => orphans.requeue(live, { plan, fence }));
    },
  ),
  recount: fromPromise<
    Recounted,
    { types: readonly string[]; lists: Found['lists']; plan: boolean; fence: Fence | undefined }
  >(async ({ input: { types, lists, plan, fence } }) => {
    const recounted = await pools.recount(types, fence, lists, plan);
    if (fence !== undefined) await lease.endRescue(fence);
    return recounted;
  }),
});
