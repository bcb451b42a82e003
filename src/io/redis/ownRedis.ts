import { Redis, type RedisOptions } from 'ioredis';
import { longestTimer } from '../clock.ts';
import { connectorOf } from './connector.ts';
import { classify, isHopeless, kindOfRedisError, redact, UnusableRedisError } from './errors.ts';
import type { RedisFacts } from './handshake.ts';
import type { Outages } from './outages.ts';
import { keepAlive } from './redisLine.ts';
import { describeRedis } from './url.ts';

type Command = Parameters<Redis['sendCommand']>[0];

/**
 * Shorter than the time-out of a command, and than a lease that is renewed every 3 s. So a command that was sent to a silent
 * peer is resent on a new connection before it fails, and before the lease expires. It runs only while a reply is pending.
 */
const socketTimeout = 5_000;
const commandTimeout = 10_000;
const connectTimeout = 5_000;
/** How often to reconnect while Redis is a replica, in ms. */
const renewEvery = 5_000;
const backOff = (times: number) => Math.min(100 * 2 ** times, 3_000);
/** A longer timer would fire at once. Options such as `Infinity` mean that it should never fire. */
const bounded = (ms: number) => Math.min(ms, longestTimer);
const withBoundedTimers = (options: RedisOptions): RedisOptions =>
  Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name,
      name.endsWith('Timeout') && typeof value === 'number' ? bounded(value) : value,
    ]),
  );

/** A client whose commands fail at once, with the cause, while waiting cannot help. */
class OwnRedis extends Redis {
  /** Why Redis refuses this client, if that does not pass by itself. */
  refusal: Error | undefined;
  cause: () => Error | undefined = () => undefined;
  /** Called when Redis replies that it is a replica. */
  onReadOnly: () => void = () => undefined;
  readonly #explained = new WeakSet<Command>();

  override sendCommand(...[command, stream]: Parameters<Redis['sendCommand']>): unknown {
    if (!this.#explained.has(command)) {
      this.#explained.add(command);
      const reject = command.reject;
      command.reject = (error) => reject(this.#explain(error));
    }
    if (this.refusal !== undefined) {
      command.reject(this.refusal);
      return command.promise;
    }
    return super.sendCommand(command, stream);
  }

  /** Fails the commands that wait for the connection. */
  giveUp(error: Error): void {
    // ioredis has no public method for this.
    (this as unknown as { flushQueue(error: Error): void }).flushQueue(error);
  }

  #explain(error: Error): Error {
    const cause = this.cause();
    if (cause !== undefined && kindOfRedisError(error) === 'transient') return cause;
    if (classify(error).code === 'redis-read-only') this.onReadOnly();
    return redact(error);
  }
}

export interface OwnRedisClient {
  readonly redis: Redis;
  readonly description: string;
  /** What Redis reported about itself at the last handshake. */
  facts(): RedisFacts | undefined;
  close(within: number): Promise<void>;
}

/** Connects at the first command and again after every loss. Sends no command before the connection is confirmed. */
export const createOwnRedis = (options: RedisOptions, outages: Outages): OwnRedisClient => {
  const description = describeRedis(options);
  let facts: RedisFacts | undefined;
  const redis = new OwnRedis(
    settingsOf(options, {
      onConfirmed(now) {
        facts = now;
        redis.refusal = undefined;
        outages.confirmed();
      },
      onRetriesEnded: () => refuse(redis.cause() ?? new Error('Connection is closed.')),
    }),
  );
  redis.cause = () => {
    const error = outages.now()?.error;
    if (error === undefined || error instanceof UnusableRedisError) return error;
    return new Error(`no connection to Redis at ${description}: ${error.message}`, { cause: error });
  };
  let renewedAt = Number.NEGATIVE_INFINITY;
  // The same name may lead to the new master by now: DNS or a load balancer has moved it.
  redis.onReadOnly = () => {
    if (performance.now() - renewedAt < renewEvery || redis.status !== 'ready') return;
    renewedAt = performance.now();
    outages.renewing();
    redis.disconnect(true);
  };
  const refuse = (error: Error) => {
    redis.refusal = error;
    redis.giveUp(error);
  };
  const onClose = () => outages.lost();
  const onError = (error: Error) => {
    if (redis.status === 'end') return;
    outages.failed(error);
    if (!isHopeless(error) || outages.now() === undefined) return;
    refuse(error);
  };
  redis.on('close', onClose).on('error', onError);
  return {
    redis,
    description,
    facts: () => facts,
    async close(within) {
      redis.off('close', onClose);
      // Only an open connection accepts QUIT.
      if (redis.status === 'ready' && within > 0) {
        const timer = setTimeout(() => redis.disconnect(), within);
        await redis.quit().catch(() => undefined);
        clearTimeout(timer);
      }
      redis.disconnect();
      // ioredis does not reject the commands that it queued while it was reconnecting.
      refuse(new Error('Connection is closed.'));
    },
  };
};

type OwnOptions = RedisOptions & { readonly replyMapping: 'legacy' };

interface SettingsListener {
  readonly onConfirmed: (facts: RedisFacts) => void;
  /** The caller's `retryStrategy` gives up. */
  readonly onRetriesEnded: () => void;
}

/** The caller's options with the defaults of the reaper, and with what it depends on. */
const settingsOf = (options: RedisOptions, { onConfirmed, onRetriesEnded }: SettingsListener): OwnOptions => {
  const { username, password, db, sentinelUsername, sentinelPassword, Connector, ...open } = withBoundedTimers(options);
  const secrets: RedisOptions = {
    ...(sentinelUsername ? { sentinelUsername } : {}),
    ...(sentinelPassword ? { sentinelPassword } : {}),
    ...(Connector === undefined ? {} : { Connector }),
    ...(options.sentinels ? { sentinels: options.sentinels } : {}),
  };
  const wanted = {
    description: describeRedis(options),
    database: Number(db ?? 0),
    username: username ?? undefined,
    password: password ?? undefined,
    isMaster: Boolean(options.sentinels),
  };
  return {
    connectionName: 'jobservice-reaper',
    ...open,
    connectTimeout: open.connectTimeout ?? connectTimeout,
    commandTimeout: open.commandTimeout ?? commandTimeout,
    socketTimeout: open.socketTimeout ?? socketTimeout,
    keepAlive: open.keepAlive ?? keepAlive,
    failoverDetector: open.failoverDetector ?? true,
    maxRetriesPerRequest: open.maxRetriesPerRequest ?? 3,
    retryStrategy(times) {
      const delay = open.retryStrategy === undefined ? backOff(times) : open.retryStrategy?.(times);
      if (typeof delay === 'number') return bounded(delay);
      // The caller's strategy gives up on waiting commands. Later commands are sent once Redis is back.
      onRetriesEnded();
      return backOff(times);
    },
    // The reaper depends on these: the shape of replies, and when commands are sent.
    lazyConnect: true,
    protocol: 2,
    replyMapping: 'legacy',
    stringNumbers: false,
    readOnly: false,
    enableOfflineQueue: true,
    enableReadyCheck: false,
    enableAutoPipelining: false,
    autoResendUnfulfilledCommands: true,
    Connector: connectorOf(secrets, wanted, onConfirmed),
  };
};
