import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

/** Unix second, `offset` s from now. */
export const second = (offset = 0): number => Math.floor(Date.now() / 1_000) + offset;

/** How the scripts know an entry of an in-progress list: by its bytes, and its place from the tail, 1 for the last one. */
export const placeOf = (entry: string | Buffer, place: number): string =>
  `${createHash('sha1').update(entry).digest('hex')}:${place}`;

/** JSON of an ACK as the jobservice stores it. */
export const ackText = (status: string, revision: number, checkInAt = 0): string =>
  JSON.stringify({ status, revision, check_in_at: checkInAt });

/** Writes the stats of a tracked job of the namespace `t`: Running, last updated `age` s ago, with what is said otherwise. */
export const seedJob = async (
  redis: Redis,
  id: string,
  { age = 600, ...fields }: { age?: number } & Record<string, string | number> = {},
): Promise<number> => {
  const at = second(-age);
  await redis.hset(`t:job_stats:${id}`, {
    id,
    name: 'X',
    kind: 'Generic',
    status: 'Running',
    enqueue_time: at,
    update_time: at,
    revision: at,
    ...fields,
  });
  await redis.hset('t:job_track:inprogress', id, 2);
  return at;
};

/**
 * A live client on which something comes before each call of a command: what it throws is the answer of that call, as
 * if Redis had said it.
 */
export const intercept = (
  redis: Redis,
  command: 'evalsha' | 'eval' | 'hscan' | 'lrange',
  before: (args: readonly unknown[]) => unknown,
): Redis => {
  const client = redis.duplicate();
  client.on('error', () => undefined);
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of a command, whichever it is
  const methods = client as any;
  const call = methods[command].bind(client);
  methods[command] = async (...args: unknown[]) => {
    await before(args);
    return call(...args);
  };
  return client;
};

/**
 * A live client on which the replies of a script get lost, `times` times, as where the connection is cut after Redis has run
 * it: those of calls with all of the arguments `of`. What is to come `between` the loss and the next try comes then.
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
  for (const command of ['evalsha', 'eval']) {
    const call = methods[command].bind(client);
    methods[command] = async (...args: unknown[]) => {
      const reply = await call(...args);
      if (lost >= times || !of.every((arg) => args.map(String).includes(String(arg)))) return reply;
      lost += 1;
      await between();
      throw new Error('Connection is closed.');
    };
  }
  return Object.defineProperty(client, 'lost', { get: () => lost }) as Redis & { readonly lost: number };
};
