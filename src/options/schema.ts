import * as z from 'zod';
import type { Clock } from '../io/clock.ts';
import type { Logger } from '../io/log.ts';
import type { RedisSource } from '../io/redis/connection.ts';
import { belongTogether } from './certificates.ts';
import {
  authorities,
  count,
  functionOf,
  having,
  option,
  origins,
  originsByOrigin,
  pem,
  span,
  spanByType,
  text,
  texts,
  timer,
} from './values.ts';

// The single source of all options: checks and defaults here; the TypeScript types, the table in the docs and the JSON Schema
// are generated from it (`npm run docs`); the command, the environment and the config file read it at run time.

const lease = z
  .strictObject({
    duration: option(timer(100).prefault('10s'), 'How long a lease lasts after its last renewal, by Redis TIME.'),
    renewInterval: option(
      timer(10).prefault('3s'),
      'How often the leader renews its lease, and the other hosts ask for it.',
    ),
  })
  .refine(({ duration, renewInterval }) => duration >= 2 * renewInterval, {
    error: 'duration must be at least twice renewInterval: one late answer must not end a lease',
  });

const sweep = z.strictObject({
  initialDelay: option(timer().prefault('5m'), 'Delay of the first sweep after the start.'),
  interval: option(timer().prefault('1h'), 'Time from the end of a sweep to the next one.'),
  jitter: option(
    z.number().min(0).max(1).default(0.05).meta({ hint: 'share' }),
    'Random variation, as a fraction of the interval.',
  ),
  concurrency: option(count(1_024).default(32), 'Jobs that act at the same time.'),
  pageSize: option(
    count(5_000).default(500),
    'The most jobs of a page. One script reads at most 200, and fewer where that takes Redis longer than half a millisecond (with a `maxRedisShare` of 1, a millisecond).',
  ),
  maxRedisShare: option(
    z.number().min(0.01).max(1).default(0.25).meta({ hint: 'share' }),
    'How much of its processor time Redis may spend on the jobs that sweeps and `status` read, and on the search of sweeps for the entries of jobs that look hung. They wait between their scripts. With 1 they never wait.',
  ),
  screen: option(
    z.boolean().default(false),
    'Passes over jobs that are plainly ongoing (not final, acknowledged exactly, recently alive) where they are read, in Redis. They are counted, by type, and have no `job` event. Faster where nearly all jobs are healthy.',
  ),
});

const rescue = z.strictObject({
  initialDelay: option(timer().prefault('5s'), 'Delay of the first rescue pass after the start.'),
  interval: option(timer().prefault('10s'), 'Time from one rescue pass to the next one.'),
  grace: option(
    timer().prefault('15s'),
    'Grace period of a suspected pool, in which a heartbeat clears it. The default is three heartbeats.',
  ),
  heartbeatTimeout: option(timer().prefault('10s'), 'Age from which a heartbeat is stale, by Redis TIME.'),
  orphanedAfter: option(
    timer().prefault('30s'),
    'How long an entry of a live pool must be unobserved before it counts as orphaned and is requeued.',
  ),
  batchSize: option(count(5_000).default(100), 'Entries that one script requeues at most.'),
  concurrency: option(count(256).default(16), 'Dead pools that are rescued at the same time.'),
  maxRecoveries: option(
    count(100).default(3),
    'How often the entry of one job may be recovered within `recoveryWindow`. The next death quarantines the job.',
  ),
  recoveryWindow: option(
    span(60_000, 31_536_000_000).prefault('24h'),
    'Window in which recoveries of a job are counted. Rounded up to whole seconds.',
  ),
});

const tls = z
  .strictObject({
    ca: option(authorities().optional(), 'PEM text of an authority to trust in addition to those that Node trusts.', {
      hint: 'file',
      defaultText: 'none',
    }),
    cert: option(pem().optional(), 'PEM text of a client certificate to show to endpoints.', {
      hint: 'file',
      defaultText: 'none',
    }),
    key: option(pem().optional(), 'PEM text of its private key.', {
      hint: 'file',
      secret: true,
      defaultText: 'none',
    }),
  })
  .refine(belongTogether, {
    error: 'cert and key belong together: give both, each whole, the key of the certificate and without a passphrase',
  });

const hooks = z.strictObject({
  concurrency: option(count(1_024).default(64), 'Hooks in flight at the same time, to all endpoints together.'),
  concurrencyPerEndpoint: option(count(256).default(16), 'Hooks in flight at the same time to one endpoint.'),
  headerTimeout: option(timer(1).prefault('10s'), 'Timeout until the header of an answer arrives.'),
  timeout: option(timer(1).prefault('30s'), 'Total time-out of one attempt.'),
  deadline: option(
    timer().prefault('24h'),
    'How long a failed hook is retried, from its first attempt. After that it is parked.',
  ),
  maxAge: option(span().prefault('7d'), 'Changes older than this are parked without an attempt.'),
  breakerThreshold: option(count(1_000).default(10), 'Consecutive failures that open the circuit of an endpoint.'),
  drainRate: option(
    count(100_000).default(50),
    'Hooks per second to an endpoint that has recovered, until nothing waits for it.',
  ),
  maxRecords: option(
    count(10_000_000).default(500_000),
    'Records of undelivered hooks that are kept at most. The next sweep finds what did not fit.',
  ),
  parkedRetention: option(span().prefault('30d'), 'How long parked hooks are kept.'),
  allowedOrigins: option(
    origins().optional(),
    'The only origins that hooks may be sent to, such as `https://core.example`.',
    {
      defaultText: 'all',
    },
  ),
  allowLinkLocal: option(
    z.boolean().default(false),
    'Allows connections to link-local addresses, and to the metadata services of clouds.',
  ),
  rewriteOrigins: option(
    originsByOrigin().default({}),
    'Endpoints that have moved: origin in the hook URL → origin to send to.',
  ),
  tls: option(tls.prefault({}), 'TLS of the connections to endpoints.'),
});

const audit = z.strictObject({
  maxEntries: option(
    z.number().int().min(0).max(10_000_000).default(100_000).meta({ hint: 'count' }),
    'How many acts the audit stream keeps, about. 0 records none.',
  ),
  operator: option(
    text('name').optional(),
    'The person on whose behalf this process acts, for the audit stream. The command gives the user that runs it.',
    { defaultText: 'none' },
  ),
});

/** Options of the inspector. */
export const inspectSchema = z.strictObject({
  host: option(
    text('host').optional(),
    'Address to listen on. Any other than loopback shows the inspector to the network. With `http` and neither host nor port, the inspector is below `/inspector/` of that server.',
    { defaultText: '127.0.0.1' },
  ),
  port: option(
    z.number().int().min(0).max(65_535).optional().meta({ hint: 'port' }),
    'Port to listen on; 0 for any free one.',
    { defaultText: '7331, or any free port if that is in use' },
  ),
  token: option(
    z.string().min(16, { error: 'must have at least 16 characters' }).optional().meta({ hint: 'token' }),
    'Access token (at least 16 characters).',
    { secret: true, defaultText: 'random' },
  ),
  allowedHosts: option(
    texts('name,…').default([]),
    'Additional allowed Host header values, such as those of a reverse proxy. Localhost and addresses are always allowed.',
  ),
  control: option(z.boolean().default(false), 'Lets the page start sweeps and rescues.'),
  stately: option(
    z
      .url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// URL' })
      .refine((url) => !url.includes('#'), { error: 'must have no fragment' })
      .optional()
      .meta({ hint: 'url' }),
    'WebSocket relay of @statelyai/inspect that gets the inspection events too, such as `ws://localhost:8080`.',
    { defaultText: 'none' },
  ),
  announce: option(
    functionOf<(url: string) => void>('((url: string) => void)').optional(),
    'Called with the URL, token included, when the inspector listens.',
    { defaultText: 'writes the URL to stderr' },
  ),
});

/** Options of the HTTP server. */
const http = z.strictObject({
  host: option(
    text('host').default('127.0.0.1'),
    'Address to listen on. Any other than loopback shows what is served to the network.',
  ),
  port: option(
    z.number().int().min(0).max(65_535).default(9_464).meta({ hint: 'port' }),
    'Port to listen on; 0 for any free one.',
  ),
});

const redis = z.custom<RedisSource>(
  // An object of class URL has none of the options of ioredis, so all of them would have their defaults.
  (value) =>
    typeof value === 'string'
      ? value !== ''
      : typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof URL),
  { error: 'must be a Redis URL as a string, options of ioredis or a live ioredis client' },
);

/** Options of `createReaper`. An unknown key is an error. */
export const optionsSchema = z.strictObject({
  redis: option(
    redis,
    'Redis: a URL (`redis://`, `rediss://`, `redis+sentinel://`, `rediss+sentinel://`), options of ioredis, or a live client of ioredis 5 or 6, which the reaper never closes. Redis Cluster is refused.',
    { tsType: 'RedisSource', hint: 'url', secret: true, type: 'string' },
  ),
  sentinelUsername: option(text('name').optional(), 'User of the sentinels. The user in the URL is for the master.', {
    defaultText: 'none',
  }),
  sentinelPassword: option(text('password').optional(), 'Password of the sentinels.', {
    secret: true,
    defaultText: 'none',
  }),
  namespace: option(
    z.string().refine((value) => value.trim() !== '', { error: 'must not be empty' }),
    "Namespace of the queues, exactly as in Redis. Harbor's has braces: `{harbor_job_service_namespace}`.",
    { hint: 'name' },
  ),
  jobTypes: option(texts('type,…').default([]), 'Job types to look at, in addition to those that are found in Redis.'),
  role: option(
    z.enum(['auto', 'always', 'never']).default('auto').meta({ hint: 'role' }),
    'Who runs the scheduled passes. `auto`: one host of all, elected by a lease in Redis. `always`: this host, whatever others do. `never`: not this host. Passes that a caller requests run with any role.',
  ),
  lease: option(lease.prefault({}), 'The lease by which one host becomes the leader.'),
  hungAfter: option(
    span().prefault('24h'),
    'A job without a sign of life for longer than this is hung: it is failed if no place is found from which it still runs.',
  ),
  hungAfterByType: option(spanByType().prefault({}), '`hungAfter` by job type.'),
  runTimeLimitByType: option(
    spanByType().prefault({}),
    'How long a worker may run a job of a type that shows no other sign of life, from `started_at` of its observation. Then the job is failed. Other types have no limit.',
  ),
  refireGrace: option(
    span().prefault('60s'),
    'After an update of a job its own hook may still be in flight: no hook is sent again for this long.',
  ),
  clockTolerance: option(
    span().prefault('5m'),
    'How far a time of a job may be ahead of the clock of Redis. A time further ahead is not a sign of life.',
  ),
  sweep: option(sweep.prefault({}), 'Sweeps: passes over all tracked jobs.'),
  rescue: option(rescue.prefault({}), 'Rescue passes: they find dead pools and requeue their entries.'),
  hooks: option(hooks.prefault({}), 'Delivery of hooks.'),
  audit: option(audit.prefault({}), 'The audit stream: what was done, by whom and why.'),
  plan: option(z.boolean().default(false), 'Judges and changes nothing: every pass is a plan.'),
  http: option(
    z.union([z.literal(false), http]).default(false),
    'HTTP server for `/livez`, `/readyz` and `/metrics` (Prometheus), and for the inspector if `inspect` has no address of its own: `false`, or its address.',
    { defaultText: 'off' },
  ),
  inspect: option(
    z.union([z.literal(false), z.literal(true).transform(() => inspectSchema.parse({})), inspectSchema]).default(false),
    'The inspector: shows the statecharts at work in a browser. `true`, or its options. With `http` it is on the same server, below `/inspector/`.',
    { defaultText: 'off' },
  ),
  logger: option(
    z
      .union([
        z.literal(false),
        having<Logger>('Logger', 'a logger such as that of pino', 'info', 'warn', 'error', 'debug'),
      ])
      .optional()
      .meta({ tsType: 'Logger | false' }),
    'Logger: any object with `debug`, `info`, `warn` and `error` that take an object and a message. `false` logs nothing.',
    { defaultText: 'JSON lines on stderr' },
  ),
  clock: option(
    having<Clock>('Clock', 'a clock', 'now', 'setTimeout', 'clearTimeout').optional(),
    'Source of time, in ms. For tests.',
    { defaultText: 'the system clock' },
  ),
  random: option(
    functionOf<() => number>('(() => number)').optional(),
    'Source of random numbers from 0 up to 1. For tests.',
    {
      defaultText: '`Math.random`',
    },
  ),
  signal: option(
    having<AbortSignal>('AbortSignal', 'an AbortSignal', 'addEventListener', 'throwIfAborted').optional(),
    'Aborting it stops the reaper, as `stop()` does.',
    { defaultText: 'none' },
  ),
});
