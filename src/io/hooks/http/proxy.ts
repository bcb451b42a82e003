import { type Dispatcher, Pool } from 'undici/index.js';
import { ForbiddenAddressError } from './destination.ts';
import { isForbiddenByProxy } from './forbidden.ts';
import { type HostError, hostErrorOf } from './hostError.ts';
import type { Pending } from './pending.ts';

/**
 * The proxy of this host opened no tunnel (CONNECT). This counts as a failure of this host, whatever the proxy answers: the endpoint has heard
 * nothing. Proxies answer the same (502, 503, 504; tinyproxy 500) if the endpoint is down and if they have no DNS or no way out themselves. What
 * goes wrong inside an open tunnel is the endpoint's, as without a proxy: a proxy that ends it looks the same.
 */
export class ProxyError extends Error {
  override name = 'ProxyError';
  readonly hostError: HostError;

  constructor(hostError: HostError, cause?: unknown) {
    super('the proxy opened no tunnel', { cause });
    this.hostError = hostError;
  }
}

/** The tunnel was not open in time. */
export const slowProxy: HostError = {
  code: 'PROXY-TIMEOUT',
  advice: 'the proxy of this host did not connect to the endpoint in time: check the proxy and its network',
};

const unusable: HostError = {
  code: 'PROXY-URL',
  advice: 'http_proxy or https_proxy of this host is not the URL of an HTTP proxy (http://HOST:PORT): correct it',
};
/** A name that does not exist (RFC 6761) stands for a URL that cannot be used. */
const unusableUrl = 'http://unusable.invalid';

/** The proxy sent more than its answer to CONNECT. Neither HTTP nor TLS lets an endpoint speak first, and undici would connect again without end. */
const talkative: HostError = {
  code: 'PROXY-ERROR',
  advice:
    'the proxy of this host answered 200 and sent more at once: check that http_proxy and https_proxy name a proxy, and that the endpoint speaks HTTP',
};

/** The value of a variable, in capitals first, as in Go and so in Harbor; '' if both are missing or empty. */
export const proxyVariable = (name: 'http_proxy' | 'https_proxy' | 'no_proxy'): string =>
  process.env[name.toUpperCase()] || process.env[name] || '';

/**
 * The URL in `http_proxy` or `https_proxy`; '' for no proxy. As in Go, and so in Harbor, http is the default scheme. undici throws for a URL that it
 * cannot parse, which would stop the whole reaper, and has no way to use SOCKS with settings for TLS.
 */
export const proxyOf = (variable: 'http_proxy' | 'https_proxy'): string => {
  const text = proxyVariable(variable);
  if (text === '') return '';
  try {
    const url = new URL(text.includes('://') ? text : `http://${text}`);
    // undici decodes them too, each by itself.
    for (const part of [url.username, url.password]) decodeURIComponent(part);
    return ['http:', 'https:'].includes(url.protocol) ? url.href : unusableUrl;
  } catch {
    return unusableUrl;
  }
};

/**
 * Creates the client that opens tunnels.
 *
 * @param tunnels gets the hosts that tunnels are being opened to
 */
export const createProxyClient = (
  url: URL,
  options: Pool.Options,
  { allowLinkLocal, tunnels }: { allowLinkLocal: boolean; tunnels: Pending },
): Dispatcher => {
  const pool = new Pool(url.origin, options);
  const open = pool.connect.bind(pool) as (request: Dispatcher.ConnectOptions) => Promise<Dispatcher.ConnectData>;
  const openTunnel = async (request: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> => {
    if (url.origin === unusableUrl) throw new ProxyError(unusable);
    const tunnel = await open(request).catch((error: unknown) => {
      throw new ProxyError(faultOf(error as NodeJS.ErrnoException), error);
    });
    const { statusCode, socket } = tunnel;
    if (statusCode === 200 && socket.readableLength === 0) return tunnel;
    socket.on('error', () => undefined).destroy();
    throw new ProxyError(
      statusCode === 200 ? talkative : { code: `PROXY-${statusCode}`, advice: adviceOn(statusCode) },
    );
  };
  const connect = async (request: Dispatcher.ConnectOptions) => {
    const host = request.path.replace(/:\d+$/, '');
    if (!allowLinkLocal && isForbiddenByProxy(host)) {
      throw new ForbiddenAddressError('the proxy may resolve the name to a metadata address');
    }
    const end = tunnels.begin(host);
    try {
      return await openTunnel(request);
    } finally {
      end();
    }
  };
  return Object.assign(pool, { connect });
};

const faultOf = (error: NodeJS.ErrnoException): HostError => {
  const code = error.code ?? error.name;
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT') return slowProxy;
  return (
    hostErrorOf(error) ?? {
      code: 'PROXY-ERROR',
      advice: `the proxy of this host cannot be reached (${code}): check http_proxy, https_proxy and the proxy`,
    }
  );
};

const adviceOn = (status: number): string => {
  if (status === 407) {
    return 'the proxy of this host wants a user and a password: write them into http_proxy and https_proxy';
  }
  if (status >= 500) {
    return 'the proxy of this host could not connect to the endpoint: check the proxy, its network and DNS, and the endpoint';
  }
  return 'the proxy of this host does not connect to the endpoint: allow it there, or add the endpoint to no_proxy';
};
