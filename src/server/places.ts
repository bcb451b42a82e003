import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Keeps one of the server's `maxConnections` places free for the next client: if none is left, the connection that has been idle
 * between two requests for the longest is closed. So a scraper keeps its connection while there is room, and clients that keep
 * theirs cannot keep a probe out. A connection with a request, or before its first one, keeps its place: other time-outs end it.
 */
export const keepPlaceFree = (server: Server): void => {
  /** Open connections, each with how many of its requests have no answer yet: a client may send several at once. */
  const unanswered = new Map<Socket, number>();
  /** Those between two requests, the one that has been idle for the longest first. */
  const idle = new Set<Socket>();

  const leave = (socket: Socket) => {
    unanswered.delete(socket);
    idle.delete(socket);
  };
  const makeRoom = () => {
    const [longest] = idle;
    if (longest === undefined || unanswered.size < server.maxConnections) return;
    leave(longest);
    longest.destroy();
  };

  server.on('connection', (socket: Socket) => {
    unanswered.set(socket, 0);
    socket.once('close', () => leave(socket));
    makeRoom();
  });
  server.on('request', ({ socket }, response) => {
    idle.delete(socket);
    unanswered.set(socket, (unanswered.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const left = (unanswered.get(socket) ?? 0) - 1;
      if (left < 0) return;
      unanswered.set(socket, left);
      if (left === 0) idle.add(socket);
      makeRoom();
    });
  });
};
