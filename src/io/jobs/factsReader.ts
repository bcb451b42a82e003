import type { TrackedJob } from '../../machines/facts.ts';
import type { Screened } from '../../machines/types/sweep.ts';
import type { Deps } from '../redis/deps.ts';
import { partsOf } from '../redis/paged.ts';
import { createBatchSize } from './batchSize.ts';
import type { Pace } from './pace.ts';
import type { TrackedPart } from './pageReader.ts';
import { addScreened, type Screen } from './screen.ts';
import { decodeFacts } from './stats.ts';

/**
 * Reads jobs by their ids, with scripts that do not wait for each other's replies. Where the values are large, some ids are
 * `left` for the next call.
 */
export type ReadFacts = (
  ids: readonly string[],
  screen?: Screen,
) => Promise<Omit<TrackedPart, 'left'> & { readonly readAt: number; readonly left: readonly string[] }>;

/** How many jobs one script reads at most. */
const maxJobsAtOnce = 200;

export const createFactsReader = ({ keys, scripts }: Pick<Deps, 'keys' | 'scripts'>, pace: Pace): ReadFacts => {
  const size = createBatchSize(maxJobsAtOnce, pace.scriptTime);

  const readPart = async (ids: readonly string[], screen: Screen) => {
    const expected = size.costOf(ids.length);
    await pace.turn(expected);
    const reply = await scripts.run('read_facts', ids.map(keys.stats), screen);
    size.learn(reply.jobs.length, reply.us);
    if (reply.us !== undefined) pace.correct(reply.us - expected);
    const jobs: TrackedJob[] = [];
    for (const [i, facts] of reply.jobs.entries()) {
      if (facts !== false) jobs.push(decodeFacts(ids[i] as string, reply.readAt, facts, reply.encoding));
    }
    return { ...reply, jobs, left: ids.slice(reply.jobs.length) };
  };

  return async (ids, screen = []) => {
    // Without ids, one script says the time.
    const parts = await Promise.all(
      (ids.length === 0 ? [[]] : partsOf(ids, size.next())).map((some) => readPart(some, screen)),
    );
    return {
      readAt: (parts[0] as { readAt: number }).readAt,
      jobs: parts.flatMap(({ jobs }) => jobs),
      screened: parts.map(({ screened }) => screened).reduce<Screened>(addScreened, new Map()),
      left: parts.flatMap(({ left }) => left),
    };
  };
};
