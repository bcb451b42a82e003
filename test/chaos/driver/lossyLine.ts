/**
 * The line between one host or reaper and Redis. It can lose replies while commands still get through, be cut, and go
 * silent. CLIENT KILL and a killed Redis alone hardly ever make a fetch of which no worker hears.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostTimeoutMs } from './settings.ts';

/** A time in which nothing gets through a line. Wall clock, ms. */
export interface Blackout {
  readonly from: number;
  readonly to: number;
}

export interface LossyLine {
  readonly port: number;
  readonly blackouts: readonly Blackout[];
  /** Replies are lost for a while; then all connections break. */
  loseReplies(forMs: number): Promise<void>;
  /** All connections break at once, and new ones are refused for a while. */
  cut(forMs: number): void;
  /** Swallows all bytes for a while and closes nothing; connections that lost bytes stay silent until their owner gives them up. */
  swallow(forMs: number): Promise<void>;
  /** Breaks all connections: new ones go to where the line leads now. */
  breakAll(): void;
  close(): void;
}

/** @param target the port of Redis, asked for at each new connection. */
export const openLossyLine = async (target: () => number): Promise<LossyLine> => {
  let isLosing = false;
  let swallowing = 0;
  let cutUntil = 0;
  const sockets = new Set<Socket>();
  const blackouts: Blackout[] = [];
  const server = createServer((host) => {
    if (Date.now() < cutUntil) return host.resetAndDestroy();
    const redis = connect(target(), '127.0.0.1');
    let isSilent = false;
    for (const [socket, other] of [
      [host, redis],
      [redis, host],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay();
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        // Who is behind a silent line does not hear of the other's end.
        if (!isSilent || socket === host) other.destroy();
      });
    }
    const passOn = (to: Socket, isLost: () => boolean) => (chunk: Buffer) => {
      if (swallowing > 0) isSilent = true;
      if (!isSilent && !isLost()) to.write(chunk);
    };
    host.on(
      'data',
      passOn(redis, () => false),
    );
    redis.on(
      'data',
      passOn(host, () => isLosing),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const breakAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    blackouts,
    breakAll,
    async loseReplies(forMs) {
      isLosing = true;
      await sleep(forMs);
      breakAll();
      isLosing = false;
    },
    cut(forMs) {
      const from = Date.now();
      cutUntil = Math.max(cutUntil, from + forMs);
      blackouts.push({ from, to: from + forMs });
      for (const socket of sockets) socket.resetAndDestroy();
    },
    async swallow(forMs) {
      const from = Date.now();
      // Its owner finds out a time-out later.
      blackouts.push({ from, to: from + forMs + hostTimeoutMs });
      swallowing += 1;
      await sleep(forMs);
      swallowing -= 1;
    },
    close() {
      server.close();
      breakAll();
    },
  };
};
