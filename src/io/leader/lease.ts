import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Fence, Term } from '../../machines/lease.ts';
import { monotonicOf } from '../clock.ts';
import type { ScanPoint } from '../jobs/trackedJobs.ts';
import type { Deps } from '../redis/deps.ts';
import { isWrongType } from '../redis/errors.ts';
import { redisTime } from '../redis/time.ts';

/** How far the scheduled passes of a namespace are, whichever host does them. Times in ms by Redis TIME. */
export interface Progress {
  /** When the last sweep began; undefined where there was none yet. */
  readonly begun: number | undefined;
  /** Whether that sweep has not ended. */
  readonly isInHand: boolean;
  readonly scanned: number;
  /** Jobs that were tracked when it began. */
  readonly total: number;
  /** When the last sweep that got to its end did. */
  readonly ended: number | undefined;
  readonly rescueEnded: number | undefined;
}

/** Who has the lease. Times in ms by Redis TIME. */
export interface Leader {
  /** Host and process, such as `core-1:4711`. */
  readonly host: string;
  readonly since: number;
  readonly until: number;
  readonly isThisOne: boolean;
}

/** What is known of the lease and of the passes, as it stood when Redis last spoke of it. */
export interface SharedView {
  readonly leader: Leader | undefined;
  readonly progress: Progress;
  /** Redis TIME less the monotonic time of this process, in ms: how to tell a time of the one by the other. */
  readonly ahead: number;
}

/** One host does the scheduled passes, all others look on: the lease in Redis, and the progress that they share. */
export interface Lease {
  /** Takes the lease, or renews it, if it can be had. */
  take(fence: Fence | undefined): Promise<Term>;
  /** Gives it up, if it is held. */
  leave(): Promise<void>;
  /** Where a sweep begins: at the cursor that another host has left, or at `0`. */
  beginSweep(fence: Fence): Promise<ScanPoint & { readonly scanned: number }>;
  checkpoint(fence: Fence, from: ScanPoint, scanned: number): Promise<void>;
  endSweep(fence: Fence, scanned: number): Promise<void>;
  endRescue(fence: Fence): Promise<void>;
  /** Asks Redis, and changes nothing. */
  read(): Promise<SharedView>;
  /** What was last heard; undefined before anything was. */
  seen(): SharedView | undefined;
}

export const createLease = ({
  connection,
  keys,
  scripts,
  durationMs,
  clock,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  /** For how long the lease is given. */
  durationMs: number;
}): Lease => {
  const id = randomUUID();
  const host = `${hostname()}:${process.pid}`;
  let seen: SharedView | undefined;

  const viewOf = (now: number, lease: Record<string, string | null>, progress: Record<string, string>): SharedView => {
    const until = Number(lease.until ?? 0);
    return {
      leader:
        until <= now
          ? undefined
          : { host: lease.host ?? '', since: Number(lease.since), until, isThisOne: lease.leader === id },
      progress: {
        begun: timeOf(progress.begun),
        isInHand: progress.cursor !== undefined,
        scanned: Number(progress.scanned ?? 0),
        total: Number(progress.total ?? 0),
        ended: timeOf(progress.ended),
        rescueEnded: timeOf(progress.rescue_ended),
      },
      ahead: now - monotonicOf(clock),
    };
  };
  const change = (progress: Partial<Progress>) => {
    if (seen !== undefined) seen = { ...seen, progress: { ...seen.progress, ...progress } };
  };
  const end = async (fence: Fence, pass: 'sweep' | 'rescue', ...args: number[]) => {
    const now = Number(await scripts.run('complete_pass', [keys.progress], [pass, ...args], fence));
    if (seen !== undefined) seen = { ...seen, ahead: now - monotonicOf(clock) };
    return now;
  };

  return {
    async take(fence) {
      const [now, leader, name, number, until, since, ...progress] = await scripts.run(
        'acquire_lease',
        [keys.lease, keys.progress],
        [id, host, fence?.number ?? '', durationMs],
      );
      const lease = { leader: leader ?? '', host: name ?? '', until: until ?? '', since: since ?? '' };
      seen = viewOf(Number(now), lease, recordOf(progress));
      return {
        fence: leader === id ? { lease: keys.lease, number: number as string } : undefined,
        host: lease.host,
      };
    },

    async leave() {
      await scripts.run('resign_lease', [keys.lease], [id]);
    },

    async beginSweep(fence) {
      const begin = () =>
        scripts.run('begin_sweep', [keys.progress, keys.track], [], fence).catch((error) => {
          // Progress that can't be kept keeps no job from being judged; the end of the sweep fails, and says why.
          if (!isWrongType(error) || !String(error.message).includes(keys.progress)) throw error;
          return ['0', 0, ''] as const;
        });
      const [cursor, scanned, runId] = await begin();
      change({ isInHand: true });
      return { cursor, runId, scanned };
    },

    async checkpoint(fence, { cursor, runId }, scanned) {
      await scripts.run('checkpoint_sweep', [keys.progress], [cursor, scanned, runId], fence);
    },

    async endSweep(fence, scanned) {
      change({ isInHand: false, ended: await end(fence, 'sweep', scanned) });
    },

    async endRescue(fence) {
      change({ rescueEnded: await end(fence, 'rescue') });
    },

    async read() {
      const [lease, progress, now] = await Promise.all([
        connection.redis.hgetall(keys.lease),
        connection.redis.hgetall(keys.progress),
        redisTime(connection.redis),
      ]);
      // The field keeps its name: other versions read it too.
      return viewOf(now, { ...lease, leader: lease.holder ?? '' }, progress);
    },

    seen: () => seen,
  };
};

const timeOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));

const recordOf = (flat: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] as string, flat[2 * i + 1] as string]),
  );
