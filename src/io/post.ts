import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici';

export interface PostLimits {
  /** Time-out to the header of the response, in ms. */
  readonly headerTimeout: number;
  /** Time-out of all, redirects and body included, in ms. */
  readonly totalTimeout: number;
}

export type PostReply =
  | { readonly ok: true; readonly status: number }
  | {
      readonly ok: false;
      /** What a person is told: it holds no part of the URL beyond its host. */
      readonly reason: string;
      readonly status?: number;
      /** Nothing at all was heard within the time-out. */
      readonly isSilent?: boolean;
      /** It would fail again just so. */
      readonly isHopeless?: boolean;
    };

export interface Poster {
  post(url: string, body: string): Promise<PostReply>;
  /** Ends what is in flight. */
  close(): Promise<void>;
}

/** Redirects followed for one event, within its host. */
const mostRedirects = 3;

/**
 * Delivers hooks by HTTP as Harbor does (source: `hook/hook_client.go`): a POST without Content-Type, 307 and 308
 * followed, the proxies of the environment used. Unlike it, any 2xx is success (defect 37), and a redirect to another
 * host is a failure, for a job's data must not follow it there.
 */
export const createPoster = (limits: PostLimits): Poster => {
  const timeouts = {
    headersTimeout: limits.headerTimeout,
    bodyTimeout: limits.totalTimeout,
    connect: { timeout: limits.headerTimeout },
  };
  const hasProxy = ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'].some((name) => process.env[name]);
  const dispatcher: Dispatcher = hasProxy ? new EnvHttpProxyAgent(timeouts) : new Agent(timeouts);
  const closing = new AbortController();

  const send = async (url: URL, body: string, signal: AbortSignal, redirects: number): Promise<PostReply> => {
    const response = await dispatcher.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'POST',
      body,
      signal,
      headers: authorizationOf(url),
    });
    const status = response.statusCode;
    await response.body.dump({ limit: 4_096, signal }).catch(() => undefined);
    if (status >= 200 && status < 300) return { ok: true, status };
    if (status !== 307 && status !== 308) return { ok: false, status, reason: `the receiver answered ${status}` };
    const location = locationOf(response.headers.location, url);
    if (location === undefined) return { ok: false, status, reason: `a redirect (${status}) to nowhere` };
    if (location.host !== url.host)
      return { ok: false, status, reason: `a redirect (${status}) to another host, not followed` };
    if (redirects >= mostRedirects) return { ok: false, status, reason: `more than ${mostRedirects} redirects` };
    return send(location, body, signal, redirects + 1);
  };

  return {
    async post(url, body) {
      if (!URL.canParse(url)) return { ok: false, reason: 'the hook URL is no URL', isHopeless: true };
      const target = new URL(url);
      if (target.protocol !== 'http:' && target.protocol !== 'https:') {
        return { ok: false, reason: 'the scheme of the hook URL is neither http nor https', isHopeless: true };
      }
      const deadline = AbortSignal.timeout(limits.totalTimeout);
      try {
        return await send(target, body, AbortSignal.any([deadline, closing.signal]), 0);
      } catch (error) {
        return failureOf(error as Error & { code?: string }, deadline.aborted, limits);
      }
    },
    async close() {
      closing.abort();
      await dispatcher.destroy();
    },
  };
};

const failureOf = (error: Error & { code?: string }, isLate: boolean, limits: PostLimits): PostReply => {
  if (isLate) return { ok: false, reason: `no full answer within ${limits.totalTimeout} ms`, isSilent: true };
  if (error.code === 'UND_ERR_HEADERS_TIMEOUT') {
    return { ok: false, reason: `no answer within ${limits.headerTimeout} ms`, isSilent: true };
  }
  if (error.code === 'UND_ERR_CONNECT_TIMEOUT') {
    return { ok: false, reason: `no connection within ${limits.headerTimeout} ms`, isSilent: true };
  }
  return { ok: false, reason: `no connection or a broken one (${error.code ?? error.name})` };
};

const locationOf = (header: string | string[] | undefined, base: URL): URL | undefined => {
  const text = Array.isArray(header) ? header[0] : header;
  return text !== undefined && URL.canParse(text, base.href) ? new URL(text, base) : undefined;
};

const authorizationOf = ({ username, password }: URL): Record<string, string> =>
  username === '' && password === ''
    ? {}
    : {
        authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`,
      };
