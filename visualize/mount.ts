import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { version } from '../src/package.ts';
import type { Inspected } from '../src/reaper/inspection.ts';
import { type Access, createAccess } from './access.ts';
import { createAllowance } from './allowance.ts';
import { loadAssets } from './assets.ts';
import { type Broadcast, createBroadcast } from './broadcast.ts';
import { watchPage } from './heartbeat.ts';
import { createRecorder } from './recorder.ts';
import { type Answer, createAnswer, readRequest } from './requests.ts';
import { sampleEvery } from './traces.ts';

const maxPages = 32;
/** Bytes of a message from a page. */
const longestMessage = 4_096;
/** Messages that a page may send at once, and how soon it may send another one, in ms. */
const burst = 40;
const refill = 100;
/** Requests of a page that may be unanswered. */
const maxUnanswered = 4;

const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

/** The inspector of one reaper as handlers of an HTTP server. */
export interface MountedPage {
  /** What a browser needs once, as `?token=…`; a cookie replaces it. */
  readonly token: string;
  /** Answers a request for the page. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Answers a request for an upgrade to a WebSocket. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Closes all pages. */
  close(): void;
}

/**
 * Follows the actors of a reaper from now on, and serves its page.
 * @param path under which the page is mounted, without a slash at its end; empty for the root.
 * @param keep called with the socket of each page that was let in.
 * @throws Error if the page is not built.
 */
export const mountPage = async (
  inspected: Inspected,
  { path = '', keep = () => {} }: { path?: string; keep?: (socket: Duplex) => void } = {},
): Promise<MountedPage> => {
  const { supervisor, dispatcher, settings, clock, fault } = inspected;
  const recorder = createRecorder(inspected);
  const following = [supervisor, dispatcher].map(({ system }) => system.inspect(recorder));
  const unfollow = () => {
    for (const subscription of following) subscription.unsubscribe();
  };
  let stately: { close(): void } | undefined;
  const token = settings.token ?? randomBytes(24).toString('base64url');
  const access = createAccess(token, [settings.host, ...settings.allowedHosts]);
  const broadcast = createBroadcast(recorder, aboutOf(inspected, recorder.charts), clock);
  const answer = createAnswer(inspected, recorder);
  const sockets = new WebSocketServer({ noServer: true, maxPayload: longestMessage, perMessageDeflate: false });
  try {
    // Loaded only where it is used.
    if (settings.stately !== undefined) {
      stately = (await import('./stately.ts')).sendToStately(settings.stately, inspected);
    }
    const serve = createServe(await loadAssets(), access, path);
    return {
      token,
      handle(request, response) {
        try {
          serve(request, response);
        } catch (error) {
          fault('the inspector', (error as Error).message);
          response.destroy();
        }
      },
      upgrade: createUpgrade(access, sockets, path, (page, socket) => {
        keep(socket);
        welcome(page, inspected, broadcast, answer);
      }),
      close() {
        unfollow();
        stately?.close();
        broadcast.close();
        for (const socket of sockets.clients) socket.terminate();
      },
    };
  } catch (error) {
    unfollow();
    stately?.close();
    throw error;
  }
};

const aboutOf = (
  { namespace, redis, plan, settings }: Inspected,
  charts: ReturnType<typeof createRecorder>['charts'],
) => ({
  version,
  namespace,
  redis,
  isPlanOnly: plan,
  mayControl: settings.control,
  sampleEvery,
  charts,
});

const createServe =
  (assets: Awaited<ReturnType<typeof loadAssets>>, access: Access, path: string) =>
  (request: IncomingMessage, response: ServerResponse) => {
    const end = (status: number, text: string, more: Record<string, string> = {}) =>
      response
        .writeHead(status, { ...headers, 'content-type': 'text/plain; charset=utf-8', ...more })
        .end(request.method === 'HEAD' ? undefined : text);
    if (!access.isHostKnown(request.headers)) {
      return end(421, 'This name is not allowed: add it to inspect.allowedHosts if it is a proxy of yours.\n');
    }
    if (request.headers.origin !== undefined && !access.isOwnOrigin(request.headers)) {
      return end(403, 'Not from this origin.\n');
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') return end(405, 'Only GET.\n', { allow: 'GET, HEAD' });
    const target = request.url ?? '/';
    if (!URL.canParse(target, 'http://localhost')) return end(400, 'Not a valid address.\n');
    const { pathname, searchParams } = new URL(target, 'http://localhost');
    const given = searchParams.get('token');
    if (given !== null && access.isToken(given)) return end(303, '', { location: './', 'set-cookie': access.cookie });
    if (given !== null || !access.hasSession(request.headers)) {
      return end(401, 'Open the URL that the reaper wrote when it started: its token is needed once.\n');
    }
    const asset = pathname.startsWith(path) ? assets.get(pathname.slice(path.length)) : undefined;
    if (asset === undefined) return end(404, 'Not found.\n');
    const { type, body } = asset;
    response.writeHead(200, { ...headers, 'content-type': type, 'content-length': body.length });
    return response.end(request.method === 'HEAD' ? undefined : body);
  };

const createUpgrade =
  (access: Access, sockets: WebSocketServer, path: string, accept: (page: WebSocket, socket: Duplex) => void) =>
  (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const refuse = (status: string) =>
      // Destroyed, because a client that keeps its own end open would keep the server from closing.
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    if (request.url !== `${path}/socket`) return refuse('404 Not Found');
    if (!access.isHostKnown(request.headers)) return refuse('421 Misdirected Request');
    if (!access.isOwnOrigin(request.headers)) return refuse('403 Forbidden');
    if (!access.hasSession(request.headers)) return refuse('401 Unauthorized');
    if (sockets.clients.size >= maxPages) return refuse('503 Service Unavailable');
    return sockets.handleUpgrade(request, socket, head, (page) => accept(page, socket));
  };

/** Serves the messages of one page. */
const welcome = (socket: WebSocket, { clock }: Inspected, broadcast: Broadcast, answer: Answer): void => {
  const allowance = createAllowance(clock, burst, refill);
  let unanswered = 0;
  watchPage(socket, clock);
  socket.on('error', () => socket.terminate());
  socket.on('close', () => broadcast.remove(socket));
  socket.on('message', async (data, isBinary) => {
    if (!allowance.has(1)) return socket.close(1008, 'too many messages');
    allowance.take();
    const asked = isBinary ? undefined : readRequest(String(data));
    if (asked === undefined) return socket.close(1008, 'not a message of this page');
    const { request } = asked;
    if (asked.type === 'watch') {
      if (broadcast.watch(socket, asked.id)) return broadcast.send(socket, { type: 'answer', request });
      return broadcast.send(socket, { type: 'answer', request, error: 'this page watches as many jobs as it may' });
    }
    if (asked.type === 'unwatch') {
      broadcast.unwatch(socket, asked.id);
      return broadcast.send(socket, { type: 'answer', request });
    }
    if (unanswered >= maxUnanswered) {
      return broadcast.send(socket, { type: 'answer', request, error: 'wait for the answers to earlier requests' });
    }
    unanswered += 1;
    const reply = await answer(asked);
    unanswered -= 1;
    if (socket.readyState === socket.OPEN) broadcast.send(socket, reply);
  });
  broadcast.add(socket);
};
