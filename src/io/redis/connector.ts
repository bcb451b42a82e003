import { Socket } from 'node:net';
import { AbstractConnector, type RedisOptions } from 'ioredis';
import { UnusableRedisError } from './errors.ts';
import { type RedisFacts, shakeHands, type Wanted } from './handshake.ts';
import { createLine, openSocket } from './redisLine.ts';
import { createSentinels, type Sentinels } from './sentinels.ts';

type Stream = Awaited<ReturnType<AbstractConnector['connect']>>;
type ConnectorClass = new (options: unknown) => AbstractConnector;

/** What ioredis says where it was closed by its own user; it knows this one as no fault. */
const closed = () => new Error('Connection is closed.');

/**
 * Makes the class by which ioredis gets its sockets: only such as have been confirmed, at the first time and after every
 * loss. What ioredis has queued, or sends again, waits until then. ioredis itself gets neither password nor database, so
 * its own handshake has nothing left that may be refused and passed over.
 *
 * @param secrets options with what ioredis is not given: passwords, and a `Connector` of the caller's.
 */
export const connectorOf = (
  secrets: RedisOptions,
  wanted: Wanted,
  onConfirmed: (facts: RedisFacts) => void,
): ConnectorClass =>
  class extends AbstractConnector {
    readonly #options: RedisOptions;
    readonly #sentinels: Sentinels | undefined;
    readonly #inner: AbstractConnector | undefined;

    constructor(options: unknown) {
      super(0);
      this.#options = { ...(options as RedisOptions), ...secrets, tls: (options as RedisOptions).tls };
      this.#inner = secrets.Connector && new secrets.Connector(this.#options);
      if (this.#inner === undefined && secrets.sentinels) this.#sentinels = createSentinels(this.#options);
    }

    /**
     * Never rejects but where it was closed meanwhile: ioredis would not connect again. A failure is a socket that is
     * destroyed, with the error beside it.
     */
    async connect(emit: (type: string, error: Error) => void): Promise<Stream> {
      this.connecting = true;
      delete this.firstError;
      try {
        const socket = await this.#open(emit);
        const line = createLine(socket, this.#timeout);
        const facts = await shakeHands(line, wanted);
        line.release();
        this.#ensureWanted();
        this.#sentinels?.watch(() =>
          socket.destroy(new Error('the connection moves: the sentinels have another master now')),
        );
        onConfirmed(facts);
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
  };
