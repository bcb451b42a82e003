import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { ReaperError } from '../errors.ts';
import { keepPlaceFree, type Places } from './places.ts';

/** What a route answers. */
export interface Answer {
  readonly status: 200 | 503;
  readonly text: string;
  /** `text/plain` in UTF-8, unless given. */
  readonly type?: string;
}
/** Path → what answers there. */
export type Routes = Readonly<Record<string, () => Answer | Promise<Answer>>>;

/** A server that listens. */
export interface OpenServer {
  /** Such as `http://127.0.0.1:9464`. */
  readonly url: string;
  readonly server: Server;
  readonly places: Places;
  /** Gives every request below a path, such as `/inspector/`, to a handler. */
  mount(path: string, handle: RequestListener): void;
  close(): Promise<void>;
}

/** Bounds of the server. A probe and a scrape each need one connection and are short. One place is kept free. Times in ms. */
const maxSockets = 65;
const requestTime = 5_000;
/** Longer than most scrape intervals, so that a scraper keeps its connection. */
const keptAlive = 65_000;
const silence = 70_000;
const checkEvery = 1_000;

/**
 * Opens a small HTTP server for probes and metrics. It knows only GET and HEAD and the given paths, reads no body, and has few
 * connections. Idle and silent ones make room for others.
 *
 * @param onError called with the error of a route, and of the server after it has begun to listen.
 * @throws Error if it cannot listen on its address.
 */
export const openServer = async ({
  host,
  port,
  routes,
  onError,
}: {
  host: string;
  /** 0 for any free port. */
  port: number;
  routes: Routes;
  onError: (error: Error) => void;
}): Promise<OpenServer> => {
  const mounted = new Map<string, RequestListener>();
  const server = createServer(
    {
      ...{ headersTimeout: requestTime, requestTimeout: requestTime, keepAliveTimeout: keptAlive },
      connectionsCheckingInterval: checkEvery,
    },
    (request, response) => {
      const handle = [...mounted].find(([path]) => request.url?.startsWith(path))?.[1];
      if (handle !== undefined) handle(request, response);
      else void answer(request, response, { routes, mounted, onError });
    },
  );
  server.maxConnections = maxSockets;
  const places = keepPlaceFree(server, maxSockets);
  server.timeout = silence;
  await listen(server, host, port);
  server.on('error', onError);
  return {
    url: `http://${isIPv6(host) ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`,
    server,
    places,
    mount: (path, handle) => void mounted.set(path, handle),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};

/** @throws ReaperError that says what to do if the address cannot be used. */
const listen = async (server: Server, host: string, port: number): Promise<void> => {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    server.close();
    const { code, message } = error as NodeJS.ErrnoException;
    const what =
      code === 'EADDRINUSE'
        ? `port ${port} of ${host} is in use: choose another one, or 0 for any`
        : `cannot listen on ${host}: ${message}`;
    throw new ReaperError('cannot-listen', what, { cause: error });
  }
};

const headers = {
  'content-type': 'text/plain; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
} as const;

const answer = async (
  request: IncomingMessage,
  response: ServerResponse,
  {
    routes,
    mounted,
    onError,
  }: { routes: Routes; mounted: ReadonlyMap<string, unknown>; onError: (error: Error) => void },
): Promise<void> => {
  const end = (status: number, text: string, more: Readonly<Record<string, string>> = {}) => {
    const body = Buffer.from(text);
    response
      .writeHead(status, { ...headers, 'content-length': String(body.length), ...more })
      .end(request.method === 'HEAD' ? undefined : body);
  };
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    // The body is not read, so the connection cannot be used again.
    return end(405, 'Only GET and HEAD are allowed.\n', { allow: 'GET, HEAD', connection: 'close' });
  }
  const [path = ''] = (request.url ?? '').split('?');
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route === undefined) {
    return end(404, `Not found. There are: ${[...Object.keys(routes), ...mounted.keys()].join(', ')}\n`);
  }
  try {
    const { status, text, type } = await route();
    end(status, text, type === undefined ? {} : { 'content-type': type });
  } catch (error) {
    onError(error as Error);
    end(503, 'This cannot be answered now. The log of the reaper says why.\n');
  }
};
