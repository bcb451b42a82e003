import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { createSignal } from '../../src/io/clock.ts';

/** A TCP proxy on loopback that can delay, cut and silence connections. */
export interface Proxy {
  readonly port: number;
  /** Number of chunks from clients. */
  readonly writes: number;
  /** Cuts all connections. New ones work. */
  cut(): void;
  /** Cuts all connections after `n` more chunks from clients. With `deliver` the last of them still reaches Redis. */
  cutAfterWrites(n: number, deliver: boolean): void;
  /** Cuts all connections in place of the first reply with this text. The returned function tells whether this has happened. */
  cutAtReply(text: string): () => boolean;
  /**
   * Holds back the first chunk from a client that `isIt` accepts, and all that its connection sends after it. `reached` resolves
   * then; `release` passes everything on.
   */
  holdAt: Holding['holdAt'];
  /** Keeps the current connections open, but passes nothing on. New ones work. */
  silence(): void;
  stop(): Promise<void>;
}

export const startProxy = async (targetPort: number, { delayMs = 0 } = {}): Promise<Proxy> => {
  const sockets = new Set<Socket>();
  let writes = 0;
  let left = Number.POSITIVE_INFINITY;
  let isDelivered = true;
  let fatal: { readonly text: string; isCut: boolean } | undefined;
  /** Connections of an earlier generation are silent. */
  let generation = 0;
  const holding = createHolding();
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
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
    const toRedis = passTo(upstream, delayMs);
    const toClient = passTo(client, delayMs);
    const isKept = holding.connection(toRedis);
    client.on('data', (chunk) => {
      if (mine !== generation || isKept(chunk)) return;
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
    holdAt: holding.holdAt,
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

/** Passes chunks on after a delay, in order. */
const passTo = (to: Socket, delayMs: number) => (chunk: Buffer) => {
  if (delayMs === 0) to.write(chunk);
  else setTimeout(() => to.writable && to.write(chunk), delayMs);
};

type Holding = ReturnType<typeof createHolding>;
const createHolding = () => {
  let isIt = (_: string): boolean => false;
  let reached = createSignal();
  let kept: (() => void)[] | undefined;
  return {
    holdAt(given: (chunk: string) => boolean) {
      isIt = given;
      kept = [];
      reached = createSignal();
      return {
        reached: reached.promise,
        release() {
          const passed = kept ?? [];
          kept = undefined;
          for (const pass of passed) pass();
        },
      };
    },
    /** Of one connection: whether a chunk is held back. */
    connection(pass: (chunk: Buffer) => void) {
      let isHeld = false;
      return (chunk: Buffer): boolean => {
        if (kept === undefined) return false;
        isHeld ||= isIt(chunk.toString('latin1'));
        if (!isHeld) return false;
        kept.push(() => pass(chunk));
        reached.resolve();
        return true;
      };
    },
  };
};
