import { fromPromise } from 'xstate';
import type { PageReader } from '../io/trackedJobs.ts';
import type { Page } from '../machines/supervisor.ts';

/** Reads a sweep's pages one after the other; the first one begins a new walk through all tracked jobs. */
export const createReadPage = (open: () => PageReader) => {
  let reader: PageReader | undefined;
  return fromPromise<Page, { isFirst: boolean }>(({ input }) => {
    if (input.isFirst || reader === undefined) reader = open();
    return reader.next();
  });
};
