import { fromPromise } from 'xstate';
import type { LostEntries } from '../io/lostEntries.ts';
import type { Pools } from '../io/pools.ts';
import type { Quarantine } from '../io/quarantine.ts';
import type { Confirmation, Quarantining, Requeued, Settled, Suspect } from '../machines/pool.ts';
import type { Found, LivePool, Recounted, Restored } from '../machines/supervisor.ts';

/** What the chart of a pool invokes, done in Redis. */
export const createPoolActors = (pools: Pools, quarantine: Quarantine) => ({
  confirm: fromPromise<Confirmation, { suspect: Suspect }>(({ input }) => pools.confirm(input.suspect)),
  requeue: fromPromise<Requeued, { suspect: Suspect; type: string }>(({ input }) =>
    pools.requeue(input.suspect, input.type),
  ),
  quarantine: fromPromise<Quarantining, { suspect: Suspect; type: string; id: string }>(({ input }) =>
    quarantine.take(input.suspect, input.type, input.id),
  ),
  settle: fromPromise<Settled, { suspect: Suspect; types: readonly string[] }>(({ input }) =>
    pools.settle(input.suspect, input.types),
  ),
});

/** What the supervisor's rescue invokes. */
export const createRescueActors = (pools: Pools, lostEntries: LostEntries) => ({
  find: fromPromise<Found, { thorough: boolean }>(({ input }) => pools.find(input.thorough)),
  restore: fromPromise<Restored, { live: readonly LivePool[]; plan: boolean }>(({ input: { live, plan } }) =>
    lostEntries.restore(live, { plan }),
  ),
  recount: fromPromise<Recounted, { types: readonly string[] }>(({ input }) => pools.recount(input.types)),
});
