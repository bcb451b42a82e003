import { isUtf8 } from 'node:buffer';
import { setImmediate } from 'node:timers/promises';
import type { TrackedJob } from '../../machines/facts.ts';
import type { Page } from '../../machines/supervisor.ts';
import type { Deps } from '../redis/deps.ts';
import { escapeGlob } from '../redis/keys.ts';
import { partsOf } from '../redis/paged.ts';
import { SeenIds } from './seenIds.ts';
import { brokenIdFacts, decodeFacts, type FactsReply } from './stats.ts';

/** A place in a scan: a cursor, and the process of Redis (its run id) that gave it. Only that process knows what it means. */
export interface ScanPoint {
  readonly cursor: string;
  readonly runId: string;
}

/** Where every scan begins, in any process. */
export const scanStart: ScanPoint = { cursor: '0', runId: '' };

/** Reads all tracked jobs page by page. After an error `next` may be called again: it goes on where it stood. */
export interface PageReader {
  next(): Promise<ReadPage>;
}

/** A page, and the point at which it began: whoever opens there finds all of it again. */
export interface ReadPage extends Page {
  readonly from: ScanPoint;
}

export interface TrackedJobs {
  /** @param from the beginning unless given. */
  open(from?: ScanPoint): PageReader;
  /** Reads jobs by their ids, in one call. */
  read(ids: readonly string[]): Promise<TrackedJob[]>;
  load(id: string): Promise<TrackedJob>;
  /** Loads a job as a sweep would meet it, where a person says its id: one that is no UTF-8 is said as it is shown. */
  find(id: string): Promise<TrackedJob>;
}

/** An id of the tracking hash: text, or bytes that are no UTF-8. */
export type TrackedId = string | Buffer;

/** Jobs that one step reads; the steps of a page are asked for in one round trip. */
const jobsAtOnce = 125;

interface Scan {
  readonly next: ScanPoint;
  /** The connection that the reply came on. */
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
  /** How many ids are asked for at once. */
  pageSize: number;
  random: () => number;
}): TrackedJobs => {
  /** Reads jobs, some in each step. Of those that say much of themselves some are left for the next call. */
  const readSome = async (ids: readonly string[]): Promise<{ readAt: number; jobs: TrackedJob[]; left: string[] }> => {
    const parts = await Promise.all(
      (ids.length === 0 ? [[]] : partsOf(ids, jobsAtOnce)).map(async (some) => {
        const text = await scripts.run('read_facts', some.map(keys.stats));
        const [readAt, ...facts] = JSON.parse(text) as [number, ...FactsReply[]];
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

  /** Reads tracked jobs; gives those that are yet to be read, too. */
  const readTracked = async (ids: readonly TrackedId[]): Promise<{ jobs: TrackedJob[]; left: TrackedId[] }> => {
    if (ids.length === 0) return { jobs: [], left: [] };
    const plain = ids.filter((id): id is string => typeof id === 'string');
    const { readAt, jobs, left } = await readSome(plain);
    const broken = ids.filter((id) => typeof id !== 'string').map((id) => brokenIdFacts(id, readAt));
    return { jobs: [...jobs, ...broken], left };
  };

  /** A command that is sent again after a reconnect may be answered by another process than the one it was meant for. */
  const scan = async (cursor: string): Promise<Scan> => {
    const [runId, next, plain, others] = await scripts.run('scan_tracked', [keys.track], [cursor, pageSize]);
    return { next: { cursor: next, runId }, epoch: connection.epoch(), ids: [...plain, ...others.map(idOfHex)] };
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
     * One round trip a page: the scan for the next ids goes out together with the read of these, and the next page is
     * read while this one is judged. Where another process of Redis has answered than the one that gave the cursor (a restart, a
     * failover), the scan starts over; what was met already is passed over. Without the right to INFO a process is known by
     * its connection only.
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
        result.catch(() => undefined); // Seen by whoever awaits it next.
        return result;
      };

      /** Whether a reply goes on from where the scan stands; one to the cursor 0 always does. */
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
        // A small hash is answered whole, whatever COUNT says.
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
            // After what this page asks of Redis at once: the note of its hooks must not wait behind the next page.
            ahead = setImmediate().then(load);
            ahead.catch(() => undefined);
          }
          return result;
        },
      };
    },
  };
};

/** The id whose bytes these are. */
export const idOfHex = (hex: string): TrackedId => {
  const bytes = Buffer.from(hex, 'hex');
  return isUtf8(bytes) ? bytes.toString() : bytes;
};

/** A text for each id, by which ids of other bytes stay apart. No id of text begins with a lone surrogate. */
const keyOf = (id: TrackedId): string => (typeof id === 'string' ? id : `\uD800${id.toString('latin1')}`);
