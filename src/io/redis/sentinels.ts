import type { Socket } from 'node:net';
import type { NatMap, RedisOptions } from 'ioredis';
import { classify, kindOfRedisError, UnusableRedisError } from './errors.ts';
import { createLine, openSocket, type RedisLine, type Reply } from './redisLine.ts';
import { addressOf } from './url.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

interface Failure {
  readonly address: Address;
  readonly error: Error;
}

/** Asks the sentinels where a master is, and watches for failovers. */
export interface Sentinels {
  /**
   * Asks one sentinel after the other for the address of the master.
   * @throws UnusableRedisError with the causes of all sentinels.
   */
  resolve(): Promise<Address>;
  /** Calls `onMoved` when a sentinel has promoted another Redis to master. Does nothing if it already watches. */
  watch(onMoved: () => void): void;
  /** Closes open sockets. */
  close(): void;
}

/** How long to wait for a sentinel before the next one is asked, in ms. */
const answerWithin = 1_500;
/** Pause between a lost subscription to a sentinel and the next one, in ms. */
const listenAgainAfter = 5_000;
/** The sentinel that leads a failover publishes both; the first one as soon as the new master accepts writes. */
const channels = ['+promoted-slave', '+switch-master'];

export const createSentinels = (options: RedisOptions): Sentinels => new SentinelGroup(options);

class SentinelGroup implements Sentinels {
  readonly #options: RedisOptions;
  readonly #name: string;
  readonly #known: Address[];
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #current: string | undefined;
  #isWatching = false;

  constructor(options: RedisOptions) {
    this.#options = options;
    this.#name = options.name ?? '';
    this.#known = (options.sentinels ?? []).map(({ host = 'localhost', port = 26379 }) => ({ host, port }));
  }

  async resolve(): Promise<Address> {
    const failures: Failure[] = [];
    for (const address of [...this.#known]) {
      try {
        const master = await this.#ask(address);
        this.#current = addressOf(master.host, master.port);
        this.#prefer(address);
        return throughNat(master, this.#options.natMap);
      } catch (error) {
        failures.push({ address, error: error as Error });
      }
    }
    throw failureOf(failures);
  }

  watch(onMoved: () => void): void {
    const { failoverDetector, sentinelMaxConnections = 10 } = this.#options;
    if (this.#isWatching || failoverDetector === false) return;
    this.#isWatching = true;
    for (const address of this.#known.slice(0, sentinelMaxConnections)) void this.#listen(address, onMoved);
  }

  close(): void {
    this.#isWatching = false;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #ask(address: Address): Promise<Address> {
    let line: RedisLine | undefined;
    try {
      line = await this.#open(address);
      const reply = await line.call('SENTINEL', 'get-master-addr-by-name', this.#name);
      if (!Array.isArray(reply)) throw unknownMaster(this.#name);
      if (this.#options.updateSentinels !== false) {
        learn(this.#known, await line.call('SENTINEL', 'sentinels', this.#name));
      }
      return { host: String(reply[0]), port: Number(reply[1]) };
    } finally {
      line?.socket.destroy();
    }
  }

  async #listen(address: Address, onMoved: () => void): Promise<void> {
    try {
      const line = await this.#open(address);
      line.listen(['SUBSCRIBE', ...channels], (reply) => {
        const moved = movedTo(reply, this.#name);
        if (moved === undefined || moved === this.#current) return;
        this.#prefer(address);
        onMoved();
      });
      await new Promise((resolve) => line.socket.once('close', resolve));
    } catch {
      // The next sentinel is asked for the master, and reports what is wrong.
    }
    if (!this.#isWatching) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#listen(address, onMoved);
    }, listenAgainAfter).unref();
    this.#timers.add(timer);
  }

  async #open({ host, port }: Address): Promise<RedisLine> {
    const { family, sentinelTLS: tls, sentinelUsername: username, sentinelPassword: password } = this.#options;
    const timeout = this.#options.sentinelCommandTimeout ?? answerWithin;
    const socket = await openSocket({ host, port, family, tls }, timeout, (opening) => {
      this.#sockets.add(opening);
      opening.once('close', () => this.#sockets.delete(opening));
    });
    const line = createLine(socket, timeout);
    if (password) await line.call('AUTH', ...(username ? [username] : []), password);
    return line;
  }

  /** Moves a sentinel to the front: the one that leads a failover knows the new master before the others. */
  #prefer(address: Address): void {
    const at = this.#known.indexOf(address);
    if (at > 0) this.#known.unshift(...this.#known.splice(at, 1));
  }
}

/** Adds the other sentinels that a sentinel reports for the master. */
const learn = (known: Address[], reply: Reply) => {
  if (!Array.isArray(reply)) return;
  for (const sentinel of reply) {
    if (!Array.isArray(sentinel)) continue;
    const field = (name: string) => String(sentinel[sentinel.indexOf(name) + 1] ?? '');
    const [host, port] = [field('ip'), Number(field('port'))];
    if (field('flags').includes('disconnected') || host === '' || !(port > 0)) continue;
    if (!known.some((address) => address.host === host && address.port === port)) known.push({ host, port });
  }
};

/** The address of the new master, if a message announces one. */
const movedTo = (reply: Reply, name: string): string | undefined => {
  if (!Array.isArray(reply) || reply[0] !== 'message') return undefined;
  const words = String(reply[2]).split(' ');
  if (reply[1] === '+switch-master') return words[0] === name ? addressOf(words[3], words[4] ?? '') : undefined;
  return words[5] === name ? addressOf(words[2], words[3] ?? '') : undefined;
};

const throughNat = (address: Address, natMap: NatMap | null | undefined): Address => {
  const key = `${address.host}:${address.port}`;
  return (typeof natMap === 'function' ? natMap(key) : natMap?.[key]) ?? address;
};

const unknownMaster = (name: string) =>
  new UnusableRedisError(
    'redis-sentinel',
    'permanent',
    `the sentinels know no master named ${name}: give its name as in their "sentinel monitor"`,
  );

/** The failure that an operator can act on comes first. */
const failureOf = (failures: readonly Failure[]): Error => {
  const unknown = failures.find(({ error }) => error instanceof UnusableRedisError && error.code === 'redis-sentinel');
  if (unknown !== undefined) return unknown.error;
  const refused = failures.find(({ error }) => kindOfRedisError(error) !== 'transient');
  if (refused !== undefined) {
    const where = addressOf(refused.address.host, refused.address.port);
    if (refused.error instanceof UnusableRedisError) {
      return new UnusableRedisError(
        'redis-sentinel',
        'permanent',
        `the sentinel at ${where}: ${refused.error.message}`,
      );
    }
    if (classify(refused.error).code === 'redis-unknown-command') {
      return new UnusableRedisError(
        'redis-sentinel',
        'permanent',
        `the server at ${where} is not a sentinel: give the addresses of the sentinels`,
      );
    }
    return new UnusableRedisError(
      'redis-sentinel',
      'permanent',
      `the sentinel at ${where} refuses the sentinel user or password: give those of the sentinels, ` +
        `?sentinel_username=…&sentinel_password=… in the URL, or none where they need none (${refused.error.message})`,
    );
  }
  const causes = failures.map(({ address: { host, port }, error }) => `${addressOf(host, port)}: ${error.message}`);
  return new UnusableRedisError(
    'redis-unreachable',
    'transient',
    `no sentinel can be reached: check their addresses (${causes.join('; ')})`,
  );
};
