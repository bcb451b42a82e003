import type { Deps } from '../io/redis/deps.ts';
import { checkHostClock, checkPoolClocks } from './clockOffset.ts';
import type { OpenConnection } from './elsewhere.ts';
import { checkEviction } from './eviction.ts';
import { checkKeys } from './keys.ts';
import { checkNamespace } from './namespace.ts';
import { blocking, type DoctorCheck, type DoctorReport, notFine } from './report.ts';
import { checkRights } from './rights.ts';
import { checkDatabase, checkMode, checkRole, checkVersion, readServer } from './server.ts';

export interface DoctorOptions {
  /** Only the checks without which the reaper cannot work: version, role, cluster mode, database and rights. */
  readonly essential?: boolean;
}

/** How long old heartbeats are watched, in ms: longer than their interval. */
const watchHeartbeatsFor = 6_000;

/**
 * Checks everything that the reaper depends on, and changes nothing. The checks are independent: each reports what it was not
 * allowed to ask. The returned function throws if Redis cannot be reached.
 */
export const createDoctor = ({
  connection,
  keys,
  namespace,
  database: asked,
  clock,
  openConnection,
  watchFor = watchHeartbeatsFor,
}: Pick<Deps, 'connection' | 'keys' | 'clock'> & {
  namespace: string;
  /** The configured database. */
  database: number;
  openConnection: OpenConnection | undefined;
  watchFor?: number;
}) => {
  const { redis } = connection;

  const reportOf = (checks: readonly DoctorCheck[]): DoctorReport => ({
    ok: checks.every(({ ok }) => ok),
    namespace,
    redis: connection.description,
    checks,
  });

  const examine = async ({ essential = false }: DoctorOptions = {}): Promise<DoctorReport> => {
    const server = await readServer(redis);
    const database = server.database ?? asked;
    const checks: DoctorCheck[] = [
      checkVersion(server),
      checkRole(server),
      checkMode(server),
      checkDatabase(server, asked),
    ];
    const add = async (what: string, check: () => Promise<DoctorCheck[]>) => {
      checks.push(...(await check().catch((error) => [notChecked(what, error)])));
    };
    await add('rights', () => checkRights({ redis, keys, namespace, database: asked, version: server.version }));
    if (!essential) {
      await add('namespace', () => checkNamespace({ redis, namespace, database, openConnection }));
      await add('keys', () => checkKeys(redis, keys));
      await add('eviction', () => checkEviction(redis));
      await add('clock', () => checkHostClock(redis, clock));
      await add('clock', () => checkPoolClocks(redis, keys, watchFor));
    }
    return reportOf(checks);
  };
  return Object.assign(examine, { reportOf });
};

/** Code of an unusable connection → the check of doctor that reports it. */
const refusals: Readonly<Record<string, string>> = {
  'redis-too-old': 'version',
  'redis-read-only': 'role',
  'redis-cluster': 'cluster',
  'redis-sentinel': 'cluster',
  'redis-wrong-database': 'database',
};

/**
 * Turns the error of a Redis that replies, but on which no command may run, into a check.
 * @throws Error the same error, if Redis does not reply, or does not accept the password.
 */
export const checkOfRefusal = (error: Error & { readonly code?: string }): DoctorCheck => {
  const what = error.name === 'UnusableRedisError' ? refusals[error.code ?? ''] : undefined;
  if (what === undefined) throw error;
  // The message ends with what to do, after a colon.
  const at = error.message.lastIndexOf(': ');
  return blocking(what, error.message.slice(0, at), error.message.slice(at + 2));
};

const notChecked = (what: string, error: unknown): DoctorCheck =>
  notFine(
    what,
    `could not be checked: ${(error as Error).message}`,
    'run reaper doctor again, and see the log of Redis',
  );

/** Why the reaper cannot work, in one text; undefined if it can. */
export const blockOf = (checks: readonly DoctorCheck[]): string | undefined => {
  const blocks = checks.filter(({ isBlocking }) => isBlocking);
  if (blocks.length === 0) return undefined;
  return blocks.map(({ detail, todo }) => `${detail} (${todo})`).join('; ');
};
