import { classify, kindOfRedisError, UnusableRedisError, withoutUser } from './errors.ts';
import type { RedisLine } from './redisLine.ts';

/** What Redis reports about itself; undefined where the user may not ask. */
export interface RedisFacts {
  readonly version: string | undefined;
  readonly role: 'master' | 'replica' | undefined;
  /** `standalone`, `cluster` or `sentinel`. */
  readonly mode: string | undefined;
  /** The database of the connection. */
  readonly database: number;
}

/** What the connection must be. */
export interface Wanted {
  /** The address of the connection, without user and password. */
  readonly description: string;
  readonly database: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Whether only a master will do: the address came from sentinels, which can be asked again. */
  readonly isMaster: boolean;
}

/** The oldest Redis with every command that the reaper uses (ZMSCORE, HRANDFIELD). */
const oldest = { major: 6, minor: 2 };

/**
 * Confirms a new connection: AUTH, SELECT, then INFO. ioredis ignores a refused SELECT (fault 101), and would send its queued
 * commands to database 0.
 *
 * @throws UnusableRedisError whose message says what to do.
 */
export const shakeHands = async (line: RedisLine, wanted: Wanted): Promise<RedisFacts> => {
  const { username, password, database, description } = wanted;
  if (password || username) {
    await line.call('AUTH', ...(username ? [username] : []), password ?? '').catch((error) => {
      throw refusal(error, description, 'redis-wrong-password', (why) =>
        /wrong number of arguments/.test(why)
          ? `Redis at ${description} has no ACL support: Redis ${oldest.major}.${oldest.minor} or newer is needed (${why})`
          : /no password is set|without any password/.test(why)
            ? `Redis at ${description} has no password: leave the password out (${why})`
            : `Redis at ${description} refuses the user or password: give the right ones (${why})`,
      );
    });
  }
  if (database !== 0) {
    await line.call('SELECT', String(database)).catch((error) => {
      throw refusal(error, description, 'redis-wrong-database', (why) =>
        /^NOPERM/.test(why)
          ? `database ${database} of Redis at ${description} cannot be used (${why}): allow the user +select, or use database 0`
          : `database ${database} of Redis at ${description} cannot be used (${why}): give one that this Redis has`,
      );
    });
  }
  const said = await askFacts(line).catch((error) => {
    throw refusal(
      error,
      description,
      'redis-protocol',
      (why) => `Redis at ${description} did not identify itself (${why})`,
    );
  });
  return ensureUsable(said, wanted);
};

interface Said extends Omit<RedisFacts, 'database'> {
  readonly isLoading: boolean;
  /** A replica that accepts writes. They are lost at its next synchronization. */
  readonly isWritableReplica: boolean;
}
const unknown: Said = {
  version: undefined,
  role: undefined,
  mode: undefined,
  isLoading: false,
  isWritableReplica: false,
};

/** Asks with INFO, or with HELLO if a proxy or the user's rights refuse INFO. If both are refused, nothing is known. */
const askFacts = async (line: RedisLine): Promise<Said> => {
  try {
    return factsOfInfo(String(await line.call('INFO')));
  } catch (error) {
    if (!isRefused(error)) throw error;
  }
  try {
    const reply = await line.call('HELLO', '2');
    const pairs = Array.isArray(reply) ? reply : [];
    const field = (name: string) => {
      const value = pairs[pairs.indexOf(name) + 1];
      return pairs.includes(name) && typeof value === 'string' ? value : undefined;
    };
    return { ...unknown, version: field('version'), mode: field('mode'), role: roleOf(field('role')) };
  } catch (error) {
    if (isRefused(error)) return unknown;
    throw error;
  }
};

/** Whether Redis replied that this user may not ask. */
export const isRefused = (error: unknown) =>
  !(error instanceof UnusableRedisError) &&
  kindOfRedisError(error) !== 'transient' &&
  classify(error).code !== 'redis-wrong-password';

const roleOf = (text: string | undefined): RedisFacts['role'] =>
  text === undefined ? undefined : text === 'master' ? 'master' : 'replica';

/** Reads a reply of INFO. */
export const factsOfInfo = (text: string): Said => {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(text)?.[1];
  return {
    version: field('redis_version'),
    role: roleOf(field('role')),
    mode: field('cluster_enabled') === '1' ? 'cluster' : field('redis_mode'),
    isLoading: field('loading') === '1',
    isWritableReplica: field('slave_read_only') === '0',
  };
};

/**
 * Checks that the reaper can work on this Redis. A replica is accepted if the address did not come from sentinels: plans and
 * `status` only read, and a replica refuses writes itself (READONLY), which suspends the passes that write.
 *
 * @throws UnusableRedisError if the reaper cannot work on this Redis.
 */
export const ensureUsable = (
  { version, role, mode, isLoading, isWritableReplica }: Said,
  { description, database, isMaster }: Pick<Wanted, 'description' | 'database' | 'isMaster'>,
): RedisFacts => {
  const refuse = (code: UnusableRedisError['code'], kind: 'transient' | 'permanent', message: string) =>
    new UnusableRedisError(code, kind, `Redis at ${description} ${message}`);
  if (mode === 'sentinel') {
    throw refuse('redis-sentinel', 'permanent', 'is a sentinel: use redis+sentinel://host:port/master/db');
  }
  const [major = 0, minor = 0] = (version?.match(/^\d+\.\d+/)?.[0].split('.') ?? []).map(Number);
  if (
    version !== undefined &&
    major > 0 &&
    (major < oldest.major || (major === oldest.major && minor < oldest.minor))
  ) {
    throw refuse(
      'redis-too-old',
      'permanent',
      `is version ${version}: Redis ${oldest.major}.${oldest.minor} or newer is needed`,
    );
  }
  if (mode === 'cluster') {
    throw refuse(
      'redis-cluster',
      'permanent',
      'is in cluster mode, which is not supported: use a Redis with cluster-enabled no, or one behind Sentinel',
    );
  }
  if (isLoading) throw refuse('redis-busy', 'transient', 'is loading its data (LOADING): wait until it is done');
  if (role === 'replica' && (isMaster || isWritableReplica)) {
    throw refuse(
      'redis-read-only',
      'transient',
      'is a replica: wait for the failover to end, or give the reaper the address of the master',
    );
  }
  return { version, role, mode, database };
};

/** Turns an error of a handshake step, or of its connection, into one that says what to do. */
const refusal = (
  error: unknown,
  description: string,
  code: UnusableRedisError['code'],
  say: (why: string) => string,
): Error => {
  if (error instanceof UnusableRedisError) return error;
  const why = withoutUser((error as Error).message);
  const { kind, code: classified } = classify(error);
  if (classified === 'redis-busy') {
    return new UnusableRedisError('redis-busy', 'transient', `Redis at ${description} takes no commands yet: ${why}`);
  }
  if (kind === 'transient') return error as Error;
  if (/^NOAUTH/.test(why)) {
    return new UnusableRedisError(
      'redis-wrong-password',
      'permanent',
      `Redis at ${description} needs a user and password: give them as redis://user:password@host (${why})`,
    );
  }
  return new UnusableRedisError(code, 'permanent', say(why));
};
