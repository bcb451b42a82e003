import type { Socket } from 'node:net';
import type { NatMap, RedisOptions } from 'ioredis';
import { classify, kindOfRedisError, UnusableRedisError } from './errors.ts';
import { createLine, openSocket, type RedisLine, type Reply } from './redisLine.ts';
import { addressOf } from './url.ts';

interface Address {
  readonly host: string;
  readonly port: number;
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

export const createSentinels = (options: RedisOptions): Sentinels => {
  const known: Address[] = (options.sentinels ?? []).map(({ host = 'localhost', port = 26379 }) => ({ host, port }));
  const sockets = new Set<Socket>();
  const name = options.name ?? '';
  let current: string | undefined;
  let isWatching = false;
  const timers = new Set<NodeJS.Timeout>();

  const open = async ({ host, port }: Address): Promise<RedisLine> => {
    const timeout = options.sentinelCommandTimeout ?? answerWithin;
    const socket = await openSocket(
      { host, port, family: options.family, tls: options.sentinelTLS },
      timeout,
      (opening) => {
        sockets.add(opening);
        opening.once('close', () => sockets.delete(opening));
      },
    );
    const line = createLine(socket, timeout);
    const { sentinelUsername: username, sentinelPassword: password } = options;
    if (password) await line.call('AUTH', ...(username ? [username] : []), password);
    return line;
  };

  /** Moves a sentinel to the front: the one that leads a failover knows the new master before the others. */
  const prefer = (address: Address) => {
    const at = known.indexOf(address);
    if (at > 0) known.unshift(...known.splice(at, 1));
  };

  const ask = async (address: Address): Promise<Address> => {
    let line: RedisLine | undefined;
    try {
      line = await open(address);
      const reply = await line.call('SENTINEL', 'get-master-addr-by-name', name);
      if (!Array.isArray(reply)) throw unknownMaster(name);
      if (options.updateSentinels !== false) learn(known, await line.call('SENTINEL', 'sentinels', name));
      return { host: String(reply[0]), port: Number(reply[1]) };
    } finally {
      line?.socket.destroy();
    }
  };

  const listen = async (address: Address, onMoved: () => void): Promise<void> => {
    try {
      const line = await open(address);
      line.listen(['SUBSCRIBE', ...channels], (reply) => {
        const moved = movedTo(reply, name);
        if (moved === undefined || moved === current) return;
        prefer(address);
        onMoved();
      });
      await new Promise((resolve) => line.socket.once('close', resolve));
    } catch {
      // The next sentinel is asked for the master, and reports what is wrong.
    }
    if (!isWatching) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      void listen(address, onMoved);
    }, listenAgainAfter).unref();
    timers.add(timer);
  };

  return {
    async resolve() {
      const failures: { readonly address: Address; readonly error: Error }[] = [];
      for (const address of [...known]) {
        try {
          const master = await ask(address);
          current = addressOf(master.host, master.port);
          prefer(address);
          return throughNat(master, options.natMap);
        } catch (error) {
          failures.push({ address, error: error as Error });
        }
      }
      throw failureOf(failures);
    },
    watch(onMoved) {
      if (isWatching || options.failoverDetector === false) return;
      isWatching = true;
      for (const address of known.slice(0, options.sentinelMaxConnections ?? 10)) void listen(address, onMoved);
    },
    close() {
      isWatching = false;
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
      for (const socket of sockets) socket.destroy();
    },
  };
};

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
const failureOf = (failures: readonly { readonly address: Address; readonly error: Error }[]): Error => {
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
        `the server at ${where} is no sentinel: give the addresses of the sentinels`,
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
