import type { Fence } from '../lease.ts';
import type { SuspensionReason } from '../refusal.ts';
import type {
  AppliedActs,
  Locks,
  PlannedChange,
  PlannedCounters,
  PlannedEntry,
  PlannedRescue,
  PoisonEntry,
  RescueChange,
} from './changes.ts';
import type { PoolOutcome, Suspect } from './pool.ts';

/** What `find` sees when it reads the pools. */
export interface Found {
  readonly alive: number;
  /** Pools whose heartbeat is ahead of Redis TIME: the clocks of their hosts are wrong. */
  readonly clockAhead: number;
  readonly suspects: readonly Suspect[];
  /** All known job types; of a pass over some pools, those whose entries they hold. */
  readonly types: readonly string[];
  /** All known in-progress lists, as [type, pool]. */
  readonly lists: readonly (readonly [string, string])[];
  /** Keys that cannot be read, and lists whose names are ambiguous, each with what to do. */
  readonly unreadable: readonly string[];
  readonly live: readonly LivePool[];
  /** Token of the pass; undefined if no pool was judged. */
  readonly pass?: string;
  /** Why no pool was judged: Redis or this process is in no state to judge now. */
  readonly suspended?: SuspensionReason;
}

/** A pool that is alive, and where to look for the entries that it holds. */
export interface LivePool {
  readonly pool: string;
  readonly workerIds: readonly string[];
  readonly types: readonly string[];
  /** Token of the pass, the same that a suspect has. */
  readonly pass?: string;
  /** heartbeat_at of a pool that counts as alive only while its heartbeat moves (`lua/includes/alive.lua`). */
  readonly moving?: string;
}

/** An entry of a live pool that none of the pool's workers runs. It was requeued. */
export interface OrphanedEntry {
  readonly id: string;
  readonly type: string;
  readonly pool: string;
  /** How long no worker was observed with it, in s. */
  readonly unobservedS: number;
  /** In a plan: it would have been requeued. */
  readonly plan: boolean;
}

/** An entry of a live pool that was removed as a finish would have removed it: its job has ended in Success. */
export interface FinishedEntry {
  readonly id: string;
  readonly type: string;
  readonly pool: string;
  /** How long its job has been in Success, in s. */
  readonly endedS: number;
  /** In a plan: it would have been removed. */
  readonly plan: boolean;
}

/** What one try to requeue orphaned entries found and did. */
export interface RequeuedOrphans {
  readonly orphaned: readonly OrphanedEntry[];
  /** Pools whose entries cannot be judged because their workers never reported an observation. Not all, where many. */
  readonly unobserved: readonly string[];
  /** Entries that look orphaned without proof that no worker runs them. They stay where they are. */
  readonly undecided: number;
  /** How long the oldest of them has been unobserved, in s; 0 where there is none. */
  readonly oldestUndecidedS: number;
  readonly finished: readonly FinishedEntry[];
  /** Orphaned entries that went to quarantine (in a plan: would go), because their jobs were recovered too often. */
  readonly poison: readonly PoisonEntry[];
  /** When everything that looks orphaned now will have done so for long enough, in ms from now; undefined for nothing. */
  readonly dueInMs: number | undefined;
  /** Only in a plan: the acts that do exactly this. */
  readonly acts?: readonly PlannedEntry[];
  /** Only for the acts of a plan: what became of them. */
  readonly applied?: AppliedActs;
  /** Only for the acts of a plan: those that a second try may still do. */
  readonly early?: readonly PlannedEntry[];
  /** Why the try did not complete. */
  readonly error?: string;
}

/** A type whose counters did not agree with its in-progress lists. They were rebuilt (in a plan: would be). */
export interface Drift {
  readonly type: string;
  readonly lockBefore: string;
  readonly lock: string;
  readonly fields: number;
  /** How much the lock was too high (below 0: too low), and the sum of the errors in the fields of lock_info. */
  readonly size: { readonly lock: number; readonly lockInfo: number };
}

export interface Recounted {
  readonly drift: readonly Drift[];
  /** Types whose counters cannot be read, with the reason. */
  readonly unreadable: readonly string[];
  readonly locks: Locks;
  /** Only in a plan: the acts that do exactly this. Types that are counted in several steps have none. */
  readonly acts?: readonly PlannedCounters[];
  /** Only for the acts of a plan: what became of them. */
  readonly applied?: AppliedActs;
}

export interface RescueRequest {
  /** `scheduledPass`, or the number of the caller's pass. */
  readonly number: number;
  /** Change nothing, and report what a rescue would change. */
  readonly plan: boolean;
  /** In ms; undefined for the configured grace. */
  readonly grace: number | undefined;
  /** Scan the names of all keys, however long that takes. */
  readonly thorough: boolean;
  /** Left out for a pass over all pools. */
  readonly scope?: RescueScope | undefined;
}

/** Which pools a rescue pass is about. */
export interface RescueScope {
  /** Pools that it may rescue. */
  readonly pools: readonly string[];
  /** The acts of a plan: these and no others, each only if what it is about is as it was. */
  readonly acts?: PlannedActs;
}

/** The acts of a plan of a rescue by what they are about. */
export interface PlannedActs {
  /** Dead pool → what is done with it. */
  readonly pools: ReadonlyMap<string, PlannedRescue>;
  readonly entries: readonly PlannedEntry[];
  readonly counters: readonly PlannedCounters[];
}

/** What `find` looks for. */
export interface FindInput extends Pick<RescueRequest, 'thorough' | 'plan' | 'scope'> {
  readonly fence: Fence | undefined;
}
/** Whose counters `recount` rebuilds. With a scope it reads the locks of these types, and rebuilds only what a plan says. */
export interface RecountInput extends Pick<RescueRequest, 'number' | 'plan' | 'scope'>, Pick<Found, 'types' | 'lists'> {
  readonly fence: Fence | undefined;
}
/** The live pools in which `requeueOrphans` looks for entries. With a scope they are some of all. */
export interface OrphansInput extends Pick<RescueRequest, 'number' | 'plan' | 'scope'>, Pick<Found, 'live'> {
  readonly fence: Fence | undefined;
}

export interface RescueResult {
  readonly number: number;
  readonly plan: boolean;
  /** Left out for a pass over all pools. */
  readonly scope?: RescueScope | undefined;
  readonly alive: number;
  /** Pools, alive or not, whose heartbeat is ahead of Redis TIME. */
  readonly clockAhead: number;
  /** Suspects that this pass reports: those that no earlier pass reports. A caller's pass takes over scheduled ones. */
  readonly suspects: number;
  readonly pools: Readonly<Record<PoolOutcome['outcome'], number>>;
  readonly entries: number;
  /** Orphaned entries of live pools that were requeued (in a plan: would be). */
  readonly orphaned: number;
  readonly unobserved: RequeuedOrphans['unobserved'];
  readonly undecided: number;
  readonly oldestUndecidedS: number;
  /** Entries of jobs in Success that were removed as a finish would have (in a plan: would be). */
  readonly finished: number;
  /** Entries that went to quarantine instead of their queues (in a plan: would). */
  readonly quarantined: number;
  readonly drift: readonly Drift[];
  /** Each change that was made (in a plan: would be), sorted by its own text. */
  readonly changes: readonly RescueChange[];
  /** Only in a plan: the acts that do exactly this. Left out are types whose counters are read in several steps. */
  readonly acts?: readonly PlannedChange[];
  /** Only for the acts of a plan: what became of those that are not about dead pools. */
  readonly applied?: AppliedActs;
  /** Keys that were left as they are, because they hold another type or their names are ambiguous. */
  readonly unreadable: readonly string[];
  /** Why no pool was judged: Redis or this process was in no state to judge. The next pass tries again. */
  readonly suspended?: SuspensionReason;
  /** Why the pass did not complete. */
  readonly error?: string;
  /** The error itself; left out where only its text is known. */
  readonly cause?: unknown;
  /** Set if its caller ended it. */
  readonly isAborted?: true;
}

/** The result of a pass that has done nothing yet. */
export const emptyRescue = ({
  number,
  plan,
  scope,
}: Pick<RescueRequest, 'number' | 'plan' | 'scope'>): RescueResult => ({
  ...{ number, plan, scope },
  alive: 0,
  clockAhead: 0,
  suspects: 0,
  pools: { rescued: 0, cleaned: 0, alive: 0, planned: 0, abandoned: 0 },
  entries: 0,
  orphaned: 0,
  unobserved: [],
  undecided: 0,
  oldestUndecidedS: 0,
  finished: 0,
  quarantined: 0,
  drift: [],
  changes: [],
  ...(plan ? { acts: [] } : {}),
  ...(scope?.acts === undefined ? {} : { applied: { done: [], left: [] } }),
  unreadable: [],
});
