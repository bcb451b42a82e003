import { nothing, outcomes } from './decode.ts';

/** A job in `dead` that was recovered too often. Its recoveries are [unix s, pool, heartbeat_at, token of the pass]. */
const quarantined = (json: string) => ({ recoveries: JSON.parse(json) as (readonly [number, string, string])[] });

const drift = (
  lockBefore: string,
  lock: string,
  fields: number,
  lockOff: string,
  fieldsOff: string,
  fingerprint?: string,
) => ({
  lockBefore,
  lock,
  /** How many fields of lock_info were wrong. */
  fields,
  /** How much the lock was too high, and the sum of the errors of the fields. */
  off: { lock: Number(lockOff), lockInfo: Number(fieldsOff) },
  /** Of how much each counter was wrong, if it was asked for. */
  fingerprint,
});

/**
 * The counters of a type, or why they cannot be read in one step: pools whose lists were not given, or too many fields. `moved`: they
 * are not as planned.
 */
const rebuilt = outcomes({
  rebuilt: drift,
  unknown: (...pools: string[]) => ({ pools }),
  many: nothing,
  moved: nothing,
});

const leaving = outcomes({ done: nothing, gone: nothing, overtaken: nothing });

/** A record of the quarantine, without its entries. */
export type QuarantinedRecord = readonly [
  id: string,
  digest: string,
  at: number,
  isInDead: boolean,
  types: readonly string[],
  recoveries: readonly (readonly [at: number, pool: string, heartbeat: string])[],
  areInDead: readonly boolean[],
];

/** Replies of the scripts in `lua/pools/`. */
export const poolReplies = {
  clear_counts: outcomes({
    cleared: nothing,
    alive: nothing,
    entries: nothing,
  }),
  close_recount: outcomes({
    set: (before: string, lock: string) => ({ before, lock }),
    overtaken: (lock: string) => ({ lock }),
  }),
  deregister_pool: outcomes({
    ...{ deregistered: nothing, traces: nothing, gone: nothing },
    ...{ alive: nothing, entries: nothing },
  }),
  drop_quarantined: leaving,
  find_quarantined: outcomes({
    found: (json: string) => ({ record: JSON.parse(json) as QuarantinedRecord }),
    'not-found': nothing,
  }),
  finish_entry: outcomes({ done: nothing, dead: nothing, gone: nothing, overtaken: nothing }),
  forget_quarantined: outcomes({ done: nothing, overtaken: nothing }),
  observe_pool: outcomes({
    observed: (json: string) =>
      JSON.parse(json) as {
        readonly at: number;
        readonly workers: Readonly<Record<string, string>> & { readonly run: string };
        readonly unobserved: Readonly<Record<string, string>>;
      },
  }),
  open_recount: outcomes({ opened: (lock: string) => ({ lock }) }),
  plan_requeue: outcomes({
    alive: nothing,
    /** `poison`: how many entries precede one of a poison job, its id, … */
    read: (count: number, poison: readonly (number | string)[], marks: string) => ({ count, poison, marks }),
  }),
  quarantine_entry: outcomes({
    alive: nothing,
    gone: nothing,
    'below-limit': nothing,
    overtaken: nothing,
    quarantined,
  }),
  quarantine_orphan: outcomes({ gone: nothing, 'below-limit': nothing, overtaken: nothing, quarantined }),
  read_drift: rebuilt,
  read_held: outcomes({
    read: (isEnd: 0 | 1, entries: (readonly [digest: string, id: string, isHex: 0 | 1])[]) => ({
      isEnd: isEnd === 1,
      entries,
    }),
  }),
  read_observations: outcomes({
    read: (...observations: ('' | 'unreadable' | readonly [job: string, type: string, startedAt: string])[]) => ({
      observations,
    }),
  }),
  read_quarantine: outcomes({
    read(json: string) {
      const [cursor, ...records] = JSON.parse(json) as [string, ...QuarantinedRecord[]];
      return { cursor, records };
    },
  }),
  rebuild_counters: rebuilt,
  recount_pools: outcomes({
    done: (entries: number, fields: number, off: string) => ({ entries, fields, off: Number(off) }),
  }),
  release_quarantined: leaving,
  requeue: outcomes({
    alive: nothing,
    /**
     * `counts`: of each type that was begun. `poison`: the job whose entry is next. `uncounted`: why the recoveries could not be
     * recorded. Both are empty for none.
     */
    moved: (counts: readonly (readonly [moved: number, left: number])[], poison: string, uncounted: string) => ({
      counts: counts.map(([moved, left]) => ({ moved, left })),
      poison,
      uncounted,
    }),
  }),
  requeue_orphan: outcomes({
    requeued: nothing,
    poison: nothing,
    undecided: nothing,
    early: nothing,
    observed: nothing,
    gone: nothing,
    dead: nothing,
    changed: nothing,
  }),
};
