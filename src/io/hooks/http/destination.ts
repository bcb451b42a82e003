import { type LookupAddress, type LookupAllOptions, lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { isForbiddenAddress, isForbiddenName } from './forbidden.ts';

export { isForbiddenAddress } from './forbidden.ts';

/**
 * Where a hook may go. A hook URL comes from whoever enqueued the job, so it may name a place that only this host can
 * reach: the metadata service of a cloud above all. What is checked is what is connected to: the URL after `moved`, each
 * target of a redirect, and the addresses of a name at the moment of the connection, for a name can be made to lead
 * elsewhere between a check and its use (DNS rebinding).
 *
 * Loopback and private networks are allowed: that is where receivers live.
 */
export interface DestinationRules {
  /** Origins that may be told; undefined for all. */
  readonly allowOrigins: readonly string[] | undefined;
  /** Whether link-local and metadata addresses may be connected to. */
  readonly allowLinkLocal: boolean;
  /** Receivers that have moved: origin → base URL (origin, a path prefix allowed). Looked up once, not in a chain. */
  readonly moved: Readonly<Record<string, string>>;
}

/** Why a URL is not posted to. It tells no more of the URL than its host. */
export interface Refusal {
  readonly code: 'bad-url' | 'forbidden';
  readonly reason: string;
}

export interface Destinations {
  /** The place that a hook URL stands for: after `moved`, and checked. */
  find(url: string): URL | Refusal;
  /** Checks a place that is already found, as the target of a redirect is. */
  check(url: URL): Refusal | undefined;
}

/** @throws TypeError where a rule is no http or https URL. */
export const createDestinations = (rules: DestinationRules): Destinations => {
  const allowed = rules.allowOrigins && new Set(rules.allowOrigins.map((text) => ruleOf(text, 'allowOrigins').origin));
  const bases = basesOf(rules.moved);

  const check = (url: URL): Refusal | undefined => {
    if (!isHttp(url)) {
      return { code: 'bad-url', reason: 'the scheme of the hook URL is neither http nor https' };
    }
    if (allowed !== undefined && !allowed.has(url.origin)) {
      return { code: 'forbidden', reason: `${url.origin} is not among the origins that may be told` };
    }
    // The parser has made dotted quads of decimal, hexadecimal and octal forms already.
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const isForbidden = isIP(host) === 0 ? isForbiddenName : isForbiddenAddress;
    if (!rules.allowLinkLocal && isForbidden(host)) {
      return { code: 'forbidden', reason: `${host} is a link-local or metadata address` };
    }
    return undefined;
  };

  return {
    find(text) {
      if (!URL.canParse(text)) return { code: 'bad-url', reason: 'the hook URL is no URL' };
      const url = relocate(new URL(text), bases);
      return check(url) ?? url;
    },
    check,
  };
};

/** Scheme, host and port of a hook URL, after `moved` where it is given; undefined where it is none that can be used. */
export const originOf = (text: string, moved: DestinationRules['moved'] = {}): string | undefined => {
  if (!URL.canParse(text)) return undefined;
  const url = relocate(new URL(text), basesOf(moved));
  return isHttp(url) ? url.origin : undefined;
};

/** A name that leads to an address that may not be connected to. */
export class ForbiddenAddressError extends Error {
  override name = 'ForbiddenAddressError';
}

/** Like `dns.lookup` when it is asked for all addresses. */
export type Resolve = (
  name: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * A look-up for sockets that refuses a name if any of its addresses is forbidden. The socket connects to the addresses
 * that were checked, for nothing looks them up again.
 */
export const guardLookup =
  (isForbidden: (address: string) => boolean, resolve: Resolve = lookup): LookupFunction =>
  (name, options, callback) =>
    resolve(name, { ...options, all: true }, (error, addresses) => {
      const first = addresses?.[0];
      if (error !== null || first === undefined) {
        callback(error ?? Object.assign(new Error('the name has no address'), { code: 'ENOTFOUND' }), '', 0);
      } else if (addresses.some(({ address }) => isForbidden(address))) {
        callback(new ForbiddenAddressError('the name leads to a link-local or metadata address'), '', 0);
      } else if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });

const isHttp = ({ protocol }: URL): boolean => protocol === 'http:' || protocol === 'https:';

const ruleOf = (text: string, setting: string): URL => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // The text may hold user info, so the error does not repeat it.
  if (url === undefined || !isHttp(url)) throw new TypeError(`an entry of ${setting} is no http or https URL`);
  return url;
};

const basesOf = (moved: DestinationRules['moved']): ReadonlyMap<string, URL> =>
  new Map(Object.entries(moved).map(([from, to]) => [ruleOf(from, 'moved').origin, ruleOf(to, 'moved')]));

/** User info goes along, unless the new place has its own: the receiver is the same. */
const relocate = (url: URL, bases: ReadonlyMap<string, URL>): URL => {
  const base = bases.get(url.origin);
  if (base === undefined) return url;
  const place = new URL(base);
  place.pathname = `${base.pathname.replace(/\/$/, '')}${url.pathname}`;
  place.search = url.search;
  if (base.username === '' && base.password === '') {
    place.username = url.username;
    place.password = url.password;
  }
  return place;
};
