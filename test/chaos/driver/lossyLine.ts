/**
 * The proxy between one host or reaper and Redis. It can drop replies while commands still pass, cut connections, and go silent.
 * CLIENT KILL and a killed Redis alone rarely cause a fetch whose reply gets lost.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostTimeoutMs } from './settings.ts';

/** A time in which nothing passes. Wall clock, ms. */
export interface Blackout {
  readonly from: number;
  readonly to: number;
}

export interface LossyLine {
  readonly port: number;
  readonly blackouts: readonly Blackout[];
  /** Drops replies for a while, then breaks all connections. */
  loseReplies(forMs: number): Promise<void>;
  /** Breaks all connections at once, and refuses new ones for a while. */
  cut(forMs: number): void;
  /** Drops all bytes for a while and closes nothing. Connections that lost bytes stay silent until their owner closes them. */
  swallow(forMs: number): Promise<void>;
  /** Breaks all connections. New ones go to the current target. */
  breakAll(): void;
  close(): void;
}

/** @param target returns the port of Redis for a new connection. */
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
        // The other side must not notice the end of a silent connection.
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
      // The owner notices it after a time-out.
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
