// What a user of the package may write. `types.test.ts` compiles it against the built declarations.
import { fastify } from 'fastify';
import { Cluster as Cluster6, Redis as Redis6, type RedisOptions } from 'ioredis';
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5';
import {
  createReaper,
  type JobOutcome,
  type Logger,
  PassError,
  type Reaper,
  type ReaperOptions,
  type SweepSummary,
} from 'jobservice-reaper';
import { createInspector } from 'jobservice-reaper/inspector';
import { pino } from 'pino';
import { pino as pino9 } from 'pino9';

const namespace = '{harbor_job_service_namespace}';
const options: RedisOptions = { host: 'redis.example', port: 6_380, db: 2 };

const app = fastify({ logger: true });

export const reapers: readonly Reaper[] = [
  createReaper({ redis: 'redis://127.0.0.1:6379/2', namespace }),
  createReaper({ redis: options, namespace, hungAfter: '24h', sweep: { interval: '1h' }, rescue: { grace: 15_000 } }),
  createReaper({ redis: new Redis6(), namespace, logger: pino() }),
  createReaper({ redis: new Redis5(), namespace, logger: pino({ level: 'warn' }).child({ part: 'reaper' }) }),
  createReaper({ redis: new Cluster6([]), namespace, logger: console }),
  createReaper({ redis: new Cluster5([]), namespace, logger: app.log, signal: AbortSignal.timeout(1_000) }),
  createReaper({ redis: options, namespace, logger: pino9({ level: 'debug' }) }),
  createReaper({ redis: options, namespace, logger: pino9().child({}), inspect: { stately: 'ws://localhost:8080' } }),
  createReaper({ redis: options, namespace, logger: false, hooks: { tls: { ca: undefined } } }),
];

// @ts-expect-error an unknown option
createReaper({ redis: options, namespace, interval: '1h' });
// @ts-expect-error neither a client nor options
createReaper({ redis: 6_379, namespace });
// @ts-expect-error a duration without a unit
createReaper({ redis: options, namespace, hungAfter: '24' });
// @ts-expect-error a logger lacks methods
createReaper({ redis: options, namespace, logger: { info: () => undefined } });

export const given: Partial<ReaperOptions> & { readonly logger: Logger } = { logger: console };

export const use = async (reaper: Reaper): Promise<SweepSummary | undefined> => {
  reaper.on('job', ({ id, verdict }: JobOutcome) => [id, verdict]);
  reaper.once('error', ({ code, where, cause }) => [code, where, cause]);
  for await (const { pool, outcome } of reaper.events('pool', { signal: AbortSignal.timeout(1_000) })) {
    if (outcome === 'abandoned') return await reaper.sweep({ signal: AbortSignal.abort() });
    await reaper.explain(pool);
  }
  try {
    await reaper.rescue({ grace: '15s', plan: true });
  } catch (error) {
    if (error instanceof PassError && error.code === 'aborted') return undefined;
    throw error;
  }
  const inspector = await createInspector(reaper, { path: '/inspector' });
  app.get('/inspector/*', (request, reply) => {
    reply.hijack();
    inspector.handle(request.raw, reply.raw);
  });
  app.server.on('upgrade', inspector.upgrade);
  inspector.close();
  await reaper[Symbol.asyncDispose]();
  return undefined;
};
