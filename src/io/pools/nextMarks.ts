import { countLeft, marksOf } from '../../machines/marks.ts';
import type { PoolDone, Suspect } from '../../machines/types/pool.ts';
import type { Deps } from '../redis/deps.ts';

/** What is planned for the next entries of a list, from its end on. */
export interface NextMarks {
  /** Index in the list of the first of these entries. */
  readonly from: number;
  /** Fewer than asked for if the list is shorter; none for entries that have come up since the plan. */
  readonly marks: string;
}

/** Reads for which entries a planned rescue is next; undefined without a plan. */
export type NextMarksReader = (
  suspect: Suspect,
  type: string,
  done: PoolDone,
  count: number,
) => Promise<NextMarks | undefined>;

export const createNextMarks =
  ({ connection: { redis }, keys }: Pick<Deps, 'connection' | 'keys'>): NextMarksReader =>
  async ({ pool, planned }, type, done, count) => {
    if (planned === undefined) return undefined;
    const end = await redis.llen(keys.inProgress(type, pool));
    const from = Math.max(0, end - count);
    const isMore = end > countLeft(planned, type, done);
    return { from, marks: isMore ? '' : marksOf(planned, type, from, end) };
  };
