import type { Redis, RedisOptions } from 'ioredis';
import { UnusableRedisError, withoutUser } from './errors.ts';
import { ensureUsable, factsOfInfo, isRefused, type RedisFacts } from './handshake.ts';
import type { Outages } from './outages.ts';
import { describeRedis } from './url.ts';

/** What ioredis knows of a client beside its types; a client of an older ioredis, or a stand-in, may lack any of it. */
interface Known {
  readonly options?: RedisOptions;
  readonly status?: string;
  readonly mode?: string;
  readonly isCluster?: boolean;
  readonly condition?: { readonly select?: number };
}

const known = (client: Redis): Known => client as unknown as Known;

/** Settings of a caller's client, or options of ioredis, with which keys or replies would not be what is expected. */
export const refusedSettings = (source: RedisOptions | Redis): string | undefined => {
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
  return undefined;
};

/**
 * Whether a connection of our own has to be made like the caller's. In another database than 0 ioredis sends again what was
 * in flight, and what waits, before anything can be checked; the others change the shape of the replies.
 */
export const needsOwnConnection = (client: Redis): boolean => {
  const { options = {}, condition } = known(client);
  return (
    (condition?.select ?? options.db ?? 0) !== 0 ||
    Number(options.db ?? 0) !== 0 ||
    options.stringNumbers === true ||
    options.replyMapping === 'resp3' ||
    options.readOnly === true
  );
};

/** The options of a caller's client, for a connection like it. */
export const optionsLike = (client: Redis): RedisOptions => {
  const { options = {}, condition } = known(client);
  return {
    ...options,
    db: condition?.select ?? options.db ?? 0,
    connectionName: 'jobservice-reaper',
    // What a caller's client waits for, and how long, is meant for the caller's own commands.
    retryStrategy: undefined,
    keepAlive: undefined,
    failoverDetector: undefined,
    maxRetriesPerRequest: undefined,
  } as RedisOptions;
};

/** Functions of a client that are no commands. */
const noCommands = new Set<PropertyKey>([
  ...['on', 'once', 'off', 'addListener', 'removeListener', 'prependListener', 'removeAllListeners', 'emit'],
  ...['listeners', 'listenerCount', 'eventNames', 'setMaxListeners', 'connect', 'disconnect', 'quit', 'duplicate'],
]);

const closed = () => new Error('Connection is closed.');
/** After how long a command fails, in ms. */
const patience = 10_000;
/** After how long without any reply a connection that should be there counts as broken, in ms. */
const silentAfter = 5_000;

export interface GivenRedisClient {
  readonly redis: Redis;
  readonly description: string;
  facts(): RedisFacts | undefined;
  /** Leaves the client as it was found. What has no answer yet fails, and nothing is sent any more. */
  leave(): void;
}

/**
 * A live client of the caller's, in database 0: used as it is, but asked what it leads to before the first command, and
 * again after each of its reconnects. A command that gets no answer fails, whatever the client is set to. One without
 * `socketTimeout` never gives a silent connection up: `replace` makes another client then, and the caller's is left alone.
 */
export const createGivenRedis = (given: Redis, outages: Outages, replace: () => Redis): GivenRedisClient => {
  const description = describeRedis(known(given).options ?? {});
  let facts: RedisFacts | undefined;
  let isConfirmed = false;
  let checking: Promise<void> | undefined;
  let replacement: Redis | undefined;
  let moved: UnusableRedisError | undefined;
  let isUsed = false;
  /** Replies so far. */
  let heard = 0;

  const onReady = () => {
    isConfirmed = false;
    if (isUsed) void confirm().catch(() => undefined);
  };
  const onClose = () => {
    isConfirmed = false;
    checking = undefined;
    outages.lost();
  };
  const onError = (error: Error) => outages.failed(error);
  const onSelect = (db: number) => {
    moved =
      db === 0
        ? undefined
        : new UnusableRedisError(
            'redis-wrong-database',
            'permanent',
            `the client that was given has selected database ${db}: give the reaper a client that stays in its database`,
          );
  };
  given.on('ready', onReady).on('close', onClose).on('error', onError).on('select', onSelect);
  let hasLeft = false;
  /** Rejects what has no answer yet. */
  const waiting = new Set<(error: Error) => void>();
  const detach = () =>
    void given.off('ready', onReady).off('close', onClose).off('error', onError).off('select', onSelect);

  /** What is waited for by a client that queues nothing. */
  const connected = async () => {
    const { status, options } = known(given);
    if (options?.enableOfflineQueue !== false || status === undefined || status === 'ready') return;
    if (status === 'wait') void given.connect().catch(() => undefined);
    await new Promise<void>((resolve) => given.once('ready', () => resolve()));
  };

  const check = async () => {
    if (known(given).status === 'end') {
      throw new UnusableRedisError(
        'redis-unusable-client',
        'permanent',
        `the client of Redis at ${description} that was given is closed: stop the reaper before its client, or give another reaper one that is open`,
      );
    }
    await connected();
    let info = '';
    try {
      info = await given.info();
    } catch (error) {
      if (!isRefused(error)) throw error;
    }
    facts = ensureUsable(factsOfInfo(String(info)), { description, database: 0, isMaster: false });
    isConfirmed = true;
    outages.confirmed();
  };

  const confirm = (): Promise<void> => {
    checking ??= bounded(check(), async () => undefined)
      .catch((error) => {
        outages.failed(error as Error);
        throw error;
      })
      .finally(() => {
        checking = undefined;
      });
    return checking;
  };

  /**
   * Whether nothing was heard since `then`, though the client believes that it is connected. In its own handshake too, which
   * it waits for without end.
   */
  const isSilent = (then: number) => {
    if (hasLeft) return false;
    if (replacement !== undefined) return true;
    if (heard !== then || !['connect', 'ready'].includes(known(given).status ?? '')) return false;
    outages.failed(new Error(`no answer within ${silentAfter} ms: timed out`));
    outages.lost();
    detach();
    replacement = replace();
    return true;
  };

  /**
   * Fails after a while, with the cause of an outage where there is one. Where the connection turns out to be broken,
   * `again` does it on the other one, as ioredis would send it again.
   */
  const bounded = async <T>(reply: Promise<T>, again: () => Promise<T>): Promise<T> => {
    const then = heard;
    const timers: NodeJS.Timeout[] = [];
    let giveUp: (error: Error) => void = () => undefined;
    const late = new Promise<T>((resolve, reject) => {
      giveUp = reject;
      waiting.add(giveUp);
      timers.push(
        setTimeout(() => isSilent(then) && resolve(again()), silentAfter),
        setTimeout(
          () => reject(outages.now()?.error ?? new Error(`no answer within ${patience} ms: Command timed out`)),
          patience,
        ),
      );
    });
    try {
      return await Promise.race([reply, late]);
    } catch (error) {
      if (error instanceof Error) error.message = withoutUser(error.message);
      throw error;
    } finally {
      heard += 1;
      waiting.delete(giveUp);
      for (const timer of timers) clearTimeout(timer);
    }
  };

  const redis = new Proxy(given, {
    get(_, name) {
      const target = replacement ?? given;
      const value = Reflect.get(target, name);
      if (typeof value !== 'function' || noCommands.has(name) || typeof name === 'symbol') return value;
      if (target === replacement) return value.bind(target);
      const sendBy = (client: Redis, args: unknown[]) =>
        Reflect.apply(Reflect.get(client, name), client, args) as Promise<unknown>;
      return (...args: unknown[]) => {
        isUsed = true;
        if (hasLeft) return Promise.reject(closed());
        if (moved !== undefined) return Promise.reject(moved);
        const send = () =>
          replacement === undefined
            ? bounded(sendBy(given, args), () => sendBy(replacement ?? given, args))
            : sendBy(replacement, args);
        return isConfirmed ? send() : confirm().then(send);
      };
    },
  });
  return {
    redis,
    description,
    facts: () => facts,
    leave() {
      hasLeft = true;
      detach();
      for (const giveUp of waiting) giveUp(closed());
    },
  };
};
