import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import type { Pair } from './certificates.ts';

/** What a server does with a complete request. */
export type Behaviour = (socket: Socket, request: string) => void;

/** A server on loopback that can break every rule of HTTP. */
export interface HostileServer {
  readonly port: number;
  /** Host and port for a URL. */
  readonly host: string;
  /** The complete requests: header and body, as they were sent. */
  readonly requests: readonly string[];
  /** Number of connections so far. */
  readonly connections: number;
  /** Resolves when all connections are closed. */
  allClosed(): Promise<void>;
  behave: Behaviour;
  stop(): Promise<void>;
}

/** @param greet what it does with a connection at once */
export const startHostile = async (
  behave: Behaviour,
  tls?: TlsOptions,
  greet?: (socket: Socket) => void,
): Promise<HostileServer> => {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const onSocket = (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    greet?.(socket);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n') + 4;
      const size = /\r\ncontent-length: (\d+)\r\n/i.exec(text.slice(0, end));
      if (size === null || text.length < end + Number(size[1])) return;
      requests.push(text);
      const request = text;
      text = '';
      hostile.behave(socket, request);
    });
  };
  const server = tls === undefined ? createServer(onSocket) : createTlsServer(tls, onSocket);
  const port = await listen(server);
  const hostile = {
    port,
    host: `127.0.0.1:${port}`,
    requests,
    get connections() {
      return connections;
    },
    async allClosed() {
      await Promise.all([...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    },
    behave,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return hostile;
};

const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

/** A complete answer with these header lines. */
export const answer =
  (status: number, ...lines: string[]): Behaviour =>
  (socket) =>
    void socket.write([`HTTP/1.1 ${status} Said`, 'content-length: 2', ...lines, '', 'ok'].join('\r\n'));

/** Sends `text` every few ms until the connection is closed. */
const drip = (socket: Socket, text: string) => {
  const timer = setInterval(() => socket.write(text), 5);
  socket.on('close', () => clearInterval(timer));
};

/** Sends a header that never ends, a little at a time. */
export const slowHeader: Behaviour = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\nx-slow: ');
  drip(socket, 'a');
};

/** Sends the header at once and the body very slowly. */
export const slowBody: Behaviour = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n');
  drip(socket, 'a');
};

/** Sends an endless body as fast as possible. */
export const endlessBody: Behaviour = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
  const more = () => {
    while (socket.writable && socket.write(`10000\r\n${'a'.repeat(0x1_0000)}\r\n`));
  };
  socket.on('drain', more);
  more();
};

/** Sends a part of the body, then resets the connection. */
export const brokenBody: Behaviour = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\na', () => socket.resetAndDestroy());
};

/** Sends 103 again and again, and never an answer. */
export const endlessHints: Behaviour = (socket) => drip(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n');

export const silent: Behaviour = () => undefined;
export const reset: Behaviour = (socket) => void socket.resetAndDestroy();
export const halfClose: Behaviour = (socket) => void socket.end();
export const garbage: Behaviour = (socket) => void socket.write('220 smtp.example ESMTP\r\n\r\n');
export const headerWithoutEnd: Behaviour = (socket) => {
  socket.write(`HTTP/1.1 200 OK\r\nx-long: ${'a'.repeat(100_000)}`);
};

/** A TLS server that ends the handshake with an alert, as Go's does, if the client has no certificate of `authority`. */
export const startAlertingServer = async (
  { certFile, keyFile }: Pair,
  authority: Pair,
): Promise<{ readonly port: number; stop(): Promise<void> }> => {
  const pair = ['-cert', certFile, '-key', keyFile];
  const demand = ['-Verify', '1', '-verify_return_error', '-CAfile', authority.certFile];
  const server = spawn('openssl', ['s_server', '-accept', '127.0.0.1:0', ...pair, ...demand]);
  let text = '';
  const port = await new Promise<number>((resolve, reject) => {
    const onText = (chunk: Buffer) => {
      text += chunk;
      const found = /ACCEPT .*:(\d+)/.exec(text);
      if (found !== null) resolve(Number(found[1]));
    };
    server.stdout.on('data', onText);
    server.stderr.on('data', onText);
    server.on('exit', () => reject(new Error(`openssl ended: ${text}`)));
  });
  return {
    port,
    async stop() {
      server.kill();
      await once(server, 'exit');
    },
  };
};

/**
 * An HTTP proxy that connects every name to one port of loopback, and records the requests. It opens no tunnel if `refuse` returns true. With `tls`
 * it has an https URL.
 */
export const startHttpProxy = async (
  target: () => number,
  { refuse, tls }: { refuse?: (client: Socket, request: IncomingMessage) => boolean; tls?: TlsOptions } = {},
): Promise<{ readonly url: string; readonly asked: readonly string[]; stop(): Promise<void> }> => {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => void sockets.add(socket.on('error', () => undefined));
  const openTunnel = (client: Socket) => {
    const upstream = connect(target(), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connected\r\n\r\n');
      client.pipe(upstream).pipe(client);
    });
    keep(upstream);
  };
  const server = tls === undefined ? createHttpServer() : createHttpsServer(tls);
  server.on('connect', (request, client: Socket) => {
    asked.push(`${request.method} ${request.url}`);
    keep(client);
    if (refuse?.(client, request) !== true) openTunnel(client);
  });
  const port = await listen(server);
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    asked,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};
