import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { decodeFacts } from '../../src/io/jobs/stats.ts';
import { createScripts, type ScriptName, scriptOfDigest } from '../../src/io/redis/scripts.ts';
import { repliesOf } from './states.ts';

/** The unix second `offset` s from now. */
export const second = (offset = 0): number => Math.floor(Date.now() / 1_000) + offset;

/** How scripts name an entry of an in-progress list: by its bytes and its position from the tail, 1 for the last one. */
export const placeOf = (entry: string | Buffer, place: number): string =>
  `${createHash('sha1').update(entry).digest('hex')}:${place}`;

/** An ACK as the jobservice stores it. */
export const ackText = (status: string, revision: number, checkInAt = 0): string =>
  JSON.stringify({ status, revision, check_in_at: checkInAt });

/** Writes a tracked job into the namespace `t`: Running, updated `age` s ago, with the given fields. */
export const seedJob = async (
  redis: Redis,
  id: string,
  { age = 600, ...fields }: { age?: number } & Record<string, string | number> = {},
): Promise<number> => {
  const at = second(-age);
  const stats = { id, name: 'X', kind: 'Generic', status: 'Running', enqueue_time: at, update_time: at, revision: at };
  const pipeline = redis.pipeline().hset(`t:job_stats:${id}`, { ...stats, ...fields });
  await repliesOf(pipeline.hset('t:job_track:inprogress', id, 2));
  return at;
};

/**
 * Writes a tracked job with the status Success whose endpoint, at which no one listens, has not confirmed it, and the record of its
 * hook, which is due in `dueIn` ms, or is claimed until then.
 */
export const seedWithHook = async (
  redis: Redis,
  id: string,
  kind: 'pending' | 'asked' | 'sending' | 'resending' | 'parked' = 'pending',
  { dueIn = 3_600_000, state, to = unheard }: { dueIn?: number; state?: string; to?: string } = {},
): Promise<void> => {
  const at = await seedJob(redis, id, { status: 'Success', web_hook_url: `${unheard}/x` });
  await redis.hset('t:reaper:hooks', id, `${kind} ${state ?? `Success:${at}`} ${to} 3 ${at} ${at} 503`);
  await redis.zadd(kind === 'parked' ? 't:reaper:hooks:parked' : `t:reaper:hooks:due:${to}`, Date.now() + dueIn, id);
  await redis.sadd('t:reaper:hooks:origins', to);
};
/** An endpoint at which no one listens. */
export const unheard = 'http://127.0.0.1:1';

/**
 * A client that calls `before` before each call of a command. An error that `before` throws becomes the result of that call,
 * as if it came from Redis.
 */
export const intercept = (
  redis: Redis,
  command: 'evalsha' | 'eval' | 'hscan' | 'hlen' | 'llen' | 'lrange',
  before: (args: readonly unknown[]) => unknown,
): Redis => {
  const client = redis.duplicate();
  client.on('error', () => undefined);
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of any command
  const methods = client as any;
  for (const method of [command, `${command}Buffer`]) {
    const call = methods[method].bind(client);
    methods[method] = async (...args: unknown[]) => {
      await before(args);
      return call(...args);
    };
  }
  return client;
};

/**
 * A client that loses the reply of a script, `times` times, as if the connection was cut after Redis has run it. This affects
 * calls with all of these arguments, of which one may be the name of the script. `between` runs after each loss, before the call
 * is repeated.
 */
export const loseReplies = (
  redis: Redis,
  of: readonly (string | number)[],
  { times = 1, between = async () => {} }: { times?: number; between?: () => Promise<unknown> } = {},
): Redis & { readonly lost: number } => {
  const client = redis.duplicate();
  client.on('error', () => undefined);
  let lost = 0;
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of a command
  const methods = client as any;
  for (const command of ['evalsha', 'eval', 'evalshaBuffer', 'evalBuffer']) {
    const call = methods[command].bind(client);
    methods[command] = async (...args: unknown[]) => {
      const reply = await call(...args);
      const digest = !command.startsWith('evalsha')
        ? createHash('sha1').update(String(args[0])).digest('hex')
        : String(args[0]);
      const found = [scriptOfDigest(digest), ...args].map(String);
      if (lost >= times || !of.every((arg) => found.includes(String(arg)))) return reply;
      lost += 1;
      await between();
      throw new Error('Connection is closed.');
    };
  }
  return Object.defineProperty(client, 'lost', { get: () => lost }) as Redis & { readonly lost: number };
};

/** The fingerprint of the facts of a job that a sweep would read now. */
export const judgedFingerprint = async (redis: Redis, stats: string): Promise<string> => {
  const { readAt, encoding, jobs } = await createScripts(redis).run('read_facts', [stats]);
  return decodeFacts('j', readAt, jobs[0] || 'nothing', encoding).fingerprint();
};

/** Whether the arguments of an `evalsha` call this script. */
export const isCallOf = (name: ScriptName, [digest]: readonly unknown[]): boolean =>
  scriptOfDigest(String(digest)) === name;
