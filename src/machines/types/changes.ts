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
