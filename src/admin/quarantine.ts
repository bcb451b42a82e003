import type { Quarantine } from '../io/pools/quarantine.ts';
import type { QuarantineRecord } from '../io/pools/quarantineRecords.ts';
import { isWrongType } from '../io/redis/errors.ts';
import { readArguments } from '../options.ts';

/** Which jobs a person means: all that fit everything that is given. */
export interface QuarantineFilter {
  readonly id?: string;
  /** Of a job with entries of several types only those of this one are released or dropped. */
  readonly type?: string;
}

export interface QuarantineMove {
  /** Only count. */
  readonly plan?: boolean;
  /** Called for each that was released or dropped; in a plan, that would be. */
  readonly onRecord?: (record: QuarantineRecord) => void;
}

/** What became of those that a person meant. */
export interface QuarantineCounts {
  readonly done: number;
  /** Their entries were not in `dead` any more: gocraft's own tools have taken them. Only their records are removed. */
  readonly gone: number;
}

/** Poison jobs, for people. */
export interface QuarantineAdmin {
  /**
   * All that fit, a bounded number at a time, in no order. A record whose entry is in `dead` no more is shown this once,
   * and forgotten.
   */
  list(filter?: QuarantineFilter): AsyncIterable<readonly QuarantineRecord[]>;
  /**
   * Puts all that fit back into their queues, byte for byte, and forgets how often their workers died. What has changed
   * meanwhile is passed over.
   * @throws Error after all others were put back, where a key that one needs holds another type; a plan throws it likewise.
   * @throws OptionsError where a member of the filter is unknown, undefined or empty: that would mean others than were meant.
   */
  release(filter: QuarantineFilter, options?: QuarantineMove): Promise<QuarantineCounts>;
  /**
   * Removes all that fit from `dead`, for good; counts as `release` does.
   * @throws OptionsError as `release` does.
   */
  drop(filter: QuarantineFilter, options?: QuarantineMove): Promise<QuarantineCounts>;
}

/** @param isPlan nothing is changed, whatever is asked for. */
export const createQuarantineAdmin = (quarantine: Quarantine, isPlan: boolean): QuarantineAdmin => {
  async function* find({ id, type }: QuarantineFilter): AsyncIterable<readonly QuarantineRecord[]> {
    const fits = ({ types }: QuarantineRecord) => type === undefined || types.includes(type);
    if (id === undefined) {
      for await (const page of quarantine.all()) yield page.filter(fits);
      return;
    }
    const record = await quarantine.find(id);
    yield record !== undefined && fits(record) ? [record] : [];
  }
  const end = async (verb: 'release' | 'drop', given: QuarantineFilter, options?: QuarantineMove) => {
    const filter = readArguments('quarantineFilter', given ?? null) as QuarantineFilter;
    const { plan = false, onRecord } = readArguments('quarantineMove', options) as QuarantineMove;
    const { type } = filter;
    const counts = { done: 0, gone: 0 };
    let refusal: unknown;
    /** A key of the wrong type keeps one job where it is, and no other. */
    const endOne = async (record: QuarantineRecord) => {
      try {
        return await quarantine.remove(record, verb, type, plan || isPlan);
      } catch (error) {
        if (!isWrongType(error)) throw error;
        refusal ??= error;
        return 'overtaken';
      }
    };
    // A walk through a hash that grows may meet a record twice.
    const counted = new Set<string>();
    for await (const page of find(filter)) {
      for (const record of page) {
        if (counted.has(record.id)) continue;
        const reply = await endOne(record);
        if (reply === 'overtaken') continue;
        counted.add(record.id);
        counts[reply] += 1;
        if (reply === 'done') onRecord?.(record);
      }
    }
    if (refusal !== undefined) throw refusal;
    return counts;
  };
  return {
    async *list(filter = {}) {
      for await (const page of find(filter)) {
        for (const record of page) if (!record.isInDead && !isPlan) await quarantine.remove(record, 'prune');
        yield page;
      }
    },
    release: (filter, options) => end('release', filter, options),
    drop: (filter, options) => end('drop', filter, options),
  };
};
