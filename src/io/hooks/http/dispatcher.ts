import { createSecureContext, rootCertificates } from 'node:tls';
import { Agent, buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici/index.js';
import { guardLookup, isForbiddenAddress } from './destination.ts';
import type { Lookups } from './lookups.ts';
import { createNoProxy } from './noProxy.ts';
import type { Pending } from './pending.ts';
import { createProxyClient, proxyOf, proxyVariable } from './proxy.ts';
import type { ConnectionSettings } from './settings.ts';

/** Connections to all endpoints. */
export interface Connections extends Pick<Dispatcher, 'dispatch'> {
  /** Aborts the requests in flight. */
  destroy(): Promise<void>;
}

/** Connections to one endpoint. */
const maxConnections = 64;

/**
 * Opens and keeps the connections to endpoints, through the proxies of the environment.
 *
 * @param tunnels gets the hosts that tunnels through a proxy are being opened to
 * @throws Error if a PEM text is invalid
 */
export const createDispatcher = (
  { headerTimeout, allowLinkLocal, tls }: ConnectionSettings,
  lookups: Lookups,
  tunnels: Pending,
): Connections => {
  const secureContext = createSecureContext({
    ...tls,
    ...(tls.ca === undefined ? {} : { ca: [...rootCertificates, tls.ca] }),
  });
  // Node gives each address but the last 250 ms, so an endpoint far away, or one whose first packet is lost (it is sent again after 1 s), would fail
  // wherever its other address has no route.
  const timing = { timeout: headerTimeout, autoSelectFamilyAttemptTimeout: Math.ceil(headerTimeout / 4) };
  const endpoint = { ...timing, secureContext };
  const guarded = guardLookup(allowLinkLocal ? () => false : isForbiddenAddress, lookups.resolve);
  const options = {
    connections: maxConnections,
    pipelining: 1,
    headersTimeout: headerTimeout,
    bodyTimeout: 0, // The exchange has its own timer.
    connect: keepFirstError(lookups.watch(buildConnector({ ...endpoint, lookup: guarded }))),
  };
  const direct = new Agent(options);
  const [httpProxy, httpsProxy] = [proxyOf('http_proxy'), proxyOf('https_proxy')];
  if (httpProxy === '' && httpsProxy === '') return direct;
  // The proxy resolves names, so only addresses in the URL itself are checked. undici opens a tunnel (CONNECT) for http too.
  const through = (uri: string): Connections =>
    uri === ''
      ? direct
      : new ProxyAgent({
          ...options,
          uri,
          requestTls: endpoint,
          factory: createTunnels,
          proxyTls: { ...timing, lookup: guardLookup(() => false, lookups.resolve) },
          clientFactory: (url, given) =>
            createProxyClient(url, { ...given, headersTimeout: headerTimeout }, { allowLinkLocal, tunnels }),
        });
  return route(direct, { 'http:': through(httpProxy), 'https:': through(httpsProxy) });
};

/** Sends each request through the proxy of its scheme, or directly where `no_proxy` says so. */
const route = (direct: Connections, byScheme: Readonly<Record<string, Connections>>): Connections => {
  const needsNoProxy = createNoProxy(proxyVariable('no_proxy'));
  return {
    dispatch(request, handler) {
      const url = new URL(request.origin ?? '');
      const connections = needsNoProxy(url) ? direct : byScheme[url.protocol];
      return (connections ?? direct).dispatch(request, handler);
    },
    async destroy() {
      const all = new Set([direct, ...Object.values(byScheme)]);
      await Promise.all([...all].map((each) => each.destroy()));
    },
  };
};

/** Creates the connections through tunnels to one endpoint. undici opens them. */
const createTunnels = (origin: string | URL, options: Pool.Options): Pool =>
  new Pool(origin, { ...options, connect: keepFirstError(options.connect as buildConnector.connector) });

/**
 * Keeps a TLS alert as the reason of a failure. An alert after the handshake (TLS 1.3, a missing client certificate) is an
 * error that does not close the socket. undici would report only the end of the connection that follows.
 */
const keepFirstError =
  (connect: buildConnector.connector): buildConnector.connector =>
  (options, callback) =>
    connect(options, (...result) => {
      const [, socket] = result;
      socket?.once('error', (error) => socket.destroy(error));
      callback(...result);
    });
