import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Fence, Term } from '../../machines/lease.ts';
import { monotonicOf } from '../clock.ts';
import type { ScanPoint } from '../jobs/trackedScan.ts';
import type { Deps } from '../redis/deps.ts';
import { isWrongType } from '../redis/errors.ts';
import { redisTime } from '../redis/time.ts';

/** The progress of the scheduled passes of a namespace, on whichever host they run. Times in ms by Redis TIME. */
export interface Progress {
  /** When the last sweep began; undefined before the first one. */
  readonly begun: number | undefined;
  /** Whether that sweep is not complete. */
  readonly isSweeping: boolean;
  readonly scanned: number;
  /** How many jobs were tracked when it began. */
  readonly total: number;
  /** When the last complete sweep ended. */
  readonly ended: number | undefined;
  readonly rescueEnded: number | undefined;
}

/** The host that has the lease. Times in ms by Redis TIME. */
export interface Leader {
  /** Host and process, such as `core-1:4711`. */
  readonly host: string;
  /** Undefined where the lease does not say. */
  readonly since: number | undefined;
  readonly until: number;
  readonly isThisOne: boolean;
}

/** The lease and the progress of the passes, as of the last reply of Redis. */
export interface SharedView {
  readonly leader: Leader | undefined;
  readonly progress: Progress;
  /** Redis TIME minus the monotonic time of this process, in ms. It converts times of one into times of the other. */
  readonly clockOffset: number;
}

/** The lease that makes one host the leader of the scheduled passes, and the progress that all hosts share. */
export interface Lease {
  /** Acquires or renews the lease, if no other host has it. */
  acquire(fence: Fence | undefined): Promise<Term>;
  /** Resigns, if this host is the leader. */
  resign(): Promise<void>;
  /** Begins a sweep at the checkpoint of another host, or at the start. */
  beginSweep(fence: Fence): Promise<ScanPoint & { readonly scanned: number }>;
  checkpoint(fence: Fence, from: ScanPoint, scanned: number): Promise<void>;
  completeSweep(fence: Fence, scanned: number): Promise<void>;
  completeRescue(fence: Fence): Promise<void>;
  /** Reads the lease and the progress, and changes nothing. */
  read(): Promise<SharedView>;
  /** The view as of the last reply; undefined before the first one. */
  seen(): SharedView | undefined;
}

export const createLease = ({
  connection,
  keys,
  scripts,
  durationMs,
  clock,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  /** The duration of the lease. */
  durationMs: number;
}): Lease => {
  const id = randomUUID();
  const host = `${hostname()}:${process.pid}`;
  let seen: SharedView | undefined;

  const viewOf = (now: number, lease: StoredLease, progress: Readonly<Record<string, string>>): SharedView => ({
    leader: leaderOf(now, lease, id),
    progress: progressOf(progress),
    clockOffset: now - monotonicOf(clock),
  });
  const change = (progress: Partial<Progress>) => {
    if (seen !== undefined) seen = { ...seen, progress: { ...seen.progress, ...progress } };
  };
  const completed = (now: number, progress: Partial<Progress>) => {
    if (seen !== undefined) seen = { ...seen, clockOffset: now - monotonicOf(clock) };
    change(progress);
  };

  return {
    async acquire(fence) {
      const { outcome, now, progress, ...lease } = await scripts.run(
        'acquire_lease',
        [keys.lease, keys.progress],
        [id, host, fence?.token ?? '', durationMs],
      );
      seen = viewOf(now, lease, progress);
      return {
        fence: outcome === 'held' ? undefined : { lease: keys.lease, token: lease.fence },
        host: lease.host,
      };
    },

    async resign() {
      await scripts.run('resign_lease', [keys.lease], [id]);
    },

    async beginSweep(fence) {
      const begin = () =>
        scripts.run('begin_sweep', [keys.progress, keys.track], [], fence).catch((error) => {
          // A progress key of another type must not stop the sweep. Completing the sweep fails, and reports the key.
          if (!isWrongType(error) || !String(error.message).includes(keys.progress)) throw error;
          return { cursor: '0', scanned: 0, runId: '' };
        });
      const { cursor, scanned, runId } = await begin();
      change({ isSweeping: true });
      return { cursor, runId, scanned };
    },

    async checkpoint(fence, { cursor, runId }, scanned) {
      await scripts.run('checkpoint_sweep', [keys.progress], [cursor, scanned, runId], fence);
    },

    async completeSweep(fence, scanned) {
      const { now } = await scripts.run('complete_sweep', [keys.progress], [scanned], fence);
      completed(now, { isSweeping: false, ended: now });
    },

    async completeRescue(fence) {
      const { now } = await scripts.run('complete_rescue', [keys.progress], [], fence);
      completed(now, { rescueEnded: now });
    },

    async read() {
      const [lease, progress, now] = await Promise.all([
        connection.redis.hgetall(keys.lease),
        connection.redis.hgetall(keys.progress),
        redisTime(connection.redis),
      ]);
      // The field keeps its old name: other versions read it too.
      return viewOf(now, { ...lease, leader: lease.holder ?? '' }, progress);
    },

    seen: () => seen,
  };
};

/** A number that Redis keeps; undefined where there is none, or where another program has written something else. */
const numberOf = (text: string | null | undefined): number | undefined =>
  text != null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;

/** The lease in Redis. */
interface StoredLease {
  readonly leader?: string;
  readonly host?: string;
  readonly since?: string | null;
  readonly until?: string | null;
}

const leaderOf = (now: number, lease: StoredLease, thisOne: string): Leader | undefined => {
  const until = numberOf(lease.until) ?? 0;
  if (until <= now) return undefined;
  return { host: lease.host ?? '', since: numberOf(lease.since), until, isThisOne: lease.leader === thisOne };
};

const progressOf = (progress: Readonly<Record<string, string>>): Progress => ({
  begun: numberOf(progress.begun),
  isSweeping: progress.cursor !== undefined,
  scanned: numberOf(progress.scanned) ?? 0,
  total: numberOf(progress.total) ?? 0,
  ended: numberOf(progress.ended),
  rescueEnded: numberOf(progress.rescue_ended),
});
