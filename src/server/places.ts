import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** The places of a server for connections. */
export interface Places {
  /** Changes how many there are. */
  resize(count: number): void;
  /** The connection keeps its place from here on: it is no longer one of HTTP. */
  keep(socket: object): void;
}

/**
 * Keeps one of the places of a server free for the next client: a connection that takes the last one makes another one
 * close. That is the one that has been idle between two requests for the longest; if there is none, the oldest one that has not sent a
 * whole request; if there is none, the oldest one that does not read its answer; and if there is none, the new one itself. So a scraper
 * keeps its connection while there is room, and clients that keep theirs, say nothing or read nothing cannot keep a probe out. A connection
 * whose request is being answered keeps its place otherwise: other time-outs end it.
 */
export const keepPlaceFree = (server: Server, count: number): Places => {
  let places = count;
  /** Open connections, each with how many of its requests have no answer yet: a client may send several at once. */
  const unanswered = new Map<Socket, number>();
  /** Those before their first request, the oldest one first. */
  const silent = new Set<Socket>();
  /** Those between two requests, the one that has been idle for the longest first. */
  const idle = new Set<Socket>();

  /** Those that are never closed for another one. */
  const kept = new Set<object>();

  /** The oldest one with an answer that it does not read. */
  const unread = () => [...unanswered.keys()].find(({ writableLength }) => writableLength > 0);

  const leave = (socket: Socket) => {
    unanswered.delete(socket);
    silent.delete(socket);
    idle.delete(socket);
    kept.delete(socket);
  };

  server.on('connection', (socket: Socket) => {
    unanswered.set(socket, 0);
    silent.add(socket);
    socket.once('close', () => leave(socket));
    if (unanswered.size + kept.size < places) return;
    const [longest = socket] = idle.size > 0 ? idle : silent;
    const least = longest === socket ? (unread() ?? socket) : longest;
    leave(least);
    least.destroy();
  });
  server.on('request', ({ socket }, response) => {
    silent.delete(socket);
    idle.delete(socket);
    unanswered.set(socket, (unanswered.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const left = (unanswered.get(socket) ?? 0) - 1;
      if (left < 0) return;
      unanswered.set(socket, left);
      if (left === 0) idle.add(socket);
    });
  });
  return {
    resize(count) {
      places = count;
    },
    keep(socket) {
      leave(socket as Socket);
      kept.add(socket);
    },
  };
};
