import type { WebSocket } from 'ws';
import type { Clock } from '../src/index.ts';
import { silence } from './sockets.ts';

/** How long a page that has been sent more than it has read may take to hear a ping, and again to answer it, in ms. */
const slowBeat = 15_000;

/** Pings a page, and ends its connection when it answers no ping. */
export const watchPage = (socket: WebSocket, clock: Clock): void => {
  beat(socket, clock, silence / 2, () => socket.bufferedAmount > 0);
  beat(socket, clock, slowBeat, () => false);
};

const beat = (socket: WebSocket, clock: Clock, every: number, mayBeLate: () => boolean) => {
  let isThere = true;
  let timer: unknown;
  const wait = () => {
    timer = clock.setTimeout(() => {
      if (!isThere && !mayBeLate()) return socket.terminate();
      isThere = false;
      socket.ping();
      return wait();
    }, every);
  };
  socket.on('pong', () => {
    isThere = true;
  });
  socket.once('close', () => clock.clearTimeout(timer));
  wait();
};
