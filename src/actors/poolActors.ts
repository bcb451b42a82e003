import { fromPromise } from 'xstate';
import type { Preflight } from '../io/pools/preflight.ts';
import type { Quarantine } from '../io/pools/quarantine.ts';
import type { Pools } from '../io/pools/rescue.ts';
import { marksOf } from '../machines/marks.ts';
import { ensureAsPlanned, otherJobs, PlanMovedError } from '../machines/plannedPool.ts';
import type { PlannedRescue } from '../machines/types/changes.ts';
import type {
  Confirmation,
  Deregistered,
  PoolDone,
  Quarantining,
  Requeued,
  Reviewed,
  Suspect,
} from '../machines/types/pool.ts';
import { ensureRunnable } from './runnable.ts';

/** What the chart of a pool invokes. A step runs only where nothing has disrupted the evidence against the pool. */
export const createPoolActors = (pools: Pools, quarantine: Quarantine, preflight: Preflight) => {
  const undisrupted = async <T>({ pool, disruptions }: Suspect, step: () => Promise<T>, plan = false): Promise<T> => {
    const now = await ensureRunnable(preflight, plan);
    if (now.disruptions !== disruptions)
      throw new Error(`${pool}: liveness check interrupted (${now.last}); grace period restarted`);
    return preflight.watch(step);
  };
  const planned = createPlannedSteps(pools, quarantine);
  return {
    confirm: fromPromise<Confirmation, { suspect: Suspect; plan: boolean; done: PoolDone }>(
      ({ input: { suspect, plan, done } }) =>
        undisrupted(
          suspect,
          () =>
            plan ? planned.read(suspect) : isPlanned(suspect) ? planned.confirm(suspect, done) : pools.confirm(suspect),
          plan,
        ),
    ),
    review: fromPromise<Reviewed, { suspect: Suspect; plan: boolean }>(async ({ input: { suspect, plan } }) => {
      const { disruptions } = await ensureRunnable(preflight, plan);
      return preflight.watch(() => pools.review(suspect, disruptions));
    }),
    requeue: fromPromise<Requeued, { suspect: Suspect; types: readonly string[]; entries: number; done: PoolDone }>(
      ({ input: { suspect, types, entries, done } }) =>
        undisrupted(suspect, () =>
          isPlanned(suspect)
            ? planned.requeue(suspect, types[0] ?? '', done)
            : pools.requeue(suspect, types, { entries }),
        ),
    ),
    quarantine: fromPromise<Quarantining, { suspect: Suspect; type: string; id: string; done: PoolDone }>(
      ({ input: { suspect, type, id, done } }) =>
        undisrupted(suspect, async () => {
          try {
            const next = await pools.nextMarks(suspect, type, done, 1);
            return await quarantine.add(suspect, type, id, next?.marks);
          } catch (error) {
            const reason = await pools.refusalBehind(error, suspect, type, await quarantine.keysFor(id));
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

/** The steps of a rescue that does the acts of a plan, and no others. */
const createPlannedSteps = (pools: Pools, quarantine: Quarantine) => {
  const read = (suspect: Suspect) => pools.plan(suspect, quarantine.keysFor);
  const confirm = async (suspect: PlannedSuspect, done: PoolDone): Promise<Confirmation> => {
    const reply = await read(suspect);
    if (reply.outcome === 'alive') return reply;
    const gone = ensureAsPlanned(suspect, reply.held, done);
    const records = await Promise.all(gone.map((id) => quarantine.find(id)));
    if (records.includes(undefined)) throw new PlanMovedError(otherJobs);
    return reply;
  };
  return {
    read,
    confirm,
    /** Requeues entries of one type. If none is requeued, the next one stays, or is not as planned, and `confirm` says why. */
    async requeue(suspect: PlannedSuspect, type: string, done: PoolDone): Promise<Requeued> {
      const reply = await pools.requeue(suspect, [type], { done });
      if (reply.outcome !== 'moved' || reply.poison !== undefined) return reply;
      const [{ moved, left } = { moved: 0, left: 0 }] = reply.counts;
      if (moved > 0 || left === 0) return reply;
      const now = await confirm(suspect, done);
      if (now.outcome === 'alive') return now;
      const stays = marksOf(suspect.planned, type, left - 1, left).startsWith('-');
      if (!stays)
        throw new PlanMovedError(`the next entry of ${type} is judged otherwise: can recoveries be recorded?`);
      return { ...reply, counts: [{ moved, left: 0 }] };
    },
  };
};

type PlannedSuspect = Suspect & { readonly planned: PlannedRescue };
const isPlanned = (suspect: Suspect): suspect is PlannedSuspect => suspect.planned !== undefined;
