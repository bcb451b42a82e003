import type { RedisOptions } from 'ioredis';

/**
 * Reads a Redis URL as Harbor writes them: `redis://`, `rediss://` (TLS), `redis+sentinel://user:pass@h1:p1,h2:p2/master/db`
 * and `rediss+sentinel://`. A query, as in Harbor's `?idle_timeout_seconds=30`, is for its Go pool and is passed over.
 *
 * @throws TypeError with what is wrong and how it should look; the text of the URL is never part of it, since it may
 * hold a password.
 */
export const parseRedisUrl = (text: string): RedisOptions => {
  const match = /^(rediss?)(\+sentinel)?:\/\/(?:([^@/]*)@)?([^/?#]+)(?:\/([^?#]*))?(?:[?#].*)?$/.exec(text.trim());
  if (match === null) throw new TypeError(`the Redis URL is not of a form that is known; use ${forms}`);
  const [, scheme, sentinel, user = '', hosts = '', path = ''] = match;
  const credentials = credentialsOf(user);
  const tls = scheme === 'rediss' ? { tls: {} } : {};
  const parts = path.split('/').filter((part) => part !== '');
  if (sentinel === undefined) {
    if (hosts.includes(',')) throw new TypeError('a Redis URL names one host; for several, use redis+sentinel://');
    return { ...hostOf(hosts, 6379), ...credentials, ...tls, db: databaseOf(parts[0]) };
  }
  const [name, db] = parts;
  if (name === undefined) throw new TypeError(`a sentinel URL names its master: ${forms}`);
  return {
    sentinels: hosts.split(',').map((host) => hostOf(host, 26379)),
    name: decodeURIComponent(name),
    ...credentials,
    ...tls,
    ...(scheme === 'rediss' ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
    db: databaseOf(db),
  };
};

/** A connection as a person may see it: no user, no password, no query. */
export const describeRedis = (options: RedisOptions): string =>
  options.sentinels
    ? `master ${options.name} by sentinels ${options.sentinels.map(({ host, port }) => `${host}:${port}`).join(',')}`
    : (options.path ?? `${options.host ?? '127.0.0.1'}:${options.port ?? 6379}/${options.db ?? 0}`);

const forms =
  'redis://[user:password@]host[:port][/db], rediss://… or redis+sentinel://[user:password@]host[:port],…/master[/db]';

const credentialsOf = (user: string) => {
  if (user === '') return {};
  const at = user.indexOf(':');
  if (at < 0) return { username: decodeURIComponent(user) };
  const username = decodeURIComponent(user.slice(0, at));
  return { ...(username === '' ? {} : { username }), password: decodeURIComponent(user.slice(at + 1)) };
};

const hostOf = (text: string, defaultPort: number) => {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(text);
  const port = Number(match?.[2] ?? defaultPort);
  if (match === null || port < 1 || port > 65535)
    throw new TypeError(`a host of the Redis URL is not host[:port]; use ${forms}`);
  return { host: (match[1] as string).replace(/^\[|\]$/g, ''), port };
};

const databaseOf = (text = '0') => {
  if (!/^\d+$/.test(text)) throw new TypeError('the database of the Redis URL is no number');
  return Number(text);
};
