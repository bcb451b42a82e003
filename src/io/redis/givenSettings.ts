import type { RedisOptions } from 'ioredis';
import type { RedisClient } from './redisClient.ts';

/** Properties of a client that the types of ioredis leave out. A client of an older ioredis, or a fake, may lack them. */
interface GivenClient {
  readonly options?: RedisOptions;
  readonly status?: string;
  readonly mode?: string;
  readonly isCluster?: boolean;
  readonly condition?: { readonly select?: number };
}

export const known = (client: object): GivenClient => client as GivenClient;

/** Why the reaper cannot use a client, or ioredis options: keys or replies would differ from what it expects. */
export const refusedSettings = (source: RedisOptions | RedisClient): string | undefined => {
  const isClient = 'evalsha' in source;
  const { mode, isCluster } = isClient ? known(source) : {};
  const options = isClient ? (known(source).options ?? {}) : source;
  if (isCluster || 'redisOptions' in options) {
    return 'redis: Redis Cluster is not supported: give a Redis without cluster mode, or one behind Sentinel';
  }
  if (options.keyPrefix) return 'redis.keyPrefix is not supported: write the prefix at the beginning of namespace';
  if (options.monitor || mode === 'monitor')
    return 'redis: a client in monitor mode takes no commands: give another one';
  if (mode === 'subscriber') return 'redis: a client in subscriber mode takes no commands: give another one';
  if (options.role === 'slave') return 'redis.role: the reaper writes, so it needs the master: leave role out';
  // A live client has used its options already.
  return isClient ? undefined : wrongNumber(options);
};

/** The first number among options of ioredis with which no connection could work. Time-outs may be endless. */
const wrongNumber = (options: RedisOptions): string | undefined => {
  const ports = [
    ['port', options] as const,
    ...(options.sentinels ?? []).map((one, i) => [`sentinels.${i}.port`, one] as const),
  ];
  for (const [name, { port }] of ports) {
    if (port != null && !isWhole(port, 1, 65_535)) return `redis.${name} must be a whole number from 1 to 65535`;
  }
  if (options.db != null && !isWhole(options.db, 0, 2 ** 31 - 1)) return 'redis.db must be a whole number from 0';
  for (const [name, value] of Object.entries(options)) {
    if (name.endsWith('Timeout') && value != null && !(typeof value === 'number' && value >= 0))
      return `redis.${name} must be a number of milliseconds, not below 0`;
  }
  return undefined;
};

/** A port or database may be a text of digits. */
const isWhole = (value: unknown, min: number, max: number): boolean =>
  /^\d{1,10}$/.test(String(value)) && Number(value) >= min && Number(value) <= max;

/**
 * Whether the reaper has to open its own connection with the options of the caller's client. In a database other than 0,
 * ioredis resends commands before anything can be checked. The other options change the shape of replies.
 */
export const needsOwnConnection = (client: RedisClient): boolean => {
  const { options = {}, condition } = known(client);
  return (
    (condition?.select ?? options.db ?? 0) !== 0 ||
    Number(options.db ?? 0) !== 0 ||
    options.stringNumbers === true ||
    options.replyMapping === 'resp3' ||
    options.readOnly === true
  );
};

/** The options of the caller's client, for a connection of the reaper's own. */
export const optionsLike = (client: RedisClient): RedisOptions => {
  const { options = {}, condition } = known(client);
  return {
    ...options,
    db: condition?.select ?? options.db ?? 0,
    connectionName: 'jobservice-reaper',
    // The caller's time-outs and queues are meant for the caller's own commands.
    retryStrategy: undefined,
    keepAlive: undefined,
    failoverDetector: undefined,
    maxRetriesPerRequest: undefined,
  } as RedisOptions;
};
