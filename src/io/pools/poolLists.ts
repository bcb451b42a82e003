import type { Redis } from 'ioredis';
import type { Held, Suspect } from '../../machines/types/pool.ts';
import { splitsOf, unreadableName } from '../redis/keyNames.ts';
import type { Keys } from '../redis/keys.ts';
import { existingOf } from '../redis/paged.ts';
import { type Expected, keysOfType, singleKeysOf } from '../redis/wrongTypes.ts';
import type { RegistryReader } from './registry.ts';

/** Job types that one step looks at when a pool is removed. */
export const maxTypesPerStep = 100;

/**
 * The keys that the rescue of a suspect uses for one type, to find the key behind an error.
 * @param keysOfJob those that the quarantine of a job uses.
 */
export const keysOfSuspect = (
  keys: Keys,
  { pool }: Suspect,
  type: string,
  keysOfJob: readonly Expected[] = [],
): Expected[] => [
  ...new Map([
    ...keysOfType(keys, type),
    [keys.inProgress(type, pool), 'list'],
    [keys.heartbeat(pool), 'hash'],
    ...singleKeysOf(keys),
    ...keysOfJob,
  ] satisfies Expected[]),
];

/** Returns the types for which at least one of the keys exists. A few types are not looked up. */
export const typesInUse = async (
  redis: Redis,
  types: readonly string[],
  keysOf: (type: string) => readonly string[],
): Promise<readonly string[]> => {
  if (types.length <= maxTypesPerStep) return types;
  const existing = new Set(await existingOf(redis, types.flatMap(keysOf)));
  return types.filter((type) => keysOf(type).some((key) => existing.has(key)));
};

/**
 * Returns the types of which a suspect may hold entries. If names hold colons, the list with the name of a type and the pool may
 * be another pool's. Such a type is left out. It is `unreadable` if the list exists and its name is ambiguous.
 */
export const readOwnTypes = async (
  { redis, keys, registry }: { redis: Redis; keys: Keys; registry: RegistryReader },
  { pool, types: known }: Suspect,
  types: readonly string[],
): Promise<{ own: string[]; unreadable: Held[] }> => {
  const nameOf = (type: string) => keys.inProgress(type, pool).slice(keys.jobsPrefix.length);
  const isPlain = (type: string) => splitsOf(nameOf(type)).length === 1;
  const own = types.filter(isPlain);
  const ambiguous = types.filter((type) => !isPlain(type));
  const unreadable: Held[] = [];
  if (ambiguous.length === 0) return { own, unreadable };
  const { readList } = await registry.read([], known);
  for (const type of ambiguous) {
    const reading = readList(type, pool);
    const key = keys.inProgress(type, pool);
    if (typeof reading === 'object') {
      if (reading.type === type && reading.pool === pool) own.push(type);
    } else if ((await redis.exists(key)) === 1) {
      unreadable.push({ type, entries: 0, unreadable: unreadableName(key, nameOf(type), reading) });
    } else own.push(type);
  }
  return { own, unreadable };
};
