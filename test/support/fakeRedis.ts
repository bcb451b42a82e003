import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** A server that answers Redis commands as a test says, for replies that the installed Redis cannot give. */
export interface FakeRedis {
  readonly port: number;
  readonly url: string;
  /** Names of the received commands, in upper case. */
  readonly commands: readonly string[];
  stop(): Promise<void>;
}

export const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
export const infoOf = (fields: Readonly<Record<string, string | number>>): string =>
  bulk(
    Object.entries({ redis_version: '7.0.15', redis_mode: 'standalone', role: 'master', ...fields })
      .map((pair) => pair.join(':'))
      .join('\r\n'),
  );

/** @param reply returns the reply to a command in the wire format; undefined for no reply. */
export const startFakeRedis = async (
  reply: (name: string, args: string[], socket: Socket) => string | undefined,
): Promise<FakeRedis> => {
  const commands: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (;;) {
        const count = Number(/^\*(\d+)\r\n/.exec(text)?.[1]);
        const command = new RegExp(`^\\*\\d+\\r\\n((?:\\$\\d+\\r\\n[^\\r]*\\r\\n){${count || 1}})`).exec(text);
        if (command === null) return;
        text = text.slice(command[0].length);
        const [name = '', ...args] = (command[1] ?? '').split('\r\n').filter((_, i) => i % 2 === 1);
        commands.push(name.toUpperCase());
        const said = reply(name.toUpperCase(), args, socket);
        if (said !== undefined) socket.write(said);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    commands,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};
