import type { TrackedJob } from '../../machines/facts.ts';
import { bytesOfText } from '../redis/bytesText.ts';
import type { Deps } from '../redis/deps.ts';
import { unlessWrongType } from '../redis/wrongTypes.ts';
import { createBatchSize } from './batchSize.ts';
import { createChosenReader } from './chosenJobs.ts';
import { createFactsReader } from './factsReader.ts';
import { noPace, type Pace } from './pace.ts';
import { createPageReader, type PageReader, type TrackedPart } from './pageReader.ts';
import type { Screen } from './screen.ts';
import { SeenIds } from './seenIds.ts';
import { brokenIdFacts } from './stats.ts';
import type { TrackedId } from './trackedId.ts';
import { type Scan, type ScanPoint, scanStart } from './trackedScan.ts';

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

export const createTrackedJobs = ({
  connection,
  keys,
  scripts,
  pace,
  pageSize,
  random,
}: Pick<Deps, 'connection' | 'keys' | 'scripts'> & {
  pace: Pace;
  /** The most jobs of a page. */
  pageSize: number;
  random: () => number;
}): TrackedJobs => {
  const readFacts = createFactsReader({ keys, scripts }, pace);
  const readNow = createFactsReader({ keys, scripts }, noPace);
  const scanSize = createBatchSize(pageSize, pace.scriptTime);

  const read = async (ids: readonly string[]): Promise<TrackedJob[]> => {
    const found = new Map<string, TrackedJob>();
    for (let left = ids; left.length > 0; ) {
      const some = await readFacts(left);
      for (const job of some.jobs) found.set(job.facts.id, job);
      left = some.left;
    }
    return ids.map((id) => found.get(id) as TrackedJob);
  };

  /** Reads tracked jobs, and returns the ids that are still to be read. */
  const readTracked = async (ids: readonly TrackedId[], screen: Screen | undefined): Promise<TrackedPart> => {
    if (ids.length === 0) return { jobs: [], left: [] };
    const plain = ids.filter((id): id is string => typeof id === 'string');
    const { readAt, jobs, screened, left } = await readFacts(plain, screen);
    const broken = ids.filter((id) => typeof id !== 'string').map((id) => brokenIdFacts(id, readAt));
    return { jobs: [...jobs, ...broken], screened, left };
  };

  /** Scans once. After a reconnect another Redis process may reply, so the reply has the run id. */
  const scan = async (cursor: string): Promise<Scan> => {
    const count = scanSize.next();
    const expected = scanSize.costOf(count);
    await pace.turn(expected);
    const { runId, cursor: next, ids, us } = await scripts.run('scan_tracked', [keys.track], [cursor, count]);
    // A small hash is scanned as a whole, whatever COUNT is.
    scanSize.learn(Math.max(count, ids.length), us);
    if (us !== undefined) pace.correct(us - expected);
    return { next: { cursor: next, runId }, epoch: connection.epoch(), ids };
  };

  return {
    read,
    openChosen: (ids) => createChosenReader({ connection, keys, read, pageSize }, ids),
    load: async (id) => (await readNow([id])).jobs[0] as TrackedJob,

    async find(id) {
      const { readAt, jobs } = await readNow([id]);
      const job = jobs[0] as TrackedJob;
      const bytes = bytesOfText(id);
      if (bytes === undefined) return job;
      const isTracked = (name: TrackedId) => unlessWrongType(connection.redis.hexists(keys.track, name), 0);
      const [isText, isBytes] = await Promise.all([isTracked(id), isTracked(bytes)]);
      return isBytes === 1 && isText === 0 ? brokenIdFacts(bytes, readAt) : job;
    },

    open: (from = scanStart, screen = undefined) =>
      createPageReader(
        { scan, readTracked: (ids) => readTracked(ids, screen), epoch: connection.epoch, pageSize },
        new SeenIds(Math.floor(random() * 2 ** 32)),
        from,
      ),
  };
};
