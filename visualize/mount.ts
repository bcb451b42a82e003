import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { version } from '../src/package.ts';
import type { Inspected } from '../src/reaper/inspection.ts';
import { createAccess } from './access.ts';
import { loadAssets } from './assets.ts';
import { createBroadcast } from './broadcast.ts';
import { createHttpHandler } from './http.ts';
import { createPages, type Pages } from './pages.ts';
import { createRecorder } from './recorder.ts';
import { createAnswer } from './requests.ts';
import type { Sockets } from './sockets.ts';
import { sampleEvery } from './traces.ts';

/** The inspector of one reaper as handlers of an HTTP server. */
export interface MountedPage {
  /** A browser needs it once, as `?token=…`; a cookie replaces it. */
  readonly token: string;
  /** Answers a request for the page. */
  readonly handle: RequestListener;
  /** Answers a request for an upgrade to a WebSocket. */
  readonly upgrade: Pages['upgrade'];
  /** Stops recording, and closes all pages. */
  close(): void;
}

/**
 * Follows the actors of a reaper from now on, and serves its page.
 * @param path path under which the page is mounted, without a slash at its end; empty for the root.
 * @param guard gets the socket of each page that was let in.
 * @throws Error if the page is not built.
 */
export const mountPage = async (
  inspected: Inspected,
  { path = '', guard = { keep: () => {} } }: { path?: string; guard?: Pick<Sockets, 'keep'> } = {},
): Promise<MountedPage> => {
  const { settings, clock, fault } = inspected;
  const token = settings.token ?? randomBytes(24).toString('base64url');
  const access = createAccess(token, [settings.host, ...settings.allowedHosts]);
  const following = follow(inspected);
  const { broadcast, answer } = following;
  let stately: { close(): void } | undefined;
  try {
    // Loaded only if it is used.
    if (settings.stately !== undefined) {
      stately = (await import('./stately.ts')).sendToStately(settings.stately, inspected);
    }
    const handle = createHttpHandler({ access, assets: await loadAssets(), fault, path });
    const pages = createPages({ access, broadcast, answer, guard, clock, path });
    return {
      token,
      handle,
      upgrade: pages.upgrade,
      close() {
        following.stop();
        stately?.close();
        broadcast.close();
        pages.close();
      },
    };
  } catch (error) {
    following.stop();
    stately?.close();
    throw error;
  }
};

/** Records what the reaper's actors do, for all pages. */
const follow = (inspected: Inspected) => {
  const { supervisor, dispatcher, settings, clock, namespace, redis, plan } = inspected;
  const recorder = createRecorder(inspected);
  const subscriptions = [supervisor, dispatcher].map(({ system }) => system.inspect(recorder));
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
    stop() {
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
};
