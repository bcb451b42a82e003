import type { Redis } from 'ioredis';
import { classify, isWrongType, kindOfRedisError, RedisError } from './errors.ts';
import type { Keys } from './keys.ts';

export type KeyType = 'string' | 'list' | 'hash' | 'set' | 'zset' | 'stream';

/** A key, and the Redis type that it must have. */
export type Expected = readonly [key: string, type: KeyType];

/** The keys that exist once in a namespace. */
export const singleKeysOf = (keys: Keys): readonly Expected[] => [
  [keys.track, 'hash'],
  [keys.pools, 'set'],
  [keys.knownJobs, 'set'],
  [keys.retry, 'zset'],
  [keys.scheduled, 'zset'],
  [keys.dead, 'zset'],
  [keys.hooks, 'hash'],
  [keys.parkedHooks, 'zset'],
  [keys.hookEndpoints, 'set'],
  [keys.observed, 'zset'],
  [keys.recoveries, 'hash'],
  [keys.recovered, 'list'],
  [keys.quarantine, 'hash'],
  [keys.lease, 'hash'],
  [keys.progress, 'hash'],
  [keys.probe, 'string'],
  [keys.suspects, 'hash'],
  [keys.declaredDead, 'zset'],
  [keys.audit, 'stream'],
];

/** The keys that exist once for a job type. */
export const keysOfType = (keys: Keys, type: string): readonly Expected[] => [
  [keys.queue(type), 'list'],
  [keys.lock(type), 'string'],
  [keys.lockInfo(type), 'hash'],
  [keys.maxConcurrency(type), 'string'],
  [keys.paused(type), 'string'],
];

/** How many TYPE commands are sent at once. */
const stride = 1_000;

/** One message for each key of the wrong type: its name, the type that it holds, and what to do. */
export const findWrongTyped = async (redis: Redis, expected: readonly Expected[]): Promise<string[]> => {
  const faults: string[] = [];
  for (let from = 0; from < expected.length; from += stride) {
    const some = expected.slice(from, from + stride);
    const found = await Promise.all(some.map(([key]) => redis.type(key)));
    for (const [i, [key, needed]] of some.entries()) {
      const holds = found[i] as string;
      if (holds !== 'none' && holds !== needed) faults.push(wrongTyped(key, holds, needed));
    }
  }
  return faults;
};

const wrongTyped = (key: string, holds: string, needed: string): string =>
  `${key}: holds a ${holds}, where a ${needed} is needed; the reaper does not touch it: rename or delete it`;

/**
 * Why a step cannot succeed until an operator acts, with the key: a key of the wrong type, or a missing right. Undefined for an
 * error that may pass.
 */
export const refusalBehind = async (
  redis: Redis,
  error: unknown,
  expected: readonly Expected[],
): Promise<string | undefined> => {
  const kind = kindOfRedisError(error);
  if (kind !== 'wrong-type' && kind !== 'permanent') return undefined;
  const faults = kind === 'wrong-type' ? await findWrongTyped(redis, expected) : [];
  return faults.length > 0 ? faults.join('; ') : `${expected[0]?.[0]}: ${(error as Error).message}`;
};

/** A reply, or a fallback if the key holds the wrong type. */
export const unlessWrongType = <T>(reply: Promise<T>, otherwise: T): Promise<T> =>
  reply.catch((error: unknown) => {
    if (isWrongType(error)) return otherwise;
    throw error;
  });

/**
 * The reply to a command that reads one key.
 * @throws RedisError that names the key and says what to do, if it holds another type.
 */
export const orNamed = async <T>(redis: Redis, expected: Expected, reply: Promise<T>): Promise<T> => {
  try {
    return await reply;
  } catch (error) {
    const [fault] = isWrongType(error) ? await findWrongTyped(redis, [expected]) : [];
    if (fault === undefined) throw error;
    throw new RedisError({ ...classify(error), message: `${fault} (WRONGTYPE)` }, { cause: error });
  }
};
