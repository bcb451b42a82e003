import type { Deps } from '../redis/deps.ts';
import { brokenCounts, brokenName, type KnownNames, splitsOf, typeProvenBy } from '../redis/keyNames.ts';
import type { FoundKey } from '../redis/keyWalk.ts';
import { existingOf, inChunks, type Names, readNames } from '../redis/paged.ts';
import { type Expected, unlessWrongType } from '../redis/wrongTypes.ts';
import { type Heartbeat, readHeartbeat } from './heartbeats.ts';

/** The pools and types that the sets, heartbeats and counters of a namespace name. */
export interface RegisteredNames {
  readonly registered: ReadonlySet<string>;
  readonly arePoolsReadable: boolean;
  readonly known: KnownNames;
  readonly heartbeats: ReadonlyMap<string, Heartbeat>;
  /** Pool → types whose lock_info has a field of the pool. */
  readonly countedIn: ReadonlyMap<string, readonly string[]>;
  /** Keys that could not be read, with the types that they must have. */
  readonly unexpected: readonly Expected[];
  /** Messages about names that are not UTF-8. */
  readonly unreadable: readonly string[];
}

/** Reads all names of pools and types. Follows them from key to key, because pools name types and types name pools. */
export const readRegisteredNames = async (
  { connection, keys }: Pick<Deps, 'connection' | 'keys'>,
  /** Keys below `<ns>jobs:` that were found by their names. */
  found: readonly FoundKey[],
  /** Types that are known from elsewhere. */
  types: readonly string[],
): Promise<RegisteredNames> => {
  const { redis } = connection;
  const unexpected: Expected[] = [];
  const unreadable: string[] = [];
  const sets = [keys.pools, keys.knownJobs];
  const members = await Promise.all(sets.map((key) => namesOrNone(connection, key, 'set')));
  const [pools, knownJobs] = members.map((names, i) => {
    const key = sets[i] as string;
    if (names === undefined) unexpected.push([key, 'set']);
    for (const name of names?.broken ?? []) unreadable.push(brokenName(key, name));
    return names?.names;
  });
  const known = { types: new Set([...types, ...(knownJobs ?? [])]), pools: new Set(pools) };
  for (const { name, holds } of found) {
    const type = typeProvenBy(name, holds);
    if (type !== undefined && !known.types.has(name)) known.types.add(type);
  }
  // A pool that only a list names counts as known if it has a heartbeat, registered or not.
  const candidates = new Set(
    found.flatMap(({ name, holds }) => (holds === 'list' ? splitsOf(name).map(({ pool }) => pool) : [])),
  );
  const heartbeats = new Map<string, Heartbeat>();
  const counted = new Set<string>();
  const countedIn = new Map<string, string[]>();

  const addHeartbeat = (pool: string, heartbeat: Heartbeat) => {
    heartbeats.set(pool, heartbeat);
    if (heartbeat.heartbeat !== '') known.pools.add(pool);
    for (const type of heartbeat.jobNames) known.types.add(type);
    for (const type of heartbeat.brokenTypes ?? []) unreadable.push(brokenJobName(keys.heartbeat(pool), type));
  };
  const addCounts = (type: string, pools: Names | undefined) => {
    if (pools === undefined) unexpected.push([keys.lockInfo(type), 'hash']);
    if (pools !== undefined && pools.broken.length > 0) {
      unreadable.push(brokenCounts(keys.lockInfo(type), pools.broken));
    }
    for (const pool of pools?.names ?? []) {
      known.pools.add(pool);
      const types = countedIn.get(pool);
      if (types === undefined) countedIn.set(pool, [type]);
      else types.push(type);
    }
  };

  for (;;) {
    const newPools = [...known.pools, ...candidates].filter((pool) => !heartbeats.has(pool));
    const newTypes = [...known.types].filter((type) => !counted.has(type));
    if (newPools.length === 0 && newTypes.length === 0) break;
    const [beats, counts] = await Promise.all([
      inChunks(newPools, (pool) => readHeartbeat(redis, keys, pool)),
      readCounts({ connection, keys }, newTypes),
    ]);
    for (const [i, pool] of newPools.entries()) addHeartbeat(pool, beats[i] as Heartbeat);
    for (const type of newTypes) counted.add(type);
    for (const [type, fields] of counts) addCounts(type, fields);
  }
  const registered = new Set(pools);
  return { registered, arePoolsReadable: pools !== undefined, known, heartbeats, countedIn, unexpected, unreadable };
};

/** The pools that have counters of these types. */
const readCounts = async ({ connection, keys }: Pick<Deps, 'connection' | 'keys'>, types: readonly string[]) => {
  const existing = new Set(await existingOf(connection.redis, types.map(keys.lockInfo)));
  return inChunks(
    types.filter((type) => existing.has(keys.lockInfo(type))),
    async (type) => [type, await namesOrNone(connection, keys.lockInfo(type), 'hash')] as const,
  );
};

/** The members or fields of a key; undefined if it holds another type. */
const namesOrNone = (
  connection: Deps['connection'],
  key: string,
  type: Parameters<typeof readNames>[2],
): Promise<Names | undefined> => unlessWrongType<Names | undefined>(readNames(connection, key, type), undefined);

const brokenJobName = (key: string, type: string): string =>
  `${key}: job_names holds ${type}, a name that is not valid UTF-8; skipped: rename the type`;
