import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { type Inspected, type OpenInspector, version } from '../src/index.ts';
import { createAccess } from './access.ts';
import { loadAssets } from './assets.ts';
import { createBroadcast } from './broadcast.ts';
import { createHttpHandler } from './http.ts';
import { createPages } from './pages.ts';
import { createRecorder } from './recorder.ts';
import { createAnswer } from './requests.ts';
import { guardSockets, silence } from './sockets.ts';
import { sampleEvery } from './traces.ts';

/** The port that is used unless another one is set. */
const defaultPort = 7_331;

/**
 * Opens the inspector of a reaper: follows its actors from now on, and serves the page.
 * @throws Error if it can't listen on its address, or if the page is not built.
 */
export const openInspector = async (inspected: Inspected): Promise<OpenInspector> => {
  const { settings, fault } = inspected;
  const token = settings.token ?? randomBytes(24).toString('base64url');
  const access = createAccess(token, [settings.host, ...settings.hostNames]);
  const following = follow(inspected);
  const { broadcast, answer } = following;
  const server = createServer({ headersTimeout: silence, requestTimeout: silence });
  const guard = guardSockets(server, inspected.clock);
  const pages = createPages({ access, broadcast, answer, guard, clock: inspected.clock });
  server.on('upgrade', pages.upgrade);
  let stately: { close(): void } | undefined;
  const unfollow = () => {
    following.stop();
    stately?.close();
  };
  try {
    // Loaded only if it is used.
    if (settings.stately !== undefined) {
      stately = (await import('./stately.ts')).sendToStately(settings.stately, inspected);
    }
    server.on('request', createHttpHandler({ access, assets: await loadAssets(), fault }));
    await listen(server, settings.host, settings.port);
    server.on('error', ({ message }) => fault('the inspector', message));
    const url = `http://${nameOf(settings.host)}:${(server.address() as AddressInfo).port}/?token=${encodeURIComponent(token)}`;
    const announce = settings.announce ?? ((where) => process.stderr.write(`reaper: inspector at ${where}\n`));
    announce(url);
    return {
      url,
      async close() {
        unfollow();
        broadcast.close();
        const closed = once(server, 'close');
        server.close();
        pages.close();
        guard.close();
        await closed;
      },
    };
  } catch (error) {
    unfollow();
    server.close();
    throw error;
  }
};

/** Records what the reaper's actors do, for all pages. */
const follow = (inspected: Inspected) => {
  const { supervisor, settings, clock, namespace, redis, plan } = inspected;
  const recorder = createRecorder(inspected);
  const subscription = supervisor.system.inspect(recorder);
  const about = {
    version,
    namespace,
    redis,
    isPlanOnly: plan,
    mayControl: settings.control,
    sampleEvery,
    charts: recorder.charts,
  };
  return {
    broadcast: createBroadcast(recorder, about, clock),
    answer: createAnswer(inspected, recorder),
    stop: () => subscription.unsubscribe(),
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
    if (code === 'EADDRINUSE') throw new Error(`port ${port} of ${host} is in use: choose another one, or 0 for any`);
    throw new Error(`cannot listen on ${host}: ${message}`);
  }
};

/** The host name with which a browser on this machine reaches the address. */
const nameOf = (host: string): string => {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return isIPv6(host) ? `[${host}]` : host;
};
