import type { TrackedJob } from '../../machines/facts.ts';
import type { Deps } from '../redis/deps.ts';
import type { PageReader } from './pageReader.ts';
import { scanStart } from './trackedScan.ts';

/**
 * Reads the jobs with the given ids page by page, instead of a scan. Each page names the ids of its part that are not tracked.
 * After an error, `next` may be called again: it resumes.
 */
export const createChosenReader = (
  {
    connection: { redis },
    keys,
    read,
    pageSize,
  }: Pick<Deps, 'connection' | 'keys'> & {
    read: (ids: readonly string[]) => Promise<TrackedJob[]>;
    pageSize: number;
  },
  chosen: readonly string[],
): PageReader => {
  const ids = [...new Set(chosen)];
  let at = 0;
  return {
    async next() {
      const some = ids.slice(at, at + pageSize);
      const counts = some.length === 0 ? [] : await redis.hmget(keys.track, ...some);
      const jobs = await read(some.filter((_, i) => counts[i] !== null));
      at += some.length;
      const notFound = some.filter((_, i) => counts[i] === null);
      return { jobs, notFound, isLast: at >= ids.length, from: scanStart };
    },
  };
};
