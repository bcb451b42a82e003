import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { type Names, splitNames } from '../redis/paged.ts';
import { unlessWrongType } from '../redis/wrongTypes.ts';

/** The heartbeat hash of a pool. */
export interface Heartbeat {
  readonly isReadable: boolean;
  /** heartbeat_at as stored; empty if there is none. */
  readonly heartbeat: string;
  readonly host: string | undefined;
  readonly jobNames: readonly string[];
  readonly workerIds: readonly string[];
  readonly hasHeartbeat: boolean;
  /** The names in job_names that are not UTF-8. */
  readonly brokenTypes?: readonly string[];
}

export const readHeartbeat = async (redis: Redis, keys: Keys, pool: string): Promise<Heartbeat> => {
  const key = keys.heartbeat(pool);
  const reply = redis.hmget(key, 'heartbeat_at', 'job_names', 'worker_ids', 'host');
  const fields = await unlessWrongType<(string | null)[] | undefined>(reply, undefined);
  const [heartbeat, jobNames, workerIds, host] = fields ?? [];
  const types: Names = jobNames?.includes('\uFFFD')
    ? splitNames((await unlessWrongType(redis.hmgetBuffer(key, 'job_names'), []))[0])
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

const splitList = (text: string | null | undefined): string[] =>
  text ? text.split(',').filter((part) => part !== '') : [];
