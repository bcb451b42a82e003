import type { RedisOptions } from 'ioredis';

/**
 * Reads a Redis URL as Harbor's jobservice does, with Go's net/url and redigo: `redis://`, `rediss://` (TLS),
 * `redis+sentinel://user:pass@h1:p1,h2:p2/master/db`, `rediss+sentinel://`, or no scheme for `redis://`. The last `@`
 * ends the user info. A user without a password is the password, as in redis-cli. The database is what follows the last slash,
 * so `/1/` is database 0. Query parameters, such as Harbor's `?idle_timeout_seconds=30`, configure its Go pool and are ignored,
 * except `sentinel_username` and `sentinel_password` (the user info is for the master).
 *
 * @throws TypeError with what is wrong and how it should look. The message never contains the URL, which may hold a password.
 */
export const parseRedisUrl = (text: string): RedisOptions => {
  const { scheme, isSentinel, authority, path, query } = partsOf(text.trim());
  const at = authority.lastIndexOf('@');
  const hosts = authority.slice(at + 1);
  const tls = scheme === 'rediss' ? { tls: {} } : {};
  const user = at < 0 ? undefined : userOf(authority.slice(0, at));
  if (isSentinel) {
    const [name = '', db = ''] = path.split('/').slice(1);
    if (name === '') throw new TypeError(`a sentinel URL names its master: ${forms}`);
    return {
      sentinels: hosts.split(',').map((host) => hostOf(host, 26379)),
      name,
      ...masterCredentials(user),
      ...sentinelCredentials(query),
      ...tls,
      ...(scheme === 'rediss' ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
      db: databaseOf(db),
    };
  }
  if (hosts.includes(',')) throw new TypeError('a Redis URL names one host; for several, use redis+sentinel://');
  if (hosts === '' && path === '') throw new TypeError(`the Redis URL names no host; use ${forms}`);
  return { ...hostOf(hosts, 6379), ...credentials(user), ...tls, db: lastDatabase(path) };
};

/** The address of a connection for people: without user, password and query. */
export const describeRedis = (options: RedisOptions): string =>
  options.sentinels
    ? `master ${options.name} by sentinels ${options.sentinels.map(({ host, port }) => addressOf(host, port ?? 26379)).join(',')}`
    : (options.path ?? `${addressOf(options.host, options.port ?? 6379)}/${options.db ?? 0}`);

/** Host and port, with brackets around an IPv6 address. */
export const addressOf = (host: string | undefined = '127.0.0.1', port: number | string): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;

const forms =
  '[redis://][user:password@]host[:port][/db], rediss://… or redis+sentinel://[user:password@]host[:port],…/master[/db]';
const sentinelKeys = ['sentinel_username', 'sentinel_password'];
const encodeIt = 'escape / ? # @ % and non-ASCII characters in a user or password as %2F %3F %23 %40 %25 and so on';

interface Parts {
  readonly scheme: string;
  readonly isSentinel: boolean;
  readonly authority: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

/**
 * An `@` after the authority is refused. It shows an unescaped `/`, `?` or `#` in the user info: a part of the password would be
 * looked up as a host.
 */
const partsOf = (text: string): Parts => {
  const match = /^(?:(rediss?)(\+sentinel)?:\/\/)?([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/is.exec(text);
  const [, scheme = 'redis', sentinel, authority = '', path = '', search = '', fragment = ''] = match ?? [];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern looks for them
  if (match === null || /[\x00-\x20\x7f]/.test(text) || /^[a-z][a-z\d+.-]*:$/i.test(authority)) {
    throw new TypeError(`the Redis URL has an unknown form; use ${forms}`);
  }
  const others = search.split('&').filter((pair) => !sentinelKeys.some((key) => pair.startsWith(`${key}=`)));
  if ([path, fragment, ...others].some((part) => part.includes('@'))) {
    throw new TypeError(`the Redis URL has an @ after its host: ${encodeIt}`);
  }
  return {
    scheme: scheme.toLowerCase(),
    isSentinel: sentinel !== undefined,
    authority,
    path: decoded(path),
    query: new URLSearchParams(search),
  };
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError(`the Redis URL has a % that begins no UTF-8 escape: ${encodeIt}`);
  }
};

interface UserInfo {
  readonly username: string;
  /** Undefined without a colon. */
  readonly password: string | undefined;
}

/** The characters that Go accepts in a user info. */
const userInfo = /^[\w\-.:~!$&'()*+,;=%@]*$/;

const userOf = (text: string): UserInfo => {
  if (!userInfo.test(text)) throw new TypeError(`the user or password of the Redis URL cannot be read: ${encodeIt}`);
  const colon = text.indexOf(':');
  return colon < 0
    ? { username: decoded(text), password: undefined }
    : { username: decoded(text.slice(0, colon)), password: decoded(text.slice(colon + 1)) };
};

/** Like redigo: no AUTH without a password, and a user name without a password is used as the password. */
const credentials = (user: UserInfo | undefined): RedisOptions => {
  if (user === undefined) return {};
  if (user.password === undefined) return user.username === '' ? {} : { password: user.username };
  return masterCredentials(user);
};

/** Like Harbor for a master: a user without a password is not sent. */
const masterCredentials = (user: UserInfo | undefined): RedisOptions =>
  user?.password ? { ...(user.username === '' ? {} : { username: user.username }), password: user.password } : {};

const sentinelCredentials = (query: URLSearchParams): RedisOptions => {
  const [username, password] = sentinelKeys.map((key) => query.get(key));
  return {
    ...(username ? { sentinelUsername: username } : {}),
    ...(password ? { sentinelPassword: password } : {}),
  };
};

const hostOf = (text: string, defaultPort: number) => {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d+))?$/.exec(text);
  const port = Number(match?.[3] ?? defaultPort);
  const host = match?.[1] === undefined ? plainHost(match?.[2]) : bracketedHost(match[1]);
  if (host === undefined || port < 1 || port > 65535 || (host === '' && defaultPort !== 6379))
    throw new TypeError(`a host of the Redis URL is not host[:port]; use ${forms}`);
  return { host: host === '' ? 'localhost' : host, port };
};

/** Go accepts escapes in a host only for non-ASCII characters. */
const plainHost = (text: string | undefined): string | undefined =>
  text === undefined || /%[0-7]/.test(text) || !/^[\w\-.~%\u0080-\uffff]*$/.test(text) ? undefined : decoded(text);

/** An IPv6 address; a zone follows its `%25`. */
const bracketedHost = (text: string): string | undefined => {
  const [, address = '', zone = ''] = /^([\da-f:.]*:[\da-f:.]*)((?:%25[\w\-.~%]+)?)$/i.exec(text) ?? [];
  return address === '' ? undefined : `${address}${decoded(zone)}`;
};

/** Like redigo: the digits after the last slash; none means database 0. */
const lastDatabase = (path: string): number => {
  if (path === '') return 0;
  const digits = /\/(\d*)$/.exec(path)?.[1];
  if (digits === undefined) throw new TypeError('the database of the Redis URL is not a number');
  return databaseOf(digits);
};

/** An empty text is database 0. */
const databaseOf = (text: string): number => {
  const db = Number(text);
  if (!/^\d*$/.test(text) || !Number.isSafeInteger(db)) {
    throw new TypeError('the database of the Redis URL is not a number');
  }
  return db;
};
