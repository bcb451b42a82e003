import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../src/index.ts';

/** The bound on what the inspector's port may hold, whoever asks, and for how long. */
export interface Sockets {
  /** A socket that has become a page's: its pings look after it from now on. */
  keep(socket: object): void;
  /** Destroys all of them. */
  close(): void;
}

/** Sockets at once: 32 pages, and what loads them. A process has 1,024 descriptors at least, and Redis needs some of them. */
const most = 128;
/** Of one address: what fills its share leaves room for others. */
const maxOfOne = 96;
/** How long a socket may stay without an answer that goes out on it, in ms: 10 s with all delays. What comes in does not count. */
export const silence = 9_000;
/** How often it is looked whether something went out, in ms. */
const lookEvery = 1_000;
/** For how long a refused one may read its answer, in ms, and how many may do so at once. */
const refusalTime = 250;
const maxRefused = 32;

const refusal = [
  'HTTP/1.1 503 Service Unavailable',
  'Connection: close',
  'Retry-After: 10',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Length: 37',
  '',
  'Too many connections: try again soon\n',
].join('\r\n');

/**
 * Stands before an HTTP server, which serves what is let in. Node's own time-outs leave gaps: they look every 30 s, and know
 * nothing of a socket between two requests whose next one never ends, of an answer that is not read, nor of an upgrade.
 */
export const guardSockets = (server: Server, clock: Clock): Sockets => {
  const serve = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
  server.removeAllListeners('connection');
  /** Those that are let in, and how their wait is ended. */
  const open = new Map<object, () => void>();
  const refused = new Set<Socket>();
  const ofOne = new Map<string, number>();

  const count = (address: string, change: number) => {
    const left = (ofOne.get(address) ?? 0) + change;
    if (left > 0) ofOne.set(address, left);
    else ofOne.delete(address);
  };

  const refuse = (socket: Socket) => {
    socket.on('error', () => socket.destroy());
    if (refused.size >= maxRefused) return socket.end(refusal, () => socket.destroy());
    refused.add(socket);
    const timer = clock.setTimeout(() => socket.destroy(), refusalTime);
    socket.once('close', () => {
      clock.clearTimeout(timer);
      refused.delete(socket);
    });
    // What was asked is read away: a socket that is closed with something unread takes its answer along.
    socket.resume();
    return socket.end(refusal);
  };

  /** Destroys a socket on which nothing went out for too long. */
  const watch = (socket: Socket): (() => void) => {
    const wentOut = () => socket.bytesWritten - socket.writableLength;
    let [seen, left] = [wentOut(), silence];
    let timer: unknown;
    const look = () => {
      timer = clock.setTimeout(() => {
        left = wentOut() > seen ? silence : left - lookEvery;
        seen = wentOut();
        if (left <= 0) socket.destroy();
        else look();
      }, lookEvery);
    };
    look();
    return () => clock.clearTimeout(timer);
  };

  server.on('connection', (socket) => {
    const address = socket.remoteAddress ?? '';
    if (open.size >= most || (ofOne.get(address) ?? 0) >= maxOfOne) return refuse(socket);
    count(address, 1);
    open.set(socket, watch(socket));
    socket.once('close', () => {
      open.get(socket)?.();
      open.delete(socket);
      count(address, -1);
    });
    for (const each of serve) each.call(server, socket);
  });

  return {
    keep(socket) {
      open.get(socket)?.();
    },
    close() {
      for (const socket of [...open.keys(), ...refused]) (socket as Socket).destroy();
    },
  };
};
