/**
 * The line between the hosts and Redis. While replies are lost, commands still get through; then all connections break. A
 * fetch that meets this has taken an entry that nobody hears of. CLIENT KILL and a killed Redis alone hardly ever do that.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface LossyLine {
  readonly port: number;
  loseReplies(forMs: number): Promise<void>;
  close(): void;
}

export const openLossyLine = async (redisPort: number): Promise<LossyLine> => {
  let isLosing = false;
  const sockets = new Set<Socket>();
  const server = createServer((host) => {
    const redis = connect(redisPort, '127.0.0.1');
    for (const [socket, other] of [
      [host, redis],
      [redis, host],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay();
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    host.on('data', (chunk) => redis.write(chunk));
    redis.on('data', (chunk) => {
      if (!isLosing) host.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const breakAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    async loseReplies(forMs) {
      isLosing = true;
      await sleep(forMs);
      breakAll();
      isLosing = false;
    },
    close() {
      server.close();
      breakAll();
    },
  };
};
