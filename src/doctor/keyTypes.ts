import type { Keys } from '../io/redis/keys.ts';
import { type KeyType, singleKeysOf } from '../io/redis/wrongTypes.ts';

const ofQueues: readonly (readonly [suffix: string, type: KeyType])[] = [
  [':inprogress', 'list'],
  [':lock', 'string'],
  [':lock_info', 'hash'],
  [':max_concurrency', 'string'],
  [':paused', 'string'],
];

/**
 * Returns the type that a key with this name must have; undefined for a name that is not known.
 *
 * @example
 * typesByName(keys)('{ns}:worker_pools:p'); // 'hash'
 */
export const typesByName = (keys: Keys): ((key: string) => KeyType | undefined) => {
  const single = new Map(singleKeysOf(keys));
  const families: readonly (readonly [prefix: string, type: KeyType])[] = [
    [keys.heartbeat(''), 'hash'],
    [keys.worker(''), 'hash'],
    [keys.stats(''), 'hash'],
    [keys.executions(''), 'zset'],
    [keys.dueHooks(''), 'zset'],
    [keys.hookEndpoint(''), 'hash'],
    [keys.hookClaim(''), 'string'],
    [keys.changes(''), 'string'],
    [keys.answer(''), 'string'],
    [keys.workerRecords(''), 'hash'],
    [keys.unobserved(''), 'hash'],
    [keys.rescueNote(''), 'string'],
    [keys.recount(''), 'string'],
    [keys.beforeQuarantine(''), 'string'],
    [keys.auditKept(''), 'string'],
  ];
  return (key) => {
    const known = single.get(key);
    if (known !== undefined) return known;
    // A job type may end like a counter: its queue is then taken for that counter.
    if (key.startsWith(keys.jobsPrefix)) return ofQueues.find(([suffix]) => key.endsWith(suffix))?.[1] ?? 'list';
    return families.find(([prefix]) => key.startsWith(prefix))?.[1];
  };
};

/** One key of each kind, with names that no job type or pool has, and whether the reaper writes it. */
export const kindsOfKeys = (keys: Keys): { readonly key: string; readonly isWritten: boolean }[] => {
  const name = 'reaper:doctor';
  const readOnly = [keys.knownJobs, keys.retry, keys.scheduled, keys.maxConcurrency(name), keys.paused(name)];
  const written = [
    ...singleKeysOf(keys)
      .map(([key]) => key)
      .filter((key) => !readOnly.includes(key)),
    ...[keys.heartbeat(name), keys.worker(name), keys.stats(name), keys.executions(name)],
    ...[keys.queue(name), keys.inProgress(name, 'doctor'), keys.lock(name), keys.lockInfo(name)],
    ...[keys.dueHooks(name), keys.hookEndpoint(name), keys.hookClaim(name), keys.changes(name)],
    ...[keys.answer(name), keys.workerRecords(name), keys.unobserved(name), keys.recount(name)],
    ...[keys.rescueNote(name), keys.beforeQuarantine(name), keys.auditKept(name)],
  ];
  return [...readOnly.map((key) => ({ key, isWritten: false })), ...written.map((key) => ({ key, isWritten: true }))];
};
