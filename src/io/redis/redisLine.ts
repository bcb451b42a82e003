import { connect as connectTcp, type NetConnectOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { UnusableRedisError } from './errors.ts';

/** A RESP2 reply. An error reply is an Error. */
export type Reply = string | number | null | Error | readonly Reply[];

/** A socket for a few commands before ioredis gets it, or for the subscription to a sentinel. */
export interface RedisLine {
  readonly socket: Socket;
  /** Sends a command. Rejects with the error reply of Redis, or if no reply came in time. */
  call(...args: readonly string[]): Promise<Reply>;
  /** Sends a command, and passes every following reply to the listener, as a subscription needs. */
  listen(args: readonly string[], onReply: (reply: Reply) => void): void;
  /** Releases the socket to another reader. */
  release(): void;
}

/** The address of a socket, in options of ioredis. */
export interface Target {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly path?: string | undefined;
  readonly family?: number | undefined;
  readonly tls?: ConnectionOptions | undefined;
}

/** TCP keep-alive, in ms. */
export const keepAlive = 5_000;
/** A longer reply cannot belong to one of the few commands that are sent here. */
const maxBytes = 1 << 20;

/**
 * Opens a socket. `opening` gets it at once, so it can be closed before it is connected.
 * @throws Error of the socket, or a time-out after `timeout` ms.
 */
export const openSocket = (
  { host, port, path, family, tls }: Target,
  timeout: number,
  opening: (socket: Socket) => void,
): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const where = path ? { path } : { host: host ?? 'localhost', port: port ?? 6379, family: family ?? 0 };
    const socket = tls ? connectTls({ ...where, ...tls }) : connectTcp(where as NetConnectOpts);
    const timer = setTimeout(
      () => socket.destroy(Object.assign(new Error('connect ETIMEDOUT'), { code: 'ETIMEDOUT' })),
      timeout,
    );
    const end = () => clearTimeout(timer);
    let failure = new Error('the connection was closed before it was made');
    // This listener stays: an error without a listener would end the process.
    socket.on('error', (error) => {
      failure = withMessage(error);
    });
    socket.once('close', () => {
      end();
      reject(failure);
    });
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      end();
      socket.setNoDelay(true);
      socket.setKeepAlive(true, keepAlive);
      resolve(socket);
    });
    opening(socket);
  });

/** If a name has several addresses and all of them fail, Node's AggregateError has no message. */
const withMessage = (error: Error): Error =>
  error instanceof AggregateError && error.message === ''
    ? new Error(error.errors.map(({ message }: Error) => message).join('; '))
    : error;

/** @param timeout for each reply, in ms. */
export const createLine = (socket: Socket, timeout: number): RedisLine => {
  const waiting: { resolve(reply: Reply): void; reject(error: Error): void; timer: NodeJS.Timeout }[] = [];
  let onReply: ((reply: Reply) => void) | undefined;
  let failure: Error | undefined;

  const fail = (error: Error) => {
    failure ??= error;
    for (const { reject, timer } of waiting.splice(0)) {
      clearTimeout(timer);
      reject(failure);
    }
    socket.destroy();
  };
  const take = (reply: Reply) => {
    if (onReply !== undefined) return onReply(reply);
    const next = waiting.shift();
    clearTimeout(next?.timer);
    if (reply instanceof Error) next?.reject(reply);
    else next?.resolve(reply);
  };
  const read = createReader(take);
  const onData = (chunk: Buffer) => {
    try {
      read(chunk);
    } catch (error) {
      fail(error as Error);
    }
  };
  const onError = (error: Error) => fail(error);
  const onClose = () => fail(new Error('Redis closed the connection'));
  socket.on('data', onData).on('error', onError).on('close', onClose);

  return {
    socket,
    call: (...args) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined || socket.destroyed) {
          return reject(failure ?? new Error('the connection is closed'));
        }
        const timer = setTimeout(
          () => fail(new Error(`no answer to ${args[0]} within ${timeout} ms: timed out`)),
          timeout,
        );
        waiting.push({ resolve, reject, timer });
        socket.write(textOf(args));
      }),
    listen(args, listener) {
      onReply = listener;
      socket.write(textOf(args));
    },
    release() {
      socket.off('data', onData).off('error', onError).off('close', onClose);
      socket.pause();
    },
  };
};

const textOf = (args: readonly string[]): string =>
  `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join('')}`;

const notRedis = () =>
  new UnusableRedisError(
    'redis-protocol',
    'permanent',
    'the server does not speak the protocol of Redis: check host and port, and whether it needs TLS (rediss://)',
  );

/**
 * Passes on each reply as soon as it is complete.
 * @throws UnusableRedisError for what is no RESP2, or too long.
 */
const createReader = (take: (reply: Reply) => void) => {
  let buffer: Buffer = Buffer.alloc(0);
  return (chunk: Buffer): void => {
    buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk]);
    for (;;) {
      const parsed = parse(buffer, 0);
      if (parsed === undefined) break;
      buffer = buffer.subarray(parsed.end);
      take(parsed.reply);
    }
    if (buffer.length > maxBytes) throw notRedis();
  };
};

/** Parses one RESP2 reply, and returns where it ends; undefined if it is incomplete. */
const parse = (buffer: Buffer, at: number): { readonly reply: Reply; readonly end: number } | undefined => {
  const lineEnd = buffer.indexOf('\r\n', at);
  if (at < buffer.length && !'+-:$*'.includes(String.fromCharCode(buffer[at] as number))) throw notRedis();
  if (lineEnd < 0) return undefined;
  const line = buffer.toString('utf8', at + 1, lineEnd);
  const after = lineEnd + 2;
  switch (String.fromCharCode(buffer[at] as number)) {
    case '+':
      return { reply: line, end: after };
    case '-':
      return { reply: new Error(line), end: after };
    case ':':
      return { reply: Number(line), end: after };
    case '$': {
      const length = lengthOf(line);
      if (length < 0) return { reply: null, end: after };
      const end = after + length + 2;
      return end > buffer.length ? undefined : { reply: buffer.toString('utf8', after, end - 2), end };
    }
    default: {
      const items: Reply[] = [];
      let end = after;
      const length = lengthOf(line);
      if (length < 0) return { reply: null, end };
      for (let left = length; left > 0; left--) {
        const item = parse(buffer, end);
        if (item === undefined) return undefined;
        items.push(item.reply);
        end = item.end;
      }
      return { reply: items, end };
    }
  }
};

const lengthOf = (line: string): number => {
  if (!/^-?\d+$/.test(line)) throw notRedis();
  return Number(line);
};
