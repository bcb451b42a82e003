import type { Redis } from 'ioredis';
import { isNoPermission } from '../io/redis/errors.ts';
import { keysOf } from '../io/redis/keys.ts';
import { unlessRefused } from '../io/redis/refusals.ts';

/** Where a namespace is in use. */
export interface Place {
  readonly database: number;
  readonly namespace: string;
}

/** Opens another connection to the same Redis. */
export type OpenConnection = () => Redis;

/** The Redis and the namespace that a reaper was given. */
export interface Given extends Place {
  readonly redis: Redis;
  /** Undefined if only the connection itself may be used. */
  readonly openConnection: OpenConnection | undefined;
}

/** How many SCANs look for other namespaces of a database, and their COUNT. */
const maxScans = 50;
const scanCount = 1_000;
/** How many databases are checked, and how many namespaces of each are returned. */
const maxDatabases = 64;
const maxNamed = 5;

/** Keys of which a used namespace has at least one: their names after the namespace. */
const signs = [':job_track:inprogress', ':worker_pools', ':known_jobs'];
const signsOf = (namespace: string): string[] => {
  const { track, pools, knownJobs } = keysOf(namespace);
  return [track, pools, knownJobs];
};

/** Whether a namespace is in use; undefined if the user may not ask. */
export const isInUse = async (redis: Redis, namespace: string): Promise<boolean | undefined> => {
  const held = await unlessRefused(redis.exists(...signsOf(namespace)));
  return held === undefined ? undefined : held > 0;
};

/** Other namespaces that are in use here: first the same name with or without braces, then those of a bounded SCAN. */
export const findNamespaces = async ({
  redis,
  namespace,
  database,
}: Pick<Given, 'redis' | 'namespace' | 'database'>): Promise<Place[]> => {
  const name = namespace.trim().replace(/:$/, '');
  const braced = /^\{.*\}$/.test(name) ? name.slice(1, -1) : `{${name}}`;
  // A user without rights to other keys is refused here; SCAN still returns their names.
  const found = new Set((await isInUse(redis, braced)) ? [braced] : []);
  const own = keysOf(namespace).prefix;
  let cursor = '0';
  for (let scans = 0; scans < maxScans && found.size < maxNamed; scans++) {
    // Fits all signs, and little else.
    const reply = await unlessRefused(redis.scan(cursor, 'MATCH', '*:[jkw][on][bor][_wk]*', 'COUNT', scanCount));
    if (reply === undefined) break;
    for (const key of reply[1]) {
      const sign = signs.find((end) => key.endsWith(end));
      if (sign !== undefined && `${key.slice(0, -sign.length)}:` !== own) found.add(key.slice(0, -sign.length));
    }
    cursor = reply[0];
    if (cursor === '0') break;
  }
  return [...found].slice(0, maxNamed).map((other) => ({ database, namespace: other }));
};

/**
 * Other databases in which this namespace is in use, and with `others` any namespace. They are read on another connection: the shared one
 * stays in its database.
 */
export const findInDatabases = async (
  { redis, namespace, database, openConnection }: Given,
  others = false,
): Promise<{ readonly found: readonly Place[]; readonly unchecked?: string }> => {
  const info = await unlessRefused(redis.info('keyspace'));
  if (info === undefined) return { found: [], unchecked: 'INFO is not allowed' };
  const numbers = [...info.matchAll(/^db(\d+):/gm)].map(([, number]) => Number(number)).filter((n) => n !== database);
  if (numbers.length === 0) return { found: [] };
  if (openConnection === undefined) return { found: [], unchecked: "the caller's client is in use" };
  const other = openConnection();
  // The commands below reject if the connection fails.
  other.on('error', () => undefined);
  try {
    const found: Place[] = [];
    for (const number of numbers.slice(0, maxDatabases)) {
      await other.select(number);
      if ((await other.exists(...signsOf(namespace))) > 0) found.push({ database: number, namespace });
      if (others) found.push(...(await findNamespaces({ redis: other, namespace, database: number })));
    }
    return { found };
  } catch (error) {
    const why = isNoPermission(error) ? 'SELECT is not allowed' : 'no further connection can be made';
    return { found: [], unchecked: why };
  } finally {
    other.disconnect();
  }
};
