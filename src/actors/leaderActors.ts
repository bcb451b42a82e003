import { fromPromise } from 'xstate';
import type { Lease } from '../io/leader/lease.ts';
import type { Fence, Term } from '../machines/lease.ts';

/** What the chart of the leader invokes. */
export const createLeaderActors = (lease: Pick<Lease, 'acquire' | 'resign'>) => ({
  acquireLease: fromPromise<Term, { fence: Fence | undefined }>(({ input }) => lease.acquire(input.fence)),
  resign: fromPromise<void>(() => lease.resign()),
});
