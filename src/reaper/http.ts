import { codeOr } from '../errors.ts';
import type { CodedLogger } from '../io/log.ts';
import { messageOf } from '../machines/messageOf.ts';
import type { ReaperSettings } from '../options.ts';
import { routesOf, type Sources } from '../server/probes.ts';
import { type OpenServer, openServer } from '../server/server.ts';
import type { Reporting } from './reporting.ts';

/** The HTTP server of one reaper: not opened, being opened, or open. */
export interface Http {
  /** Opens it, if the option `http` is set. Later calls do nothing. An error is reported, and stops nothing. */
  open(): void;
  /** The server, once it listens; undefined if the option is not set. @throws ReaperError if it could not be opened. */
  opened(): Promise<OpenServer | undefined>;
  /** @throws ReaperError if it could not be opened. */
  url(): Promise<string | undefined>;
  close(): Promise<void> | undefined;
}

const where = 'the HTTP server';

export const createHttp = (
  settings: ReaperSettings['http'],
  sources: Sources,
  { log, fault }: { log: CodedLogger; fault: Reporting['fault'] },
): Http => {
  let server: Promise<OpenServer> | undefined;

  const open = async ({ host, port }: Exclude<ReaperSettings['http'], false>) => {
    const onError = (error: Error) => fault(where, error.message, { code: 'internal', cause: error });
    try {
      const opened = await openServer({ host, port, routes: routesOf(sources), onError });
      log.info({ code: 'listening', url: opened.url }, 'probes and metrics are served');
      return opened;
    } catch (error) {
      fault(where, messageOf(error), { code: codeOr(error, 'internal'), cause: error });
      throw error;
    }
  };

  return {
    open() {
      if (settings === false || server !== undefined) return;
      server = open(settings);
      // The error was reported. A caller that never asks for the URL must not end the process.
      server.catch(() => undefined);
    },
    opened: async () => server,
    url: async () => (await server)?.url,
    close: () => server?.then(({ close }) => close()),
  };
};
