/** The connections of the processes to Redis, and the options of the reapers: like in production, with shorter times. */
import type { RedisOptions } from 'ioredis';
import type { ReaperOptions } from '../../../src/options/generated.ts';
import {
  database,
  driverTimeoutMs,
  grace,
  heartbeatTimeout,
  hookTimeoutMs,
  hostTimeoutMs,
  masterName,
  namespace,
  orphanedAfter,
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

export const hookOptions = { headerTimeout: hookTimeoutMs, timeout: hookTimeoutMs };

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
  refireGrace: '1s',
  // Small pages and batches, so that a kill happens between two of them.
  sweep: { initialDelay: 500, interval: 1_000, pageSize: 20, concurrency: 8 },
  rescue: {
    initialDelay: 200,
    interval: 500,
    grace,
    heartbeatTimeout,
    batchSize: 2,
    orphanedAfter,
  },
  hooks: hookOptions,
  lease: hasLongLease ? { duration: 6_000, renewInterval: 1_000 } : { duration: 1_500, renewInterval: 400 },
});
