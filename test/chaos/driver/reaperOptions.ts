/** The connections of the processes to Redis, and the options of the reapers: like in production, with shorter times. */
import type { RedisOptions } from 'ioredis';
import type { ReaperOptions } from '../../../src/options.ts';
import {
  database,
  driverTimeoutMs,
  graceMs,
  heartbeatAgeMs,
  hookTimeoutMs,
  hostTimeoutMs,
  lostAfterMs,
  masterName,
  namespace,
  reaperUser,
  reconnectMs,
} from './settings.ts';

/** Where a process finds Redis: on a port, or through the sentinels on these ports. */
export type Address = { readonly port: number } | { readonly sentinels: readonly number[] };

export interface ReaperConfig {
  readonly address: Address;
  /** Whether a leader keeps its lease in an outage of some seconds, as it does with the default of 10 s. */
  readonly hasLongLease: boolean;
}

export const hookOptions = { headerTimeoutMs: hookTimeoutMs, totalTimeoutMs: hookTimeoutMs };

/**
 * A connection of the driver itself. ioredis loses a command if the connection breaks twice meanwhile. So each command has a
 * time-out, and the caller sends it again.
 */
export const driverRedis = (port: number) => ({
  host: '127.0.0.1',
  port,
  db: database,
  connectionName: 'chaos-driver',
  maxRetriesPerRequest: null,
  commandTimeout: driverTimeoutMs,
  socketTimeout: 2_000,
  retryStrategy: () => 20,
});

/** Like Go's client, a host fails a command at once if there is no connection, and never sends a command twice. */
export const hostRedis = (port: number, name: string) => ({
  host: '127.0.0.1',
  port,
  db: database,
  connectionName: name,
  connectTimeout: hostTimeoutMs,
  commandTimeout: hostTimeoutMs,
  socketTimeout: hostTimeoutMs,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  retryStrategy: () => reconnectMs,
});

/** The time-outs are the reaper's defaults: it must handle a silent peer with them. */
const reaperRedis = (address: Address, name: string): RedisOptions => ({
  ...('port' in address
    ? { host: '127.0.0.1', port: address.port }
    : {
        sentinels: address.sentinels.map((port) => ({ host: '127.0.0.1', port })),
        name: masterName,
        sentinelRetryStrategy: () => reconnectMs,
      }),
  username: reaperUser.name,
  password: reaperUser.password,
  db: database,
  connectionName: name,
  retryStrategy: () => reconnectMs,
});

export const reaperOptions = ({ address, hasLongLease }: ReaperConfig, name: string): ReaperOptions => ({
  redis: reaperRedis(address, name),
  namespace,
  logger: false,
  refireGraceS: 1,
  // Small pages and batches, so that a kill happens between two of them.
  sweep: { firstAfterMs: 500, intervalMs: 1_000, pageSize: 20, lanes: 8 },
  rescue: {
    firstAfterMs: 200,
    intervalMs: 500,
    graceMs,
    heartbeatAgeMs,
    batch: 2,
    lostAfterMs,
  },
  hooks: hookOptions,
  lease: hasLongLease ? { durationMs: 6_000, renewMs: 1_000 } : { durationMs: 1_500, renewMs: 400 },
});
