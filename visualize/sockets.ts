import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../src/reaper/inspection.ts';
import type { Places } from '../src/server/places.ts';

/** Limits how many connections the inspector's port has, and how long a silent one stays open. */
export interface Sockets {
  /** The socket is now the WebSocket of a page. The page's pings watch it from here on. */
  keep(socket: object): void;
  /** Destroys all of them. */
  close(): void;
}

/** Open sockets: 32 pages and the requests that load them. A process has at least 1,024 descriptors, and Redis needs some. */
const maxOpen = 128;
/** Open sockets of one address, so that one client cannot take all of them. */
const maxOfAddress = 96;
/** How long a socket may stay open without sent data, in ms. With all delays this is 10 s. Received data does not count. */
export const silence = 9_000;
/** How often a socket is checked for sent data, in ms. */
const checkEvery = 1_000;
/** How long a refused client may take to read its answer, in ms, and how many may do so at once. */
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
 * Puts these limits before an HTTP server, in place of its own one. Node's own time-outs leave gaps: they are checked every 30 s only, and they don't
 * cover an unfinished request on a connection that is kept alive, an answer that is not read, or an unfinished upgrade.
 *
 * @param places those of a server that answers probes too: it goes on to keep one free, of as many as there are now
 */
export const guardSockets = (server: Server, clock: Clock, places?: Places): Sockets => {
  server.maxConnections = Number.POSITIVE_INFINITY;
  places?.resize(maxOpen);
  const serve = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
  server.removeAllListeners('connection');
  /** Accepted sockets, each with the function that stops its timer. */
  const open = new Map<Socket, () => void>();
  const refusals = createRefusals(clock);
  const ofAddress = new Map<string, number>();

  const count = (address: string, change: number) => {
    const left = (ofAddress.get(address) ?? 0) + change;
    if (left > 0) ofAddress.set(address, left);
    else ofAddress.delete(address);
  };

  server.on('connection', (socket) => {
    const address = socket.remoteAddress ?? '';
    if (open.size >= maxOpen || (ofAddress.get(address) ?? 0) >= maxOfAddress) return refusals.refuse(socket);
    count(address, 1);
    open.set(socket, watchSilence(socket, clock));
    socket.once('close', () => {
      open.get(socket)?.();
      open.delete(socket);
      count(address, -1);
    });
    for (const each of serve) each.call(server, socket);
  });

  return {
    keep(socket) {
      open.get(socket as Socket)?.();
      places?.keep(socket);
    },
    close() {
      for (const socket of [...open.keys(), ...refusals.reading]) socket.destroy();
    },
  };
};

/** Answers clients that are one too many. */
const createRefusals = (clock: Clock) => {
  const reading = new Set<Socket>();
  return {
    /** Those that may still read their answer. */
    reading: reading as Iterable<Socket>,
    refuse(socket: Socket) {
      socket.on('error', () => socket.destroy());
      if (reading.size >= maxRefused) return socket.end(refusal, () => socket.destroy());
      reading.add(socket);
      const timer = clock.setTimeout(() => socket.destroy(), refusalTime);
      socket.once('close', () => {
        clock.clearTimeout(timer);
        reading.delete(socket);
      });
      // The request is read and dropped. If a socket is closed with unread data, the client does not get the answer.
      socket.resume();
      return socket.end(refusal);
    },
  };
};

/** Destroys a socket that has sent nothing for too long. Returns the function that stops this. */
const watchSilence = (socket: Socket, clock: Clock): (() => void) => {
  const sent = () => socket.bytesWritten - socket.writableLength;
  let [before, left] = [sent(), silence];
  let timer: unknown;
  const wait = () => {
    timer = clock.setTimeout(() => {
      left = sent() > before ? silence : left - checkEvery;
      before = sent();
      if (left <= 0) socket.destroy();
      else wait();
    }, checkEvery);
  };
  wait();
  return () => clock.clearTimeout(timer);
};
