import type { PoolDone, Requeued, Suspect } from '../../machines/types/pool.ts';
import type { RunAnswered } from '../redis/answered.ts';
import type { Deps } from '../redis/deps.ts';
import { isHopeless } from '../redis/errors.ts';
import type { ReplyOf } from '../redis/replies.ts';
import { FencedError } from '../redis/scripts.ts';
import { refusalBehind } from '../redis/wrongTypes.ts';
import type { NextMarksReader } from './nextMarks.ts';
import { keysOfSuspect, readOwnTypes } from './poolLists.ts';
import type { RegistryReader } from './registry.ts';

/** How often the entries of a job may be recovered from dead workers (`lua/includes/recovery.lua`). */
export interface RecoveryLimit {
  readonly maxRecoveries: number;
  readonly windowS: number;
}

export interface RequeueOptions {
  /** How many entries of the first type are known to be held. For many, several scripts are sent at once. */
  readonly entries?: number;
  /** What a planned rescue has done with the pool before; it gives no `entries`. */
  readonly done?: PoolDone;
}

/**
 * Requeues a batch of a dead pool's entries of these types, one after the other, or two batches of one type. A planned rescue gives one
 * type, and stops before an entry that is not as planned.
 */
export type Requeue = (suspect: Suspect, types: readonly string[], options?: RequeueOptions) => Promise<Requeued>;

export const createRequeue = ({
  connection: { redis },
  keys,
  runAnswered,
  registry,
  nextMarks,
  heartbeatAge,
  batch,
  recovery,
  onUncounted,
  onError,
}: Pick<Deps, 'connection' | 'keys'> & {
  runAnswered: RunAnswered;
  registry: RegistryReader;
  nextMarks: NextMarksReader;
  /** Age in ms below which a heartbeat is alive. */
  heartbeatAge: number;
  /** How many entries one step moves. */
  batch: number;
  recovery: RecoveryLimit;
  /** Called with the reason if entries were requeued but their recoveries could not be recorded. */
  onUncounted: (reason: string) => void;
  /** Called with each error of a script with which its step does not fail. */
  onError: (error: unknown) => void;
}): Requeue => {
  const requeue: Requeue = async (suspect, types, options = {}) => {
    const { entries = 0, done = nothing } = options;
    const { pool, heartbeat, fence, pass = '' } = suspect;
    const [first = ''] = types;
    const asked = types.some(mayShareKeys) ? [first] : types;
    // A pool whose list has the same name may have started since the suspect was confirmed.
    const { own, unreadable } = await readOwnTypes({ redis, keys, registry }, suspect, asked);
    if (!own.includes(first)) {
      const reason =
        unreadable.find(({ type }) => type === first)?.unreadable ??
        `${keys.inProgress(first, pool)}: is read as another type's list`;
      return { outcome: 'refused', reason };
    }
    const some = own.length === asked.length ? asked : [first];
    const { pools, recoveries, recovered, quarantine, dead, queue, lock, lockInfo } = keys;
    const keysOf = (type: string) => [keys.inProgress(type, pool), queue(type), lock(type), lockInfo(type)];
    try {
      const next = await nextMarks(suspect, first, done, batch);
      const run = () =>
        runAnswered(
          'requeue',
          [
            ...[pools, keys.heartbeat(pool), recoveries, recovered, quarantine, dead, keys.rescueNote(pool)],
            ...some.flatMap(keysOf),
          ],
          [
            ...[pool, heartbeatAge, heartbeat, batch, recovery.maxRecoveries, recovery.windowS, pass],
            ...[...some, ...(next === undefined ? [] : [next.marks, next.from])],
          ],
          fence,
          { pass: `rescue/${pass}`, why: 'dead-pool' },
        );
      const calls = some.length === 1 && entries > batch ? callsAtOnce : 1;
      const reply = sumOf(await Promise.allSettled(Array.from({ length: calls }, run)), onError);
      if (reply.outcome === 'alive') return reply;
      const { outcome, counts, poison, uncounted, failure } = reply;
      if (uncounted !== '') onUncounted(uncounted);
      const [{ moved, left } = nothingMoved] = counts;
      const isOvertaken = next !== undefined && moved === 0 && left > 0 && left <= next.from;
      // Another reaper has taken all of the entries whose marks were given.
      if (isOvertaken) return await requeue(suspect, types, options);
      return { outcome, counts, poison: poison || undefined, failure };
    } catch (error) {
      const reason = await refusalBehind(redis, error, keysOfSuspect(keys, suspect, first));
      if (reason === undefined) throw error;
      // What refuses may be a key of another type.
      if (some.length > 1) return requeue(suspect, [first], options);
      return { outcome: 'refused', reason };
    }
  };
  return requeue;
};

/** Scripts that one step sends for a list with many entries. So Redis has work while this process reads a reply, also if one pool is dead. */
const callsAtOnce = 2;

const nothing: PoolDone = { moved: {}, quarantined: [] };

/** Whether a key of this type may be a key of another type: a step proves its keys before it creates one. */
const mayShareKeys = (type: string): boolean => type.includes(':');

type Reply = ReplyOf<'requeue'> & { readonly failure?: unknown };
const nothingMoved = { moved: 0, left: 0 };

/**
 * One reply for the scripts of a step, which are of one type if there are several: what they moved in all, and what is left after the last
 * reply. Without any that moved entries, the reply or the error of the first. Errors that it does not throw are reported.
 */
const sumOf = (results: readonly PromiseSettledResult<Reply>[], onError: (error: unknown) => void): Reply => {
  const replies = results.flatMap((of) => (of.status === 'fulfilled' ? [of.value] : []));
  const errors = results.flatMap((of) => (of.status === 'rejected' ? [of.reason as unknown] : []));
  const done = replies.filter((reply) => reply.outcome === 'moved');
  const last = done.at(-1);
  const isLost = last === undefined && results[0]?.status === 'rejected';
  for (const error of isLost ? errors.slice(1) : errors) onError(error);
  if (isLost) throw errors[0];
  if (last === undefined) return replies[0] as Reply;
  const [{ left } = nothingMoved, ...more] = last.counts;
  const moved = done.reduce((sum, { counts: [of = nothingMoved] }) => sum + of.moved, 0);
  return {
    ...last,
    counts: [{ moved, left }, ...more],
    uncounted: done.find(({ uncounted }) => uncounted !== '')?.uncounted ?? '',
    failure: errors.find((error) => !isMetAgain(error)),
  };
};

/** Whether the next step meets the error, too, at once. */
const isMetAgain = (error: unknown): boolean => error instanceof FencedError || isHopeless(error);
