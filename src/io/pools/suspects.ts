import type { Redis } from 'ioredis';
import type { Deps } from '../redis/deps.ts';
import { digestOf, readCondition } from '../redis/disruption.ts';
import { readHash } from '../redis/paged.ts';
import { redisTime } from '../redis/time.ts';
import { unlessWrongType } from '../redis/wrongTypes.ts';

/** What is recorded of a pool whose heartbeat was not fresh. Times in ms by Redis TIME. */
export interface SuspectRecord {
  readonly heartbeat: string;
  /** When this heartbeat was first seen. */
  readonly first: number;
  /** Whether it replaced another heartbeat then: the pool is alive, however wrong the clock of its host is. */
  readonly moved: boolean;
  /** Since when the pool could have written a heartbeat without a disruption. */
  readonly since: number;
  /** The condition of Redis at that time (`disruption.ts`). */
  readonly disruption: string;
}

/** How a pool looks, as far as it is recorded. */
export interface PoolSighting {
  readonly pool: string;
  readonly isRegistered: boolean;
  readonly heartbeat: string;
  /** Whether the heartbeat is neither old nor ahead, by Redis TIME. */
  readonly isFresh: boolean;
}

export type SeenPools = 'all' | 'known' | 'some';

/**
 * The records of suspected pools, in Redis, so that all processes judge alike, however long they have been running. A sweep
 * treats a pool as dead only if these records say that a rescue would confirm its death.
 */
export interface Suspects {
  /** The records of the given pools, or all records. */
  read(pools?: readonly string[]): Promise<ReadonlyMap<string, SuspectRecord>>;
  /**
   * Records how pools look now, and deletes the records of fresh ones. Plans must not call it, because it writes.
   * @param seen which pools these are. `all` of the namespace: the records of the others are deleted. `known`: those that were
   *   found without a scan of all keys; old records of the others are deleted. `some`: the records of the others stay.
   */
  record(pools: readonly PoolSighting[], seen: SeenPools): Promise<void>;
  /** The present condition of Redis, for `isConfirmed`; undefined if the user may not run INFO. */
  condition(): Promise<string | undefined>;
  /** Whether the grace of a suspect is over at `time`, with the same heartbeat and no disruption since. */
  isConfirmed(record: SuspectRecord, heartbeat: string, time: number, condition: string | undefined): boolean;
}

/** Records that one command reads or writes. */
const batch = 500;
const maxRecords = 5_000;
/** How long the records are kept, in s. */
const retention = 86_400;
/** After this time in ms the record of a pool that is not seen any more is deleted, even if the passes do not see all pools. */
const forgetAfter = 3_600_000;

export const createSuspects = ({
  connection,
  keys,
  grace,
  disruptions,
}: Pick<Deps, 'connection' | 'keys'> & {
  /** How long a suspect may prove that it is alive, in ms. */
  grace: number;
  /** How many disruptions this process has seen so far (`Preflight`). */
  disruptions: () => number;
}): Suspects => {
  const { redis } = connection;
  let known = { disruptions: 0, at: Number.NEGATIVE_INFINITY };

  /** When the last disruption that this process has seen was over, by Redis TIME. */
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
  // A single pool is read with each step of its rescue. That must not cost more if there are thousands of records.
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

    async record(pools, which) {
      const records = await read();
      const stale = pools.filter(({ isFresh }) => !isFresh);
      if (records.size === 0 && stale.length === 0) return;
      const [time, disruption = ''] = await Promise.all([redisTime(redis), condition()]);
      const disrupted = disruptedAt(time);
      // Registered pools first. Beyond the limit are pools that hosts have left behind long ago.
      const suspected = stale.sort((a, b) => Number(b.isRegistered) - Number(a.isRegistered)).slice(0, maxRecords);
      const fields = suspected.flatMap((pool): [string, string][] => {
        const record = recordOf(pool, records.get(pool.pool), { time, disruption, disrupted });
        return record === records.get(pool.pool) ? [] : [[pool.pool, JSON.stringify(record)]];
      });
      const kept = new Set(suspected.map(({ pool }) => pool));
      const seen = new Set(pools.map(({ pool }) => pool));
      const forgotten = [...records].filter(
        ([pool, { first }]) =>
          !kept.has(pool) && (seen.has(pool) || which === 'all' || (which === 'known' && time - first > forgetAfter)),
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
  const fresh = { heartbeat, first: time, moved: false, since: time, disruption };
  if (record === undefined) return fresh;
  if (record.heartbeat !== heartbeat) return { ...fresh, moved: heartbeat !== '' };
  // After the clock of Redis was set back, a recorded time may lie in the future.
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
  writes.push(redis.expire(key, retention));
  // A key of the wrong type gets no records. It is reported elsewhere, by its name.
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
