import type { Quarantine, QuarantineRecord } from './io/quarantine.ts';

/** Which jobs a person means: all that fit everything that is given. */
export interface QuarantineFilter {
  readonly id?: string;
  readonly type?: string;
}

/** What became of those that a person meant. */
export interface QuarantineCounts {
  readonly done: number;
  /** Their entries were not in `dead` any more: gocraft's own tools have taken them. Only their records are removed. */
  readonly gone: number;
}

/** Poison jobs, for people. */
export interface QuarantineForPeople {
  /**
   * All that fit, a bounded number at a time, in no order. A record whose entry is in `dead` no more is shown this once,
   * and forgotten.
   */
  list(filter?: QuarantineFilter): AsyncIterable<readonly QuarantineRecord[]>;
  /**
   * Puts all that fit back into their queues, byte for byte, and forgets how often their workers died. What has changed
   * meanwhile is passed over. With `plan` it only counts.
   */
  release(filter: QuarantineFilter, options?: { readonly plan?: boolean }): Promise<QuarantineCounts>;
  /** Removes all that fit from `dead`, for good; counts as `release` does. */
  drop(filter: QuarantineFilter, options?: { readonly plan?: boolean }): Promise<QuarantineCounts>;
}

/** @param isPlan nothing is changed, whatever is asked for. */
export const createQuarantineForPeople = (quarantine: Quarantine, isPlan: boolean): QuarantineForPeople => {
  async function* find({ id, type }: QuarantineFilter): AsyncIterable<readonly QuarantineRecord[]> {
    const fits = ({ types }: QuarantineRecord) => type === undefined || types.includes(type);
    if (id === undefined) {
      for await (const page of quarantine.all()) yield page.filter(fits);
      return;
    }
    const record = await quarantine.find(id);
    yield record !== undefined && fits(record) ? [record] : [];
  }
  const end = async (verb: 'release' | 'drop', filter: QuarantineFilter, plan: boolean): Promise<QuarantineCounts> => {
    let [done, gone] = [0, 0];
    for await (const page of find(filter)) {
      for (const record of page) {
        const reply = plan || isPlan ? (record.isInDead ? 'ok' : 'gone') : await quarantine.end(record, verb);
        if (reply === 'ok') done += 1;
        else if (reply === 'gone') gone += 1;
      }
    }
    return { done, gone };
  };
  return {
    async *list(filter = {}) {
      for await (const page of find(filter)) {
        for (const record of page) if (!record.isInDead && !isPlan) await quarantine.end(record, 'prune');
        yield page;
      }
    },
    release: (filter, { plan = false } = {}) => end('release', filter, plan),
    drop: (filter, { plan = false } = {}) => end('drop', filter, plan),
  };
};
