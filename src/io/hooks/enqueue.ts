import type { Redis } from 'ioredis';
import type { HookReply, UnqueuedHook } from '../../machines/types/job.ts';
import { clockOverride } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import type { Keys } from '../redis/keys.ts';
import { inChunks, partsOf } from '../redis/paged.ts';
import { retry } from '../redis/retry.ts';
import { type AuditNote, callOnce, type Fence, type ReplyOf } from '../redis/scripts.ts';
import { findWrongTyped, unlessWrongType } from '../redis/wrongTypes.ts';
import { type HookRecord, recordOf } from './record.ts';

/** A change of a job that an endpoint has not confirmed yet. */
export interface Change {
  readonly id: string;
  /** `status:revision`. */
  readonly state: string;
  /** Scheme, host and port. */
  readonly endpoint: string;
}

export interface EnqueueSettings {
  /** How many records there may be. Changes beyond this are deferred to a later sweep. */
  readonly maxRecords: number;
}

/** The keys and arguments that a script takes last if it also enqueues a hook (`lua/includes/enqueue_hook.lua`). */
export interface HookTail {
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

/** What becomes of a change. `refused`: the queue of its endpoint cannot be written, or its record not be read; the error names it. */
export type Enqueued = HookReply | RefusedHook;
export interface RefusedHook {
  readonly outcome: 'refused';
  readonly error: string;
}

/** The queues of hooks that wait to be sent, in Redis. */
export interface HookQueue {
  /** For a script that changes a status and enqueues the hook in the same step. Without an endpoint it enqueues nothing. */
  hookTail(endpoint: string | undefined): HookTail;
  /** Returns what becomes of each change. Repeats a call after a transient error of Redis. */
  enqueue(changes: readonly Change[], fence?: Fence | undefined, note?: AuditNote): Promise<readonly Enqueued[]>;
  /** Returns what would become of each change that `enqueue` would not enqueue, else undefined. Changes nothing. */
  plan(changes: readonly Change[]): Promise<readonly (UnqueuedHook | RefusedHook | undefined)[]>;
  /** Why a change for an endpoint could not be recorded, with the key: one of another type. No entry for one that could be. */
  faults(endpoints: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

/** Changes that one script call enqueues. */
const maxChangesPerCall = 200;

export const createHookQueue = ({
  connection: { redis },
  keys,
  scripts,
  clock,
  settings,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & { settings: EnqueueSettings }): HookQueue => {
  const run = async (
    changes: readonly Change[],
    stats: readonly string[],
    fence: Fence | undefined,
    note: AuditNote | undefined,
  ): Promise<ReplyOf<'enqueue_hooks'>['changes']> => {
    const endpoints = [...new Set(changes.map(({ endpoint }) => endpoint))];
    const scriptKeys = [keys.hooks, keys.parkedHooks, keys.hookEndpoints, ...endpoints.map(keys.dueHooks), ...stats];
    const args = [
      clockOverride(clock),
      settings.maxRecords,
      endpoints.length,
      ...endpoints,
      ...changes.flatMap(({ id, state, endpoint }) => [id, state, endpoints.indexOf(endpoint) + 1]),
    ];
    const change = callOnce(keys);
    const reply = await retry(clock, () => scripts.run('enqueue_hooks', scriptKeys, args, fence, change, note));
    return reply.changes;
  };

  /** How many records may be added for an endpoint. The bounds are those of `roomFor` in `lua/includes/enqueue_hook.lua`. */
  const readRoom = async (endpoint: string, count: number): Promise<number> => {
    const missing = 100 - (await unlessWrongType(redis.zcard(keys.dueHooks(endpoint)), 0));
    const { maxRecords } = settings;
    return Math.max(maxRecords - count, Math.min(missing, Math.ceil(1.25 * maxRecords) - count));
  };

  return {
    hookTail: (endpoint = '') => ({
      keys: [keys.hooks, keys.parkedHooks, keys.hookEndpoints, keys.dueHooks(endpoint)],
      args: [endpoint, clockOverride(clock), settings.maxRecords],
    }),

    async enqueue(changes, fence, note) {
      if (changes.length === 0) return [];
      // All calls at once: the next page of a sweep is read after them, while the jobs of this page end.
      const calls = partsOf(changes, maxChangesPerCall).map((some) => run(some, [], fence, note));
      const replies = (await Promise.all(calls)).flat();
      // Only for the few unclear ones: reading the stats of all jobs would slow down every page of a sweep.
      const unclear = changes.filter((_, i) => replies[i]?.outcome === 'unclear');
      const statsOfUnclear = unclear.map(({ id }) => keys.stats(id));
      const resolved = unclear.length === 0 ? [] : [...(await run(unclear, statsOfUnclear, fence, note))];
      // With the stats, none is unclear.
      return replies.map((reply) => (reply.outcome === 'unclear' ? resolved.shift() : reply) as Enqueued);
    },

    faults: (endpoints) => findFaults(redis, keys, endpoints),

    async plan(changes) {
      const ids = changes.map(({ id }) => id);
      const texts = await unlessWrongType<(string | null)[]>(redis.hmget(keys.hooks, ...ids), []);
      const count = await unlessWrongType(redis.hlen(keys.hooks), 0);
      const rooms = new Map<string, number>();
      for (const { endpoint } of changes) {
        if (!rooms.has(endpoint)) rooms.set(endpoint, await readRoom(endpoint, count));
      }
      let added = 0;
      return changes.map(({ id, state, endpoint }, i) => {
        const text = texts[i] ?? undefined;
        const record = text === undefined ? undefined : recordOf(id, text);
        if (record !== undefined) return unqueuedBy(record, state);
        if (text !== undefined) return { outcome: 'refused', error: unreadableRecord(keys.hooks, id) };
        if ((rooms.get(endpoint) ?? 0) <= added) return { outcome: 'deferred' };
        added += 1;
        return undefined;
      });
    },
  };
};

/** As in `lua/hooks/enqueue_hooks.lua`. */
const unreadableRecord = (key: string, id: string) =>
  `${key}: the record of ${id} cannot be read; the reaper does not touch it: remove that field`;

/** One message for each endpoint with a key that holds another type. */
const findFaults = async (
  redis: Redis,
  keys: Keys,
  endpoints: readonly string[],
): Promise<ReadonlyMap<string, string>> => {
  const shared = await findWrongTyped(redis, [
    [keys.hooks, 'hash'],
    [keys.parkedHooks, 'zset'],
    [keys.hookEndpoints, 'set'],
  ]);
  const faults = new Map<string, string>();
  await inChunks([...new Set(endpoints)], async (endpoint) => {
    const all = [...shared, ...(await findWrongTyped(redis, [[keys.dueHooks(endpoint), 'zset']]))];
    if (all.length > 0) faults.set(endpoint, all.join('; '));
  });
  return faults;
};

/**
 * Why a change of a job that has a record is not enqueued; undefined if it is. The rule is that of `recordChange` in
 * `lua/includes/enqueue_hook.lua`.
 */
export const unqueuedBy = (record: Pick<HookRecord, 'state' | 'about'>, state: string): UnqueuedHook | undefined => {
  if (record.about === state) return { outcome: record.state === 'parked' ? 'parked' : 'already-pending' };
  return record.state === 'sending' ? { outcome: 'already-pending' } : undefined;
};
