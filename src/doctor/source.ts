import { type Connection, isClient, type RedisSource } from '../io/redis/connection.ts';
import { parseRedisUrl } from '../io/redis/url.ts';
import type { OpenConnection } from './elsewhere.ts';

/** The database of a reaper, and how to open further connections to the same Redis. */
export const sourceOf = (source: RedisSource, connection: Connection) => ({
  database: databaseOf(source),
  openConnection: openerOf(source, connection),
});

/** The configured database; for a client of the caller, the one that it is in now. */
export const databaseOf = (source: RedisSource): number => {
  if (typeof source === 'string') return parseRedisUrl(source).db ?? 0;
  if (!isClient(source)) return Number(source.db ?? 0);
  const { condition, options } = source as {
    readonly condition?: { readonly select?: number };
    readonly options: { readonly db?: number };
  };
  return Number(condition?.select ?? options.db ?? 0);
};

/** Undefined for a client of the caller. */
const openerOf = (source: RedisSource, { another }: Connection): OpenConnection | undefined =>
  isClient(source) ? undefined : another;
