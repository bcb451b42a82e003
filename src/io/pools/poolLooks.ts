import type { LivePool } from '../../machines/supervisor.ts';
import { clockOverride } from '../clock.ts';
import { retry } from '../hooks/retry.ts';
import type { Deps } from '../redis/deps.ts';
import { partsOf, readFieldNames } from '../redis/paged.ts';
import type { HeldEntry } from './heldEntries.ts';
import { unlessWrongType } from './rescue.ts';

/** What one look at a live pool has found of its unobserved entries. */
export interface PoolLook {
  /** When it was, in ms by the clock of Redis. */
  readonly at: number;
  /** Field of an entry → since when it is unobserved with its job unchanged, in ms. */
  readonly since: ReadonlyMap<string, number>;
  /** Whether what stands in Redis can prove anything: it says which process it is, so that a restart is seen. */
  readonly isProvable: boolean;
  /** JSON of what a plan's look remembers of an entry and of the workers; the empty string where that stands in Redis. */
  memoryOf(field: string): string;
}

export interface PoolLooks {
  /** Looks at one pool; the entries are those of the pool that no worker observes. */
  look(pool: string, workerIds: readonly string[], entries: readonly HeldEntry[], plan: boolean): Promise<PoolLook>;
  /** Begins a look at these pools: what a plan remembers of others is forgotten. */
  begin(live: readonly LivePool[]): void;
  /** Forgets entries that are observed or gone. */
  keepOnly(pool: string, entries: readonly HeldEntry[], plan: boolean): Promise<void>;
}

interface LookReply {
  readonly at: number;
  readonly workers: Readonly<Record<string, string>> & { readonly run: string };
  readonly unobserved: Readonly<Record<string, string>>;
}

/** For how long the records of a pool are kept after the last look, in s. */
const keepS = 86_400;
/** Workers and entries that one step looks at: it looks at all workers of the pool each time. */
const most = 150;
/** Entries that it looks at however many workers there are. */
const least = 25;
/** Fields that one command forgets. */
const chunk = 200;

/**
 * Looks at pools, whose records stand in Redis (`lua/includes/orphan.lua`): another reaper, or the next process, goes on from
 * them. A plan changes nothing: it begins with what stands there, and remembers its own looks in this process.
 */
export const createPoolLooks = ({
  connection,
  keys,
  scripts,
  clock,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'>): PoolLooks => {
  const { redis } = connection;
  const planned = new Map<string, Pick<LookReply, 'workers' | 'unobserved'>>();

  /** No more than is asked about: the pool may hold many others. */
  const memoryOf = (pool: string, fields: readonly string[]): string => {
    const known = planned.get(pool);
    if (known === undefined) return '';
    const of = fields.flatMap((field) => {
      const text = known.unobserved[field];
      return text === undefined ? [] : [[field, text]];
    });
    return JSON.stringify({ workers: known.workers, unobserved: Object.fromEntries(of) });
  };

  const lookAt = async (
    pool: string,
    workerIds: readonly string[],
    entries: readonly HeldEntry[],
    memory: string | undefined,
  ): Promise<LookReply> => {
    const reply = await retry(clock, () =>
      scripts.run(
        'observe_pool',
        [
          keys.workerRecords(pool),
          keys.unobserved(pool),
          ...workerIds.map(keys.worker),
          ...entries.map(({ id }) => keys.stats(id)),
          ...entries.map(({ id }) => keys.beforeQuarantine(id)),
        ],
        [
          memory === undefined ? 'act' : 'plan',
          clockOverride(clock),
          keepS,
          memory ?? '',
          workerIds.length,
          ...workerIds,
          ...entries.map(({ field }) => field),
        ],
      ),
    );
    return JSON.parse(reply);
  };

  return {
    begin(live) {
      const names = new Set(live.map(({ pool }) => pool));
      for (const pool of planned.keys()) if (!names.has(pool)) planned.delete(pool);
    },

    async look(pool, workerIds, entries, plan) {
      const replies: LookReply[] = [];
      for (const some of partsOf(entries, Math.max(least, most - workerIds.length))) {
        const fields = some.map(({ field }) => field);
        replies.push(await lookAt(pool, workerIds, some, plan ? memoryOf(pool, fields) : undefined));
      }
      const [first] = replies as [LookReply, ...LookReply[]];
      const unobserved = Object.assign({}, ...replies.map((reply) => reply.unobserved));
      if (plan) planned.set(pool, { workers: first.workers, unobserved });
      return {
        at: first.at,
        since: new Map(Object.entries<string>(unobserved).map(([field, text]) => [field, Number.parseInt(text, 10)])),
        isProvable: first.workers.run !== '',
        memoryOf: (field) => (plan ? memoryOf(pool, [field]) : ''),
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
      for (const some of partsOf(gone, chunk)) await redis.hdel(keys.unobserved(pool), ...some);
    },
  };
};
