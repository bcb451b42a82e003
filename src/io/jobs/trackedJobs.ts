import { isUtf8 } from 'node:buffer';
import { setImmediate } from 'node:timers/promises';
import type { TrackedJob } from '../../machines/facts.ts';
import type { Page } from '../../machines/supervisor.ts';
import type { Deps } from '../redis/deps.ts';
import { escapeGlob } from '../redis/keys.ts';
import { partsOf } from '../redis/paged.ts';
import { SeenIds } from './seenIds.ts';
import { brokenIdFacts, decodeFacts } from './stats.ts';

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

export interface TrackedJobs {
  /** @param from where to begin; the start if left out. */
  open(from?: ScanPoint): PageReader;
  /** Reads jobs by their ids. */
  read(ids: readonly string[]): Promise<TrackedJob[]>;
  load(id: string): Promise<TrackedJob>;
  /** Loads a job by the id that a person gives. An id that is invalid UTF-8 is found by the text that people see. */
  find(id: string): Promise<TrackedJob>;
}

/** An id of the tracking hash: a string, or bytes that are invalid UTF-8. */
export type TrackedId = string | Buffer;

/** How many jobs one script reads. The scripts of a page are sent in one round trip. */
const jobsAtOnce = 125;

interface Scan {
  readonly next: ScanPoint;
  /** Which connection the reply came on. */
  readonly epoch: number;
  readonly ids: readonly TrackedId[];
}

export const createTrackedJobs = ({
  connection,
  keys,
  scripts,
  pageSize,
  random,
}: Pick<Deps, 'connection' | 'keys' | 'scripts'> & {
  /** COUNT of HSCAN, and the most jobs of a page. */
  pageSize: number;
  random: () => number;
}): TrackedJobs => {
  /** Reads jobs with several scripts. Where the values are large, some jobs are left for the next call. */
  const readSome = async (ids: readonly string[]): Promise<{ readAt: number; jobs: TrackedJob[]; left: string[] }> => {
    const parts = await Promise.all(
      (ids.length === 0 ? [[]] : partsOf(ids, jobsAtOnce)).map(async (some) => {
        const { readAt, jobs: facts } = await scripts.run('read_facts', some.map(keys.stats));
        const jobs = facts.map((reply, i) => decodeFacts(some[i] as string, readAt, reply));
        return { readAt, jobs, left: some.slice(facts.length) };
      }),
    );
    return {
      readAt: (parts[0] as { readAt: number }).readAt,
      jobs: parts.flatMap(({ jobs }) => jobs),
      left: parts.flatMap(({ left }) => left),
    };
  };

  const read = async (ids: readonly string[]): Promise<TrackedJob[]> => {
    const found = new Map<string, TrackedJob>();
    for (let left = ids; left.length > 0; ) {
      const some = await readSome(left);
      for (const job of some.jobs) found.set(job.facts.id, job);
      left = some.left;
    }
    return ids.map((id) => found.get(id) as TrackedJob);
  };

  /** Reads tracked jobs, and returns the ids that are still to be read. */
  const readTracked = async (ids: readonly TrackedId[]): Promise<{ jobs: TrackedJob[]; left: TrackedId[] }> => {
    if (ids.length === 0) return { jobs: [], left: [] };
    const plain = ids.filter((id): id is string => typeof id === 'string');
    const { readAt, jobs, left } = await readSome(plain);
    const broken = ids.filter((id) => typeof id !== 'string').map((id) => brokenIdFacts(id, readAt));
    return { jobs: [...jobs, ...broken], left };
  };

  /** Scans once. After a reconnect another Redis process may reply, so the reply has the run id. */
  const scan = async (cursor: string): Promise<Scan> => {
    const { runId, cursor: next, ids, hexIds } = await scripts.run('scan_tracked', [keys.track], [cursor, pageSize]);
    return { next: { cursor: next, runId }, epoch: connection.epoch(), ids: [...ids, ...hexIds.map(idOfHex)] };
  };

  return {
    read,
    load: async (id) => (await read([id]))[0] as TrackedJob,

    async find(id) {
      const { readAt, jobs } = await readSome([id]);
      if (!id.includes('\uFFFD') || (await connection.redis.hexists(keys.track, id)) === 1)
        return jobs[0] as TrackedJob;
      const pattern = escapeGlob(id).replaceAll('\uFFFD', '*');
      let cursor = '0';
      do {
        const [next, pairs] = await connection.redis.hscanBuffer(keys.track, cursor, 'MATCH', pattern, 'COUNT', 1_000);
        const broken = pairs.find((field, i) => i % 2 === 0 && !isUtf8(field) && field.toString() === id);
        if (broken !== undefined) return brokenIdFacts(broken, readAt);
        cursor = String(next);
      } while (cursor !== '0');
      return jobs[0] as TrackedJob;
    },

    /**
     * One round trip a page: the scan for the next ids is sent together with the read of these jobs, and the next page is read
     * while this one is judged. If another Redis process replies than the one that gave the cursor (after a restart or a
     * failover), the scan starts over, and skips the ids that were seen. Without the right to run INFO, processes are told apart
     * by their connections.
     */
    open(from = scanStart) {
      const seen = new SeenIds(Math.floor(random() * 2 ** 32));
      let point = from;
      let epoch = connection.epoch();
      let began = from;
      let scanned: Promise<Scan> | undefined;
      let rest: readonly TrackedId[] = [];
      let isScanned = false;
      let ahead: Promise<ReadPage> | undefined;

      const scanNext = () => {
        const result = scan(point.cursor);
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
        const { jobs, left } = await readTracked(ids);
        rest = [...left, ...rest.slice(ids.length)];
        return { jobs, isLast: isScanned && rest.length === 0, from: began };
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
    },
  };
};

/** Decodes an id from hex. */
export const idOfHex = (hex: string): TrackedId => {
  const bytes = Buffer.from(hex, 'hex');
  return isUtf8(bytes) ? bytes.toString() : bytes;
};

/** A distinct string for each id. No valid id begins with a lone surrogate. */
const keyOf = (id: TrackedId): string => (typeof id === 'string' ? id : `\uD800${id.toString('latin1')}`);
