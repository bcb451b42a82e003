import { isUtf8 } from 'node:buffer';
import type { TrackedJob } from '../../machines/facts.ts';
import type { Screened } from '../../machines/types/sweep.ts';
import type { Deps } from '../redis/deps.ts';
import { escapeGlob } from '../redis/keys.ts';
import { partsOf } from '../redis/paged.ts';
import { createChosenReader } from './chosenJobs.ts';
import {
  createPageReader,
  type PageReader,
  type Scan,
  type ScanPoint,
  scanStart,
  type TrackedPart,
} from './pageReader.ts';
import { addScreened, type Screen } from './screen.ts';
import { SeenIds } from './seenIds.ts';
import { brokenIdFacts, decodeFacts } from './stats.ts';
import { idOfHex, type TrackedId } from './trackedId.ts';

export interface TrackedJobs {
  /**
   * @param from where to begin; the start if left out.
   * @param screen passes over jobs that are plainly ongoing; none if left out.
   */
  open(from?: ScanPoint, screen?: Screen): PageReader;
  /** Reads the jobs with these ids, instead of all. */
  openChosen(ids: readonly string[]): PageReader;
  /** Reads jobs by their ids. */
  read(ids: readonly string[]): Promise<TrackedJob[]>;
  load(id: string): Promise<TrackedJob>;
  /** Loads a job by the id that a person gives. An id that is invalid UTF-8 is found by the text that people see. */
  find(id: string): Promise<TrackedJob>;
}

/** How many jobs one script reads. The scripts of a page are sent in one round trip. */
const jobsAtOnce = 100;

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
  const readSome = async (ids: readonly string[], screen: Screen = []) => {
    const parts = await Promise.all(
      (ids.length === 0 ? [[]] : partsOf(ids, jobsAtOnce)).map(async (some) => {
        const reply = await scripts.run('read_facts', some.map(keys.stats), screen);
        const jobs: TrackedJob[] = [];
        for (const [i, facts] of reply.jobs.entries()) {
          if (facts !== false) jobs.push(decodeFacts(some[i] as string, reply.readAt, facts, reply.encoding));
        }
        return { ...reply, jobs, left: some.slice(reply.jobs.length) };
      }),
    );
    return {
      readAt: (parts[0] as { readAt: number }).readAt,
      jobs: parts.flatMap(({ jobs }) => jobs),
      screened: parts.map(({ screened }) => screened).reduce<Screened>(addScreened, new Map()),
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
  const readTracked = async (ids: readonly TrackedId[], screen: Screen | undefined): Promise<TrackedPart> => {
    if (ids.length === 0) return { jobs: [], left: [] };
    const plain = ids.filter((id): id is string => typeof id === 'string');
    const { readAt, jobs, screened, left } = await readSome(plain, screen);
    const broken = ids.filter((id) => typeof id !== 'string').map((id) => brokenIdFacts(id, readAt));
    return { jobs: [...jobs, ...broken], screened, left };
  };

  /** Scans once. After a reconnect another Redis process may reply, so the reply has the run id. */
  const scan = async (cursor: string): Promise<Scan> => {
    const { runId, cursor: next, ids, hexIds } = await scripts.run('scan_tracked', [keys.track], [cursor, pageSize]);
    return { next: { cursor: next, runId }, epoch: connection.epoch(), ids: [...ids, ...hexIds.map(idOfHex)] };
  };

  return {
    read,
    openChosen: (ids) => createChosenReader({ connection, keys, read, pageSize }, ids),
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

    open: (from = scanStart, screen = undefined) =>
      createPageReader(
        { scan, readTracked: (ids) => readTracked(ids, screen), epoch: connection.epoch, pageSize },
        new SeenIds(Math.floor(random() * 2 ** 32)),
        from,
      ),
  };
};
