import { Socket } from 'node:net';
import { AbstractConnector, type RedisOptions } from 'ioredis';
import { UnusableRedisError } from './errors.ts';
import { type RedisFacts, shakeHands, type Wanted } from './handshake.ts';
import { createLine, openSocket } from './redisLine.ts';
import { createSentinels, type Sentinels } from './sentinels.ts';

type Stream = Awaited<ReturnType<AbstractConnector['connect']>>;
type ConnectorClass = new (options: unknown) => AbstractConnector;

/** The error that ioredis itself gives after disconnect(): it does not report this one. */
const closed = () => new Error('Connection is closed.');

/**
 * Makes the class from which ioredis gets its sockets. Each socket is confirmed before ioredis gets it, the first time and
 * after every loss. Commands that ioredis has queued, or resends, wait until then. ioredis gets no password and no database:
 * its own handshake would ignore a refusal.
 *
 * @param secrets the options that ioredis does not get: passwords, and a `Connector` of the caller.
 */
export const connectorOf = (
  secrets: RedisOptions,
  wanted: Wanted,
  onConfirmed: (facts: RedisFacts) => void,
): ConnectorClass =>
  class extends ConfirmedConnector {
    constructor(options: unknown) {
      super(options as RedisOptions, secrets, wanted, onConfirmed);
    }
  };

class ConfirmedConnector extends AbstractConnector {
  readonly #options: RedisOptions;
  readonly #wanted: Wanted;
  readonly #onConfirmed: (facts: RedisFacts) => void;
  readonly #sentinels: Sentinels | undefined;
  readonly #inner: AbstractConnector | undefined;

  constructor(options: RedisOptions, secrets: RedisOptions, wanted: Wanted, onConfirmed: (facts: RedisFacts) => void) {
    super(0);
    this.#options = { ...options, ...secrets, tls: options.tls };
    this.#wanted = wanted;
    this.#onConfirmed = onConfirmed;
    this.#inner = secrets.Connector && new secrets.Connector(this.#options);
    if (this.#inner === undefined && secrets.sentinels) this.#sentinels = createSentinels(this.#options);
  }

  /**
   * Rejects only if the connector was closed meanwhile, for ioredis does not reconnect after a rejection. Every other
   * failure is a destroyed socket, with its error in `firstError`.
   */
  async connect(emit: (type: string, error: Error) => void): Promise<Stream> {
    this.connecting = true;
    delete this.firstError;
    try {
      const socket = await this.#open(emit);
      const line = createLine(socket, this.#timeout);
      const facts = await shakeHands(line, this.#wanted);
      line.release();
      this.#ensureWanted();
      this.#sentinels?.watch(() =>
        socket.destroy(new Error('reconnecting: the sentinels have promoted another master')),
      );
      this.#onConfirmed(facts);
      return socket;
    } catch (error) {
      this.#ensureWanted();
      this.firstError = error as Error;
      this.stream?.destroy();
      return new Socket().destroy();
    }
  }

  override disconnect(): void {
    this.connecting = false;
    this.#sentinels?.close();
    this.#inner?.disconnect();
    this.stream?.destroy();
  }

  get #timeout(): number {
    return this.#options.connectTimeout ?? 10_000;
  }

  #ensureWanted(): void {
    if (this.connecting) return;
    this.stream?.destroy();
    throw closed();
  }

  async #open(emit: (type: string, error: Error) => void): Promise<Socket> {
    const opening = (socket: Socket) => {
      this.stream = socket;
    };
    if (this.#inner !== undefined) return this.#openInner(this.#inner, emit);
    const { host, port, path, family, tls, enableTLSForSentinelMode } = this.#options;
    if (this.#sentinels === undefined) {
      return openSocket({ host, port, path, family, tls }, this.#timeout, opening);
    }
    const master = await this.#sentinels.resolve();
    this.#ensureWanted();
    return openSocket({ ...master, family, tls: enableTLSForSentinelMode ? tls : undefined }, this.#timeout, opening);
  }

  async #openInner(inner: AbstractConnector, emit: (type: string, error: Error) => void): Promise<Socket> {
    const socket = (await inner.connect(emit)) as Socket;
    this.stream = socket;
    socket.on('error', () => undefined);
    if (!socket.connecting) return socket;
    return new Promise((resolve, reject) => {
      socket.once(this.#options.tls ? 'secureConnect' : 'connect', () => resolve(socket));
      socket.once('close', () =>
        reject(inner.firstError ?? new UnusableRedisError('redis-unreachable', 'transient', 'closed')),
      );
      socket.setTimeout(this.#timeout, () => socket.destroy());
      socket.once('connect', () => socket.setTimeout(0));
    });
  }
}
