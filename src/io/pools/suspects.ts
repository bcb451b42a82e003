import type { Redis } from 'ioredis';
import type { Deps } from '../redis/deps.ts';
import { digestOf, readCondition } from '../redis/disruption.ts';
import { readHash } from '../redis/paged.ts';
import { redisTime } from '../redis/time.ts';
import { unlessWrongType } from '../redis/wrongTypes.ts';

/** What was seen of a pool whose heartbeat was not fresh. Times in ms by Redis TIME. */
export interface SuspectRecord {
  readonly heartbeat: string;
  /** When this heartbeat was first seen. */
  readonly first: number;
  /** Whether it took another one's place then: somebody beats, however wrong that host's clock is. */
  readonly moved: boolean;
  /** Since when the pool could have beaten again, with no disruption in between. */
  readonly since: number;
  /** The condition of Redis by then (`disruption.ts`). */
  readonly disruption: string;
}

/** What has to be known of a pool to note it. */
export interface PoolSighting {
  readonly pool: string;
  readonly isRegistered: boolean;
  readonly heartbeat: string;
  /** By Redis TIME the heartbeat is neither old nor ahead. */
  readonly isFresh: boolean;
}

/**
 * The memory of all processes of what pools looked like: kept in Redis, so that a fresh process and an old one judge alike.
 * A pool is dead for a sweep only where this says that a rescue would confirm it.
 */
export interface Suspects {
  /** Those of the given pools, or all. */
  read(pools?: readonly string[]): Promise<ReadonlyMap<string, SuspectRecord>>;
  /**
   * Notes how pools look now, and forgets those that are fresh. Not for a plan, which writes nothing.
   * @param isComplete whether no pool is missing: then those that are gone are forgotten too.
   */
  record(pools: readonly PoolSighting[], isComplete: boolean): Promise<void>;
  /** The condition of Redis now, for `isConfirmed`; undefined where it can't be told. */
  condition(): Promise<string | undefined>;
  /** Whether a pool that looks like its record at `time` has had its grace, with no disruption since. */
  isConfirmed(record: SuspectRecord, heartbeat: string, time: number, condition: string | undefined): boolean;
}

/** Pools that are noted at once, and all told; in s for how long the notes are kept. */
const batch = 500;
const maxNoted = 5_000;
const keepFor = 86_400;
/** After this time in ms a pool that is met no more is forgotten, though a pass may not have met all pools. */
const forgetAfter = 3_600_000;

export const createSuspects = ({
  connection,
  keys,
  grace,
  disruptions,
}: Pick<Deps, 'connection' | 'keys'> & {
  /** How long a pool may prove that it lives, in ms. */
  grace: number;
  /** How many disruptions this process has met by now (`Preflight`). */
  disruptions: () => number;
}): Suspects => {
  const { redis } = connection;
  let known = { disruptions: 0, at: Number.NEGATIVE_INFINITY };

  /** The time of Redis by which the last disruption that this process has met was over. */
  const disruptedAt = (time: number) => {
    if (known.disruptions !== disruptions()) known = { disruptions: disruptions(), at: time };
    return known.at;
  };
  const condition = async () => digestOf(await readCondition(redis));
  const readSome = async (pools: readonly string[]) => {
    const texts = await unlessWrongType<(string | null)[]>(redis.hmget(keys.suspects, ...pools), []);
    return new Map(pools.map((pool, i) => [pool, texts[i] ?? '']));
  };
  const readAll = () => unlessWrongType(readHash(connection, keys.suspects), new Map<string, string>());
  // One pool is looked at as often as it is worked on: it must not cost more where there are thousands.
  const read = async (pools?: readonly string[]) =>
    decodeAll(await (pools !== undefined && pools.length > 0 && pools.length <= batch ? readSome(pools) : readAll()));

  return {
    read,
    condition,

    isConfirmed: (record, heartbeat, time, now) =>
      record.heartbeat === heartbeat &&
      now !== undefined &&
      record.disruption === now &&
      record.since > disruptedAt(time) &&
      time - record.since >= grace,

    async record(pools, isComplete) {
      const records = await read();
      const stale = pools.filter(({ isFresh }) => !isFresh);
      if (records.size === 0 && stale.length === 0) return;
      const [time, disruption = ''] = await Promise.all([redisTime(redis), condition()]);
      const disrupted = disruptedAt(time);
      // Those that are registered first: what is beyond the bound is what other hosts have left long ago.
      const noted = stale.sort((a, b) => Number(b.isRegistered) - Number(a.isRegistered)).slice(0, maxNoted);
      const fields = noted.flatMap((pool): [string, string][] => {
        const record = recordOf(pool, records.get(pool.pool), { time, disruption, disrupted });
        return record === records.get(pool.pool) ? [] : [[pool.pool, JSON.stringify(record)]];
      });
      const keeps = new Set(noted.map(({ pool }) => pool));
      const met = new Set(pools.map(({ pool }) => pool));
      const forgotten = [...records].filter(
        ([pool, { first }]) => !keeps.has(pool) && (met.has(pool) || isComplete || time - first > forgetAfter),
      );
      await write(
        redis,
        keys.suspects,
        fields,
        forgotten.map(([pool]) => pool),
      );
    },
  };
};

const recordOf = (
  { heartbeat }: PoolSighting,
  record: SuspectRecord | undefined,
  { time, disruption, disrupted }: { time: number; disruption: string; disrupted: number },
): SuspectRecord => {
  const seen = { heartbeat, first: time, moved: false, since: time, disruption };
  if (record === undefined) return seen;
  if (record.heartbeat !== heartbeat) return { ...seen, moved: heartbeat !== '' };
  // A clock that was put back makes a time that is yet to come.
  const isValid = record.disruption === disruption && record.since > disrupted && record.since <= time;
  return isValid ? record : { ...record, first: Math.min(record.first, time), since: time, disruption };
};

const write = async (redis: Redis, key: string, fields: readonly [string, string][], forgotten: readonly string[]) => {
  const writes: Promise<unknown>[] = [];
  for (let from = 0; from < fields.length; from += batch) {
    writes.push(redis.hset(key, ...fields.slice(from, from + batch).flat()));
  }
  for (let from = 0; from < forgotten.length; from += batch) {
    writes.push(redis.hdel(key, ...forgotten.slice(from, from + batch)));
  }
  writes.push(redis.expire(key, keepFor));
  // Where the key is of the wrong type nothing is noted, and it is reported by its name.
  await Promise.all(writes.map((reply) => unlessWrongType(reply, undefined)));
};

const decodeAll = (fields: ReadonlyMap<string, string>): ReadonlyMap<string, SuspectRecord> => {
  const records = new Map<string, SuspectRecord>();
  for (const [pool, text] of fields) {
    const record = decode(text);
    if (record !== undefined) records.set(pool, record);
  }
  return records;
};

const decode = (text: string): SuspectRecord | undefined => {
  if (text === '') return undefined;
  try {
    const { heartbeat, first, moved, since, disruption } = JSON.parse(text) as SuspectRecord;
    const isRecord =
      typeof heartbeat === 'string' &&
      typeof disruption === 'string' &&
      typeof moved === 'boolean' &&
      Number.isFinite(first) &&
      Number.isFinite(since);
    return isRecord ? { heartbeat, first, moved, since, disruption } : undefined;
  } catch {
    return undefined;
  }
};
