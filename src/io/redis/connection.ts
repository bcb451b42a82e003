import { Redis, type RedisOptions } from 'ioredis';
import { createGivenRedis, needsOwnConnection, optionsLike } from './givenRedis.ts';
import type { RedisFacts } from './handshake.ts';
import { createOutages, type Outage, type OutageListener } from './outages.ts';
import { createOwnRedis, type OwnRedisClient } from './ownRedis.ts';
import { parseRedisUrl } from './url.ts';

/** The connection that everything else works through. */
export interface Connection {
  readonly redis: Redis;
  /** Where it leads, without user and password. */
  readonly description: string;
  /** How often it has been made. A cursor of a scan is worth nothing on the next one. */
  epoch(): number;
  /** What Redis said of itself when the connection was made last; undefined before. */
  facts?(): RedisFacts | undefined;
  /** Why the connection is not there, and since when; undefined while it is, or before it was asked for. */
  outage?(): Outage | undefined;
  /** Another client of the same Redis, in database 0, which tries to connect once; it is the opener's to close. */
  another?(): Redis;
  /** Closes it, if it is not the caller's own; replies are waited for no longer than `within` ms. */
  close(within?: number): Promise<void>;
}

/** What `createReaper` takes for `redis`: a URL, options of ioredis, or a live client, which is then never closed. */
export type RedisSource = string | RedisOptions | Redis;

export interface ConnectionSettings extends Partial<OutageListener> {
  /** User and password of the sentinels, which win over those of a URL. */
  readonly sentinelUsername?: string | undefined;
  readonly sentinelPassword?: string | undefined;
  /** In ms, from anywhere; it never jumps. */
  readonly monotonic?: (() => number) | undefined;
}

/**
 * Connects at the first command. No command is sent on a connection whose user, database and role are not confirmed. A
 * command that gets no answer fails after 10 s, one that finds no connection after four tries to make it, or at once where
 * trying again can't help: nothing waits without end on a dead Redis (defect 32).
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
  const { redis, description, facts, leave } = createGivenRedis(source, outages, () => {
    replacement = own(optionsLike(source));
    return replacement.redis;
  });
  // Its first reconnect must be told from its first connection.
  if (source.status === 'ready') count();
  source.on('ready', count);
  return {
    ...common,
    redis,
    description,
    facts: () => replacement?.facts() ?? facts(),
    async close(within = closeWithin) {
      source.off('ready', count);
      leave();
      await replacement?.close(within);
    },
  };
};

/** In ms. */
const closeWithin = 500;

export const isClient = (source: RedisSource): source is Redis =>
  source instanceof Redis || (typeof source === 'object' && 'evalsha' in source);

const optionsOf = (
  source: string | RedisOptions,
  { sentinelUsername, sentinelPassword }: Pick<ConnectionSettings, 'sentinelUsername' | 'sentinelPassword'>,
): RedisOptions => ({
  ...(typeof source === 'string' ? parseRedisUrl(source) : source),
  ...(sentinelUsername ? { sentinelUsername } : {}),
  ...(sentinelPassword ? { sentinelPassword } : {}),
});
