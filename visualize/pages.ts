import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../src/reaper/inspection.ts';
import type { Access } from './access.ts';
import { createAllowance } from './allowance.ts';
import type { Broadcast } from './broadcast.ts';
import { watchPage } from './heartbeat.ts';
import type { AnswerMessage, Question } from './protocol.ts';
import { readRequest } from './requests.ts';

/** The WebSockets of the open pages. */
export interface Pages {
  /** Makes a WebSocket of a connection whose request asks for it, or refuses it. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Ends all of them. */
  close(): void;
}

/** What the pages need. */
interface Parts {
  readonly access: Access;
  readonly broadcast: Broadcast;
  readonly answer: (asked: Question) => Promise<AnswerMessage>;
  readonly clock: Clock;
  /** The path under which the page is mounted, without a slash at its end. */
  readonly path: string;
  /** Called with the socket of each accepted page. */
  readonly keep: (socket: Duplex) => void;
}

const maxPages = 32;
/** Bytes of one message from a page. */
const maxMessage = 4_096;
/** Messages that a page may send at once, and the time until it may send another one, in ms. */
const burst = 40;
const refill = 100;
/** Requests of one page without an answer yet. */
const maxUnanswered = 4;

export const createPages = ({ access, broadcast, answer, clock, path, keep }: Parts): Pages => {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxMessage, perMessageDeflate: false });

  const open = (socket: WebSocket) => {
    watchPage(socket, clock);
    socket.on('error', () => socket.terminate());
    socket.on('close', () => broadcast.remove(socket));
    const receive = createReceive(socket, broadcast, answer, clock);
    socket.on('message', (data, isBinary) => receive(isBinary ? '' : String(data)));
    broadcast.add(socket);
  };

  return {
    upgrade(request, socket, head) {
      socket.on('error', () => socket.destroy());
      const refusal = refusalOf(request, access, path, sockets.clients.size);
      if (refusal !== undefined) {
        // Destroyed afterwards: a client that keeps its own end open would keep the server from closing.
        socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
        return;
      }
      sockets.handleUpgrade(request, socket, head, (page) => {
        keep(socket);
        open(page);
      });
    },
    close() {
      for (const socket of sockets.clients) socket.terminate();
    },
  };
};

/** The status line with which a request for a WebSocket is refused; undefined if it is not refused. */
const refusalOf = (
  { url, headers }: IncomingMessage,
  access: Access,
  path: string,
  pages: number,
): string | undefined => {
  if (url !== `${path}/socket`) return '404 Not Found';
  if (!access.isHostKnown(headers)) return '421 Misdirected Request';
  if (!access.isOwnOrigin(headers)) return '403 Forbidden';
  if (!access.hasSession(headers)) return '401 Unauthorized';
  if (pages >= maxPages) return '503 Service Unavailable';
  return undefined;
};

/** Creates the function that takes the messages of one page. A page that sends too much, or no request, is closed. */
const createReceive = (socket: WebSocket, broadcast: Broadcast, answer: Parts['answer'], clock: Clock) => {
  const allowance = createAllowance(clock, burst, refill);
  let unanswered = 0;
  return async (text: string): Promise<void> => {
    if (!allowance.has(1)) return socket.close(1008, 'too many messages');
    allowance.take();
    const asked = readRequest(text);
    if (asked === undefined) return socket.close(1008, 'not a valid request');
    const reply = (error?: string) =>
      broadcast.send(socket, { type: 'answer', request: asked.request, ...(error === undefined ? {} : { error }) });
    if (asked.type === 'watch') {
      return reply(
        broadcast.watch(socket, asked.id) ? undefined : 'this page already watches the maximum number of jobs',
      );
    }
    if (asked.type === 'unwatch') {
      broadcast.unwatch(socket, asked.id);
      return reply();
    }
    if (unanswered >= maxUnanswered) return reply('wait for the answers to earlier requests');
    unanswered += 1;
    const answered = await answer(asked);
    unanswered -= 1;
    if (socket.readyState === socket.OPEN) broadcast.send(socket, answered);
  };
};
