import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { mountPage } from '../visualize/mount.ts';
import type { InspectorOptions } from './options/inspector.ts';
import { readInspectorOptions } from './options.ts';
import { inspectedOf } from './reaper/inspection.ts';
import type { Reaper } from './reaper/reaper.ts';

/** The inspector of one reaper, to be mounted in a server of the caller's. */
export interface Inspector {
  /** Token that a browser needs once, as `?token=…` after the path; a cookie replaces it. */
  readonly token: string;
  /** Answers a request. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Answers a request for an upgrade. The page's WebSocket is `socket` below the path. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Closes all pages. */
  close(): void;
}

/**
 * Creates the inspector of a reaper without a server of its own. It shows what happens from now on.
 *
 * @throws OptionsError for an option that cannot be used.
 * @throws ReaperError if the page is not built.
 * @example
 * const inspector = await createInspector(reaper, { path: '/inspector', allowedHosts: ['ops.example'] });
 * server.on('request', (request, response) => {
 *   if (request.url?.startsWith('/inspector/')) inspector.handle(request, response);
 * });
 * server.on('upgrade', (request, socket, head) => {
 *   if (request.url === '/inspector/socket') inspector.upgrade(request, socket, head);
 * });
 */
export const createInspector = async (
  reaper: Reaper,
  {
    path = '',
    ...options
  }: InspectorOptions & {
    /** The path under which it is mounted, as it is in `request.url`. */
    readonly path?: string;
  } = {},
): Promise<Inspector> => {
  const settings = readInspectorOptions(options);
  return mountPage({ ...inspectedOf(reaper), settings }, { path: path.replace(/\/$/, '') });
};
