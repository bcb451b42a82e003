/** What Redis holds of a pool beside its entries, when it is found. */
export interface PoolTraces {
  readonly isRegistered: boolean;
  readonly hasHeartbeat: boolean;
  /** Types whose lock_info has a field of the pool. */
  readonly lockInfo: readonly string[];
}

/** A job that goes to quarantine instead of its queue. */
export interface PoisonEntry {
  readonly id: string;
  readonly type: string;
  readonly pool: string;
}

/** What a plan does with one dead pool: with these entries, and with no heartbeat since. */
export interface PlannedRescue {
  readonly pool: string;
  /** heartbeat_at as it stood; empty for none. */
  readonly heartbeat: string;
  /** Entries to requeue, by job type. */
  readonly entries: Readonly<Record<string, number>>;
  /** Entries to quarantine. */
  readonly poison: readonly Pick<PoisonEntry, 'id' | 'type'>[];
  /**
   * By job type, what is done with each entry of its list, the newest first: 12 characters for each. `r` (requeued), `q`
   * (quarantined) or `-` (stays), and 11 hex digits of the SHA-1 of its bytes.
   */
  readonly marks: Readonly<Record<string, string>>;
  /** What else is removed of it; left out where it stays registered. */
  readonly traces?: PoolTraces | undefined;
}

/** What a plan does with one entry of a live pool: with these bytes, and with a job that has not changed since. */
export interface PlannedEntry extends PoisonEntry {
  readonly act: 'requeue-orphan' | 'finish' | 'quarantine';
  /** SHA-1 of its bytes. */
  readonly entry: string;
  /** How many equal entries the list held. */
  readonly copies: number;
  /** Fingerprint of what a run changes in the stats of the job. */
  readonly fingerprint: string;
}

/** The counters of a type that a plan sets right: each is still wrong by as much. */
export interface PlannedCounters {
  readonly act: 'rebuild-counters';
  readonly type: string;
  /** Fingerprint of how much the lock and each field of lock_info were wrong. Entries that come and go do not change it. */
  readonly fingerprint: string;
}

/** An act of a plan of a rescue that is not about a dead pool. */
export type PlannedLiveAct = PlannedEntry | PlannedCounters;
/** One act of a plan of a rescue. */
export type PlannedChange = PlannedRescue | PlannedLiveAct;

/** What became of the acts of a plan that are not about dead pools. An act in neither list was not begun. */
export interface AppliedActs {
  readonly done: readonly PlannedLiveAct[];
  readonly left: readonly LeftAct[];
}
/** An act of a plan that was not done. */
export interface LeftAct {
  readonly act: PlannedLiveAct;
  readonly why: string;
  /** Whether it is not as it was planned; false for a step that failed. */
  readonly isMoved: boolean;
}

/**
 * One change that a rescue has made or, in a plan, would make. A plan and the rescue that follows it list the same ones.
 *
 * `requeue`: entries of a dead pool. `quarantine`: an entry of a poison job. `deregister`: a dead pool's registration,
 * heartbeat and fields of lock_info. `requeue-orphan`, `finish`: an entry of a live pool. `lock`: what a type's lock is
 * before and after all of that. `lock_info`: fields of a type's lock_info that are set right.
 */
export type RescueChange =
  | { readonly act: 'requeue'; readonly pool: string; readonly type: string; readonly entries: number }
  | ({ readonly act: 'quarantine' | 'requeue-orphan' | 'finish' } & PoisonEntry)
  | ({ readonly act: 'deregister'; readonly pool: string } & PoolTraces)
  | { readonly act: 'lock'; readonly type: string; readonly before: string; readonly after: string }
  | { readonly act: 'lock_info'; readonly type: string; readonly fields: number };

/** Type → its lock before and after the counters were rebuilt; of a type that is left out it is 0. */
export type Locks = ReadonlyMap<string, readonly [before: string, after: string]>;
