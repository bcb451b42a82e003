import { once } from 'node:events';
import { type IncomingHttpHeaders, request } from 'node:http';
import { vi } from 'vitest';
import { WebSocket } from 'ws';
import type { AnswerMessage, Request, ServerMessage, SnapshotMessage } from '../../visualize/protocol.ts';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Sends one request with exactly these headers. Unlike fetch, it can send any Host header. */
export const get = async (url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Reply> => {
  const asked = request(url, { method, headers, agent: false }).end();
  const [answer] = await once(asked, 'response');
  let body = '';
  for await (const chunk of answer) body += chunk;
  return { status: answer.statusCode, headers: answer.headers, body };
};

/** Exchanges the token in an inspector's URL for the cookie, as a browser does. */
export const cookieOf = async (url: string): Promise<string> =>
  ((await get(url)).headers['set-cookie']?.[0] ?? '').split(';')[0] as string;

type Asked = Request extends infer R ? (R extends Request ? Omit<R, 'request'> : never) : never;

/** A client of the inspector's WebSocket, in place of the page. */
export interface PageClient {
  readonly socket: WebSocket;
  readonly messages: ServerMessage[];
  /** All received messages, as text. */
  text(): string;
  /** The data that the page would show: the latest snapshot with all deltas since. */
  state(): SnapshotMessage;
  ask(asked: Asked): Promise<AnswerMessage>;
  /** Waits until the data meets a condition. */
  until(isSo: (state: SnapshotMessage) => boolean): Promise<SnapshotMessage>;
  close(): void;
}

/** @throws Error with the HTTP status if the server refuses the WebSocket. */
export const openPage = async (url: string, headers: Record<string, string> = {}): Promise<PageClient> => {
  const { origin, host } = new URL(url);
  const socket = new WebSocket(`ws://${host}/socket`, {
    headers: { origin, cookie: headers.cookie ?? (await cookieOf(url)), ...headers },
  });
  const messages: ServerMessage[] = [];
  let text = '';
  let requests = 0;
  socket.on('message', (data) => {
    text += data;
    messages.push(JSON.parse(String(data)));
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  let all = undefined as unknown as SnapshotMessage;
  let folded = 0;
  const state = (): SnapshotMessage => {
    const from = messages.findLastIndex(({ type }) => type === 'snapshot');
    if (from >= folded) all = messages[from] as SnapshotMessage;
    const rest = messages.slice(Math.max(from + 1, folded));
    folded = messages.length;
    for (const message of rest) {
      if (message.type !== 'delta') continue;
      const { type: _, acts = [], healthy = [], pools = [], faults = [], ...parts } = message;
      all = {
        ...all,
        ...parts,
        acts: [...acts, ...all.acts],
        healthy: [...healthy, ...all.healthy],
        pools: [...pools, ...all.pools],
        faults: [...faults, ...all.faults],
      };
    }
    return all;
  };
  return {
    socket,
    messages,
    text: () => text,
    state,
    async ask(asked) {
      const number = ++requests;
      socket.send(JSON.stringify({ ...asked, request: number }));
      const isAnswer = (message: ServerMessage): message is AnswerMessage =>
        message.type === 'answer' && message.request === number;
      return vi.waitUntil(() => messages.find(isAnswer));
    },
    until: (isSo) =>
      vi.waitUntil(() => {
        if (messages.length === 0) return undefined;
        const now = state();
        return isSo(now) ? now : undefined;
      }) as Promise<SnapshotMessage>,
    close: () => socket.terminate(),
  };
};
