import { fromPromise } from 'xstate';
import type { Lease } from '../io/lease.ts';
import type { Pools } from '../io/pools.ts';
import type { Fence } from '../machines/lease.ts';
import type { Confirmation, Requeued, Settled, Suspect } from '../machines/pool.ts';
import type { Found, Recounted } from '../machines/supervisor.ts';

/** What the chart of a pool invokes, done in Redis. */
export const createPoolActors = (pools: Pools) => ({
  confirm: fromPromise<Confirmation, { suspect: Suspect }>(({ input }) => pools.confirm(input.suspect)),
  requeue: fromPromise<Requeued, { suspect: Suspect; type: string }>(({ input }) =>
    pools.requeue(input.suspect, input.type),
  ),
  settle: fromPromise<Settled, { suspect: Suspect; types: readonly string[] }>(({ input }) =>
    pools.settle(input.suspect, input.types),
  ),
});

/** What the supervisor's rescue invokes. Behind a fence each suspect goes with it, and the end of the pass is noted. */
export const createRescueActors = (pools: Pools, lease: Lease) => ({
  find: fromPromise<Found, { thorough: boolean; fence: Fence | undefined }>(async ({ input: { thorough, fence } }) => {
    const found = await pools.find(thorough);
    return fence === undefined
      ? found
      : { ...found, suspects: found.suspects.map((suspect) => ({ ...suspect, fence })) };
  }),
  recount: fromPromise<Recounted, { types: readonly string[]; fence: Fence | undefined }>(
    async ({ input: { types, fence } }) => {
      const recounted = await pools.recount(types, fence);
      if (fence !== undefined) await lease.endRescue(fence);
      return recounted;
    },
  ),
});
