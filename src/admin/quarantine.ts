import type { Quarantine } from '../io/pools/quarantine.ts';
import type { QuarantineRecord as StoredRecord } from '../io/pools/quarantineRecords.ts';
import { isWrongType } from '../io/redis/errors.ts';
import { readArguments } from '../options.ts';
import { type QuarantineRecord, quarantineRecordOf } from './quarantineRecords.ts';

/** Selects jobs in quarantine. A job must match every member that is given. */
export interface QuarantineFilter {
  /** Id of the job. */
  readonly id?: string;
  /** Of a job with entries of several types, only those of this type are released or dropped. */
  readonly type?: string;
}

export interface QuarantineMove {
  /** Only counts. */
  readonly plan?: boolean;
  /** Called for each job that was released or dropped, or in a plan would be. */
  readonly onRecord?: (record: QuarantineRecord) => void;
}

/** How many jobs were released or dropped. */
export interface QuarantineCounts {
  readonly done: number;
  /** Jobs whose entries were no longer in `dead`, because gocraft's own tools have taken them. Only their records are removed. */
  readonly gone: number;
}

/** Poison jobs: list, release, drop. */
export interface QuarantineAdmin {
  /**
   * All jobs that match, a bounded number at a time, in no order. A record whose entry is no longer in `dead` is listed once
   * more, and then removed.
   */
  list(filter?: QuarantineFilter): AsyncIterable<readonly QuarantineRecord[]>;
  /**
   * Requeues all jobs that match, byte for byte, and forgets how often their workers died. Jobs that have changed meanwhile
   * are left out.
   * @throws Error if a key that a job needs has the wrong type, after all other jobs were released; a plan throws it too.
   * @throws OptionsError if a member of the filter is unknown, undefined or empty: it would match other jobs than were meant.
   */
  release(filter: QuarantineFilter, options?: QuarantineMove): Promise<QuarantineCounts>;
  /**
   * Removes all jobs that match from `dead` for good. Counts as `release` does.
   * @throws OptionsError as `release` does.
   */
  drop(filter: QuarantineFilter, options?: QuarantineMove): Promise<QuarantineCounts>;
}

/** @param isPlan whether nothing may be changed. */
export const createQuarantineAdmin = (quarantine: Quarantine, isPlan: boolean): QuarantineAdmin => {
  async function* find({ id, type }: QuarantineFilter): AsyncIterable<readonly StoredRecord[]> {
    const matches = ({ types }: StoredRecord) => type === undefined || types.includes(type);
    if (id === undefined) {
      for await (const page of quarantine.all()) yield page.filter(matches);
      return;
    }
    const record = await quarantine.find(id);
    yield record !== undefined && matches(record) ? [record] : [];
  }
  const end = async (verb: 'release' | 'drop', given: QuarantineFilter, options?: QuarantineMove) => {
    const filter = readArguments('quarantineFilter', given ?? null) as QuarantineFilter;
    const { plan = false, onRecord } = readArguments('quarantineMove', options) as QuarantineMove;
    const { type } = filter;
    const counts = { done: 0, gone: 0 };
    let refusal: unknown;
    /** A key of the wrong type stops one job, and no other. */
    const endOne = async (record: StoredRecord) => {
      try {
        return (await quarantine[verb](record, { type, plan: plan || isPlan })).outcome;
      } catch (error) {
        if (!isWrongType(error)) throw error;
        refusal ??= error;
        return 'overtaken';
      }
    };
    // A scan of a growing hash may return a record twice.
    const counted = new Set<string>();
    for await (const page of find(filter)) {
      for (const record of page) {
        if (counted.has(record.id)) continue;
        const reply = await endOne(record);
        if (reply === 'overtaken') continue;
        counted.add(record.id);
        counts[reply] += 1;
        if (reply === 'done') onRecord?.(quarantineRecordOf(record));
      }
    }
    if (refusal !== undefined) throw refusal;
    return counts;
  };
  return {
    async *list(filter = {}) {
      for await (const page of find(filter)) {
        for (const record of page) if (!record.isInDead && !isPlan) await quarantine.forget(record);
        yield page.map(quarantineRecordOf);
      }
    },
    release: (filter, options) => end('release', filter, options),
    drop: (filter, options) => end('drop', filter, options),
  };
};
