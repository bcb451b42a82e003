/** How the processes of a chaos run reach Redis, and how the reapers are set: as in earnest, with times scaled down. */
import type { RedisOptions } from 'ioredis';
import type { ReaperOptions } from '../../../src/options.ts';
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

/** Where a process finds Redis: on a port, or by asking the sentinels on these. */
export type Address = { readonly port: number } | { readonly sentinels: readonly number[] };

export interface ReaperConfig {
  readonly address: Address;
  /** Whether a leader stays one through an outage of some seconds, as it does with the default lease of 10 s. */
  readonly hasLongLease: boolean;
}

export const hookOptions = { headerTimeout: hookTimeoutMs, timeout: hookTimeoutMs };

/**
 * A connection of the driver itself. ioredis loses a command for which the connection breaks twice, so each has a time-out,
 * and whoever sends one sends it again.
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

/** As Go's client does, a host fails a command at once where there is no connection, and sends none a second time. */
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

/** Time-outs are the reaper's own: it must get over a silent peer as it is set by default. */
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
  // Small pages and batches: a kill falls between two of them.
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
