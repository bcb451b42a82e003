import { setImmediate } from 'node:timers/promises';
import type { Page } from '../../machines/types/sweep.ts';
import { partsOf } from '../redis/paged.ts';
import type { SeenIds } from './seenIds.ts';
import { keyOf, type TrackedId } from './trackedId.ts';
import { createTrackedScan, type ScanPoint, type ScanSource } from './trackedScan.ts';

/** Reads all tracked jobs page by page. After an error, `next` may be called again: it resumes. */
export interface PageReader {
  /** @param signal ends a search of all places, which may take long, with an error. */
  next(signal?: AbortSignal): Promise<ReadPage>;
}

/** A page, and the position at which it began. A reader that is opened there returns the page again. */
export interface ReadPage extends Page {
  readonly from: ScanPoint;
}

/** Jobs that were read, and those that were passed over. Where the values are large, some ids are `left` for the next call. */
export interface TrackedPart extends Pick<Page, 'jobs' | 'screened'> {
  readonly left: readonly TrackedId[];
}

/** What a reader reads with. */
export interface PageSource extends ScanSource {
  readTracked(ids: readonly TrackedId[]): Promise<TrackedPart>;
  /** The most jobs of a page. */
  readonly pageSize: number;
}

/** A page whose ids are known, and its facts, once it was asked for. */
interface PageToCome {
  readonly ids: readonly TrackedId[];
  readonly from: ScanPoint;
  reading: Promise<TrackedPart> | undefined;
}

/** With two pages on their way, Redis never waits for this process. */
const pagesAhead = 2;

/**
 * Reads the tracked jobs with one round trip a page: the scan for the next ids is sent together with the read of these jobs, and
 * the next pages are read while this one is judged.
 */
export const createPageReader = (source: PageSource, seen: SeenIds, from: ScanPoint): PageReader => {
  const { pageSize } = source;
  const scan = createTrackedScan(source, from);
  /** The pages to come, as far as they were scanned. */
  const pages: PageToCome[] = [];
  let sending: Promise<void> | undefined;

  const addPages = async () => {
    const { ids, from } = await scan.next();
    const unseen = ids.filter((id) => seen.add(keyOf(id)));
    // HSCAN returns a small hash as a whole, whatever COUNT is.
    const parts = unseen.length > pageSize ? partsOf(unseen, pageSize) : [unseen];
    pages.push(...parts.map((ids) => ({ ids, from, reading: undefined })));
  };

  const isUnsent = ({ reading }: PageToCome) => reading === undefined;
  const sendNext = async () => {
    if (!pages.some(isUnsent)) await addPages();
    scan.ahead();
    const page = pages.find(isUnsent) as PageToCome;
    page.reading = source.readTracked(page.ids);
    page.reading.catch(() => undefined); // The next `await` handles it.
  };
  /** Sends the read of the next page. Only one call at a time does. */
  const send = () => {
    sending ??= sendNext().finally(() => {
      sending = undefined;
    });
    return sending;
  };

  const readAhead = async () => {
    // After the commands of the page before: its hooks must not wait behind the next page.
    await setImmediate();
    const hasMore = () => pages.some(isUnsent) || !scan.isOver();
    while (hasMore() && pages.filter((page) => !isUnsent(page)).length < pagesAhead) await send();
  };

  return {
    async next() {
      while (pages[0]?.reading === undefined) await send();
      const { from, reading } = pages[0];
      try {
        const { jobs, screened, left } = await reading;
        pages.splice(0, 1, ...(left.length > 0 ? [{ ids: left, from, reading: undefined }] : []));
        const isLast = scan.isOver() && pages.length === 0;
        if (!isLast) readAhead().catch(() => undefined); // The next call tries again.
        return { jobs, screened, isLast, from };
      } catch (error) {
        // Those behind it were sent on the same connection.
        for (const page of pages) page.reading = undefined;
        throw error;
      }
    },
  };
};
