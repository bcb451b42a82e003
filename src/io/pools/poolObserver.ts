import type { LivePool } from '../../machines/types/rescue.ts';
import { clockOverride } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { partsOf, readFieldNames } from '../redis/paged.ts';
import { retry } from '../redis/retry.ts';
import type { ReplyOf, Scripts } from '../redis/scripts.ts';
import { unlessWrongType } from '../redis/wrongTypes.ts';
import type { HeldEntry } from './heldEntries.ts';

/** How long the entries of one live pool have been unobserved. */
export interface UnobservedEntries {
  /** When they were read, in ms by the clock of Redis. */
  readonly at: number;
  /** Field of an entry → since when it is unobserved while its job has not changed, in ms. */
  readonly since: ReadonlyMap<string, number>;
  /** Field of an entry → the signs of life of its job (`lua/includes/orphan.lua`). */
  readonly signs: ReadonlyMap<string, string>;
  /** Whether these times prove anything. Without INFO, a restart of Redis would not be seen. */
  readonly isProvable: boolean;
  /** For a plan: what this process remembers of an entry and of the workers, as JSON. Empty if that is in Redis. */
  memoryOf(field: string): string;
}

/**
 * Records, pass by pass, which entries of live pools no worker is observed with. The records are in Redis
 * (`lua/includes/orphan.lua`), so that another reaper or the next process continues them. A plan starts from these records and
 * remembers its own observations in this process.
 */
export interface PoolObserver {
  /** Begins a pass over these pools: plans forget all others. */
  begin(live: readonly LivePool[]): void;
  /** @param entries the entries of the pool that no worker is observed with. */
  observe(
    pool: string,
    workerIds: readonly string[],
    entries: readonly HeldEntry[],
    plan: boolean,
  ): Promise<UnobservedEntries>;
  /** Deletes the records of all other entries of the pool: they are observed, or gone. */
  keepOnly(pool: string, entries: readonly HeldEntry[], plan: boolean): Promise<void>;
}

type ObserveReply = ReplyOf<'observe_pool'>;

/** How long the records of a pool are kept, in s. */
const retention = 86_400;
/** How many workers and entries one step reads. Each step reads all workers of the pool. */
const maxPerStep = 150;
/** How many entries it reads at least, however many workers there are. */
const minEntries = 25;
/** Fields that one command deletes. */
const batch = 200;

type ObserverDeps = Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'>;

/** What a plan remembers of a pool. */
type PoolMemory = Pick<ObserveReply, 'workers' | 'unobserved'>;

export const createPoolObserver = (deps: ObserverDeps): PoolObserver => {
  const { connection, keys } = deps;
  const planned = new Map<string, PoolMemory>();

  return {
    begin(live) {
      const names = new Set(live.map(({ pool }) => pool));
      for (const pool of planned.keys()) if (!names.has(pool)) planned.delete(pool);
    },

    async observe(pool, workerIds, entries, plan) {
      const replies: ObserveReply[] = [];
      for (const some of partsOf(entries, Math.max(minEntries, maxPerStep - workerIds.length))) {
        const fields = some.map(({ field }) => field);
        const memory = plan ? memoryOf(planned.get(pool), fields) : undefined;
        replies.push(await observeSome(deps, pool, workerIds, some, memory));
      }
      const [first] = replies as [ObserveReply, ...ObserveReply[]];
      const unobserved: Record<string, string> = Object.assign({}, ...replies.map((reply) => reply.unobserved));
      const texts = Object.entries(unobserved);
      if (plan) planned.set(pool, { workers: first.workers, unobserved });
      return {
        at: first.at,
        since: new Map(texts.map(([field, text]) => [field, Number.parseInt(text, 10)])),
        signs: new Map(texts.map(([field, text]) => [field, text.slice(text.indexOf(' ') + 1)])),
        isProvable: first.workers.run !== '',
        memoryOf: (field) => (plan ? memoryOf(planned.get(pool), [field]) : ''),
      };
    },

    async keepOnly(pool, entries, plan) {
      if (plan) {
        if (entries.length === 0) planned.delete(pool);
        return;
      }
      const kept = new Set(entries.map(({ field }) => field));
      const known = await unlessWrongType(readFieldNames(connection, keys.unobserved(pool)), []);
      const gone = known.filter((field) => !kept.has(field));
      for (const some of partsOf(gone, batch)) await connection.redis.hdel(keys.unobserved(pool), ...some);
    },
  };
};

/** Observes as many entries as one script reads. @param memory for a plan: what it remembers; undefined for a rescue. */
const observeSome = (
  { keys, scripts, clock }: ObserverDeps,
  pool: string,
  workerIds: readonly string[],
  entries: readonly HeldEntry[],
  memory: string | undefined,
): Promise<ObserveReply> => {
  const observedKeys = [
    keys.workerRecords(pool),
    keys.unobserved(pool),
    ...workerIds.map(keys.worker),
    ...entries.map(({ id }) => keys.stats(id)),
    ...entries.map(({ id }) => keys.beforeQuarantine(id)),
  ];
  const fields = entries.map(({ field }) => field);
  const args = [clockOverride(clock), retention, memory ?? '', workerIds.length, ...workerIds, ...fields];
  const observe: Scripts['plan'] = memory === undefined ? scripts.run : scripts.plan;
  return retry(clock, () => observe('observe_pool', observedKeys, args));
};

/** Only what concerns these fields, because the pool may hold many others. */
const memoryOf = (known: PoolMemory | undefined, fields: readonly string[]): string => {
  if (known === undefined) return '';
  const unobserved = fields.flatMap((field) => {
    const text = known.unobserved[field];
    return text === undefined ? [] : [[field, text]];
  });
  return JSON.stringify({ workers: known.workers, unobserved: Object.fromEntries(unobserved) });
};
