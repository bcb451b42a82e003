import { classify, kindOfRedisError, UnusableRedisError, withoutUser } from './errors.ts';
import type { RedisLine } from './redisLine.ts';

/** What Redis says of itself; undefined where the user may not ask. */
export interface RedisFacts {
  readonly version: string | undefined;
  readonly role: 'master' | 'replica' | undefined;
  /** `standalone`, `cluster` or `sentinel`. */
  readonly mode: string | undefined;
  /** The database that the commands go to. */
  readonly database: number;
}

/** What the connection must be. */
export interface Wanted {
  /** Of the connection, without user and password. */
  readonly description: string;
  readonly database: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Whether a replica is not what was asked for: sentinels were asked for the master, and can be asked again. */
  readonly isMaster: boolean;
}

/** The oldest Redis that knows every command that is used: ZMSCORE, HRANDFIELD. */
const oldest = { major: 6, minor: 2 };

/**
 * Makes sure that a new connection is the one that was asked for: AUTH, SELECT, then what Redis says of itself. ioredis
 * would go on in database 0 where SELECT is refused (fault 101), and send there what it has queued.
 *
 * @throws UnusableRedisError that says what to do.
 */
export const shakeHands = async (line: RedisLine, wanted: Wanted): Promise<RedisFacts> => {
  const { username, password, database, description } = wanted;
  if (password || username) {
    await line.call('AUTH', ...(username ? [username] : []), password ?? '').catch((error) => {
      throw refusal(error, description, 'redis-wrong-password', (why) =>
        /wrong number of arguments/.test(why)
          ? `Redis at ${description} knows no users: Redis ${oldest.major}.${oldest.minor} or newer is needed (${why})`
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
          ? `database ${database} of Redis at ${description} can not be used (${why}): allow the user +select, or use database 0`
          : `database ${database} of Redis at ${description} can not be used (${why}): give one that this Redis has`,
      );
    });
  }
  const said = await askFacts(line).catch((error) => {
    throw refusal(
      error,
      description,
      'redis-protocol',
      (why) => `Redis at ${description} can not be asked what it is (${why})`,
    );
  });
  return ensureUsable(said, wanted);
};

interface Said extends Omit<RedisFacts, 'database'> {
  readonly isLoading: boolean;
  /** A replica that takes writes, which are lost with its next synchronization. */
  readonly isWritableReplica: boolean;
}
const unknown: Said = {
  version: undefined,
  role: undefined,
  mode: undefined,
  isLoading: false,
  isWritableReplica: false,
};

/** INFO, or HELLO where INFO is refused, by the rights of the user or by a proxy; where both are, nothing is known. */
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

/** Whether Redis answered that it does not say what it is. */
export const isRefused = (error: unknown) =>
  !(error instanceof UnusableRedisError) &&
  kindOfRedisError(error) !== 'transient' &&
  classify(error).code !== 'redis-wrong-password';

const roleOf = (text: string | undefined): RedisFacts['role'] =>
  text === undefined ? undefined : text === 'master' ? 'master' : 'replica';

/** What a reply to INFO says. */
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
 * A replica may be read, by plans and by `status`: it refuses writes by itself (READONLY), and no pass that would write
 * is begun while it does.
 *
 * @throws UnusableRedisError where Redis is not one that can be worked on.
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
  if (isLoading) throw refuse('redis-busy', 'transient', 'is loading its data (LOADING): it is waited for');
  if (role === 'replica' && (isMaster || isWritableReplica)) {
    throw refuse(
      'redis-read-only',
      'transient',
      'is a replica: let the failover end, or give the reaper the address of the master',
    );
  }
  return { version, role, mode, database };
};

/** An error of a step of the handshake, or of the connection on which it was sent. */
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
