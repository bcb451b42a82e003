import { fromPromise } from 'xstate';
import { type PageReader, type ScanPoint, scanStart } from '../io/jobs/pageReader.ts';
import type { Lease } from '../io/leader/lease.ts';
import type { Preflight } from '../io/pools/preflight.ts';
import { refusalOf } from '../io/redis/errors.ts';
import { newToken } from '../io/redis/scripts.ts';
import { type Fence, FencedError } from '../machines/lease.ts';
import { PermanentError } from '../machines/permanent.ts';
import { RefusedError } from '../machines/refusal.ts';
import type { Page } from '../machines/types/sweep.ts';
import { orPermanent } from './permanent.ts';

/**
 * Reads a sweep's pages one after the other; the first one begins a new walk through all tracked jobs. Behind a fence it
 * begins where another host has left off, each job goes with the fence, and how far the sweep is is noted for whoever
 * may have to go on with it. Before the first page a write proves that Redis takes some; a plan writes nothing.
 */
export const createSweepActors = (
  open: (plan: boolean, from?: ScanPoint) => PageReader | Promise<PageReader>,
  lease: Lease,
  preflight: Preflight,
) => {
  let reader: PageReader | undefined;
  /** Where the page began that was read last, and how many jobs came before it. */
  let last = { from: scanStart, scanned: 0 };
  let next = last;
  let noted: Promise<unknown> = Promise.resolve();
  let pass = '';

  /**
   * The page that was read last may still have jobs in the lanes: a successor does it again. The note goes out together
   * with the next page, and is heard of with the one after that: nothing waits for it, and what it says of the fence is
   * said by every act too.
   */
  const note = async (fence: Fence) => {
    const failure = await noted;
    if (failure instanceof FencedError) throw failure;
    noted = lease.checkpoint(fence, last.from, last.scanned).catch((error) => error);
  };

  const begin = async (plan: boolean, fence: Fence | undefined): Promise<PageReader> => {
    if (!plan) await preflight.proveWrites();
    noted = Promise.resolve();
    if (fence === undefined) last = { from: scanStart, scanned: 0 };
    else {
      const { scanned, ...from } = await lease.beginSweep(fence);
      last = { from, scanned };
    }
    next = last;
    pass = `sweep/${newToken()}`;
    return open(plan, last.from);
  };

  const readPage = fromPromise<Page, { isFirst: boolean; plan: boolean; fence: Fence | undefined }>(
    ({ input: { isFirst, plan, fence } }) =>
      orFinal(async () => {
        if (isFirst || reader === undefined) reader = await begin(plan, fence);
        else if (fence !== undefined) await note(fence);
        const { jobs, isLast, from } = await orPermanent(reader.next);
        last = { from, scanned: next.scanned };
        next = { from, scanned: next.scanned + jobs.length };
        return { jobs: jobs.map((job) => ({ ...job, fence, pass })), isLast };
      }),
  );
  const completePass = fromPromise<void, { fence: Fence }>(({ input }) =>
    orFinal(async () => {
      await noted;
      await lease.endSweep(input.fence, next.scanned);
    }),
  );
  return { readPage, completePass };
};

/**
 * Ends the sweep at once where trying again can't help.
 * @throws RefusedError where Redis refuses writes; the message says what to do.
 * @throws PermanentError
 */
const orFinal = <T>(step: () => Promise<T>): Promise<T> =>
  orPermanent(async () => {
    try {
      return await step();
    } catch (error) {
      const refusal = error instanceof PermanentError ? undefined : refusalOf(error);
      throw refusal === undefined ? error : new RefusedError(refusal);
    }
  });
