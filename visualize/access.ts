import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

/** Who may have what the inspector shows. */
export interface Access {
  /**
   * Whether a request names this server as it is known: by an address, as localhost, or by one of the given names. A
   * page of another site that has made its own name lead here (DNS rebinding) does not.
   */
  isHostKnown(headers: IncomingHttpHeaders): boolean;
  /** Whether a request comes from this server's own page. A browser names the origin with every WebSocket. */
  isOwnOrigin(headers: IncomingHttpHeaders): boolean;
  /** Whether this is the token. Takes as long for any answer. */
  isToken(given: string): boolean;
  /** Whether a request carries the cookie that the token was changed for. */
  hasSession(headers: IncomingHttpHeaders): boolean;
  /** The cookie that stands for the token from then on: the token itself leaves the address bar, and no script reads it. */
  readonly cookie: string;
}

export const createAccess = (token: string, hostNames: readonly string[]): Access => {
  const names = new Set(['localhost', ...hostNames.map((name) => name.toLowerCase())]);
  const session = createHmac('sha256', token).update('session of the inspector').digest('base64url');
  // Cookies don't know ports: inspectors on one host must not overwrite each other's.
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
    // Lax, not Strict: a link to the inspector may be followed from another site; what acts is a WebSocket, whose origin
    // is checked.
    cookie: `${name}=${session}; Path=/; HttpOnly; SameSite=Lax`,
  };
};

const digest = (text: string) => createHash('sha256').update(text).digest();
/** Of digests, so that neither the text nor its length shows in the time it takes. */
const isEqual = (a: string, b: string) => timingSafeEqual(digest(a), digest(b));
