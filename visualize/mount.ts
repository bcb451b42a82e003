import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { version } from '../src/package.ts';
import type { Inspected } from '../src/reaper/inspection.ts';
import { createAccess } from './access.ts';
import { loadAssets } from './assets.ts';
import { createBroadcast } from './broadcast.ts';
import { createHttpHandler } from './http.ts';
import { createPages } from './pages.ts';
import { createRecorder } from './recorder.ts';
import { createAnswer } from './requests.ts';
import { sampleEvery } from './traces.ts';

/** The inspector of one reaper as handlers of an HTTP server. */
export interface MountedPage {
  /** The token that a browser needs once, as `?token=…`. A cookie replaces it. */
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
 * @param host the address that its server listens on, if it is known.
 * @param keep called with the socket of each accepted page.
 * @throws ReaperError if the page is not built.
 */
export const mountPage = async (
  inspected: Inspected,
  { path = '', host, keep = () => {} }: { path?: string; host?: string; keep?: (socket: Duplex) => void } = {},
): Promise<MountedPage> => {
  const { settings, clock, fault } = inspected;
  const token = settings.token ?? randomBytes(24).toString('base64url');
  const access = createAccess(token, [...(host === undefined ? [] : [host]), ...settings.allowedHosts]);
  const following = follow(inspected);
  const { broadcast, answer } = following;
  const pages = createPages({ access, broadcast, answer, clock, path, keep });
  let stately: { close(): void } | undefined;
  const close = () => {
    following.stop();
    stately?.close();
    broadcast.close();
    pages.close();
  };
  try {
    // Loaded only if it is used.
    if (settings.stately !== undefined) {
      stately = (await import('./stately.ts')).sendToStately(settings.stately, inspected);
    }
    const handle = createHttpHandler({ access, assets: await loadAssets(), fault, path });
    return { token, handle, upgrade: pages.upgrade, close };
  } catch (error) {
    close();
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
