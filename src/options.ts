import { z } from 'zod';
import { type Clock, longestTimer } from './io/clock.ts';
import type { Logger } from './io/log.ts';
import type { RedisSource } from './io/redis/connection.ts';
import { refusedSettings } from './io/redis/givenRedis.ts';

/** Longer timers are put together of several, but nobody means one of more than 24 days. */
const ms = () => z.number().int().min(0).max(longestTimer);
/** In ms too they are whole numbers that can be told apart. */
const seconds = () => z.number().int().min(0).max(longestSeconds);
/** Seconds by job type. A type may be named `__proto__`, which a record of zod leaves out. */
const secondsByType = () =>
  z
    .custom<Readonly<Record<string, number>>>(
      (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
      { error: 'must be an object: job type → seconds' },
    )
    .transform((record, context) => {
      for (const [type, value] of Object.entries(record)) {
        for (const { message } of seconds().safeParse(value).error?.issues ?? []) {
          context.addIssue({ code: 'custom', path: [type], message });
        }
      }
      return record;
    });
const count = (most: number) => z.number().int().min(1).max(most);
const origin = () =>
  z.string().refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), {
    error: 'must be an origin such as https://core.example',
  });
const pem = () => z.string().regex(/-----BEGIN /, { error: 'must be a PEM text' });
/** A value whose shape is checked by whether it has these methods. */
const having = <T>(what: string, ...methods: string[]) =>
  z.custom<T>((value) => methods.every((name) => typeof (value as Record<string, unknown>)?.[name] === 'function'), {
    error: `must be ${what} (with ${methods.join(', ')})`,
  });

export const longestSeconds = Math.floor(Number.MAX_SAFE_INTEGER / 1_000);

const inspectSchema = z.strictObject({
  /** Address to listen on. Others than loopback show the inspector to the network. */
  host: z.string().min(1).default('127.0.0.1'),
  /** Port to listen on; 0 for any that is free. Unless given it is 7331, or any where that is in use. */
  port: z.number().int().min(0).max(65_535).optional(),
  /** What a browser has to know; a new random one unless given. */
  token: z.string().min(16, { error: 'must have at least 16 characters' }).optional(),
  /** Names by which the page may be asked for, beside localhost and addresses: those of a reverse proxy. */
  hostNames: z.array(z.string().min(1)).default([]),
  /** Whether the page may start sweeps and rescues. */
  control: z.boolean().default(false),
  /** A WebSocket relay of @statelyai/inspect (`ws://localhost:8080`) that is sent the inspection events too. */
  stately: z
    .url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// URL' })
    .refine((url) => !url.includes('#'), { error: 'must have no fragment' })
    .optional(),
  /** Gets the URL, token included, once the inspector listens. By default it is written to stderr. */
  announce: z
    .custom<(url: string) => void>((value) => typeof value === 'function', { error: 'must be a function' })
    .optional(),
});

/** What `createReaper` takes. Keys end in the unit of a duration: `Ms` or `S`; a key that is not known is an error. */
export const optionsSchema = z.strictObject({
  /** A URL (`redis://`, `rediss://`, `redis+sentinel://`, `rediss+sentinel://`), options of ioredis, or a live client. */
  redis: z.custom<RedisSource>(
    // A URL object has none of the names of ioredis's options: all of them would be those by default.
    (value) =>
      typeof value === 'string'
        ? value !== ''
        : typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof URL),
    {
      error: 'must be a Redis URL as a string, options of ioredis or a live ioredis client',
    },
  ),
  /** User of the sentinels, where they have one; that of the URL is for the master. */
  sentinelUsername: z.string().min(1).optional(),
  /** Password of the sentinels. */
  sentinelPassword: z.string().min(1).optional(),
  /** Namespace of the queues, taken as it is; Harbor's has braces: `{harbor_job_service_namespace}`. */
  namespace: z.string().refine((text) => text.trim() !== '', { error: 'must not be empty' }),
  /** Job types to look at beside those that are found in Redis. */
  jobTypes: z.array(z.string().min(1)).default([]),
  /**
   * Who does the scheduled passes: with `auto` one host of all that have it, by a lease in Redis; with `always` this one,
   * whatever others do; with `never` others. What is asked for by hand is done whatever the role.
   */
  role: z.enum(['auto', 'never', 'always']).default('auto'),
  lease: z
    .strictObject({
      /** For how long a host has the lease, from its last renewal by Redis TIME, in ms. */
      durationMs: ms().min(100).default(10_000),
      /** How often it is renewed, and asked for by the other hosts, in ms. */
      renewMs: ms().min(10).default(3_000),
    })
    .refine(({ durationMs, renewMs }) => durationMs >= 2 * renewMs, {
      error: 'durationMs must be twice renewMs at least: a lease that one late answer ends is none',
    })
    .prefault({}),
  /** How long a job may show no sign of life before it is failed, in s. */
  hungAfterS: seconds().default(86_400),
  /** The same by job type, in s. */
  hungAfterByTypeS: secondsByType().default({}),
  /**
   * How long a worker may run a job of a type that shows no other sign of life, in s, by its observation's `started_at`;
   * then it is failed. Types that are not named may run as long as a worker is seen to run them.
   */
  runLimitByTypeS: secondsByType().default({}),
  /** How long after an update of a job its own hook may still be under way, in s. */
  refireGraceS: seconds().default(60),
  /** How far a time of a job may be ahead of the clock of Redis, in s. One that is further ahead is no sign of life. */
  clockToleranceS: seconds().default(300),
  sweep: z
    .strictObject({
      /** First sweep after the start, in ms. */
      firstAfterMs: ms().default(300_000),
      /** From the end of a sweep to the next, in ms. */
      intervalMs: ms().default(3_600_000),
      /** Share of the interval by which it varies at random, so that hosts don't sweep in step. */
      jitter: z.number().min(0).max(1).default(0.05),
      /** Jobs that act at once. */
      lanes: count(1_024).default(32),
      /** Jobs that are read at once. */
      pageSize: count(5_000).default(500),
    })
    .prefault({}),
  rescue: z
    .strictObject({
      /** First look for dead pools after the start, in ms. */
      firstAfterMs: ms().default(5_000),
      /** From one look to the next, in ms. */
      intervalMs: ms().default(10_000),
      /** How long a suspected pool may prove that it lives, in ms: three heartbeats. */
      graceMs: ms().default(15_000),
      /** Age below which a heartbeat is alive by Redis TIME, in ms. */
      heartbeatAgeMs: ms().default(10_000),
      /** How long an entry of a live pool must go without a worker that runs it, before it is put back, in ms. */
      lostAfterMs: ms().default(30_000),
      /** Entries that one step puts back at the most. */
      batch: count(5_000).default(500),
      /** Dead pools that are rescued at once. */
      atOnce: count(256).default(16),
      /** How often the entry of one job may be recovered within the window; the next death sends it to quarantine. */
      maxRecoveries: count(100).default(3),
      /** The window, in s: a day. */
      recoveryWindowS: seconds().min(60).max(31_536_000).default(86_400),
    })
    .prefault({}),
  hooks: z
    .strictObject({
      /** Hooks in flight at once, to all receivers together. */
      concurrency: count(1_024).default(64),
      /** Hooks in flight at once to one receiver. */
      perReceiver: count(256).default(16),
      /** Records of undelivered hooks that there may be; what comes beyond is found by the next sweep. */
      most: count(10_000_000).default(500_000),
      /** Time-out to the header of a receiver's answer, in ms. */
      headerTimeoutMs: ms().min(1).default(10_000),
      /** Time-out of a hook in all, in ms. */
      totalTimeoutMs: ms().min(1).default(30_000),
      /** For how long a failed hook is tried again, from its first try, in ms; then it is parked. */
      deadlineMs: ms().default(86_400_000),
      /** Changes older than this are parked unsent, in s. */
      tooOldS: seconds().default(604_800),
      /** Failures in a row after which a receiver is let alone for a while. */
      breakAfter: count(1_000).default(10),
      /** Hooks a second to a receiver that has come back, until it is told all that it has missed. */
      drainPerSecond: count(100_000).default(50),
      /** How long parked hooks are kept, in s. */
      keepParkedS: seconds().default(2_592_000),
      /** Origins that may be told (`https://core.example`); all unless given. */
      allowOrigins: z.array(origin()).optional(),
      /** Whether link-local addresses, and those of clouds' metadata services, may be connected to. */
      allowLinkLocal: z.boolean().default(false),
      /** Receivers that have moved: origin → where it is now. */
      moved: z.record(origin(), z.url({ protocol: /^https?$/, error: 'must be an http or https URL' })).default({}),
      /** PEM texts: an authority beside those that Node trusts, and a certificate with its key to show to receivers. */
      tls: z
        .strictObject({ ca: pem().optional(), cert: pem().optional(), key: pem().optional() })
        .refine(({ cert, key }) => (cert === undefined) === (key === undefined), {
          error: 'cert and key belong together',
        })
        .default({}),
    })
    .prefault({}),
  /** Judge and change nothing: every pass is a plan, whoever asks for it. */
  plan: z.boolean().default(false),
  /** Watch the statecharts work, in a browser: `true`, or where and how. Off by default, and then nothing of it is loaded. */
  inspect: z
    .union([z.literal(false), z.literal(true).transform(() => inspectSchema.parse({})), inspectSchema])
    .default(false),
  /** Where time comes from, in ms; only tests need another one. */
  clock: having<Clock>('a clock', 'now', 'setTimeout', 'clearTimeout').optional(),
  /** Random numbers from 0 up to 1; only tests need another source. */
  random: z.custom<() => number>((value) => typeof value === 'function', { error: 'must be a function' }).optional(),
  /** A pino logger; without one the reaper logs JSON lines to stderr, with `false` nothing. */
  logger: z.union([z.literal(false), having<Logger>('a pino logger', 'info', 'warn', 'error', 'debug')]).optional(),
});

export type ReaperOptions = z.input<typeof optionsSchema>;
export type ReaperSettings = z.output<typeof optionsSchema>;

/** Options that can't be used: the message names each key, what is wrong with it and what it should be. */
export class OptionsError extends TypeError {
  override name = 'OptionsError';
}

/** @throws OptionsError */
export const readOptions = (options: ReaperOptions): ReaperSettings => {
  const settings = read('createReaper', optionsSchema, options);
  const refused = typeof settings.redis === 'object' ? refusedSettings(settings.redis) : undefined;
  if (refused !== undefined) throw new OptionsError(`createReaper: ${refused}`);
  return settings;
};

/** A member of a filter: left out, or a name. Undefined would mean everything, and is nothing that a caller has written. */
const named = () => z.string().min(1, { error: 'must not be empty' }).exactOptional();
const callback = () =>
  z.custom<(record: never) => void>((value) => typeof value === 'function', { error: 'must be a function' }).optional();

/** What the methods of a reaper take. */
const argumentSchemas = {
  sweep: z.strictObject({ plan: z.boolean().optional() }),
  rescue: z.strictObject({ plan: z.boolean().optional(), grace: ms().optional() }),
  stop: z.strictObject({ timeout: ms().optional() }),
  hookFilter: z.strictObject({
    id: named(),
    endpoint: named(),
    reason: named(),
    state: z.enum(['pending', 'sending', 'parked']).exactOptional(),
  }),
  hookMove: z.strictObject({ plan: z.boolean().optional(), onRecord: callback() }),
  quarantineFilter: z.strictObject({ id: named(), type: named() }),
  quarantineMove: z.strictObject({ plan: z.boolean().optional(), onRecord: callback() }),
};
type ArgumentSchemas = typeof argumentSchemas;

/** @throws OptionsError */
export const readArguments = <Method extends keyof ArgumentSchemas>(
  method: Method,
  given: unknown = {},
): z.output<ArgumentSchemas[Method]> =>
  read(method, argumentSchemas[method], given) as z.output<ArgumentSchemas[Method]>;

const read = <Schema extends z.ZodType>(what: string, schema: Schema, given: unknown): z.output<Schema> => {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'options'}: ${message}`);
  throw new OptionsError(`${what}: ${faults.join('; ')}`);
};
