import { fromPromise } from 'xstate';
import type { Lease } from '../io/lease.ts';
import type { PageReader } from '../io/trackedJobs.ts';
import { type Fence, FencedError } from '../machines/lease.ts';
import type { Page } from '../machines/supervisor.ts';

/**
 * Reads a sweep's pages one after the other; the first one begins a new walk through all tracked jobs. Behind a fence it
 * begins where another host has left off, each job goes with the fence, and how far the sweep is is noted for whoever
 * may have to go on with it.
 */
export const createSweepActors = (open: (from?: string) => PageReader | Promise<PageReader>, lease: Lease) => {
  let reader: PageReader | undefined;
  /** Where the page began that was read last, and how many jobs came before it. */
  let last = { cursor: '0', scanned: 0 };
  let next = last;
  let noted: Promise<unknown> = Promise.resolve();

  /**
   * The page that was read last may still have jobs in the lanes: a successor does it again. The note goes out together
   * with the next page, and is heard of with the one after that: nothing waits for it, and what it says of the fence is
   * said by every act too.
   */
  const note = async (fence: Fence) => {
    const failure = await noted;
    if (failure instanceof FencedError) throw failure;
    noted = lease.notePage(fence, last.cursor, last.scanned).catch((error) => error);
  };

  const readPage = fromPromise<Page, { isFirst: boolean; fence: Fence | undefined }>(
    async ({ input: { isFirst, fence } }) => {
      if (isFirst || reader === undefined) {
        noted = Promise.resolve();
        last = fence === undefined ? { cursor: '0', scanned: 0 } : await lease.beginSweep(fence);
        next = last;
        reader = await open(last.cursor);
      } else if (fence !== undefined) await note(fence);
      const { jobs, isLast, cursor } = await reader.next();
      last = { cursor, scanned: next.scanned };
      next = { cursor, scanned: next.scanned + jobs.length };
      return { jobs: fence === undefined ? jobs : jobs.map((job) => ({ ...job, fence })), isLast };
    },
  );
  const noteEnd = fromPromise<void, { fence: Fence }>(async ({ input }) => {
    await noted;
    await lease.endSweep(input.fence, next.scanned);
  });
  return { readPage, noteEnd };
};
