import { setImmediate } from 'node:timers/promises';
import type { TrackedJob } from '../machines/facts.ts';
import type { Page } from '../machines/supervisor.ts';
import type { Connection } from './connection.ts';
import type { Keys } from './keys.ts';
import type { Scripts } from './scripts.ts';
import { SeenIds } from './seenIds.ts';
import { decodeFacts, type FactsReply } from './stats.ts';

/** Reads all tracked jobs page by page. After an error `next` may be called again: it goes on where it stood. */
export interface PageReader {
  next(): Promise<ReadPage>;
}

/** A page, and the cursor at which it began: whoever opens there finds all of it again. */
export interface ReadPage extends Page {
  readonly cursor: string;
}

export interface TrackedJobs {
  /** @param from a cursor of the same process of Redis; the beginning unless given. */
  open(from?: string): PageReader;
  /** Reads jobs by their ids, in one call. */
  read(ids: readonly string[]): Promise<TrackedJob[]>;
  load(id: string): Promise<TrackedJob>;
}

interface Scan {
  /** The connection that the question went out on. */
  readonly epoch: number;
  readonly cursor: string;
  readonly ids: readonly string[];
}

export const createTrackedJobs = ({
  connection,
  keys,
  scripts,
  pageSize,
  random,
}: {
  connection: Connection;
  keys: Keys;
  scripts: Scripts;
  /** How many ids are asked for at once. */
  pageSize: number;
  random: () => number;
}): TrackedJobs => {
  const read = async (ids: readonly string[]): Promise<TrackedJob[]> => {
    if (ids.length === 0) return [];
    const answer: [number, ...FactsReply[]] = JSON.parse(await scripts.run<string>('read_facts', ids.map(keys.stats)));
    return ids.map((id, i) => decodeFacts(id, answer[0], answer[i + 1] as FactsReply));
  };

  const scan = async (cursor: string): Promise<Scan> => {
    const epoch = connection.epoch();
    const [next, pairs] = await connection.redis.hscan(keys.track, cursor, 'COUNT', pageSize);
    return { epoch, cursor: next, ids: pairs.filter((_, i) => i % 2 === 0) };
  };

  return {
    read,
    load: async (id) => (await read([id]))[0] as TrackedJob,

    /**
     * One round trip a page: the scan for the next ids goes out together with the read of these, and the next page is
     * read while this one is judged. A cursor does not outlive its connection (a restarted Redis has another order), so
     * after a reconnect the scan starts over; what was met already is passed over.
     */
    open(from = '0') {
      const seen = new SeenIds(Math.floor(random() * 2 ** 32));
      let cursor = from;
      let began = from;
      let scanned: Promise<Scan> | undefined;
      let rest: readonly string[] = [];
      let ahead: Promise<ReadPage> | undefined;

      const scanNext = () => {
        const result = scan(cursor);
        result.catch(() => undefined); // Seen by whoever awaits it next.
        return result;
      };

      const load = async (): Promise<ReadPage> => {
        if (rest.length === 0) {
          scanned ??= scanNext();
          const result = await scanned.catch((error) => {
            scanned = undefined;
            throw error;
          });
          if (result.epoch !== 0 && result.epoch !== connection.epoch()) {
            cursor = '0';
            scanned = undefined;
            return load();
          }
          began = cursor;
          cursor = result.cursor;
          rest = result.ids.filter((id) => seen.add(id));
          scanned = cursor === '0' ? undefined : scanNext();
        }
        // A small hash is answered whole, whatever COUNT says.
        const ids = rest.slice(0, pageSize);
        const jobs = await read(ids);
        rest = rest.slice(ids.length);
        return { jobs, isLast: cursor === '0' && rest.length === 0, cursor: began };
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
