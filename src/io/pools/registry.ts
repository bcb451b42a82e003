import type { Deps } from '../redis/deps.ts';
import {
  brokenCounts,
  brokenName,
  type KnownNames,
  type ListReading,
  readListName,
  splitsOf,
  typeProvenBy,
  unreadableName,
} from '../redis/keyNames.ts';
import type { FoundKey } from '../redis/keyWalk.ts';
import { existingOf, inChunks, type Names, readNames, splitNames } from '../redis/paged.ts';
import { redisTime } from '../redis/time.ts';
import { type Expected, findWrongTyped, unlessWrongType } from '../redis/wrongTypes.ts';
import type { SuspectRecord, Suspects } from './suspects.ts';

/** How a pool looks at one moment. */
export interface PoolState {
  readonly pool: string;
  readonly isAlive: boolean;
  /** Whether it is alive by Redis TIME, and not only since its heartbeat moves. */
  readonly isFresh: boolean;
  /** Whether a rescue would confirm its death now: grace waited out, heartbeat unmoved, no disruption since. */
  readonly isConfirmedDead: boolean;
  readonly isRegistered: boolean;
  /** Whether the key of its heartbeat, and the set of pools, can be read: without them nobody can say that it is dead. */
  readonly isReadable: boolean;
  /** heartbeat_at as it stands, or the empty string. */
  readonly heartbeat: string;
  /** Age of the heartbeat by Redis TIME in ms, below 0 where it is ahead; undefined where there is none that can be read. */
  readonly age: number | undefined;
  readonly host: string | undefined;
  readonly jobNames: readonly string[];
  readonly workerIds: readonly string[];
  readonly hasHeartbeat: boolean;
}

/** Everything that names a pool, read at one moment. */
export interface PoolSurvey {
  readonly pools: readonly PoolState[];
  /** Whether the set of pools can be read: without it there may be pools of which nothing is known. */
  readonly arePoolsReadable: boolean;
  readonly types: readonly string[];
  /** In-progress lists whose names were found, as [type, pool]. */
  readonly lists: readonly (readonly [string, string])[];
  /** Pool → types whose lock_info has a field of it. */
  readonly countedIn: ReadonlyMap<string, readonly string[]>;
  /** Keys that can't be read, and lists whose names can't: each with what to do. */
  readonly unreadable: readonly string[];
  /** Whose list has the name of this type's and pool's, which may be that of others where names hold colons. */
  readList(type: string, pool: string): ListReading;
}

/** How far a heartbeat may be ahead of Redis TIME and count as fresh, in ms: it is written in whole seconds. */
export const aheadTolerance = 1_000;

interface Heartbeat {
  readonly isReadable: boolean;
  readonly heartbeat: string;
  readonly host: string | undefined;
  readonly jobNames: readonly string[];
  readonly workerIds: readonly string[];
  readonly hasHeartbeat: boolean;
  /** Of job_names, what is no UTF-8. */
  readonly brokenTypes?: readonly string[];
}

/** What the registries of a namespace name, and what each pool last said of itself. */
interface Registries {
  readonly registered: ReadonlySet<string>;
  readonly arePoolsReadable: boolean;
  readonly known: KnownNames;
  readonly heartbeats: ReadonlyMap<string, Heartbeat>;
  readonly countedIn: PoolSurvey['countedIn'];
}

export const createSurveyor = ({
  connection,
  keys,
  jobTypes,
  heartbeatAge,
  suspects,
}: Pick<Deps, 'connection' | 'keys'> & {
  /** Types to look at beside those that are found. */
  jobTypes: readonly string[];
  /** Age in ms below which a heartbeat is alive. */
  heartbeatAge: number;
  suspects: Suspects;
}) => {
  const { redis } = connection;

  const readHeartbeat = async (pool: string): Promise<Heartbeat> => {
    const reply = redis.hmget(keys.heartbeat(pool), 'heartbeat_at', 'job_names', 'worker_ids', 'host');
    const fields = await unlessWrongType<(string | null)[] | undefined>(reply, undefined);
    const [heartbeat, jobNames, workerIds, host] = fields ?? [];
    const types: Names = jobNames?.includes('\uFFFD')
      ? splitNames((await unlessWrongType(redis.hmgetBuffer(keys.heartbeat(pool), 'job_names'), []))[0])
      : { names: splitList(jobNames), broken: [] };
    return {
      isReadable: fields !== undefined,
      heartbeat: heartbeat ?? '',
      host: host ?? undefined,
      jobNames: types.names,
      ...(types.broken.length > 0 ? { brokenTypes: types.broken } : {}),
      workerIds: splitList(workerIds),
      hasHeartbeat: fields?.some((field) => field !== null) === true,
    };
  };

  /** The pools that the lock_info of each of the types counts, where there is one; undefined where it is no hash. */
  const readCountedPools = async (types: readonly string[]) => {
    const there = new Set(await existingOf(redis, types.map(keys.lockInfo)));
    return inChunks(
      types.filter((type) => there.has(keys.lockInfo(type))),
      async (type) => {
        const fields = readNames(connection, keys.lockInfo(type), 'hash');
        return [type, await unlessWrongType<Names | undefined>(fields, undefined)] as const;
      },
    );
  };

  /** Follows names from one registry to the next until no new one comes up: pools name types, and types pools. */
  const readRegistries = async (
    found: readonly FoundKey[],
    moreTypes: readonly string[],
    doubtful: Expected[],
    unreadable: string[],
  ): Promise<Registries> => {
    const [registered, knownJobs] = await Promise.all([
      unlessWrongType<Names | undefined>(readNames(connection, keys.pools, 'set'), undefined),
      unlessWrongType<Names | undefined>(readNames(connection, keys.knownJobs, 'set'), undefined),
    ]);
    if (registered === undefined) doubtful.push([keys.pools, 'set']);
    for (const pool of registered?.broken ?? []) unreadable.push(brokenName(keys.pools, pool));
    for (const type of knownJobs?.broken ?? []) unreadable.push(brokenName(keys.knownJobs, type));
    const pools = registered?.names;
    if (knownJobs === undefined) doubtful.push([keys.knownJobs, 'set']);
    const known = { types: new Set([...jobTypes, ...moreTypes, ...(knownJobs?.names ?? [])]), pools: new Set(pools) };
    for (const { name, holds } of found) {
      const type = typeProvenBy(name, holds);
      if (type !== undefined && !known.types.has(name)) known.types.add(type);
    }
    // A pool that is named by a list alone is known where it has a heartbeat: it needs no registration for that.
    const candidates = new Set(
      found.flatMap(({ name, holds }) => (holds === 'list' ? splitsOf(name).map(({ pool }) => pool) : [])),
    );
    const heartbeats = new Map<string, Heartbeat>();
    const asked = new Set<string>();
    const countedIn = new Map<string, string[]>();
    for (;;) {
      const newPools = [...known.pools, ...candidates].filter((pool) => !heartbeats.has(pool));
      const newTypes = [...known.types].filter((type) => !asked.has(type));
      if (newPools.length === 0 && newTypes.length === 0) break;
      const [beats, counted] = await Promise.all([inChunks(newPools, readHeartbeat), readCountedPools(newTypes)]);
      for (const [i, pool] of newPools.entries()) {
        const beat = beats[i] as Heartbeat;
        heartbeats.set(pool, beat);
        if (beat.heartbeat !== '') known.pools.add(pool);
        for (const type of beat.jobNames) known.types.add(type);
        for (const type of beat.brokenTypes ?? []) {
          unreadable.push(
            `${keys.heartbeat(pool)}: job_names holds ${type}, a name that is no UTF-8: it is left: give the type another name`,
          );
        }
      }
      for (const type of newTypes) asked.add(type);
      for (const [type, pools] of counted) {
        if (pools !== undefined && pools.broken.length > 0) {
          unreadable.push(brokenCounts(keys.lockInfo(type), pools.broken));
        }
        for (const pool of pools?.names ?? []) {
          known.pools.add(pool);
          const others = countedIn.get(pool);
          if (others === undefined) countedIn.set(pool, [type]);
          else others.push(type);
        }
        if (pools === undefined) doubtful.push([keys.lockInfo(type), 'hash']);
      }
    }
    return { registered: new Set(pools), arePoolsReadable: pools !== undefined, known, heartbeats, countedIn };
  };

  const stateOf = (
    pool: string,
    { heartbeat, isReadable, brokenTypes: _, ...rest }: Heartbeat,
    isRegistered: boolean,
    { time, record, condition }: { time: number; record: SuspectRecord | undefined; condition: string | undefined },
  ): PoolState => {
    const at = /^[+-]?\d{1,300}(\.\d+)?$/.test(heartbeat) ? Number(heartbeat) : undefined;
    const age = at === undefined ? undefined : time - at * 1_000;
    const isFresh = isRegistered && age !== undefined && age < heartbeatAge && age >= -aheadTolerance;
    // Where its clock is off, only that its heartbeat moves says that it lives.
    const isMoving = heartbeat !== '' && hasMoved(record, heartbeat, time, heartbeatAge);
    const isAlive = isFresh || isMoving;
    return {
      pool,
      isRegistered,
      isReadable,
      isAlive,
      isFresh,
      isConfirmedDead:
        !isAlive && isReadable && record !== undefined && suspects.isConfirmed(record, heartbeat, time, condition),
      heartbeat,
      age,
      ...rest,
    };
  };

  /** The states of pools by what their heartbeats and the notes of earlier looks say. */
  const judge = async (
    pools: readonly string[],
    { heartbeats, registered, arePoolsReadable }: Omit<Registries, 'known' | 'countedIn'>,
  ): Promise<PoolState[]> => {
    const [time, records] = await Promise.all([redisTime(redis), suspects.read(pools)]);
    const condition = pools.some((pool) => records.has(pool)) ? await suspects.condition() : undefined;
    return pools.map((pool) => {
      const heartbeat = heartbeats.get(pool) as Heartbeat;
      const isReadable = heartbeat.isReadable && arePoolsReadable;
      const record = records.get(pool);
      return stateOf(pool, { ...heartbeat, isReadable }, registered.has(pool), { time, record, condition });
    });
  };

  return {
    /**
     * @param found keys below `<ns>jobs:` that were found by their names.
     * @param moreTypes types that an earlier survey has found, which the registries may not name.
     */
    async survey(found: readonly FoundKey[], moreTypes: readonly string[] = []): Promise<PoolSurvey> {
      const doubtful: Expected[] = [];
      const unreadable: string[] = [];
      const registries = await readRegistries(found, moreTypes, doubtful, unreadable);
      const { known, heartbeats } = registries;
      const lists: [string, string][] = [];
      for (const { key, name, holds } of found) {
        if (holds === 'brokenName') {
          unreadable.push(`${key}: its name is no UTF-8, so what it holds is left: give it another name (RENAME)`);
          continue;
        }
        const reading = readListName(name, known);
        if (reading === undefined) continue;
        if (holds !== 'list') {
          if (typeof reading === 'object' && isKnown(reading, known)) doubtful.push([key, 'list']);
        } else if (typeof reading === 'string') unreadable.push(unreadableName(key, name, reading));
        else lists.push([reading.type, reading.pool]);
      }
      const pools = new Set([...known.pools, ...lists.map(([, pool]) => pool)]);
      for (const pool of pools) {
        if (heartbeats.get(pool)?.isReadable === false) doubtful.push([keys.heartbeat(pool), 'hash']);
      }
      return {
        pools: await judge([...pools], registries),
        arePoolsReadable: registries.arePoolsReadable,
        types: [...new Set([...known.types, ...lists.map(([type]) => type)])],
        lists,
        countedIn: registries.countedIn,
        unreadable: [...unreadable, ...(await findWrongTyped(redis, doubtful))],
        readList: (type, pool) =>
          readListName(keys.inProgress(type, pool).slice(keys.jobsPrefix.length), known) ?? 'none',
      };
    },

    /** One pool as it stands now. */
    async look(pool: string): Promise<PoolState> {
      const [isMember, heartbeat] = await Promise.all([
        unlessWrongType<number | undefined>(redis.sismember(keys.pools, pool), undefined),
        readHeartbeat(pool),
      ]);
      const [state] = await judge([pool], {
        heartbeats: new Map([[pool, heartbeat]]),
        registered: new Set(isMember === 1 ? [pool] : []),
        arePoolsReadable: isMember !== undefined,
      });
      return state as PoolState;
    },
  };
};

export type Surveyor = ReturnType<typeof createSurveyor>;

/** Whether a heartbeat that is no longer, or not yet, fresh by Redis TIME is known to have come within that time. */
const hasMoved = (
  record: SuspectRecord | undefined,
  heartbeat: string,
  time: number,
  heartbeatAge: number,
): boolean => {
  if (record === undefined) return false;
  if (record.heartbeat !== heartbeat) return record.heartbeat !== '';
  return record.moved && time - record.first < heartbeatAge && record.first <= time;
};

const isKnown = ({ type, pool }: { type: string; pool: string }, { types, pools }: KnownNames) =>
  types.has(type) && pools.has(pool);

const splitList = (text: string | null | undefined): string[] =>
  text ? text.split(',').filter((part) => part !== '') : [];

/** What a person needs to know of a pool that is not seen to live. */
export const evidenceOf = ({ isRegistered, age, heartbeat }: PoolState): string => {
  const beat =
    heartbeat === ''
      ? 'no heartbeat'
      : age === undefined
        ? 'a heartbeat that is no time'
        : age < -aheadTolerance
          ? `clock-ahead: a heartbeat ${Math.round(-age / 1_000)} s ahead of Redis`
          : `a heartbeat ${Math.round(age / 1_000)} s old`;
  return `${isRegistered ? 'registered' : 'not registered'}, ${beat}`;
};
