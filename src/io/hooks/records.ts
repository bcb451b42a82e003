import { clockOverride } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { retry } from '../redis/retry.ts';
import { type AuditNote, changeOnce } from '../redis/scripts.ts';
import { type Expected, orNamed } from '../redis/wrongTypes.ts';
import { type Attempts, createAttempts } from './attempts.ts';
import { type ClaimSettings, type Claims, createClaims } from './claims.ts';
import { createEndpoints, type Endpoints } from './endpoints.ts';
import { createHookQueue, type EnqueueSettings, type HookQueue } from './enqueue.ts';
import { type HookRecord, recordOf } from './record.ts';

export interface HookSettings extends EnqueueSettings, ClaimSettings {}

/**
 * The records of undelivered hooks, in Redis: a hash of records, a set of parked ones, and for each endpoint a queue and the
 * state of its circuit breaker. Each change is one script.
 */
export interface HookRecords extends HookQueue, Claims, Attempts, Endpoints {
  find(id: string): Promise<HookRecord | undefined>;
  findAll(ids: readonly string[]): Promise<HookRecord[]>;
  /** All records, in bounded pages. */
  all(): AsyncIterable<readonly HookRecord[]>;
  parkedCount(): Promise<number>;
  /** Makes a hook due now, however old it is. */
  retry(record: HookRecord): Promise<Moved>;
  /** Parks a hook, so that no sweep refires this state. */
  drop(record: HookRecord): Promise<Moved>;
  /** Deletes some of the records that were parked more than `age` ms ago. Returns how many. */
  forgetParked(age: number): Promise<number>;
}

/** `overtaken`: the record has changed since it was read, and was left as it is. */
export interface Moved {
  readonly outcome: 'done' | 'overtaken';
}

/** Records that one step reads or deletes. */
const pageSize = 500;

export const createHookRecords = (
  deps: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & { settings: HookSettings },
): HookRecords => {
  const { keys, scripts, clock } = deps;
  const { redis } = deps.connection;
  const hash: Expected = [keys.hooks, 'hash'];
  const move = ({ id, endpoint, text }: HookRecord, script: 'retry_hook' | 'drop_hook'): Promise<Moved> => {
    const change = changeOnce(keys, id);
    const scriptKeys = [keys.hooks, keys.parkedHooks, keys.hookEndpoints, keys.dueHooks(endpoint)];
    const note: AuditNote = { pass: 'command', why: 'asked' };
    return retry(clock, () =>
      scripts.run(script, scriptKeys, [clockOverride(clock), id, text], undefined, change, note),
    );
  };
  return {
    ...createHookQueue(deps),
    ...createClaims(deps),
    ...createAttempts(deps),
    ...createEndpoints(deps),

    async find(id) {
      const text = await orNamed(redis, hash, redis.hget(keys.hooks, id));
      return text === null ? undefined : recordOf(id, text);
    },

    async findAll(ids) {
      if (ids.length === 0) return [];
      const texts = await orNamed(redis, hash, redis.hmget(keys.hooks, ...ids));
      return ids.flatMap((id, i) => recordOf(id, texts[i] ?? '') ?? []);
    },

    async *all() {
      let cursor = '0';
      do {
        const [next, pairs] = await orNamed(redis, hash, redis.hscan(keys.hooks, cursor, 'COUNT', pageSize));
        const records: HookRecord[] = [];
        for (let i = 0; i < pairs.length; i += 2) {
          const record = recordOf(pairs[i] as string, pairs[i + 1] as string);
          if (record !== undefined) records.push(record);
        }
        yield records;
        cursor = next;
      } while (cursor !== '0');
    },

    parkedCount: () => orNamed(redis, [keys.parkedHooks, 'zset'], redis.zcard(keys.parkedHooks)),

    retry: (record) => move(record, 'retry_hook'),
    drop: (record) => move(record, 'drop_hook'),

    async forgetParked(age) {
      const args = [clockOverride(clock), age, pageSize];
      return (await scripts.run('forget_parked', [keys.hooks, keys.parkedHooks], args)).count;
    },
  };
};
