import type { Redis } from 'ioredis';
import type { Connection, RedisSource } from '../io/redis/connection.ts';
import { parseRedisUrl } from '../io/redis/url.ts';
import type { OpenConnection } from './namespace.ts';

const isClient = (source: RedisSource): source is Redis => typeof source === 'object' && 'evalsha' in source;

/** The database that was asked for: of a client of the caller's the one that it is in when it is given. */
export const databaseOf = (source: RedisSource): number => {
  if (typeof source === 'string') return parseRedisUrl(source).db ?? 0;
  if (!isClient(source)) return Number(source.db ?? 0);
  const { condition } = source as unknown as { readonly condition?: { readonly select?: number } };
  return Number(condition?.select ?? source.options.db ?? 0);
};

/** Opens further connections to the same Redis; not with a client of the caller's, who has not asked for more. */
export const openerOf = (source: RedisSource, { another }: Connection): OpenConnection | undefined =>
  isClient(source) ? undefined : another;
