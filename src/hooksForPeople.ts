import type { Delivery } from './delivery.ts';
import type { EndpointStatus, HookRecord } from './io/hookRecords.ts';

/** Which records a person means: all that fit everything that is given. */
export interface HookFilter {
  readonly id?: string;
  /** Scheme, host and port of the receiver. */
  readonly endpoint?: string;
  /** Why it is parked, or what came back last: `404`, `deadline`, `too-old`, … */
  readonly reason?: string;
  readonly state?: HookRecord['state'];
}

/** Undelivered hooks, for people. */
export interface UndeliveredHooks {
  /** All records that fit, a bounded number at a time, in no order. Changes nothing. */
  list(filter?: HookFilter): AsyncIterable<readonly HookRecord[]>;
  /** All receivers that something waits for. Changes nothing. */
  endpoints(): Promise<EndpointStatus[]>;
  /** Resolves when nothing that is due is left to try. */
  quiet(): Promise<void>;
  /** How many are parked. */
  parkedCount(): Promise<number>;
  /**
   * Has all that fit sent now, whatever their age; their tries begin anew. Gives how many; what is being sent, or has
   * changed meanwhile, is passed over. With `plan` it only counts.
   */
  retry(filter: HookFilter, options?: { readonly plan?: boolean }): Promise<number>;
  /**
   * Gives all that fit up: their receivers are not told of this state, and no sweep fires it until the job changes.
   * Gives how many, as `retry` does.
   */
  drop(filter: HookFilter, options?: { readonly plan?: boolean }): Promise<number>;
}

export const createUndeliveredHooks = ({ records, hooks, quiet }: Delivery): UndeliveredHooks => {
  async function* list(filter: HookFilter = {}): AsyncIterable<readonly HookRecord[]> {
    if (filter.id === undefined) {
      for await (const page of records.all()) yield page.filter((record) => fits(record, filter));
      return;
    }
    const record = await records.find(filter.id);
    yield record !== undefined && fits(record, filter) ? [record] : [];
  }
  const move = async (verb: 'retry' | 'drop', filter: HookFilter, plan: boolean): Promise<number> => {
    let count = 0;
    for await (const page of list(filter)) {
      for (const record of page) {
        // What is dropped already stays so.
        if (record.state === 'sending' || (verb === 'drop' && record.answer === 'dropped')) continue;
        if (!plan && (await records.move(record, verb)) !== 'ok') continue;
        if (!plan && verb === 'retry') hooks.due(record.origin);
        count += 1;
      }
    }
    return count;
  };
  return {
    list,
    endpoints: records.endpoints,
    quiet,
    parkedCount: records.parkedCount,
    retry: (filter, { plan = false } = {}) => move('retry', filter, plan),
    drop: (filter, { plan = false } = {}) => move('drop', filter, plan),
  };
};

const fits = (record: HookRecord, { endpoint, reason, state }: HookFilter): boolean =>
  (endpoint === undefined || record.origin === endpoint) &&
  (reason === undefined || record.answer === reason) &&
  (state === undefined || record.state === state);
