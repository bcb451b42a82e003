import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Inspected, type OpenInspector, version } from '../src/index.ts';
import { createAccess } from './access.ts';
import { createAllowance } from './allowance.ts';
import { loadAssets } from './assets.ts';
import { createBroadcast } from './broadcast.ts';
import { watchPage } from './heartbeat.ts';
import { createRecorder } from './recorder.ts';
import { createAnswer, readRequest } from './requests.ts';
import { guardSockets, silence } from './sockets.ts';
import { sampleEvery } from './traces.ts';

type Assets = Awaited<ReturnType<typeof loadAssets>>;

const usualPort = 7_331;
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

/**
 * Opens the inspector of a reaper: follows its actors from now on, and serves the page.
 * @throws Error where its address can't be listened on, or the page is not built.
 */
export const openInspector = async (inspected: Inspected): Promise<OpenInspector> => {
  const { supervisor, dispatcher, settings, clock, namespace, redis, plan, fault } = inspected;
  const recorder = createRecorder(inspected);
  const following = [supervisor, dispatcher].map(({ system }) => system.inspect(recorder));
  const unfollow = () => {
    for (const subscription of following) subscription.unsubscribe();
  };
  let stately: { close(): void } | undefined;

  const token = settings.token ?? randomBytes(24).toString('base64url');
  const access = createAccess(token, [settings.host, ...settings.allowedHosts]);
  const about = {
    version,
    namespace,
    redis,
    isPlanOnly: plan,
    mayControl: settings.control,
    sampleEvery,
    charts: recorder.charts,
  };
  const broadcast = createBroadcast(recorder, about, clock);
  const answer = createAnswer(inspected, recorder);
  const sockets = new WebSocketServer({ noServer: true, maxPayload: longestMessage, perMessageDeflate: false });

  const serve = async (assets: Assets, request: IncomingMessage, response: ServerResponse) => {
    const end = (status: number, text: string, more: Record<string, string> = {}) =>
      response
        .writeHead(status, { ...headers, 'content-type': 'text/plain; charset=utf-8', ...more })
        .end(request.method === 'HEAD' ? undefined : text);
    if (!access.isHostKnown(request.headers)) {
      return end(421, 'This name is not known here: give it as inspect.allowedHosts if it is a proxy of yours.\n');
    }
    if (request.headers.origin !== undefined && !access.isOwnOrigin(request.headers))
      return end(403, 'Not from there.\n');
    if (request.method !== 'GET' && request.method !== 'HEAD') return end(405, 'Only GET.\n', { allow: 'GET, HEAD' });
    const target = request.url ?? '/';
    if (!URL.canParse(target, 'http://localhost')) return end(400, 'That is no address.\n');
    const { pathname, searchParams } = new URL(target, 'http://localhost');
    const given = searchParams.get('token');
    if (given !== null && access.isToken(given)) return end(303, '', { location: './', 'set-cookie': access.cookie });
    if (given !== null || !access.hasSession(request.headers)) {
      return end(401, 'Open the URL that the reaper has written at its start: its token is needed once.\n');
    }
    const asset = assets.get(pathname);
    if (asset === undefined) return end(404, 'There is nothing here.\n');
    const { type, body } = await asset();
    response.writeHead(200, { ...headers, 'content-type': type, 'content-length': body.length });
    return response.end(request.method === 'HEAD' ? undefined : body);
  };

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const refuse = (status: string) =>
      // Destroyed, for whoever keeps its own end open would keep the server from closing.
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    if (request.url !== '/socket') return refuse('404 Not Found');
    if (!access.isHostKnown(request.headers)) return refuse('421 Misdirected Request');
    if (!access.isOwnOrigin(request.headers)) return refuse('403 Forbidden');
    if (!access.hasSession(request.headers)) return refuse('401 Unauthorized');
    if (sockets.clients.size >= maxPages) return refuse('503 Service Unavailable');
    return sockets.handleUpgrade(request, socket, head, (page) => {
      guarded.keep(socket);
      welcome(page);
    });
  };

  const welcome = (socket: WebSocket) => {
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
        return broadcast.send(socket, { type: 'answer', request, error: 'wait for the answers that are under way' });
      }
      unanswered += 1;
      const reply = await answer(asked);
      unanswered -= 1;
      if (socket.readyState === socket.OPEN) broadcast.send(socket, reply);
    });
    broadcast.add(socket);
  };

  const server = createServer({ headersTimeout: silence, requestTimeout: silence });
  const guarded = guardSockets(server, clock);
  server.on('upgrade', upgrade);
  try {
    // Loaded only where it is asked for.
    if (settings.stately !== undefined) {
      stately = (await import('./stately.ts')).sendToStately(settings.stately, inspected);
    }
    const assets = await loadAssets();
    server.on('request', (request, response) => {
      serve(assets, request, response).catch((error) => {
        fault('the inspector', (error as Error).message);
        response.destroy();
      });
    });
    await listen(server, settings.host, settings.port);
    server.on('error', ({ message }) => fault('the inspector', message));
    const url = `http://${nameOf(settings.host)}:${(server.address() as AddressInfo).port}/?token=${encodeURIComponent(token)}`;
    const announce = settings.announce ?? ((where) => process.stderr.write(`reaper: inspector at ${where}\n`));
    announce(url);
    return {
      url,
      async close() {
        unfollow();
        stately?.close();
        broadcast.close();
        const closed = once(server, 'close');
        server.close();
        for (const socket of sockets.clients) socket.terminate();
        guarded.close();
        await closed;
      },
    };
  } catch (error) {
    unfollow();
    stately?.close();
    server.close();
    throw error;
  }
};

/** On the port that was asked for; without one on the usual port, or on any other if that is in use. */
const listen = async (server: Server, host: string, port: number | undefined): Promise<void> => {
  try {
    server.listen(port ?? usualPort, host);
    await once(server, 'listening');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE' && port === undefined) return listen(server, host, 0);
    if (code === 'EADDRINUSE') throw new Error(`port ${port} of ${host} is in use: choose another one, or 0 for any`);
    throw new Error(`${host} can not be listened on: ${message}`);
  }
};

/** What a browser on this machine calls it. */
const nameOf = (host: string): string => {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return isIPv6(host) ? `[${host}]` : host;
};
