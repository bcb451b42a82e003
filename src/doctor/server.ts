import type { Redis } from 'ioredis';
import { unlessRefused } from '../io/redis/refusals.ts';
import { blocking, type DoctorCheck, fine, notFine } from './report.ts';

/** What Redis reports about itself and this connection; undefined where the user may not ask. */
export interface ServerFacts {
  readonly version: string | undefined;
  /** `standalone`, `cluster` or `sentinel`. */
  readonly mode: string | undefined;
  /** `master`, or `slave` or `replica`. */
  readonly role: string | undefined;
  /** The database of the connection. */
  readonly database: number | undefined;
}

/** The value of a field of INFO. */
export const fieldOf = (info: string, name: string): string | undefined =>
  new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1];

/** HELLO needs no right, so it works without INFO. Its reply is a list or a map, depending on the protocol. */
const helloOf = async (redis: Redis): Promise<Readonly<Record<string, unknown>>> => {
  const reply = (await unlessRefused(redis.call('HELLO'))) ?? [];
  if (!Array.isArray(reply)) return Object.fromEntries(reply instanceof Map ? reply : Object.entries(reply as object));
  return Object.fromEntries(
    Array.from({ length: Math.floor(reply.length / 2) }, (_, i) => [String(reply[2 * i]), reply[2 * i + 1]]),
  );
};

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** @throws Error if Redis does not reply. */
export const readServer = async (redis: Redis): Promise<ServerFacts> => {
  const [server = '', replication = '', client] = await Promise.all([
    unlessRefused(redis.info('server')),
    unlessRefused(redis.info('replication')),
    unlessRefused(redis.call('CLIENT', 'INFO')),
  ]);
  const known = {
    version: fieldOf(server, 'redis_version'),
    mode: fieldOf(server, 'redis_mode'),
    role: fieldOf(replication, 'role'),
  };
  const isComplete = Object.values(known).every((value) => value !== undefined);
  const hello = isComplete ? {} : await helloOf(redis);
  const clientInfo = textOf(client) ?? '';
  const database = / db=(\d+)/.exec(clientInfo)?.[1];
  return {
    version: known.version ?? textOf(hello.version),
    mode: known.mode ?? textOf(hello.mode),
    role: known.role ?? textOf(hello.role),
    database: database === undefined ? undefined : Number(database),
  };
};

export const checkVersion = ({ version }: ServerFacts): DoctorCheck => {
  if (version === undefined) {
    return notFine(
      'version',
      'Redis does not say its version',
      'make sure that it is Redis 6.2 or newer, and allow INFO',
    );
  }
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 6 || (major === 6 && minor >= 2)
    ? fine('version', `Redis ${version}`)
    : blocking('version', `Redis ${version} is too old`, 'upgrade it to Redis 6.2 or newer');
};

export const checkRole = ({ role }: ServerFacts): DoctorCheck => {
  if (role === undefined) {
    return notFine(
      'role',
      'Redis does not say whether it is a master',
      'allow INFO, and give the address of the master',
    );
  }
  return role === 'master'
    ? fine('role', 'master')
    : blocking(
        'role',
        'this Redis is a read-only replica',
        'give the address of the master, or that of the sentinels (redis+sentinel://)',
      );
};

export const checkMode = ({ mode }: ServerFacts): DoctorCheck => {
  if (mode === undefined) {
    return notFine(
      'cluster',
      'Redis does not say whether it is a cluster',
      'allow INFO, and give a Redis without cluster mode',
    );
  }
  return mode === 'standalone'
    ? fine('cluster', 'not a cluster')
    : blocking('cluster', `this Redis runs in ${mode} mode`, `give a Redis that runs alone or behind sentinels`);
};

export const checkDatabase = ({ database }: ServerFacts, asked: number): DoctorCheck => {
  if (database === undefined) {
    return notFine(
      'database',
      `database ${asked} was asked for, which cannot be confirmed`,
      'allow CLIENT INFO (ACL SETUSER … +client|info)',
    );
  }
  return database === asked
    ? fine('database', `database ${asked}`)
    : blocking(
        'database',
        `the connection is in database ${database}, not in ${asked}`,
        `make sure that database ${asked} exists and that the user may run SELECT`,
      );
};
