import type { Deps } from '../redis/deps.ts';
import type { ReplyOf } from '../redis/scripts.ts';

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
type RecordReply = ReplyOf<'read_quarantine'>['records'][number];

export const createQuarantineRecords = ({ keys, scripts }: Pick<Deps, 'keys' | 'scripts'>): QuarantineRecords => {
  const read = async (cursor: string, what: string | number): Promise<[string, QuarantineRecord[]]> => {
    const reply = await scripts.run('read_quarantine', [keys.quarantine, keys.dead], [cursor, what]);
    return [reply.cursor, reply.records.map(recordOf)];
  };
  return {
    async find(id) {
      const [, [record]] = await read('', id);
      return record;
    },
    async *all() {
      let cursor = '0';
      do {
        const [next, found] = await read(cursor, pageSize);
        yield found;
        cursor = next;
      } while (cursor !== '0');
    },
  };
};

const recordOf = ([id, digest, at, isInDead, types, recoveries, areInDead]: RecordReply): QuarantineRecord => ({
  id,
  types,
  at,
  recoveries: recoveries.map(recoveryOf),
  isInDead,
  typesInDead: types.filter((_, i) => areInDead[i]),
  digest,
});

export const recoveryOf = ([at, pool]: RecoveryReply): Recovery => ({ at, pool });
