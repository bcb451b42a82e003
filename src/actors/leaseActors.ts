import { fromPromise } from 'xstate';
import type { Lease } from '../io/leader/lease.ts';
import type { Fence, Term } from '../machines/lease.ts';

/** What the supervisor invokes for its lease. */
export const createLeaseActors = (lease: Lease) => ({
  acquireLease: fromPromise<Term, { fence: Fence | undefined }>(({ input }) => lease.take(input.fence)),
});
