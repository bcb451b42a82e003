import { setImmediate } from 'node:timers/promises';
import type { Page } from '../../machines/types/sweep.ts';
import type { SeenIds } from './seenIds.ts';
import { keyOf, type TrackedId } from './trackedId.ts';

/** A position in a scan: a cursor, and the run id of the Redis process that gave it. It means nothing to another process. */
export interface ScanPoint {
  readonly cursor: string;
  readonly runId: string;
}

/** The start of every scan, in any process. */
export const scanStart: ScanPoint = { cursor: '0', runId: '' };

/** Reads all tracked jobs page by page. After an error, `next` may be called again: it resumes. */
export interface PageReader {
  next(): Promise<ReadPage>;
}

/** A page, and the position at which it began. A reader that is opened there returns the page again. */
export interface ReadPage extends Page {
  readonly from: ScanPoint;
}

/** The reply of one scan. */
export interface Scan {
  readonly next: ScanPoint;
  /** Which connection the reply came on. */
  readonly epoch: number;
  readonly ids: readonly TrackedId[];
}

/** Jobs that were read, and those that were passed over. Where the values are large, some ids are `left` for the next call. */
export interface TrackedPart extends Pick<Page, 'jobs' | 'screened'> {
  readonly left: readonly TrackedId[];
}

/** What a reader reads with. */
export interface PageSource {
  scan(cursor: string): Promise<Scan>;
  readTracked(ids: readonly TrackedId[]): Promise<TrackedPart>;
  /** Counts connections. */
  epoch(): number;
  /** The most jobs of a page. */
  readonly pageSize: number;
}

/**
 * Reads the tracked jobs with one round trip a page: the scan for the next ids is sent together with the read of these jobs, and
 * the next page is read while this one is judged. If another Redis process replies than the one that gave the cursor (after a
 * restart or a failover), the scan starts over, and skips the ids that were seen. Without the right to run INFO, processes are
 * told apart by their connections.
 */
export const createPageReader = (source: PageSource, seen: SeenIds, from: ScanPoint): PageReader => {
  const { pageSize } = source;
  let point = from;
  let epoch = source.epoch();
  let began = from;
  let scanned: Promise<Scan> | undefined;
  let rest: readonly TrackedId[] = [];
  let isScanned = false;
  let ahead: Promise<ReadPage> | undefined;

  const scanNext = () => {
    const result = source.scan(point.cursor);
    result.catch(() => undefined); // The next `await` handles it.
    return result;
  };

  /** Whether a reply continues the scan. A reply to the cursor 0 always does. */
  const goesOn = ({ next, epoch: answeredBy }: Scan): boolean =>
    point.cursor === '0' || (point.runId === next.runId && (next.runId !== '' || epoch === answeredBy));

  const receive = async (): Promise<Scan> => {
    for (;;) {
      scanned ??= scanNext();
      const result = await scanned.finally(() => {
        scanned = undefined;
      });
      if (goesOn(result)) return result;
      point = scanStart;
    }
  };

  const load = async (): Promise<ReadPage> => {
    if (rest.length === 0) {
      const { next, epoch: answeredBy, ids } = await receive();
      began = { cursor: point.cursor, runId: next.runId };
      [point, epoch] = [next, answeredBy];
      isScanned = point.cursor === '0';
      rest = ids.filter((id) => seen.add(keyOf(id)));
      if (!isScanned) scanned = scanNext();
    }
    // HSCAN returns a small hash as a whole, whatever COUNT is.
    const ids = rest.slice(0, pageSize);
    const { jobs, screened, left } = await source.readTracked(ids);
    rest = [...left, ...rest.slice(ids.length)];
    return { jobs, screened, isLast: isScanned && rest.length === 0, from: began };
  };

  return {
    async next() {
      const page = ahead ?? load();
      ahead = undefined;
      const result = await page;
      if (!result.isLast) {
        // After the commands of this page: its hooks must not wait behind the next page.
        ahead = setImmediate().then(load);
        ahead.catch(() => undefined);
      }
      return result;
    },
  };
};
