import type { Keys } from '../io/redis/keys.ts';
import { type KeyType, keysOfType, singleKeysOf } from '../io/redis/wrongTypes.ts';

export { type KeyType, keysOfType };

/** Keys of a namespace that stand alone, and the type that each must have. */
export const fixedKeys = (keys: Keys): ReadonlyMap<string, KeyType> => new Map(singleKeysOf(keys));

const ofQueues: readonly (readonly [suffix: string, type: KeyType])[] = [
  [':inprogress', 'list'],
  [':lock', 'string'],
  [':lock_info', 'hash'],
  [':max_concurrency', 'string'],
  [':paused', 'string'],
];

/** The type that a key must have, by its name; undefined where the name says nothing. */
export const typeByName = (keys: Keys, fixed: ReadonlyMap<string, KeyType>, key: string): KeyType | undefined => {
  const known = fixed.get(key);
  if (known !== undefined) return known;
  const queues = keys.queue('');
  // A job type may itself end like one of these: a queue whose name says so twice is not judged.
  if (key.startsWith(queues)) return ofQueues.find(([suffix]) => key.endsWith(suffix))?.[1] ?? 'list';
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
    [keys.recount(''), 'string'],
    [keys.beforeQuarantine(''), 'string'],
  ];
  return families.find(([prefix]) => key.startsWith(prefix))?.[1];
};

/** A key of each kind, with names that no job type or pool has, and whether the reaper writes it. */
export const kindsOfKeys = (keys: Keys): { readonly key: string; readonly isWritten: boolean }[] => {
  const name = 'reaper:doctor';
  const readOnly = [keys.knownJobs, keys.retry, keys.scheduled, keys.maxConcurrency(name), keys.paused(name)];
  const written = [
    ...[...fixedKeys(keys).keys()].filter((key) => !readOnly.includes(key)),
    ...[keys.heartbeat(name), keys.worker(name), keys.stats(name), keys.executions(name)],
    ...[keys.queue(name), keys.inProgress(name, 'doctor'), keys.lock(name), keys.lockInfo(name)],
    ...[keys.dueHooks(name), keys.hookEndpoint(name), keys.hookClaim(name), keys.changes(name)],
    ...[keys.answer(name), keys.workerRecords(name), keys.unobserved(name), keys.recount(name)],
    keys.beforeQuarantine(name),
  ];
  return [...readOnly.map((key) => ({ key, isWritten: false })), ...written.map((key) => ({ key, isWritten: true }))];
};
