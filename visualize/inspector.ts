import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { ReaperError } from '../src/errors.ts';
import type { Inspected, OpenInspector } from '../src/reaper/inspection.ts';
import type { Places } from '../src/server/places.ts';
import type { OpenServer } from '../src/server/server.ts';
import { mountPage } from './mount.ts';
import { guardSockets, silence } from './sockets.ts';

/** Where it listens unless its options say otherwise. */
const defaultHost = '127.0.0.1';
const defaultPort = 7_331;
/** Its path on a server that has other pages too. */
const sharedPath = '/inspector';

/**
 * Opens the inspector of a reaper: on its own server, or below `/inspector/` of the given one, whose connections get the
 * limits of the inspector's.
 * @throws ReaperError if it cannot listen on its address, or if the page is not built.
 */
export const openInspector = async (inspected: Inspected, shared?: OpenServer): Promise<OpenInspector> => {
  const open = shared === undefined ? await openOwn(inspected) : await openOn(shared, inspected);
  const announce = inspected.settings.announce ?? ((where) => process.stderr.write(`reaper: inspector at ${where}\n`));
  try {
    announce(open.url);
    return open;
  } catch (error) {
    await open.close();
    throw error;
  }
};

const openOwn = async (inspected: Inspected): Promise<OpenInspector> => {
  const { settings, fault } = inspected;
  const { host = defaultHost } = settings;
  const server = createServer({ headersTimeout: silence, requestTimeout: silence });
  const page = await mountGuarded(inspected, server, { host });
  server.on('request', page.handle);
  try {
    await listen(server, host, settings.port);
  } catch (error) {
    page.close();
    server.close();
    throw error;
  }
  server.on('error', ({ message }) => fault('the inspector', message));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${nameOf(host)}:${port}/?token=${encodeURIComponent(page.token)}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      page.close();
      await closed;
    },
  };
};

/** The owner of the server closes it. */
const openOn = async ({ url, server, places, mount }: OpenServer, inspected: Inspected): Promise<OpenInspector> => {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const page = await mountGuarded(inspected, server, { host, path: sharedPath }, places);
  mount(`${sharedPath}/`, page.handle);
  return {
    url: `http://${nameOf(host)}:${port}${sharedPath}/?token=${encodeURIComponent(page.token)}`,
    close: async () => page.close(),
  };
};

/** Mounts the page on a server, and limits the server's connections. */
const mountGuarded = async (
  inspected: Inspected,
  server: Server,
  at: { host: string; path?: string },
  places?: Places,
) => {
  const guard = guardSockets(server, inspected.clock, places);
  const page = await mountPage(inspected, { ...at, keep: (socket: Duplex) => guard.keep(socket) });
  server.on('upgrade', page.upgrade);
  return {
    ...page,
    close() {
      page.close();
      guard.close();
    },
  };
};

/** Listens on the given port. Without one, on the default port or, if that is in use, on any free port. */
const listen = async (server: Server, host: string, port: number | undefined): Promise<void> => {
  try {
    server.listen(port ?? defaultPort, host);
    await once(server, 'listening');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE' && port === undefined) return listen(server, host, 0);
    const what =
      code === 'EADDRINUSE'
        ? `port ${port} of ${host} is in use: choose another one, or 0 for any`
        : `cannot listen on ${host}: ${message}`;
    throw new ReaperError('cannot-listen', what, { cause: error });
  }
};

/** The host name with which a browser on this machine reaches the address. */
const nameOf = (host: string): string => {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return isIPv6(host) ? `[${host}]` : host;
};
