import type { TrackedId } from './trackedId.ts';

/** A position in a scan: a cursor, and the run id of the Redis process that gave it. It means nothing to another process. */
export interface ScanPoint {
  readonly cursor: string;
  readonly runId: string;
}

/** The start of every scan, in any process. */
export const scanStart: ScanPoint = { cursor: '0', runId: '' };

/** The reply of one scan. */
export interface Scan {
  readonly next: ScanPoint;
  /** Which connection the reply came on. */
  readonly epoch: number;
  readonly ids: readonly TrackedId[];
}

/** What a scan reads with. */
export interface ScanSource {
  scan(cursor: string): Promise<Scan>;
  /** Counts connections. */
  epoch(): number;
}

/** A scan of the tracking hash. After an error, `next` may be called again. */
export interface TrackedScan {
  /** The next ids, and where they were asked for. Some may have come before. */
  next(): Promise<{ readonly ids: readonly TrackedId[]; readonly from: ScanPoint }>;
  /** Asks for the next ids ahead of `next`. */
  ahead(): void;
  /** Whether all ids were returned. */
  isOver(): boolean;
}

/**
 * If another Redis process replies than the one that gave the cursor (after a restart or a failover), the scan starts over.
 * Without the right to run INFO, processes are told apart by their connections.
 */
export const createTrackedScan = (source: ScanSource, from: ScanPoint): TrackedScan => {
  let point = from;
  let epoch = source.epoch();
  let isOver = false;
  let scanned: Promise<Scan> | undefined;

  const ask = () => {
    scanned ??= source.scan(point.cursor);
    scanned.catch(() => undefined); // The next `await` handles it.
    return scanned;
  };

  /** Whether a reply continues the scan. A reply to the cursor 0 always does. */
  const goesOn = ({ next, epoch: answeredBy }: Scan): boolean =>
    point.cursor === '0' || (point.runId === next.runId && (next.runId !== '' || epoch === answeredBy));

  const receive = async (): Promise<Scan> => {
    for (;;) {
      const result = await ask().finally(() => {
        scanned = undefined;
      });
      if (goesOn(result)) return result;
      point = scanStart;
    }
  };

  return {
    async next() {
      const { next, epoch: answeredBy, ids } = await receive();
      const began = { cursor: point.cursor, runId: next.runId };
      [point, epoch] = [next, answeredBy];
      isOver = point.cursor === '0';
      return { ids, from: began };
    },
    ahead() {
      if (!isOver) ask();
    },
    isOver: () => isOver,
  };
};
