import type { EndpointStatus } from '../io/hooks/endpoints.ts';
import type { HookRecord } from '../io/hooks/record.ts';
import { readArguments } from '../options.ts';
import type { Delivery } from '../reaper/delivery.ts';

/** Which records a person means: all that fit everything that is given. */
export interface HookFilter {
  readonly id?: string;
  /** Scheme, host and port of the receiver; a path is left out of account. */
  readonly endpoint?: string;
  /** Why it is parked, or what came back last: `404`, `deadline`, `too-old`, … */
  readonly reason?: string;
  readonly state?: HookRecord['state'];
}

export interface HookMove {
  /** Only count. */
  readonly plan?: boolean;
  /** Called for each that was moved; in a plan, that would be. */
  readonly onRecord?: (record: HookRecord) => void;
}

/** Undelivered hooks, for people. */
export interface HooksAdmin {
  /** All records that fit, a bounded number at a time, in no order. Changes nothing. */
  list(filter?: HookFilter): AsyncIterable<readonly HookRecord[]>;
  /** All receivers that something waits for. Changes nothing. */
  endpoints(): Promise<EndpointStatus[]>;
  /**
   * Resolves when nothing that is due is left to try. A reaper that sends nothing else yet (not started, no sweep) and was
   * asked to `retry` some waits for these, and sends no others, even where there were none.
   */
  quiet(): Promise<void>;
  /** How many are parked. */
  parkedCount(): Promise<number>;
  /**
   * Has all that fit sent now, whatever their age, and no others; their tries begin anew. Gives how many; what is being
   * sent, or has changed meanwhile, is passed over. `quiet` waits until they are sent.
   * @throws OptionsError where a member of the filter is unknown, undefined or empty: that would mean others than were meant.
   */
  retry(filter: HookFilter, options?: HookMove): Promise<number>;
  /**
   * Gives all that fit up: their receivers are not told of this state, and no sweep fires it until the job changes.
   * Gives how many, as `retry` does.
   * @throws OptionsError as `retry` does.
   */
  drop(filter: HookFilter, options?: HookMove): Promise<number>;
}

/** @param isPlan nothing is changed, whatever is asked for. */
export const createHooksAdmin = ({ records, named, quietHooksAdmin }: Delivery, isPlan: boolean): HooksAdmin => {
  async function* list(filter: HookFilter = {}): AsyncIterable<readonly HookRecord[]> {
    if (filter.id === undefined) {
      for await (const page of records.all()) yield page.filter((record) => fits(record, filter));
      return;
    }
    const record = await records.find(filter.id);
    yield record !== undefined && fits(record, filter) ? [record] : [];
  }
  const move = async (verb: 'retry' | 'drop', given: HookFilter, options?: HookMove): Promise<number> => {
    const filter = readArguments('hookFilter', given ?? null) as HookFilter;
    const { plan = false, onRecord } = readArguments('hookMove', options) as HookMove;
    if (verb === 'retry') named.use();
    // A walk through a hash that grows may meet a record twice.
    const counted = new Set<string>();
    for await (const page of list(filter)) {
      for (const record of page) {
        // What is dropped already stays so.
        if (record.state === 'sending' || (verb === 'drop' && record.answer === 'dropped')) continue;
        if (counted.has(record.id)) continue;
        if (!plan && !isPlan) {
          if ((await records.move(record, verb)) !== 'done') continue;
          if (verb === 'retry') named.add(record);
        }
        counted.add(record.id);
        onRecord?.(record);
      }
    }
    return counted.size;
  };
  return {
    list,
    endpoints: records.endpoints,
    quiet: isPlan ? async () => {} : quietHooksAdmin,
    parkedCount: records.parkedCount,
    retry: (filter, options) => move('retry', filter, options),
    drop: (filter, options) => move('drop', filter, options),
  };
};

const fits = (record: HookRecord, { endpoint, reason, state }: HookFilter): boolean =>
  (endpoint === undefined || record.endpoint === originIn(endpoint)) &&
  (reason === undefined || record.answer === reason) &&
  (state === undefined || record.state === state);

/** As a person copies it: with a slash at its end, or with a path. */
const originIn = (endpoint: string): string => {
  const origin = URL.canParse(endpoint) ? new URL(endpoint).origin : 'null';
  return origin === 'null' ? endpoint : origin;
};
