import type { Redis } from 'ioredis';
import { isNoPermission } from '../io/redis/errors.ts';
import { escapeGlob, keysOf } from '../io/redis/keys.ts';
import { unlessRefused } from '../io/redis/refusals.ts';
import { type DoctorCheck, fine, notFine } from './report.ts';

/** Keys of which a used namespace has at least one. */
const signsOf = (namespace: string): string[] => {
  const keys = keysOf(namespace);
  return [keys.track, keys.pools, keys.knownJobs];
};
/** How many SCANs look for other namespaces, and their COUNT. */
const maxScans = 50;
const scanCount = 1_000;
/** How many databases are checked, and how many namespaces are listed. */
const maxDatabases = 64;
const maxNamed = 5;

/** Opens another connection to the same Redis. */
export type OpenConnection = () => Redis;

/** Checks whether the namespace is in use; if not, looks where else it may be. */
export const checkNamespace = async ({
  redis,
  namespace,
  database,
  openConnection,
}: {
  redis: Redis;
  namespace: string;
  database: number;
  openConnection: OpenConnection | undefined;
}): Promise<DoctorCheck[]> => {
  const held = await unlessRefused(redis.exists(...signsOf(namespace)));
  if (held === undefined) {
    return [notFine('namespace', `whether ${namespace} is in use cannot be checked`, 'allow EXISTS on its keys')];
  }
  const elsewhere = await otherDatabases({ redis, namespace, database, openConnection });
  const aside = elsewhere.unchecked === undefined ? '' : `; other databases are not checked: ${elsewhere.unchecked}`;
  const inOthers = elsewhere.found.length === 0 ? '' : `, also in database ${elsewhere.found.join(', ')}`;
  if (held > 0) return [fine('namespace', `${namespace} is in use${inOthers}${aside}`)];
  if (elsewhere.found.length > 0) {
    return [
      notFine(
        'namespace',
        `${namespace} is empty in database ${database}, but not in database ${elsewhere.found.join(', ')}`,
        `give the database of the jobservice: …/${elsewhere.found[0]} at the end of the Redis URL`,
      ),
    ];
  }
  const others = await otherNamespaces(redis, namespace);
  if (others.length > 0) {
    const named = others.slice(0, maxNamed).join(', ');
    return [
      notFine(
        'namespace',
        `${namespace} is empty, but these are not: ${named}`,
        'give the namespace as it stands in Redis, braces included',
      ),
    ];
  }
  return [fine('namespace', `${namespace} is empty: no jobservice has used it yet${aside}`)];
};

/** Other namespaces: first the same name with or without braces, then those of a bounded SCAN. */
const otherNamespaces = async (redis: Redis, namespace: string): Promise<string[]> => {
  const name = namespace.trim().replace(/:$/, '');
  const braced = /^\{.*\}$/.test(name) ? name.slice(1, -1) : `{${name}}`;
  // A user without rights to other keys is refused here; SCAN still returns their names.
  const isBraced = (await unlessRefused(redis.exists(...signsOf(braced)))) ?? 0;
  const found = new Set(isBraced > 0 ? [braced] : []);
  const own = keysOf(namespace).prefix;
  let cursor = '0';
  for (let scans = 0; scans < maxScans && found.size < maxNamed; scans++) {
    const reply = await unlessRefused(
      redis.scan(cursor, 'MATCH', `*${escapeGlob(':worker_pools')}`, 'COUNT', scanCount),
    );
    if (reply === undefined) break;
    for (const key of reply[1]) {
      const other = key.slice(0, -':worker_pools'.length);
      if (`${other}:` !== own) found.add(other);
    }
    cursor = reply[0];
    if (cursor === '0') break;
  }
  return [...found];
};

/** Other databases with this namespace. They are read on another connection: the shared one stays in its database. */
const otherDatabases = async ({
  redis,
  namespace,
  database,
  openConnection,
}: {
  redis: Redis;
  namespace: string;
  database: number;
  openConnection: OpenConnection | undefined;
}): Promise<{ readonly found: readonly number[]; readonly unchecked?: string }> => {
  const info = await unlessRefused(redis.info('keyspace'));
  if (info === undefined) return { found: [], unchecked: 'INFO is not allowed' };
  const others = [...info.matchAll(/^db(\d+):/gm)].map(([, number]) => Number(number)).filter((n) => n !== database);
  if (others.length === 0) return { found: [] };
  if (openConnection === undefined) return { found: [], unchecked: "the caller's client is in use" };
  const other = openConnection();
  // The commands below reject if the connection fails.
  other.on('error', () => undefined);
  try {
    const found: number[] = [];
    for (const number of others.slice(0, maxDatabases)) {
      await other.select(number);
      if ((await other.exists(...signsOf(namespace))) > 0) found.push(number);
    }
    return { found };
  } catch (error) {
    const why = isNoPermission(error) ? 'SELECT is not allowed' : 'no further connection can be made';
    return { found: [], unchecked: why };
  } finally {
    other.disconnect();
  }
};
