import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { ReaperError } from '../src/errors.ts';
import type { Inspected, OpenInspector } from '../src/reaper/inspection.ts';
import { type MountedPage, mountPage } from './mount.ts';
import { guardSockets, silence } from './sockets.ts';

/** The port that is used unless another one is set. */
const defaultPort = 7_331;

/**
 * Opens the inspector of a reaper on its own server.
 * @throws ReaperError if it cannot listen on its address, or if the page is not built.
 */
export const openInspector = async (inspected: Inspected): Promise<OpenInspector> => {
  const { settings, clock, fault } = inspected;
  const server = createServer({ headersTimeout: silence, requestTimeout: silence });
  const guard = guardSockets(server, clock);
  let page: MountedPage | undefined;
  try {
    page = await mountPage(inspected, { keep: guard.keep });
    server.on('upgrade', page.upgrade);
    server.on('request', page.handle);
    await listen(server, settings.host, settings.port);
    server.on('error', ({ message }) => fault('the inspector', message));
    const { port } = server.address() as AddressInfo;
    const url = `http://${nameOf(settings.host)}:${port}/?token=${encodeURIComponent(page.token)}`;
    const announce = settings.announce ?? ((where) => process.stderr.write(`reaper: inspector at ${where}\n`));
    announce(url);
    const { close } = page;
    return {
      url,
      async close() {
        const closed = once(server, 'close');
        server.close();
        close();
        guard.close();
        await closed;
      },
    };
  } catch (error) {
    page?.close();
    server.close();
    throw error;
  }
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
