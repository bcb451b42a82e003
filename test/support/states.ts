import type { ChainableCommander, Redis } from 'ioredis';

/** One key of a Redis state, in the form of the conformance vectors. */
export interface StoredKey {
  readonly type: 'string' | 'hash' | 'list' | 'set' | 'zset';
  // biome-ignore lint/suspicious/noExplicitAny: by type
  readonly value: any;
  readonly ttl?: number;
}
export type State = Readonly<Record<string, StoredKey>>;

/** Replaces the tokens of a vector by times and by the URL of an endpoint. */
export const fill = <T>(value: T, now: number, hook: string): T =>
  JSON.parse(
    JSON.stringify(value)
      .replace(/@\{(-?\d+)\}/g, (_, offset) => String(now + Number(offset)))
      .replaceAll('@{hook}', hook),
  );

export const writeState = async (redis: Redis, state: State): Promise<void> => {
  const pipeline = redis.pipeline();
  for (const [key, { type, value, ttl }] of Object.entries(state)) {
    if (type === 'string') pipeline.set(key, value);
    if (type === 'hash') pipeline.hset(key, value);
    if (type === 'list') pipeline.rpush(key, ...value);
    if (type === 'set') pipeline.sadd(key, ...value);
    if (type === 'zset') for (const [member, score] of Object.entries(value)) pipeline.zadd(key, Number(score), member);
    if (ttl !== undefined) pipeline.expire(key, ttl);
  }
  await repliesOf(pipeline);
};

export const readState = async (redis: Redis): Promise<State> => {
  // The vectors do not contain the reaper's own keys.
  const keys = (await redis.keys('*')).filter((key) => !key.includes(':reaper:')).sort();
  return Object.fromEntries(
    (await readKeys(redis, keys)).map(({ key, type, ttl, value }) => {
      const known = type as StoredKey['type'];
      const stored = known === 'zset' ? Object.fromEntries(pairs(value as string[])) : value;
      return [key, ttl >= 0 ? { type: known, value: stored, ttl } : { type: known, value: stored }];
    }),
  );
};

/** What some keys hold, in two round trips. A set is sorted; a sorted set has its scores between its members. */
export const readKeys = async (redis: Redis, keys: readonly string[]) => {
  const types = redis.pipeline();
  for (const key of keys) types.type(key).ttl(key);
  const known = await repliesOf(types);
  const heads = keys.map((key, i) => ({
    key,
    type: known[2 * i] as keyof typeof readValue,
    ttl: known[2 * i + 1] as number,
  }));
  const values = redis.pipeline();
  for (const { key, type } of heads) readValue[type](values, key);
  const found = await repliesOf(values);
  return heads.map((head, i) => ({
    ...head,
    value: head.type === 'set' ? (found[i] as string[]).sort() : found[i],
  }));
};

const readValue = {
  string: (pipeline, key) => pipeline.get(key),
  hash: (pipeline, key) => pipeline.hgetall(key),
  list: (pipeline, key) => pipeline.lrange(key, 0, -1),
  set: (pipeline, key) => pipeline.smembers(key),
  zset: (pipeline, key) => pipeline.zrange(key, '0', '-1', 'WITHSCORES'),
  stream: (pipeline, key) => pipeline.xrange(key, '-', '+'),
} satisfies Record<string, (pipeline: ChainableCommander, key: string) => unknown>;

/** The replies to all commands of a pipeline, which are sent together. Throws if Redis refuses one of them. */
export const repliesOf = async (pipeline: ChainableCommander): Promise<unknown[]> =>
  ((await pipeline.exec()) ?? []).map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });

const pairs = (flat: readonly string[]): [string, string][] =>
  Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] as string, flat[2 * i + 1] as string]);

/**
 * The paths at which two values differ; empty if they are equal. Times and TTLs may differ by what has passed since `filledAt`, the
 * second with which the state was filled, and 2 s. JSON texts are compared as values.
 */
export const differences = (actual: unknown, expected: unknown, filledAt: number): string[] =>
  differencesWithin(actual, expected, Math.floor(Date.now() / 1_000) - filledAt + 2, '');

const differencesWithin = (actual: unknown, expected: unknown, within: number, path: string): string[] => {
  if (actual === expected) return [];
  if (typeof actual === 'object' && typeof expected === 'object' && actual !== null && expected !== null) {
    const names = new Set([...Object.keys(actual), ...Object.keys(expected)]);
    return [...names].flatMap((name) =>
      differencesWithin(
        (actual as Record<string, unknown>)[name],
        (expected as Record<string, unknown>)[name],
        within,
        `${path}/${name}`,
      ),
    );
  }
  const [a, b] = [Number(actual), Number(expected)];
  if (typeof actual === typeof expected && path.endsWith('/ttl') && Math.abs(a - b) <= within) return [];
  if (isTime(actual) && isTime(expected) && Math.abs(a - b) <= within) return [];
  const [left, right] = [parsed(actual), parsed(expected)];
  if (left !== undefined && right !== undefined) return differencesWithin(left, right, within, `${path}#`);
  return [`${path}: ${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`];
};

const isTime = (value: unknown) => /^1[6-9]\d{8}$|^2\d{9}$/.test(String(value));

const parsed = (value: unknown): unknown => {
  if (typeof value !== 'string' || !/^[{[]/.test(value)) return undefined;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
};
