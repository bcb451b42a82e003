import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

/** Decides whether a request may see the inspector. */
export interface Access {
  /**
   * Whether the Host header names this server: by an IP address, as localhost, or by one of the given names. This stops
   * DNS rebinding, where another site's own host name resolves to this server.
   */
  isHostKnown(headers: IncomingHttpHeaders): boolean;
  /** Whether the Origin header is that of this server's own page. Browsers send it with every WebSocket. */
  isOwnOrigin(headers: IncomingHttpHeaders): boolean;
  /** Whether this is the token. Compared in constant time. */
  isToken(given: string): boolean;
  /** Whether a request has the session cookie. */
  hasSession(headers: IncomingHttpHeaders): boolean;
  /** The session cookie, which replaces the token: the token leaves the address bar, and no script can read the cookie. */
  readonly cookie: string;
}

export const createAccess = (token: string, hostNames: readonly string[]): Access => {
  const names = new Set(['localhost', ...hostNames.map((name) => name.toLowerCase())]);
  const session = createHmac('sha256', token).update('session of the inspector').digest('base64url');
  // Cookies are shared by all ports of a host, so each inspector has its own name for its cookie.
  const name = `reaper-${digest(session).toString('hex').slice(0, 12)}`;
  return {
    isHostKnown({ host = '' }) {
      const url = `http://${host}`;
      if (!URL.canParse(url)) return false;
      const { hostname } = new URL(url);
      return names.has(hostname) || isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;
    },
    isOwnOrigin: ({ host, origin }) => origin === `http://${host}` || origin === `https://${host}`,
    isToken: (given) => isEqual(given, token),
    hasSession: ({ cookie = '' }) =>
      cookie.split(/; */).some((pair) => pair.startsWith(`${name}=`) && isEqual(pair.slice(name.length + 1), session)),
    // Lax, not Strict: a link on another site may lead to the inspector. Only a WebSocket can start an action, and its
    // origin is checked.
    cookie: `${name}=${session}; Path=/; HttpOnly; SameSite=Lax`,
  };
};

const digest = (text: string) => createHash('sha256').update(text).digest();
/** Compares digests, so that the time depends neither on the texts nor on their lengths. */
const isEqual = (a: string, b: string) => timingSafeEqual(digest(a), digest(b));
