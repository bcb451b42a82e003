import { fromPromise } from 'xstate';
import type { Lease } from '../io/leader/lease.ts';
import type { Fence, Term } from '../machines/lease.ts';

/** What the chart of the leader invokes. */
export const createLeaderActors = (lease: Pick<Lease, 'take' | 'leave'>) => ({
  acquireLease: fromPromise<Term, { fence: Fence | undefined }>(({ input }) => lease.take(input.fence)),
  resign: fromPromise<void>(() => lease.leave()),
});
