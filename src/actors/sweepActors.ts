import { fromPromise } from 'xstate';
import type { Hooks } from '../io/hooks/hooks.ts';
import type { PageReader } from '../io/jobs/pageReader.ts';
import { type ScanPoint, scanStart } from '../io/jobs/trackedScan.ts';
import type { Lease } from '../io/leader/lease.ts';
import type { Preflight } from '../io/pools/preflight.ts';
import { newToken } from '../io/redis/scripts.ts';
import { type Fence, FencedError } from '../machines/lease.ts';
import type { SweepScope } from '../machines/types/scope.ts';
import { countOf, type PageInput, type PageToJudge } from '../machines/types/sweep.ts';
import { orPermanent } from './permanent.ts';
import { orRefused } from './refused.ts';

/**
 * Reads a sweep's pages one after the other; the first one begins a new scan of all tracked jobs. With a fence, the scan
 * begins at the checkpoint of another host, each job carries the fence, and each page records a checkpoint for the next
 * leader. Before the first page a write proves that Redis takes writes; a plan writes nothing.
 */
export const createSweepActors = (
  open: (plan: boolean, from?: ScanPoint, scope?: SweepScope) => PageReader | Promise<PageReader>,
  lease: Lease,
  preflight: Preflight,
  endpointFor: Hooks['endpointFor'],
) => {
  let reader: PageReader | undefined;
  /** Where the page began that was read last, and how many jobs came before it. */
  let last = { from: scanStart, scanned: 0 };
  let next = last;
  let recorded: Promise<unknown> = Promise.resolve();
  let pass = '';

  /**
   * Records where the page began that was read last. Its jobs may still be in lanes, so a successor repeats it. The record is
   * sent together with the request for the next page, and its answer is read with the page after that, so that no page waits
   * for it. Every act finds a lost lease too.
   */
  const recordCheckpoint = async (fence: Fence) => {
    const failure = await recorded;
    if (failure instanceof FencedError) throw failure;
    recorded = lease.checkpoint(fence, last.from, last.scanned).catch((error) => error);
  };

  const begin = async ({ plan, fence, scope }: PageInput): Promise<PageReader> => {
    if (!plan) await preflight.proveWrites();
    recorded = Promise.resolve();
    if (fence === undefined) last = { from: scanStart, scanned: 0 };
    else {
      const { scanned, ...from } = await lease.beginSweep(fence);
      last = { from, scanned };
    }
    next = last;
    pass = `sweep/${newToken()}`;
    return open(plan, last.from, scope);
  };

  const readPage = fromPromise<PageToJudge, PageInput>(({ input, signal }) =>
    orFinal(async () => {
      const { isFirst, fence } = input;
      if (isFirst || reader === undefined) reader = await begin(input);
      else if (fence !== undefined) await recordCheckpoint(fence);
      const pages = reader;
      const { jobs, screened, isLast, from, notFound } = await orPermanent(() => pages.next(signal));
      last = { from, scanned: next.scanned };
      next = { from, scanned: next.scanned + jobs.length + countOf(screened) };
      // Field by field: a spread costs several times as much, and each scanned job comes by here.
      const found = jobs.map(({ facts, fingerprint, hookUrl }) => {
        return { facts, fingerprint, hookUrl, fence, pass, endpoint: endpointFor(hookUrl) };
      });
      return { jobs: found, screened, isLast, notFound };
    }),
  );
  const completePass = fromPromise<void, { fence: Fence }>(({ input }) =>
    orFinal(async () => {
      await recorded;
      await lease.completeSweep(input.fence, next.scanned);
    }),
  );
  return { readPage, completePass };
};

/** Ends the sweep at once where trying again cannot help. @throws RefusedError @throws PermanentError */
const orFinal = <T>(step: () => Promise<T>): Promise<T> => orPermanent(() => orRefused(step));
