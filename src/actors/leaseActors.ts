import { fromPromise } from 'xstate';
import type { Lease } from '../io/lease.ts';
import type { Fence, Tenure } from '../machines/lease.ts';

/** What the supervisor invokes for its lease. */
export const createLeaseActors = (lease: Lease) => ({
  takeLease: fromPromise<Tenure, { fence: Fence | undefined }>(({ input }) => lease.take(input.fence)),
});
