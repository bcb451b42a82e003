import { lookup } from 'node:dns';
import { createSecureContext, rootCertificates } from 'node:tls';
import { Agent, buildConnector, type Dispatcher, EnvHttpProxyAgent } from 'undici';
import type { Clock } from '../../clock.ts';
import { type LookUps, watchLookUps } from '../../redis/lookUps.ts';
import {
  createDestinations,
  type DestinationRules,
  ForbiddenAddressError,
  guardLookup,
  isForbiddenAddress,
  type Resolve,
} from './destination.ts';
import { exchange, NoAnswerError } from './exchange.ts';
import { hostErrorOf, slowResolver } from './hostError.ts';
import { type HttpReply, replyTo } from './reply.ts';

export { originOf } from './destination.ts';
export type { HttpReply } from './reply.ts';

export interface HttpSettings extends DestinationRules {
  /** Time-out to a connection, and from there to the header of the answer, in ms. */
  readonly headerTimeout: number;
  /** Time-out of all, redirects included, in ms. */
  readonly totalTimeout: number;
  /** PEM texts. The authorities are trusted beside those that Node trusts. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

export interface HttpClient {
  /** All that a URL, the network or a receiver can do wrong is a reply, and no error. */
  post(url: string, body: string): Promise<HttpReply>;
  /** Ends what is in flight. */
  close(): Promise<void>;
}

/** Redirects followed for one event, within its host. */
const maxRedirects = 3;
/** Connections to one origin. */
const maxConnections = 64;

/**
 * Delivers hooks by HTTP as Harbor does (source: `hook/hook_client.go`): a POST without Content-Type, 307 and 308
 * followed, the proxies of the environment used. Unlike it, any 2xx is success (defect 37), and a redirect to another
 * host is a failure, for a job's data must not follow it there.
 *
 * @param resolve instead of `dns.lookup`
 * @throws Error where a PEM text can't be read, or a rule is no URL
 */
export const createHttpClient = (
  settings: HttpSettings,
  clock: Pick<Clock, 'now'>,
  resolve: Resolve = lookup,
): HttpClient => {
  const destinations = createDestinations(settings);
  const lookUps = watchLookUps(resolve);
  const dispatcher = createDispatcher(settings, lookUps);

  const send = async (url: URL, body: string, endsAt: number, redirects: number): Promise<HttpReply> => {
    const request = {
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'POST',
      body,
      headers: authorizationOf(url),
    };
    const answer = await exchange(dispatcher, request, endsAt - performance.now());
    const { status } = answer;
    if (status !== 307 && status !== 308) return replyTo(answer, clock.now());
    const refuse = (reason: string): HttpReply => ({ kind: 'refused', code: 'redirect', reason });
    if (answer.location === undefined || !URL.canParse(answer.location, url.href)) {
      return refuse(`a redirect (${status}) to nowhere`);
    }
    const target = new URL(answer.location, url);
    if (target.host !== url.host) return refuse(`a redirect (${status}) to another host, not followed`);
    if (url.protocol === 'https:' && target.protocol !== 'https:') {
      return refuse(`a redirect (${status}) from https to another scheme, not followed`);
    }
    if (redirects >= maxRedirects) return refuse(`more than ${maxRedirects} redirects`);
    const refusal = destinations.check(target);
    if (refusal !== undefined) return { kind: 'refused', ...refusal };
    if (target.username === '' && target.password === '') {
      target.username = url.username;
      target.password = url.password;
    }
    return send(target, body, endsAt, redirects + 1);
  };

  return {
    async post(text, body) {
      const url = destinations.find(text);
      if (!(url instanceof URL)) return { kind: 'refused', ...url };
      try {
        return await send(url, body, performance.now() + settings.totalTimeout, 0);
      } catch (error) {
        return failureOf(error as Error, settings, lookUps.isPending(url.hostname));
      }
    },
    async close() {
      await dispatcher.destroy();
    },
  };
};

const createDispatcher = ({ headerTimeout, allowLinkLocal, tls }: HttpSettings, { resolve }: LookUps): Dispatcher => {
  const secureContext = createSecureContext({
    ...tls,
    ...(tls.ca === undefined ? {} : { ca: [...rootCertificates, tls.ca] }),
  });
  const endpoint = { timeout: headerTimeout, secureContext };
  const guarded = guardLookup(allowLinkLocal ? () => false : isForbiddenAddress, resolve);
  const options = {
    connections: maxConnections,
    pipelining: 1,
    headersTimeout: headerTimeout,
    bodyTimeout: 0, // The exchange has a timer of its own.
    connect: keepFirstError(buildConnector({ ...endpoint, lookup: guarded })),
  };
  const hasProxy = ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'].some((name) => process.env[name]);
  if (!hasProxy) return new Agent(options);
  // It is the proxy that resolves names, so only addresses that stand in the URL itself are checked. undici asks it for a
  // tunnel (CONNECT) for http as for https.
  return new EnvHttpProxyAgent({ ...options, requestTls: endpoint, proxyTls: { timeout: headerTimeout } });
};

/**
 * A TLS alert that comes after the handshake, as where a client certificate is wanted (TLS 1.3), is an error that does not
 * close the socket; undici then reports the closing that follows it. Closing at once leaves the alert as the reason.
 */
const keepFirstError =
  (connect: buildConnector.connector): buildConnector.connector =>
  (options, callback) =>
    connect(options, (...result) => {
      const [, socket] = result;
      socket?.once('error', (error) => socket.destroy(error));
      callback(...result);
    });

/** @param isLookingUp whether the name of the endpoint is still being looked up */
const failureOf = (error: Error, { headerTimeout, totalTimeout }: HttpSettings, isLookingUp: boolean): HttpReply => {
  if (error instanceof URIError) {
    return { kind: 'refused', code: 'bad-url', reason: 'the user info of the hook URL has a broken escape' };
  }
  if (!(error instanceof NoAnswerError)) throw error;
  const cause = error.cause as NodeJS.ErrnoException;
  const code = cause.code ?? cause.name;
  if (cause instanceof ForbiddenAddressError) return { kind: 'refused', code: 'forbidden', reason: cause.message };
  const ours = isLookingUp && isLateFor(error, code) ? slowResolver : hostErrorOf(cause);
  if (ours !== undefined) return { kind: 'ours', code: ours.code, reason: `${ours.code}: ${ours.advice}` };
  if (tlsFailure.test(code)) return { kind: 'refused', code: 'tls', reason: `TLS failed (${code})` };
  const busy = (short: string, reason: string): HttpReply => ({ kind: 'busy', code: short, reason });
  if (error.isLate) return busy('timeout', `no answer within ${totalTimeout} ms`);
  if (code === 'UND_ERR_HEADERS_TIMEOUT') return busy('timeout', `no answer within ${headerTimeout} ms`);
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return busy('timeout', `no connection within ${headerTimeout} ms`);
  if (!error.wasConnected) return busy('connect', `no connection (${code})`);
  return busy('broken', `the connection or the answer broke (${code})`);
};

/** Whether its time was up before there was a connection. */
const isLateFor = (error: NoAnswerError, code: string): boolean =>
  code === 'UND_ERR_CONNECT_TIMEOUT' || (error.isLate && !error.wasConnected);

/** The codes of Node's own checks, of OpenSSL's alerts, of certificates (X.509), and of a proxy's certificate. */
const tlsFailure =
  /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|ERROR_IN_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_|EPROTO$|UND_ERR_PRX_TLS$)/;

const authorizationOf = ({ username, password }: URL): Record<string, string> =>
  username === '' && password === ''
    ? {}
    : {
        authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`,
      };
