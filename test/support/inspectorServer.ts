import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { Reaper, ReaperOptions } from '../../src/index.ts';
import { openPage, type PageClient } from './inspector.ts';
import { type Opened, trackOpened } from './reapers.ts';
import { type RedisServer, startRedis } from './redisServer.ts';

export type Inspect = Exclude<ReaperOptions['inspect'], boolean | undefined>;

/** The inspector without a browser, for the tests of one file. */
export interface InspectorServer {
  /** A client of Redis, which is empty at the start of each test. */
  redis(): Redis;
  redisUrl(): string;
  /** Adds a client to be closed after the test. */
  hold(client: Redis): Redis;
  /** Creates a reaper without an inspector, unless the options say otherwise. It is stopped after the test. */
  create(options?: Partial<ReaperOptions>): Reaper;
  /** Creates a reaper with an inspector. `faults` collects its errors, `announced` its URLs. */
  start(
    inspect?: Inspect,
    options?: Partial<ReaperOptions>,
  ): Promise<{ reaper: Reaper; url: string; announced: readonly string[]; faults: readonly string[] }>;
  /** Opens a WebSocket like a page. It is closed after the test. */
  page: typeof openPage;
}

/** Starts a Redis for the tests of a file. Call it at the top of the file. */
export const useInspector = (): InspectorServer => {
  let server: RedisServer;
  let opened: Opened;
  let pages: PageClient[];
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    opened = trackOpened();
    pages = [];
    await server.client.flushall();
  });
  afterEach(async () => {
    for (const page of pages) page.close();
    await opened.close();
  });

  const create = (options: Partial<ReaperOptions> = {}) => opened.create({ redis: server.url, ...options });
  return {
    redis: () => server.client,
    redisUrl: () => server.url,
    hold: (client) => opened.hold(client),
    create,
    async start(inspect = {}, options = {}) {
      const announced: string[] = [];
      const faults: string[] = [];
      const reaper = create({ inspect: { port: 0, announce: (url) => announced.push(url), ...inspect }, ...options });
      reaper.on('error', ({ where, error }) => faults.push(`${where}: ${error}`));
      return { reaper, url: (await reaper.inspectorUrl()) as string, announced, faults };
    },
    async page(...args) {
      const client = await openPage(...args);
      pages.push(client);
      return client;
    },
  };
};
