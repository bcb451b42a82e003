import type { WebSocket } from 'ws';
import type { Clock } from '../src/reaper/inspection.ts';
import { silence } from './sockets.ts';

/** Ping interval for a page that has not read all that was sent, in ms. */
const slowBeat = 15_000;

/**
 * Pings a page, and ends its connection when a ping gets no answer. A page that still has data to read answers late, because
 * the ping is behind that data: it gets more time. A page that this server has closed does not: what is sent to it from then on is never
 * read, and `ws` counts it as data that is left.
 */
export const watchPage = (socket: WebSocket, clock: Clock): void => {
  beat(socket, clock, silence / 2, () => socket.readyState === socket.OPEN && socket.bufferedAmount > 0);
  beat(socket, clock, slowBeat, () => false);
};

const beat = (socket: WebSocket, clock: Clock, every: number, mayBeLate: () => boolean) => {
  let hasAnswered = true;
  let timer: unknown;
  const wait = () => {
    timer = clock.setTimeout(() => {
      if (!hasAnswered && !mayBeLate()) return socket.terminate();
      hasAnswered = false;
      socket.ping();
      return wait();
    }, every);
  };
  socket.on('pong', () => {
    hasAnswered = true;
  });
  socket.once('close', () => clock.clearTimeout(timer));
  wait();
};
