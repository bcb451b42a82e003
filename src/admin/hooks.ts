import type { HookRecord as StoredRecord } from '../io/hooks/record.ts';
import type { HookRecords } from '../io/hooks/records.ts';
import type { SendNamed } from '../io/hooks/sendNamed.ts';
import { readArguments } from '../options.ts';
import { type EndpointStatus, endpointStatusOf, type HookRecord, hookRecordOf } from './hookRecords.ts';

/** Selects hooks. A hook must match every member that is given. */
export interface HookFilter {
  /** Id of the job. */
  readonly id?: string;
  /** Scheme, host and port of the endpoint. A path is ignored. */
  readonly endpoint?: string;
  /** Why it is parked, or the last answer: `404`, `deadline`, `too-old`, … */
  readonly reason?: string;
  /** Whether it waits, is being sent or is parked. */
  readonly state?: HookRecord['state'];
}

export interface HookMove {
  /** Only counts. */
  readonly plan?: boolean;
  /** Called for each hook that was moved, or in a plan would be. */
  readonly onRecord?: (record: HookRecord) => void;
}

/** Undelivered hooks: list, retry, drop. */
export interface HooksAdmin {
  /** All hooks that match, a bounded number at a time, in no order. Changes nothing. */
  list(filter?: HookFilter): AsyncIterable<readonly HookRecord[]>;
  /** All endpoints for which hooks wait. Changes nothing. */
  endpoints(): Promise<EndpointStatus[]>;
  /**
   * Resolves when no hook that is due is left to attempt. A reaper that sends nothing else (not started, no sweep), and was
   * asked to `retry` some hooks, waits for these only, and sends no others.
   */
  quiet(): Promise<void>;
  /** Number of parked hooks. */
  parkedCount(): Promise<number>;
  /**
   * Sends all hooks that match now, whatever their age, and no others. Their attempts are counted from the start. Returns how
   * many. Hooks that are being sent, or have changed meanwhile, are left out. `quiet` waits until they are sent.
   * @throws OptionsError if a member of the filter is unknown, undefined or empty: it would match other hooks than were meant.
   */
  retry(filter: HookFilter, options?: HookMove): Promise<number>;
  /**
   * Gives up all hooks that match: their endpoints do not get this state, and no sweep refires it until the job changes.
   * Returns how many, as `retry` does.
   * @throws OptionsError as `retry` does.
   */
  drop(filter: HookFilter, options?: HookMove): Promise<number>;
}

/** What it needs of the delivery of hooks. */
export interface AdminDelivery {
  readonly records: HookRecords;
  readonly named: SendNamed;
  /** Resolves when the hooks that were selected have been attempted. */
  quietHooksAdmin(): Promise<void>;
}

/** @param isPlan whether nothing may be changed. */
export const createHooksAdmin = ({ records, named, quietHooksAdmin }: AdminDelivery, isPlan: boolean): HooksAdmin => {
  async function* find(filter: HookFilter): AsyncIterable<readonly StoredRecord[]> {
    if (filter.id === undefined) {
      for await (const page of records.all()) yield page.filter((record) => matches(record, filter));
      return;
    }
    const record = await records.find(filter.id);
    yield record !== undefined && matches(record, filter) ? [record] : [];
  }
  const again = async (page: readonly StoredRecord[], filter: HookFilter) =>
    (await records.findAll(page.map(({ id }) => id))).filter((record) => matches(record, filter));
  const move = async (verb: 'retry' | 'drop', given: HookFilter, options?: HookMove): Promise<number> => {
    const filter = readArguments('hookFilter', given ?? null) as HookFilter;
    const { plan = false, onRecord } = readArguments('hookMove', options) as HookMove;
    if (verb === 'retry') named.use();
    // A scan of a growing hash may return a record twice.
    const counted = new Set<string>();
    for await (const found of find(filter)) {
      // An id that is not UTF-8 is found by no script. A plan must not count what an act leaves.
      const page = plan || isPlan ? await again(found, filter) : found;
      for (const record of page) {
        // A dropped hook stays dropped.
        if (record.state === 'sending' || (verb === 'drop' && record.answer === 'dropped')) continue;
        if (counted.has(record.id)) continue;
        if (!plan && !isPlan) {
          if ((await records[verb](record)).outcome !== 'done') continue;
          if (verb === 'retry') named.add(record);
        }
        counted.add(record.id);
        onRecord?.(hookRecordOf(record));
      }
    }
    return counted.size;
  };
  return {
    async *list(filter = {}) {
      for await (const page of find(filter)) yield page.map(hookRecordOf);
    },
    endpoints: async () => (await records.endpoints()).map(endpointStatusOf),
    quiet: isPlan ? async () => {} : quietHooksAdmin,
    parkedCount: records.parkedCount,
    retry: (filter, options) => move('retry', filter, options),
    drop: (filter, options) => move('drop', filter, options),
  };
};

const matches = (record: StoredRecord, { endpoint, reason, state }: HookFilter): boolean =>
  (endpoint === undefined || record.endpoint === originIn(endpoint)) &&
  (reason === undefined || record.answer === reason) &&
  (state === undefined || record.state === state);

/** People copy origins with a slash at the end, or with a path. */
const originIn = (endpoint: string): string => {
  const origin = URL.canParse(endpoint) ? new URL(endpoint).origin : 'null';
  return origin === 'null' ? endpoint : origin;
};
