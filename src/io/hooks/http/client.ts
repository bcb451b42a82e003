import { lookup } from 'node:dns';
import type { Clock } from '../../clock.ts';
import { createDestinations, ForbiddenAddressError, type Resolve } from './destination.ts';
import { createDispatcher } from './dispatcher.ts';
import { exchange, NoAnswerError } from './exchange.ts';
import { certificateFailure, type HostError, hostErrorOf, isAnswer, slowResolver, stalled } from './hostError.ts';
import { createLookups, SlowLookupError } from './lookups.ts';
import { createPending } from './pending.ts';
import { ProxyError, slowProxy } from './proxy.ts';
import { type HttpReply, replyTo } from './reply.ts';
import type { HttpSettings } from './settings.ts';
import { createStalls } from './stalls.ts';

export interface HttpClient {
  /** A bad URL, a network error and a bad answer are replies. They do not throw. */
  post(url: string, body: string): Promise<HttpReply>;
  /** Aborts the requests in flight. */
  close(): Promise<void>;
}

/** How many redirects are followed for one event, within its host. */
const maxRedirects = 3;

/**
 * Creates the client that posts hooks as Harbor does (source: `hook/hook_client.go`): without a Content-Type, through the
 * proxies of the environment, following 307 and 308. Unlike Harbor, it takes any 2xx as success (defect 37), and does not
 * follow a redirect to another host, because the data of a job must not go there.
 *
 * @param resolve replaces `dns.lookup`
 * @throws Error if a PEM text or the URL of a rule is invalid
 */
export const createHttpClient = (
  settings: HttpSettings,
  clock: Pick<Clock, 'now'>,
  resolve: Resolve = lookup,
): HttpClient => {
  const destinations = createDestinations(settings);
  const [lookups, tunnels] = [createLookups(resolve), createPending()];
  const stalls = createStalls();
  const dispatcher = createDispatcher(settings, lookups, tunnels);
  /** The failure of this host that the time limit before the connection is. Which connection the request waits for is not known. */
  const slowHere = ({ hostname }: URL): HostError | undefined => {
    if (tunnels.has(hostname)) return slowProxy;
    return lookups.has(hostname) ? slowResolver : undefined;
  };

  const send = async (
    url: URL,
    body: string,
    limits: { endsAt: number; wasStalled: () => boolean },
    redirects: number,
  ): Promise<HttpReply> => {
    const request = {
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'POST',
      body,
      headers: authorizationOf(url),
    };
    const answer = await exchange(dispatcher, request, limits.endsAt - performance.now(), limits.wasStalled);
    const { status } = answer;
    if (status !== 307 && status !== 308) return replyTo(answer, clock.now());
    const reject = (reason: string): HttpReply => ({ kind: 'rejected', code: 'redirect', reason });
    if (answer.location === undefined || !URL.canParse(answer.location, url.href)) {
      return reject(`a redirect (${status}) without a valid target`);
    }
    const target = new URL(answer.location, url);
    if (target.host !== url.host) return reject(`a redirect (${status}) to another host, not followed`);
    if (url.protocol === 'https:' && target.protocol !== 'https:') {
      return reject(`a redirect (${status}) from https to another scheme, not followed`);
    }
    if (redirects >= maxRedirects) return reject(`more than ${maxRedirects} redirects`);
    const refusal = destinations.check(target);
    if (refusal !== undefined) return { kind: 'rejected', ...refusal };
    if (target.username === '' && target.password === '') {
      target.username = url.username;
      target.password = url.password;
    }
    return send(target, body, limits, redirects + 1);
  };

  return {
    async post(text, body) {
      const url = destinations.find(text);
      if (!(url instanceof URL)) return { kind: 'rejected', ...url };
      const { wasStalled, end } = stalls.watch(Math.min(settings.headerTimeout, settings.timeout));
      try {
        return await send(url, body, { endsAt: performance.now() + settings.timeout, wasStalled }, 0);
      } catch (error) {
        return failureOf(error as Error, settings, slowHere(url));
      } finally {
        end();
      }
    },
    async close() {
      await dispatcher.destroy();
    },
  };
};

/** @param slowHere what this host still waits for before it can connect */
const failureOf = (
  error: Error,
  { headerTimeout, timeout: totalTimeout }: HttpSettings,
  slowHere: HostError | undefined,
): HttpReply => {
  if (error instanceof URIError) {
    return { kind: 'rejected', code: 'bad-url', reason: 'the user info of the hook URL has an invalid escape' };
  }
  if (!(error instanceof NoAnswerError)) throw error;
  const cause = error.cause as NodeJS.ErrnoException;
  const code = cause.code ?? cause.name;
  if (cause instanceof ForbiddenAddressError) return { kind: 'rejected', code: 'forbidden', reason: cause.message };
  const hostError = causeHere(error, slowHere) ?? hostErrorOf(cause);
  if (hostError !== undefined) {
    return { kind: 'host-error', code: hostError.code, reason: `${hostError.code}: ${hostError.advice}` };
  }
  if (certificateFailure.test(code) || tlsFailure.test(code))
    return { kind: 'rejected', code: 'tls', reason: `TLS failed (${code})` };
  const retryable = (code: string, reason: string): HttpReply => ({ kind: 'retryable', code, reason });
  if (error.isLate) return retryable('timeout', `no answer within ${totalTimeout} ms`);
  if (code === 'UND_ERR_HEADERS_TIMEOUT') return retryable('timeout', `no answer within ${headerTimeout} ms`);
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return retryable('timeout', `no connection within ${headerTimeout} ms`);
  if (!error.wasConnected) return retryable('connect', `no connection (${code})`);
  return retryable('broken', `the connection or the answer broke (${code})`);
};

/** The failure of this host that caused a time-out or a late error; undefined if the endpoint may have caused it. */
const causeHere = (error: NoAnswerError, slowHere: HostError | undefined): HostError | undefined => {
  if (error.wasStalled && !isAnswer(error.cause)) return stalled;
  if (error.cause instanceof ProxyError) return error.cause.hostError;
  if (error.cause instanceof SlowLookupError) return slowResolver;
  return error.isLate && !error.wasConnected ? slowHere : undefined;
};

/** Error codes of TLS itself: Node's checks, OpenSSL's alerts. */
const tlsFailure = /^(ERR_TLS_|ERR_SSL_|EPROTO$)/;

const authorizationOf = ({ username, password }: URL): Record<string, string> =>
  username === '' && password === ''
    ? {}
    : {
        authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`,
      };
