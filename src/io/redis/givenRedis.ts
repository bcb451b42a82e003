import type { Redis, RedisOptions } from 'ioredis';
import { redact, UnusableRedisError } from './errors.ts';
import { ensureUsable, factsOfInfo, isRefused, type RedisFacts } from './handshake.ts';
import type { Outages } from './outages.ts';
import type { RedisClient } from './redisClient.ts';
import { describeRedis } from './url.ts';

/** Properties of a client that the types of ioredis leave out. A client of an older ioredis, or a fake, may lack them. */
interface Known {
  readonly options?: RedisOptions;
  readonly status?: string;
  readonly mode?: string;
  readonly isCluster?: boolean;
  readonly condition?: { readonly select?: number };
}

const known = (client: object): Known => client as Known;

/** Why the reaper can't use a client, or ioredis options: keys or replies would differ from what it expects. */
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
  return undefined;
};

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

/** Methods of a client that are not commands. */
const noCommands = new Set<PropertyKey>([
  ...['on', 'once', 'off', 'addListener', 'removeListener', 'prependListener', 'removeAllListeners', 'emit'],
  ...['listeners', 'listenerCount', 'eventNames', 'setMaxListeners', 'connect', 'disconnect', 'quit', 'duplicate'],
]);

const closed = () => new Error('Connection is closed.');
/** When a command without a reply fails, in ms. */
const patience = 10_000;
/** When a connection that should be up, but gives no reply, counts as broken, in ms. */
const silentAfter = 5_000;

export interface GivenRedisClient {
  readonly redis: Redis;
  readonly description: string;
  facts(): RedisFacts | undefined;
  /** Detaches from the client. Commands without a reply fail, and no command is sent any more. */
  leave(): void;
}

/**
 * Wraps a live client of the caller, in database 0. It checks the Redis behind it before the first command, and after each
 * reconnect. A command without a reply fails, whatever the options of the client are. A client without `socketTimeout` never
 * gives up a silent connection: `replace` then opens another client, and the caller's is not touched.
 */
export const createGivenRedis = (given: Redis, outages: Outages, replace: () => Redis): GivenRedisClient => {
  const description = describeRedis(known(given).options ?? {});
  let facts: RedisFacts | undefined;
  let isConfirmed = false;
  let checking: Promise<void> | undefined;
  let replacement: Redis | undefined;
  let moved: UnusableRedisError | undefined;
  let isUsed = false;
  /** How many replies have arrived. */
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
  /** Reject the commands that wait for a reply. */
  const waiting = new Set<(error: Error) => void>();
  const detach = () =>
    void given.off('ready', onReady).off('close', onClose).off('error', onError).off('select', onSelect);

  /** Waits until the client is connected, if it queues no commands itself. */
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
   * Whether no reply has arrived since `then` although the client believes that it is connected. This covers the client's
   * own handshake too, which has no time-out.
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
   * Fails after a time-out, with the cause of the outage if there is one. If the connection turns out to be broken, `again`
   * sends the command on the replacement, as ioredis would resend it.
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
      throw error instanceof Error ? redact(error) : error;
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
