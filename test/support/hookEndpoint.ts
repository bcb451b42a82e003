import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedHook {
  readonly path: string;
  readonly contentType: string;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of a hook
  readonly body: any;
}

/** An endpoint for hooks, on loopback. The first segment of the path selects the answer, as in the conformance vectors. */
export interface HookEndpoint {
  readonly url: string;
  readonly hooks: ReceivedHook[];
  /** Number of requests without an answer: their path begins with `/silent`. */
  readonly silent: number;
  /** If set, it answers all requests, regardless of the path. */
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  stop(): Promise<void>;
}

export const startHookEndpoint = async (): Promise<HookEndpoint> => {
  const hooks: ReceivedHook[] = [];
  let silent = 0;
  const hookEndpoint: { answer: HookEndpoint['answer'] } = { answer: undefined };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return; // The sender has closed the connection.
    }
    const path = request.url ?? '';
    const text = Buffer.concat(chunks).toString();
    hooks.push({
      path,
      contentType: request.headers['content-type'] ?? '',
      body: text === '' ? undefined : JSON.parse(text),
    });
    if (hookEndpoint.answer !== undefined) return hookEndpoint.answer(request, response);
    const word = path.split('/')[1] ?? '';
    if (word === 'close') request.socket.destroy();
    else if (word === 'silent') silent += 1;
    else if (word === '307') response.writeHead(307, { location: '/200/redirected' }).end();
    else response.writeHead(Number(word) || 200).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hooks,
    get silent() {
      return silent;
    },
    get answer() {
      return hookEndpoint.answer;
    },
    set answer(answer) {
      hookEndpoint.answer = answer;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};
