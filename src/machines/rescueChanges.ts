import { countIn } from './counts.ts';
import type { Locks, RescueChange } from './types/changes.ts';
import type { PoolOutcome } from './types/pool.ts';
import type { Recounted, RequeuedOrphans } from './types/rescue.ts';

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

/** What is reported of a try to requeue orphaned entries. */
export const reportsOf = ({ orphaned, finished, error }: RequeuedOrphans) => [
  ...orphaned.map((entry) => ({ type: 'orphan' as const, entry })),
  ...finished.map((entry) => ({ type: 'finished' as const, entry })),
  ...(error === undefined ? [] : [{ type: 'fault' as const, where: 'requeuing orphaned entries', error }]),
];
