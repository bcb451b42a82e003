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
  readonly pid: number | undefined;
  /** How many jobs it runs at most. */
  readonly concurrency: number | undefined;
  readonly hasHeartbeat: boolean;
  /** The names in job_names that are not UTF-8. */
  readonly brokenTypes?: readonly string[];
}

const heartbeatFields = ['heartbeat_at', 'job_names', 'worker_ids', 'host', 'pid', 'concurrency'] as const;

export const readHeartbeat = async (redis: Redis, keys: Keys, pool: string): Promise<Heartbeat> => {
  const key = keys.heartbeat(pool);
  const reply = redis.hmget(key, ...heartbeatFields);
  const fields = await unlessWrongType<(string | null)[] | undefined>(reply, undefined);
  const [heartbeat, jobNames, workerIds, host, pid, concurrency] = fields ?? [];
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
    pid: numberOf(pid),
    concurrency: numberOf(concurrency),
    hasHeartbeat: fields?.some((field) => field !== null) === true,
  };
};

const splitList = (text: string | null | undefined): string[] =>
  text ? text.split(',').filter((part) => part !== '') : [];

const numberOf = (text: string | null | undefined): number | undefined =>
  /^\d{1,9}$/.test(text ?? '') ? Number(text) : undefined;
