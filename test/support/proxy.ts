import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A TCP proxy on loopback, with a delay each way or a knife: for what happens when a connection is slow or cut. */
export interface Proxy {
  readonly port: number;
  /** Chunks that clients have sent so far. */
  readonly writes: number;
  /** Cuts every connection; new ones are let through. */
  cut(): void;
  /** Cuts every connection when `n` more chunks have come from clients; the last of them is let through if `deliver`. */
  cutAfterWrites(n: number, deliver: boolean): void;
  /** Cuts every connection in place of the first reply that contains this text; what it gives says whether that has come. */
  cutAtReply(text: string): () => boolean;
  /** From now on the connections that there are stay open and pass nothing on; new ones are let through. */
  silence(): void;
  stop(): Promise<void>;
}

export const startProxy = async (targetPort: number, { delayMs = 0 } = {}): Promise<Proxy> => {
  const sockets = new Set<Socket>();
  let writes = 0;
  let left = Number.POSITIVE_INFINITY;
  let isDelivered = true;
  let fatal: { readonly text: string; isCut: boolean } | undefined;
  /** Connections of an older generation are silent. */
  let generation = 0;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  /** In order: each chunk is due `delayMs` after it came, and a timer later sends all that is due by then. */
  const pass = (to: Socket) => (chunk: Buffer) => {
    if (delayMs === 0) to.write(chunk);
    else setTimeout(() => to.writable && to.write(chunk), delayMs);
  };
  const server = createServer({ noDelay: true }, (client) => {
    const mine = generation;
    const upstream = connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    const toRedis = pass(upstream);
    const toClient = pass(client);
    client.on('data', (chunk) => {
      if (mine !== generation) return;
      writes += 1;
      left -= 1;
      if (left > 0) return toRedis(chunk);
      left = Number.POSITIVE_INFINITY;
      if (!isDelivered) return cut();
      upstream.write(chunk, () => setImmediate(cut));
    });
    upstream.on('data', (chunk) => {
      if (mine !== generation) return;
      if (fatal === undefined || fatal.isCut || !chunk.includes(fatal.text)) return toClient(chunk);
      fatal.isCut = true;
      cut();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get writes() {
      return writes;
    },
    cut,
    cutAfterWrites(n, deliver) {
      left = n;
      isDelivered = deliver;
    },
    cutAtReply(text) {
      const mine = { text, isCut: false };
      fatal = mine;
      return () => mine.isCut;
    },
    silence() {
      generation += 1;
    },
    async stop() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
};
