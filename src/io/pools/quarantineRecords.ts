import type { Deps } from '../redis/deps.ts';
import type { QuarantinedRecord } from '../redis/replies/pools.ts';

/** A recovery: an entry of a job was taken from a worker that died, or that did not know the entry. */
export interface Recovery {
  /** Unix s. */
  readonly at: number;
  readonly pool: string;
}

/** A job in quarantine. */
export interface QuarantineRecord {
  readonly id: string;
  /** Types of its entries. There are several only if the job had several entries. */
  readonly types: readonly string[];
  /** Since when, unix s. */
  readonly at: number;
  readonly recoveries: readonly Recovery[];
  /** Whether an entry is still in gocraft's `dead`. If not, gocraft's own tools have taken it. */
  readonly isInDead: boolean;
  /** Types of the entries that are still in `dead`. */
  readonly typesInDead: readonly string[];
  /** Digest of the record as stored in Redis. A change is refused if the stored record differs from it. */
  readonly digest: string;
}

export interface QuarantineRecords {
  find(id: string): Promise<QuarantineRecord | undefined>;
  /** All records, in bounded pages, unordered. */
  all(): AsyncIterable<readonly QuarantineRecord[]>;
}

/** Records that one step reads. Each is decoded, and looked up in `dead`. */
const pageSize = 50;

/** A recovery as stored in Redis. */
type RecoveryReply = readonly [at: number, pool: string, heartbeat: string];

export const createQuarantineRecords = ({ keys, scripts }: Pick<Deps, 'keys' | 'scripts'>): QuarantineRecords => {
  const scriptKeys = [keys.quarantine, keys.dead];
  return {
    async find(id) {
      const reply = await scripts.run('find_quarantined', scriptKeys, [id]);
      return reply.outcome === 'found' ? recordOf(reply.record) : undefined;
    },
    async *all() {
      let cursor = '0';
      do {
        const page = await scripts.run('read_quarantine', scriptKeys, [cursor, pageSize]);
        yield page.records.map(recordOf);
        cursor = page.cursor;
      } while (cursor !== '0');
    },
  };
};

const recordOf = ([id, digest, at, isInDead, types, recoveries, areInDead]: QuarantinedRecord): QuarantineRecord => ({
  id,
  types,
  at,
  // cjson writes an empty list as `{}`.
  recoveries: Array.from(recoveries, recoveryOf),
  isInDead,
  typesInDead: types.filter((_, i) => areInDead[i]),
  digest,
});

export const recoveryOf = ([at, pool]: RecoveryReply): Recovery => ({ at, pool });
