import type { Redis } from 'ioredis';
import { redact, UnusableRedisError } from './errors.ts';
import { known } from './givenSettings.ts';
import { ensureUsable, factsOfInfo, isRefused, type RedisFacts } from './handshake.ts';
import type { Outages } from './outages.ts';
import { describeRedis } from './url.ts';

/** Methods of a client that are not commands. */
const noCommands = new Set<PropertyKey>([
  ...['on', 'once', 'off', 'addListener', 'removeListener', 'prependListener', 'removeAllListeners', 'emit'],
  ...['listeners', 'listenerCount', 'eventNames', 'setMaxListeners', 'connect', 'disconnect', 'quit', 'duplicate'],
]);

/** The reply to each command inside MULTI. */
const queued = 'QUEUED';
const closed = () => new Error('Connection is closed.');
/** When a command without a reply fails, in ms. */
const replyTimeout = 10_000;
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
export const createGivenRedis = (given: Redis, outages: Outages, replace: () => Redis): GivenRedisClient =>
  new GivenRedis(given, outages, replace);

class GivenRedis implements GivenRedisClient {
  readonly redis: Redis;
  readonly description: string;
  readonly #given: Redis;
  readonly #outages: Outages;
  readonly #replace: () => Redis;
  #facts: RedisFacts | undefined;
  #isConfirmed = false;
  #checking: Promise<void> | undefined;
  #replacement: Redis | undefined;
  #moved: UnusableRedisError | undefined;
  #isUsed = false;
  #hasLeft = false;
  /** How many replies have arrived. */
  #heard = 0;
  /** Reject the commands that wait for a reply. */
  readonly #waiting = new Set<(error: Error) => void>();

  constructor(given: Redis, outages: Outages, replace: () => Redis) {
    this.#given = given;
    this.#outages = outages;
    this.#replace = replace;
    this.description = describeRedis(known(given).options ?? {});
    given.on('ready', this.#onReady).on('close', this.#onClose).on('error', this.#onError).on('select', this.#onSelect);
    this.redis = new Proxy(given, { get: (_, name) => this.#member(name) });
  }

  facts(): RedisFacts | undefined {
    return this.#facts;
  }

  leave(): void {
    this.#hasLeft = true;
    this.#detach();
    for (const giveUp of this.#waiting) giveUp(closed());
  }

  /** A property of the client. Commands are checked and bounded; the rest is as it is. */
  #member(name: PropertyKey): unknown {
    const target = this.#replacement ?? this.#given;
    const value = Reflect.get(target, name);
    if (typeof value !== 'function' || noCommands.has(name) || typeof name === 'symbol') return value;
    if (target === this.#replacement) return value.bind(target);
    return (...args: unknown[]) => this.#send((client) => Reflect.apply(Reflect.get(client, name), client, args));
  }

  #send(sendBy: (client: Redis) => Promise<unknown>): Promise<unknown> {
    this.#isUsed = true;
    if (this.#hasLeft) return Promise.reject(closed());
    if (this.#moved !== undefined) return Promise.reject(this.#moved);
    const send = () =>
      this.#replacement === undefined
        ? this.#bounded(sendBy(this.#given), () => sendBy(this.#replacement ?? this.#given))
        : sendBy(this.#replacement);
    return this.#isConfirmed ? send() : this.#confirm().then(send);
  }

  #confirm(): Promise<void> {
    this.#checking ??= this.#bounded(this.#check(), async () => undefined)
      .catch((error) => {
        this.#outages.failed(error as Error);
        throw error;
      })
      .finally(() => {
        this.#checking = undefined;
      });
    return this.#checking;
  }

  async #check(): Promise<void> {
    const { description } = this;
    if (known(this.#given).status === 'end') {
      throw new UnusableRedisError(
        'redis-unusable-client',
        'permanent',
        `the client of Redis at ${description} that was given is closed: stop the reaper before its client, or give another reaper one that is open`,
      );
    }
    await connected(this.#given);
    let info = '';
    try {
      info = await this.#given.info();
    } catch (error) {
      if (!isRefused(error)) throw error;
    }
    if (info === queued) {
      throw new UnusableRedisError(
        'redis-unusable-client',
        'permanent',
        `the client of Redis at ${description} that was given is inside MULTI, which answers no command before EXEC: give the reaper a client of its own`,
      );
    }
    this.#facts = ensureUsable(factsOfInfo(String(info)), { description, database: 0, isMaster: false });
    this.#isConfirmed = true;
    this.#outages.confirmed();
  }

  /**
   * Fails after a time-out, with the cause of the outage if there is one. If the connection turns out to be broken, `again`
   * sends the command on the replacement, as ioredis would resend it.
   */
  async #bounded<T>(reply: Promise<T>, again: () => Promise<T>): Promise<T> {
    const then = this.#heard;
    const timers: NodeJS.Timeout[] = [];
    let giveUp: (error: Error) => void = () => undefined;
    const late = new Promise<T>((resolve, reject) => {
      giveUp = reject;
      this.#waiting.add(giveUp);
      timers.push(
        setTimeout(() => this.#isSilent(then) && resolve(again()), silentAfter),
        setTimeout(
          () =>
            reject(this.#outages.now()?.error ?? new Error(`no answer within ${replyTimeout} ms: Command timed out`)),
          replyTimeout,
        ),
      );
    });
    try {
      const value = await Promise.race([reply, late]);
      // The caller may have begun a transaction on the client meanwhile. A scan would never end. It may be a text in Redis, too.
      if (value === queued) await this.#check();
      return value;
    } catch (error) {
      throw error instanceof Error ? redact(error) : error;
    } finally {
      this.#heard += 1;
      this.#waiting.delete(giveUp);
      for (const timer of timers) clearTimeout(timer);
    }
  }

  /**
   * Whether no reply has arrived since `then` although the client believes that it is connected. This covers the client's
   * own handshake too, which has no time-out.
   */
  #isSilent(then: number): boolean {
    if (this.#hasLeft) return false;
    if (this.#replacement !== undefined) return true;
    if (this.#heard !== then || !['connect', 'ready'].includes(known(this.#given).status ?? '')) return false;
    this.#outages.failed(new Error(`no answer within ${silentAfter} ms: timed out`));
    this.#outages.lost();
    this.#detach();
    this.#replacement = this.#replace();
    return true;
  }

  #detach(): void {
    const given = this.#given.off('ready', this.#onReady).off('close', this.#onClose);
    given.off('error', this.#onError).off('select', this.#onSelect);
  }

  readonly #onReady = () => {
    this.#isConfirmed = false;
    if (this.#isUsed) void this.#confirm().catch(() => undefined);
  };

  readonly #onClose = () => {
    this.#isConfirmed = false;
    this.#checking = undefined;
    this.#outages.lost();
  };

  readonly #onError = (error: Error) => this.#outages.failed(error);

  readonly #onSelect = (db: number) => {
    this.#moved =
      db === 0
        ? undefined
        : new UnusableRedisError(
            'redis-wrong-database',
            'permanent',
            `the client that was given has selected database ${db}: give the reaper a client that stays in its database`,
          );
  };
}

/** Waits until the client is connected, if it queues no commands itself. */
const connected = async (given: Redis) => {
  const { status, options } = known(given);
  if (options?.enableOfflineQueue !== false || status === undefined || status === 'ready') return;
  if (status === 'wait') void given.connect().catch(() => undefined);
  await new Promise<void>((resolve) => given.once('ready', () => resolve()));
};
