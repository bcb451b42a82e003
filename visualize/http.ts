import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Inspected } from '../src/index.ts';
import type { Access } from './access.ts';
import type { Asset } from './assets.ts';

/** What the handler needs. */
interface Parts {
  readonly access: Access;
  readonly assets: ReadonlyMap<string, Asset>;
  readonly fault: Inspected['fault'];
}

const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

/** Creates the handler of plain HTTP requests. It serves the page and its charts to those who have the token's cookie. */
export const createHttpHandler = ({ access, assets, fault }: Parts): RequestListener => {
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const end = (status: number, text: string, more: Record<string, string> = {}) =>
      response
        .writeHead(status, { ...headers, 'content-type': 'text/plain; charset=utf-8', ...more })
        .end(request.method === 'HEAD' ? undefined : text);
    if (!access.isHostKnown(request.headers)) {
      return end(421, 'Unknown host name. If it is the name of your proxy, add it to inspect.hostNames.\n');
    }
    if (request.headers.origin !== undefined && !access.isOwnOrigin(request.headers))
      return end(403, 'Requests from other origins are refused.\n');
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return end(405, 'Only GET and HEAD are allowed.\n', { allow: 'GET, HEAD' });
    const target = request.url ?? '/';
    if (!URL.canParse(target, 'http://localhost')) return end(400, 'The address is not valid.\n');
    const { pathname, searchParams } = new URL(target, 'http://localhost');
    const given = searchParams.get('token');
    if (given !== null && access.isToken(given)) return end(303, '', { location: './', 'set-cookie': access.cookie });
    if (given !== null || !access.hasSession(request.headers)) {
      return end(401, 'Open the URL that the reaper printed at its start. It contains the access token.\n');
    }
    const asset = assets.get(pathname);
    if (asset === undefined) return end(404, 'Not found.\n');
    const { type, body } = asset;
    response.writeHead(200, { ...headers, 'content-type': type, 'content-length': body.length });
    return response.end(request.method === 'HEAD' ? undefined : body);
  };

  return (request, response) => {
    try {
      serve(request, response);
    } catch (error) {
      fault('the inspector', (error as Error).message);
      response.destroy();
    }
  };
};
