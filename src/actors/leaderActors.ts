import { fromPromise } from 'xstate';
import type { Lease } from '../io/leader/lease.ts';
import type { Fence, Term } from '../machines/lease.ts';

/**
 * What the chart of the leader invokes. A host that must not act never acquires the lease, and a resignation without a reply
 * must not hold up a stop.
 *
 * @param startBlock throws as long as the options are not those of this Redis.
 * @param bounded limits how long the leader waits for its resignation.
 */
export const createLeaderActors = ({
  lease,
  startBlock,
  bounded,
}: {
  lease: Pick<Lease, 'acquire' | 'resign'>;
  startBlock: { check(): Promise<unknown> };
  bounded: (resigned: Promise<void>) => Promise<unknown>;
}) => ({
  acquireLease: fromPromise<Term, { fence: Fence | undefined }>(async ({ input }) => {
    await startBlock.check();
    return lease.acquire(input.fence);
  }),
  resign: fromPromise<void>(async () => {
    await bounded(lease.resign());
  }),
});
