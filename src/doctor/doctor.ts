import type { Clock } from '../io/clock.ts';
import type { Connection } from '../io/connection.ts';
import type { Keys } from '../io/keys.ts';
import { checkHostClock, checkPoolClocks } from './clockOffset.ts';
import { checkKeys } from './keys.ts';
import { checkEviction, checkNamespace, type OpenConnection } from './namespace.ts';
import { type DoctorCheck, type DoctorReport, notFine } from './report.ts';
import { checkRights } from './rights.ts';
import { checkDatabase, checkMode, checkRole, checkVersion, readServer } from './server.ts';

export interface DoctorOptions {
  /** Only what the reaper can not work without: version, role, cluster mode, database and rights. */
  readonly essential?: boolean;
}

/** How long an old heartbeat is watched for a move, in ms: longer than from one to the next. */
const watchHeartbeatsFor = 6_000;

/**
 * Looks at all that the reaper depends on, and changes nothing. Each check stands for itself: what it may not ask, it says.
 */
export const createDoctor = ({
  connection,
  keys,
  namespace,
  clock,
  openConnection,
  reach,
  watchFor = watchHeartbeatsFor,
}: {
  connection: Connection;
  keys: Keys;
  namespace: string;
  clock: Clock;
  openConnection: OpenConnection | undefined;
  /** @throws Error where Redis gives no answer. */
  reach: () => Promise<void>;
  watchFor?: number;
}) => {
  const { redis } = connection;
  const asked = redis.options.db ?? 0;

  return async ({ essential = false }: DoctorOptions = {}): Promise<DoctorReport> => {
    await reach();
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
    await add('rights', () =>
      checkRights({ redis, keys, namespace, database: asked, version: server.version, user: server.user }),
    );
    if (!essential) {
      await add('namespace', () => checkNamespace({ redis, namespace, database, openConnection }));
      await add('keys', () => checkKeys(redis, keys));
      await add('eviction', () => checkEviction(redis));
      await add('clock', () => checkHostClock(redis, clock));
      await add('clock', () => checkPoolClocks(redis, keys, watchFor));
    }
    return {
      ok: checks.every(({ ok }) => ok),
      namespace,
      redis: connection.description,
      checks,
    };
  };
};

const notChecked = (what: string, error: unknown): DoctorCheck =>
  notFine(
    what,
    `could not be checked: ${(error as Error).message}`,
    'run reaper doctor again, and see the log of Redis',
  );

/** What keeps the reaper from working, in one text; undefined where nothing does. */
export const blockOf = ({ checks }: DoctorReport): string | undefined => {
  const blocks = checks.filter(({ isBlocking }) => isBlocking);
  if (blocks.length === 0) return undefined;
  return blocks.map(({ detail, todo }) => `${detail} (${todo})`).join('; ');
};
