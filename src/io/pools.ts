import type { Confirmation, Requeued, Settled, Suspect } from '../machines/pool.ts';
import type { Drift, Found, Recounted } from '../machines/supervisor.ts';
import type { Clock } from './clock.ts';
import type { Connection } from './connection.ts';
import type { Keys } from './keys.ts';
import { redisTime } from './redisTime.ts';
import { retry } from './retry.ts';
import type { Fence, Scripts } from './scripts.ts';

/** How a pool looks at one moment. */
export interface PoolState {
  readonly pool: string;
  readonly isAlive: boolean;
  /** Whether a rescue would confirm its death now: grace waited out, heartbeat unmoved, no disruption since. */
  readonly isConfirmedDead: boolean;
  readonly isRegistered: boolean;
  /** heartbeat_at as it stands, or the empty string. */
  readonly heartbeat: string;
  /** Age of the heartbeat by Redis TIME in ms; undefined where there is none that can be read. */
  readonly age: number | undefined;
  readonly host: string | undefined;
  readonly jobNames: readonly string[];
  readonly workerIds: readonly string[];
}

/** Everything that names a pool, read at one moment. */
export interface PoolSurvey {
  readonly pools: readonly PoolState[];
  readonly types: readonly string[];
  /** In-progress lists whose names were found, as [type, pool]. */
  readonly lists: readonly (readonly [string, string])[];
}

export interface Pools {
  /**
   * Looks for pools that are not seen to live. `thorough` goes through the names of all keys at once; otherwise each
   * call goes on for a bounded number of them, so that a Redis with millions of keys is not walked every few seconds.
   * @param trouble how many troubles there were by now (`Trust`); the suspects carry it.
   */
  find(thorough: boolean, trouble: number): Promise<Found>;
  survey(thorough: boolean): Promise<PoolSurvey>;
  confirm(suspect: Suspect): Promise<Confirmation>;
  /** Suspects a pool anew, as it stands now, if it does not live. */
  review(suspect: Suspect, trouble: number): Promise<'alive' | Suspect>;
  requeue(suspect: Suspect, type: string): Promise<Requeued>;
  settle(suspect: Suspect, types: readonly string[]): Promise<Settled>;
  /** Rebuilds the counters of the types from their in-progress lists. */
  recount(types: readonly string[], fence?: Fence | undefined): Promise<Recounted>;
}

/** How often a job's entry may be taken from dead workers (`lua/includes/recovery.lua`). */
export interface RecoveryLimit {
  readonly most: number;
  readonly windowS: number;
}

/** Keys that one SCAN looks at, and SCANs that one look without `thorough` does. */
const scanCount = 1_000;
const scansALook = 20;

export const createPools = ({
  connection,
  keys,
  scripts,
  jobTypes,
  heartbeatAge,
  batch,
  recovery,
  clock,
  onUncounted = () => {},
}: {
  connection: Connection;
  keys: Keys;
  scripts: Scripts;
  /** Types to look at beside those that are found. */
  jobTypes: readonly string[];
  /** Age in ms below which a heartbeat is alive. */
  heartbeatAge: number;
  /** How many entries one requeue moves at the most. */
  batch: number;
  recovery: RecoveryLimit;
  clock: Clock;
  /** Called with the reason where entries were requeued, but their recoveries could not be recorded. */
  onUncounted?: (reason: string) => void;
}): Pools => {
  const { redis } = connection;
  /** What the present round of SCAN has found, and the round before it: a round may take many looks. */
  let cursor = '0';
  let round = noTraces();
  let lastRound = noTraces();

  const scanTraces = async (thorough: boolean) => {
    if (thorough) {
      cursor = '0';
      round = noTraces();
    }
    for (let scans = 0; thorough || scans < scansALook; scans++) {
      const [next, found] = await redis.scan(cursor, 'MATCH', keys.jobsPattern, 'COUNT', scanCount);
      for (const key of found) {
        const list = keys.parseInProgress(key);
        const counted = keys.parseCounter(key);
        if (list !== undefined) round.lists.set(key, [list.type, list.pool]);
        if (counted !== undefined) round.counters.set(key, counted);
      }
      cursor = next;
      if (cursor === '0') {
        lastRound = round;
        round = noTraces();
        break;
      }
    }
    /** A round may be older than what has been rescued since; and a name alone proves nothing. */
    const standing = async <T>(traces: Map<string, T>, ...kinds: string[]): Promise<T[]> => {
      const found = await Promise.all([...traces.keys()].map((key) => redis.type(key)));
      return [...traces.values()].filter((_, i) => kinds.includes(found[i] as string));
    };
    const [lists, counted] = await Promise.all([
      standing(new Map([...lastRound.lists, ...round.lists]), 'list'),
      standing(new Map([...lastRound.counters, ...round.counters]), 'string', 'hash'),
    ]);
    return { lists, counted };
  };

  const look = async (pools: readonly string[], registered: ReadonlySet<string>): Promise<PoolState[]> => {
    const [time, ...beats] = await Promise.all([
      redisTime(redis),
      ...pools.map((pool) =>
        unlessWrongType(redis.hmget(keys.heartbeat(pool), 'heartbeat_at', 'job_names', 'worker_ids', 'host'), []),
      ),
    ]);
    return pools.map((pool, i) => {
      const [heartbeat, jobNames, workerIds, host] = beats[i] as (string | null)[];
      const at = heartbeat ? Number(heartbeat) : Number.NaN;
      const age = Number.isNaN(at) ? undefined : time - at * 1_000;
      const isRegistered = registered.has(pool);
      return {
        pool,
        isRegistered,
        isAlive: isRegistered && age !== undefined && age < heartbeatAge,
        isConfirmedDead: false,
        heartbeat: heartbeat ?? '',
        age,
        host: host ?? undefined,
        jobNames: splitList(jobNames),
        workerIds: splitList(workerIds),
      };
    });
  };

  const survey = async (thorough: boolean): Promise<PoolSurvey> => {
    const [registered, known, { lists, counted }] = await Promise.all([
      redis.smembers(keys.pools),
      redis.smembers(keys.knownJobs),
      scanTraces(thorough),
    ]);
    const ofHeartbeats = await look(registered, new Set(registered));
    const types = new Set([...jobTypes, ...known, ...lists.map(([type]) => type), ...counted]);
    for (const { jobNames } of ofHeartbeats) for (const type of jobNames) types.add(type);
    const names = new Set(lists.map(([, pool]) => pool));
    const fields = await Promise.all([...types].map((type) => unlessWrongType(redis.hkeys(keys.lockInfo(type)), [])));
    for (const pool of fields.flat()) names.add(pool);
    for (const pool of registered) names.delete(pool);
    const others = await look([...names], new Set());
    return { pools: [...ofHeartbeats, ...others], types: [...types], lists };
  };

  /** How a suspect stands now; undefined where it lives, or has been beaten since. */
  const stillDead = async ({ pool, heartbeat: seen }: Suspect, isRegistered: boolean) => {
    const [state] = (await look([pool], new Set(isRegistered ? [pool] : []))) as [PoolState];
    return state.isAlive || (state.heartbeat !== '' && state.heartbeat !== seen) ? undefined : state;
  };

  /** Types of the lists and fields that a pool may have left, those of its own heartbeat included. */
  const lengths = async (pool: string, types: readonly string[]) => {
    const counts = await Promise.all(types.map((type) => unlessWrongType(redis.llen(keys.inProgress(type, pool)), 0)));
    return types.map((type, i) => ({ type, entries: counts[i] as number }));
  };

  return {
    survey,

    async find(thorough, trouble) {
      const { pools, types, lists } = await survey(thorough);
      const suspects = pools
        .filter(({ isAlive }) => !isAlive)
        .map((state) => ({
          pool: state.pool,
          heartbeat: state.heartbeat,
          types: [...new Set([...types, ...state.jobNames])],
          evidence: evidenceOf(state),
          trouble,
        }));
      const live = pools
        .filter(({ isAlive }) => isAlive)
        .map(({ pool, workerIds, jobNames }) => ({
          pool,
          workerIds,
          types: [...new Set([...jobNames, ...lists.filter((list) => list[1] === pool).map(([type]) => type)])],
        }));
      return { alive: live.length, suspects, types, live };
    },

    async confirm(suspect) {
      const [isMember, held] = await Promise.all([
        redis.sismember(keys.pools, suspect.pool),
        lengths(suspect.pool, suspect.types),
      ]);
      return (await stillDead(suspect, isMember === 1)) === undefined ? 'alive' : held;
    },

    async review(suspect, trouble) {
      const state = await stillDead(suspect, (await redis.sismember(keys.pools, suspect.pool)) === 1);
      if (state === undefined) return 'alive';
      return { ...suspect, heartbeat: state.heartbeat, evidence: evidenceOf(state), trouble };
    },

    async requeue({ pool, heartbeat, fence }, type) {
      const reply = await scripts.run<'alive' | [number, number, string?, string?]>(
        'requeue',
        [
          keys.pools,
          keys.heartbeat(pool),
          keys.inProgress(type, pool),
          keys.queue(type),
          keys.lock(type),
          keys.lockInfo(type),
          keys.recoveries,
          keys.recovered,
          keys.quarantine,
          keys.dead,
        ],
        [pool, heartbeatAge, heartbeat, batch, recovery.most, recovery.windowS],
        fence,
      );
      if (reply === 'alive') return reply;
      const [moved, left, poison, uncounted] = reply;
      if (uncounted !== undefined) onUncounted(uncounted);
      return { moved, left, poison: poison || undefined };
    },

    settle: ({ pool, heartbeat, fence }, types) =>
      scripts.run<Settled>(
        'settle_pool',
        [
          keys.pools,
          keys.heartbeat(pool),
          ...types.flatMap((type) => [keys.inProgress(type, pool), keys.lockInfo(type)]),
        ],
        [pool, heartbeatAge, heartbeat],
        fence,
      ),

    async recount(types, fence) {
      const registered = await redis.smembers(keys.pools);
      const listed = new Map<string, string[]>();
      for (const [type, pool] of [...lastRound.lists.values(), ...round.lists.values()]) {
        listed.set(type, [...(listed.get(type) ?? []), pool]);
      }
      const drift: Drift[] = [];
      const unreadable: string[] = [];
      await Promise.all(
        types.map(async (type) => {
          try {
            const found = await retry(clock, () => rebuild(type, [...registered, ...(listed.get(type) ?? [])], fence));
            if (found !== undefined) drift.push(found);
          } catch (error) {
            if (!isFaultOfRecord(error as Error)) throw error;
            unreadable.push(`${type}: ${(error as Error).message}`);
          }
        }),
      );
      return { drift, unreadable };
    },
  };

  async function rebuild(type: string, known: readonly string[], fence?: Fence): Promise<Drift | undefined> {
    let pools = [...new Set(known)];
    for (;;) {
      const reply = await scripts.run<string[] | [string, string, number, string, string]>(
        'rebuild_counters',
        [keys.lock(type), keys.lockInfo(type), ...pools.map((pool) => keys.inProgress(type, pool))],
        pools,
        fence,
      );
      if (reply[0] === 'unknown') {
        pools = [...new Set([...pools, ...(reply.slice(1) as string[])])];
        continue;
      }
      const [lockBefore, lock, fields, byLock, byFields] = reply as [string, string, number, string, string];
      if (lockBefore === lock && fields === 0) return undefined;
      return { type, lockBefore, lock, fields, size: { lock: Number(byLock), lockInfo: Number(byFields) } };
    }
  }
};

/** What the names of keys tell: in-progress lists as [type, pool], and types by their counters. */
const noTraces = () => ({ lists: new Map<string, readonly [string, string]>(), counters: new Map<string, string>() });

/** Whether Redis says that a key is not what it should be, rather than that it can't answer. */
const isFaultOfRecord = (error: Error) => /WRONGTYPE|not an integer|wrong kind of value/.test(error.message);

/** A key of the wrong type tells nothing; it is reported when the counters are rebuilt. */
export const unlessWrongType = <T>(reply: Promise<T>, otherwise: T): Promise<T> =>
  reply.catch((error: Error) => {
    if (isFaultOfRecord(error)) return otherwise;
    throw error;
  });

const splitList = (text: string | null | undefined): string[] =>
  text ? text.split(',').filter((part) => part !== '') : [];

const evidenceOf = ({ isRegistered, age, heartbeat }: PoolState): string => {
  const beat =
    heartbeat === ''
      ? 'no heartbeat'
      : age === undefined
        ? 'a heartbeat that is no time'
        : `a heartbeat ${Math.round(age / 1_000)} s old`;
  return `${isRegistered ? 'registered' : 'not registered'}, ${beat}`;
};
