import { type LookupAddress, type LookupAllOptions, lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { isForbiddenAddress, isForbiddenName } from './forbidden.ts';

export { isForbiddenAddress } from './forbidden.ts';

/**
 * Which hosts hooks may be sent to. A hook URL comes from the producer of the job, so it may name a service that only this
 * host can reach, above all the metadata service of a cloud. Checks apply to what is connected to: the URL after
 * `rewriteOrigins`, the target of each redirect, and the addresses of a name when the connection is opened, because a name
 * may resolve to another address between a check and the connection (DNS rebinding).
 *
 * Loopback and private networks are allowed, because endpoints usually run there.
 */
export interface DestinationRules {
  /** Origins that hooks may be sent to; undefined for all. */
  readonly allowedOrigins: readonly string[] | undefined;
  /** Whether hooks may be sent to link-local and metadata addresses. */
  readonly allowLinkLocal: boolean;
  /** Origin of hook URLs → base URL that replaces it, with an optional path prefix. Applied once. */
  readonly rewriteOrigins: Readonly<Record<string, string>>;
}

/** Why no hook is sent to a URL. The reason contains no more of the URL than its host. */
export interface Refusal {
  readonly code: 'bad-url' | 'forbidden';
  readonly reason: string;
}

export interface Destinations {
  /** The URL to post to: after `rewriteOrigins`, and checked. */
  find(url: string): URL | Refusal;
  /** Checks a URL without rewriting it, such as the target of a redirect. */
  check(url: URL): Refusal | undefined;
}

/** @throws TypeError if a rule is not an http or https URL. */
export const createDestinations = (rules: DestinationRules): Destinations => {
  const allowed =
    rules.allowedOrigins && new Set(rules.allowedOrigins.map((text) => ruleOf(text, 'allowedOrigins').origin));
  const bases = basesOf(rules.rewriteOrigins);

  const check = (url: URL): Refusal | undefined => {
    if (!isHttp(url)) {
      return { code: 'bad-url', reason: 'the scheme of the hook URL is neither http nor https' };
    }
    if (allowed !== undefined && !allowed.has(url.origin)) {
      return { code: 'forbidden', reason: `${url.origin} is not an allowed origin` };
    }
    // The parser has already converted decimal, hexadecimal and octal IPv4 addresses to dotted quads. It leaves those with
    // several dots after them, but a proxy may not.
    const host = url.hostname.replace(/^\[|\]$|\.+$/g, '');
    const isForbidden = isIP(host) === 0 ? isForbiddenName : isForbiddenAddress;
    if (!rules.allowLinkLocal && isForbidden(host)) {
      return { code: 'forbidden', reason: `${host} is a link-local or metadata address` };
    }
    return undefined;
  };

  /** Schemes and hosts that hooks may be sent to, by the check: thousands of jobs share a few. */
  const passed = new Set<string>();
  return {
    find(text) {
      let url: URL;
      try {
        url = rewrite(new URL(text), bases);
      } catch {
        return { code: 'bad-url', reason: 'the hook URL is not a URL' };
      }
      // Not the origin: that of blob:http://host/x is http://host.
      const place = `${url.protocol}//${url.host}`;
      if (passed.has(place)) return url;
      const refusal = check(url);
      if (refusal !== undefined) return refusal;
      if (passed.size >= maxPassed) passed.clear();
      passed.add(place);
      return url;
    },
    check,
  };
};

/** How many of them are remembered. */
const maxPassed = 1_000;

/** Scheme, host and port of a hook URL after `rewriteOrigins`; undefined for a URL that cannot be used. */
export const endpointOf = (
  text: string,
  rewriteOrigins: DestinationRules['rewriteOrigins'] = {},
): string | undefined => {
  if (!URL.canParse(text)) return undefined;
  const url = rewrite(new URL(text), basesOf(rewriteOrigins));
  return isHttp(url) ? url.origin : undefined;
};

/** A name resolves to a forbidden address. */
export class ForbiddenAddressError extends Error {
  override name = 'ForbiddenAddressError';
}

/** `dns.lookup` with `all: true`. */
export type Resolve = (
  name: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * A lookup for sockets that rejects a name if any of its addresses is forbidden. The socket connects to the addresses that
 * were checked, because they are not looked up again.
 */
export const guardLookup =
  (isForbidden: (address: string) => boolean, resolve: Resolve = lookup): LookupFunction =>
  (name, options, callback) =>
    resolve(name, { ...options, all: true }, (error, addresses) => {
      const first = addresses?.[0];
      if (error !== null || first === undefined) {
        callback(error ?? Object.assign(new Error('the name has no address'), { code: 'ENOTFOUND' }), '', 0);
      } else if (addresses.some(({ address }) => isForbidden(address))) {
        callback(new ForbiddenAddressError('the name resolves to a link-local or metadata address'), '', 0);
      } else if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });

const isHttp = ({ protocol }: URL): boolean => protocol === 'http:' || protocol === 'https:';

const ruleOf = (text: string, setting: string): URL => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // The text may hold user info, so the error leaves it out.
  if (url === undefined || !isHttp(url)) throw new TypeError(`an entry of ${setting} is not an http or https URL`);
  return url;
};

const basesOf = (rewriteOrigins: DestinationRules['rewriteOrigins']): ReadonlyMap<string, URL> =>
  new Map(
    Object.entries(rewriteOrigins).map(([from, to]) => [
      ruleOf(from, 'rewriteOrigins').origin,
      ruleOf(to, 'rewriteOrigins'),
    ]),
  );

/** Keeps the user info: it is the same endpoint. The new URL has none of its own. */
const rewrite = (url: URL, bases: ReadonlyMap<string, URL>): URL => {
  const base = bases.size === 0 ? undefined : bases.get(url.origin);
  if (base === undefined) return url;
  const target = new URL(base);
  target.pathname = `${base.pathname.replace(/\/$/, '')}${url.pathname}`;
  target.search = url.search;
  target.username = url.username;
  target.password = url.password;
  return target;
};
