import { Redis, type RedisOptions } from 'ioredis';
import { describeRedis, parseRedisUrl } from './redisUrl.ts';

/** The connection that everything else works through. */
export interface Connection {
  readonly redis: Redis;
  /** Where it leads, without user and password. */
  readonly description: string;
  /** How often it has been made. A cursor of a scan is worth nothing on the next one. */
  epoch(): number;
  /** Closes it, if it is not the caller's own; replies are waited for no longer than `within` ms. */
  close(within?: number): Promise<void>;
}

/** What `createReaper` takes for `redis`: a URL, options of ioredis, or a live client, which is then never closed. */
export type RedisSource = string | RedisOptions | Redis;

/**
 * Connects at the first command. A command that gets no answer fails after 10 s, one that finds no connection after
 * four tries to make it: nothing waits for ever on a dead Redis (defect 32).
 */
export const connect = (source: RedisSource, onError: (error: Error) => void): Connection => {
  const isOwn = !isClient(source);
  const redis = isClient(source) ? source : new Redis({ ...optionsOf(source), replyMapping: 'legacy' });
  let made = 0;
  const count = () => {
    made += 1;
  };
  redis.on('ready', count);
  redis.on('error', onError);
  return {
    redis,
    description: describeRedis(redis.options),
    epoch: () => made,
    async close(within = closeWithin) {
      redis.off('ready', count);
      if (!isOwn) {
        redis.off('error', onError);
        return;
      }
      // A connection that is not up has nobody to say QUIT to.
      if (redis.status === 'ready' && within > 0 && (await quit(redis, within))) return;
      redis.disconnect();
      // A peer that is silent never closes its end, and what is queued has timers: both would keep the process from ending.
      redis.stream?.destroy();
      // biome-ignore lint/complexity/useLiteralKeys: it is private, and nothing public does it while a reconnect is waited for
      redis['flushQueue'](new Error('Connection is closed.'));
    },
  };
};

/** In ms. */
const closeWithin = 500;

/** Whether Redis has said that it closes the connection. */
const quit = async (redis: Redis, within: number): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined;
  const isLate = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, within, false);
  });
  const hasQuit = redis.quit().then(
    () => true,
    () => false,
  );
  const result = await Promise.race([hasQuit, isLate]);
  clearTimeout(timer);
  return result;
};

const isClient = (source: RedisSource): source is Redis =>
  source instanceof Redis || (typeof source === 'object' && 'evalsha' in source);

const optionsOf = (source: string | RedisOptions): RedisOptions => ({
  ...defaults,
  ...(typeof source === 'string' ? parseRedisUrl(source) : source),
});

const defaults: RedisOptions = {
  lazyConnect: true,
  connectionName: 'jobservice-reaper',
  connectTimeout: 5_000,
  commandTimeout: 10_000,
  disconnectTimeout: 100,
  maxRetriesPerRequest: 3,
  retryStrategy: (times) => Math.min(100 * 2 ** times, 3_000),
};
