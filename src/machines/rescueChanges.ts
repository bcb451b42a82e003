import { countIn } from './counts.ts';
import type { PoolOutcome } from './types/pool.ts';
import type { Recounted, RequeuedOrphans } from './types/rescue.ts';

/** What stands in Redis of a pool beside its entries, when it is found. */
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

export const changesOfPool = ({ pool, moved, poison = [], deregistered }: PoolOutcome): readonly RescueChange[] => [
  ...Object.entries(moved).flatMap(([type, entries]) =>
    entries === 0 ? [] : [{ act: 'requeue' as const, pool, type, entries }],
  ),
  ...poison.map((entry) => ({ act: 'quarantine' as const, ...entry })),
  ...(deregistered === undefined ? [] : [{ act: 'deregister' as const, pool, ...deregistered }]),
];

export const changesOfLive = ({ orphaned, finished, poison }: RequeuedOrphans): readonly RescueChange[] => [
  ...orphaned.map(({ id, type, pool }) => ({ act: 'requeue-orphan' as const, id, type, pool })),
  ...finished.map(({ id, type, pool }) => ({ act: 'finish' as const, id, type, pool })),
  ...poison.map((entry) => ({ act: 'quarantine' as const, ...entry })),
];

export const changesOfCounters = ({ drift }: Recounted): readonly RescueChange[] =>
  drift.flatMap(({ type, fields }) => (fields === 0 ? [] : [{ act: 'lock_info' as const, type, fields }]));

/** All changes of a pass in an order of their own: each entry that leaves its list takes one from the lock of its type. */
export const withLocks = (changes: readonly RescueChange[], locks: Locks): readonly RescueChange[] => {
  const taken = new Map<string, number>();
  for (const change of changes) {
    if (change.act === 'deregister' || change.act === 'lock' || change.act === 'lock_info') continue;
    const count = change.act === 'requeue' ? change.entries : 1;
    taken.set(change.type, (taken.get(change.type) ?? 0) + count);
  }
  const ofLocks = [...new Set([...locks.keys(), ...taken.keys()])].flatMap((type): RescueChange[] => {
    const [before, rebuilt] = locks.get(type) ?? ['0', '0'];
    const count = taken.get(type);
    const after = count === undefined ? rebuilt : String(Math.max(0, countIn(rebuilt) - count));
    return before === after ? [] : [{ act: 'lock', type, before, after }];
  });
  const keyed = [...changes, ...ofLocks].map((change) => [JSON.stringify(change), change] as const);
  return keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, change]) => change);
};
