import type { Redis, RedisOptions } from 'ioredis';
import { createGivenRedis } from './givenRedis.ts';
import { needsOwnConnection, optionsLike } from './givenSettings.ts';
import type { RedisFacts } from './handshake.ts';
import { createOutages, type Outage, type OutageListener } from './outages.ts';
import { createOwnRedis, type OwnRedisClient } from './ownRedis.ts';
import type { RedisClient } from './redisClient.ts';
import { parseRedisUrl } from './url.ts';

/** The connection that everything else works through. */
export interface Connection {
  readonly redis: Redis;
  /** The address, without user and password. */
  readonly description: string;
  /** How often the connection was made. A scan cursor of one connection means nothing on the next. */
  epoch(): number;
  /** What Redis reported about itself when the connection was last made; undefined before the first time. */
  facts?(): RedisFacts | undefined;
  /** Why the connection is down, and since when; undefined while it is up, and before the first command. */
  outage?(): Outage | undefined;
  /** Another client of the same Redis, in database 0, which tries to connect once. The caller has to close it. */
  another?(): Redis;
  /** Closes the connection, unless the client is the caller's. Waits for replies for up to `within` ms. */
  close(within?: number): Promise<void>;
}

/** The `redis` option of `createReaper`: a URL, ioredis options, or a live client, which the reaper never closes. */
export type RedisSource = string | RedisOptions | RedisClient;

export interface ConnectionSettings extends Partial<OutageListener> {
  /** User and password of the sentinels. They override those of a URL. */
  readonly sentinelUsername?: string | undefined;
  readonly sentinelPassword?: string | undefined;
  /** A monotonic clock in ms. */
  readonly monotonic?: (() => number) | undefined;
}

/**
 * Connects at the first command. It sends no command before the user, the database and the role of the connection are
 * confirmed. A command without a reply fails after 10 s. A command without a connection fails after four attempts to connect,
 * or at once if another attempt cannot help. So nothing waits forever for a dead Redis (defect 32).
 */
export const connect = (
  source: RedisSource,
  onFault: (error: Error) => void,
  { onReminder, onRestored, monotonic, ...sentinel }: ConnectionSettings = {},
): Connection => {
  const outages = createOutages(
    { onFault, ...(onReminder && { onReminder }), ...(onRestored && { onRestored }) },
    monotonic,
  );
  let made = 0;
  const count = () => {
    made += 1;
  };
  const own = (options: RedisOptions): OwnRedisClient => {
    const client = createOwnRedis(options, outages);
    client.redis.on('ready', count);
    return client;
  };
  const common = { epoch: () => made, outage: outages.now };

  if (!isClient(source) || needsOwnConnection(source)) {
    const options = isClient(source) ? optionsLike(source) : optionsOf(source, sentinel);
    const { redis, description, facts, close } = own(options);
    const another = () =>
      createOwnRedis({ ...options, db: 0, retryStrategy: () => null }, createOutages({ onFault: () => undefined }))
        .redis;
    return { ...common, redis, description, facts, another, close: (within = closeWithin) => close(within) };
  }

  let replacement: OwnRedisClient | undefined;
  // The commands of ioredis 5 and 6 are the same as far as the reaper uses them.
  const client = createGivenRedis(source as Redis, outages, () => {
    replacement = own(optionsLike(source));
    return replacement.redis;
  });
  // Distinguishes the first reconnect from the first connection.
  if (source.status === 'ready') count();
  source.on('ready', count);
  return {
    ...common,
    redis: client.redis,
    description: client.description,
    facts: () => replacement?.facts() ?? client.facts(),
    async close(within = closeWithin) {
      source.off('ready', count);
      client.leave();
      await replacement?.close(within);
    },
  };
};

/** In ms. */
const closeWithin = 500;

export const isClient = (source: RedisSource): source is RedisClient =>
  typeof source === 'object' && 'evalsha' in source;

const optionsOf = (
  source: string | RedisOptions,
  { sentinelUsername, sentinelPassword }: Pick<ConnectionSettings, 'sentinelUsername' | 'sentinelPassword'>,
): RedisOptions => ({
  ...(typeof source === 'string' ? parseRedisUrl(source) : source),
  ...(sentinelUsername ? { sentinelUsername } : {}),
  ...(sentinelPassword ? { sentinelPassword } : {}),
});
