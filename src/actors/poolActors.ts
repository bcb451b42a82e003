import { fromPromise } from 'xstate';
import type { Preflight } from '../io/pools/preflight.ts';
import type { Quarantine } from '../io/pools/quarantine.ts';
import type { Pools } from '../io/pools/rescue.ts';
import type { Confirmation, Deregistered, Quarantining, Requeued, Reviewed, Suspect } from '../machines/types/pool.ts';
import { ensureRunnable } from './runnable.ts';

/** What the chart of a pool invokes. A step runs only where nothing has disrupted the evidence against the pool. */
export const createPoolActors = (pools: Pools, quarantine: Quarantine, preflight: Preflight) => {
  const undisrupted = async <T>({ pool, disruptions }: Suspect, step: () => Promise<T>, plan = false): Promise<T> => {
    const now = await ensureRunnable(preflight, plan);
    if (now.disruptions !== disruptions)
      throw new Error(`${pool}: liveness check interrupted (${now.last}); grace period restarted`);
    return preflight.watch(step);
  };
  return {
    confirm: fromPromise<Confirmation, { suspect: Suspect; plan: boolean }>(({ input: { suspect, plan } }) =>
      undisrupted(suspect, () => (plan ? pools.plan(suspect, quarantine.keysFor) : pools.confirm(suspect)), plan),
    ),
    review: fromPromise<Reviewed, { suspect: Suspect; plan: boolean }>(async ({ input: { suspect, plan } }) => {
      const { disruptions } = await ensureRunnable(preflight, plan);
      return preflight.watch(() => pools.review(suspect, disruptions));
    }),
    requeue: fromPromise<Requeued, { suspect: Suspect; type: string }>(({ input: { suspect, type } }) =>
      undisrupted(suspect, () => pools.requeue(suspect, type)),
    ),
    quarantine: fromPromise<Quarantining, { suspect: Suspect; type: string; id: string }>(
      ({ input: { suspect, type, id } }) =>
        undisrupted(suspect, async () => {
          try {
            return await quarantine.add(suspect, type, id);
          } catch (error) {
            const reason = await pools.refusalBehind(error, suspect, type);
            if (reason === undefined) throw error;
            return { outcome: 'refused', reason };
          }
        }),
    ),
    deregister: fromPromise<Deregistered, { suspect: Suspect; types: readonly string[]; isLeft: boolean }>(
      async ({ input: { suspect, types, isLeft } }) =>
        isLeft ? { outcome: 'left' } : undisrupted(suspect, () => pools.deregister(suspect, types)),
    ),
  };
};
