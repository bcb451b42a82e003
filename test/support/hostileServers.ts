import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import type { Pair } from './certificates.ts';

/** What a server does when a request has come in full. */
export type Behaviour = (socket: Socket, request: string) => void;

/** A server on loopback that does on the wire what it is told to, were it against all rules. */
export interface HostileServer {
  readonly port: number;
  /** Host and port, to be put into a URL. */
  readonly host: string;
  /** Each request that has come in full: header and body, as they were sent. */
  readonly requests: readonly string[];
  /** How many connections there have been. */
  readonly connections: number;
  /** Resolves when every connection has been closed by the other side or broken. */
  allClosed(): Promise<void>;
  behave: Behaviour;
  stop(): Promise<void>;
}

export const startHostile = async (behave: Behaviour, tls?: TlsOptions): Promise<HostileServer> => {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const onSocket = (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
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

/** A full answer, with header lines of its own. */
export const answer =
  (status: number, ...lines: string[]): Behaviour =>
  (socket) =>
    void socket.write([`HTTP/1.1 ${status} Said`, 'content-length: 2', ...lines, '', 'ok'].join('\r\n'));

/** Behaves so only after `ms`. */
export const later =
  (ms: number, behave: Behaviour): Behaviour =>
  (socket, request) =>
    void setTimeout(() => behave(socket, request), ms);

/** Sends `text` over and over, every few ms, until the other side hangs up. */
const drip = (socket: Socket, text: string) => {
  const timer = setInterval(() => socket.write(text), 5);
  socket.on('close', () => clearInterval(timer));
};

/** Never says nothing for long, and never comes to the end of its header. */
export const slowHeader: Behaviour = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\nx-slow: ');
  drip(socket, 'a');
};

/** A header at once, then a few bytes at a time: never as much as a client may read. */
export const slowBody: Behaviour = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n');
  drip(socket, 'a');
};

/** As many bytes as fit, without end. */
export const endlessBody: Behaviour = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
  const more = () => {
    while (socket.writable && socket.write(`10000\r\n${'a'.repeat(0x1_0000)}\r\n`));
  };
  socket.on('drain', more);
  more();
};

/** A body that breaks off. */
export const brokenBody: Behaviour = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\na', () => socket.resetAndDestroy());
};

export const silent: Behaviour = () => undefined;
export const reset: Behaviour = (socket) => void socket.resetAndDestroy();
export const halfClose: Behaviour = (socket) => void socket.end();
export const garbage: Behaviour = (socket) => void socket.write('220 smtp.example ESMTP\r\n\r\n');
export const headerWithoutEnd: Behaviour = (socket) => {
  socket.write(`HTTP/1.1 200 OK\r\nx-long: ${'a'.repeat(100_000)}`);
};

/** A TLS server that ends the handshake with an alert, as Go's does, where the client shows no certificate of `authority`. */
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

/** An HTTP proxy that leads every name to one port of loopback, and notes what it was asked for. */
export const startHttpProxy = async (
  target: () => number,
): Promise<{ readonly url: string; readonly asked: readonly string[]; stop(): Promise<void> }> => {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = createHttpServer().on('connect', (request, client: Socket) => {
    asked.push(`${request.method} ${request.url}`);
    const upstream = connect(target(), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connected\r\n\r\n');
      client.pipe(upstream).pipe(client);
    });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};
