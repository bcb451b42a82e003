import type { Deps } from '../io/redis/deps.ts';
import { readArguments } from '../options.ts';
import { type AuditEntry, auditEntryOf, type StoredEntry, storedEntryOf } from './auditEntries.ts';

/** Selects entries. An entry must match every member that is given. */
export interface AuditFilter {
  /** Id of a job. An act on several jobs matches if the job is among those that its entry names. */
  readonly id?: string;
  readonly pool?: string;
  /** Host, `host:process`, or person. */
  readonly who?: string;
  /** The first and the last time: a Date, or an ISO 8601 time. */
  readonly since?: Date | string;
  readonly until?: Date | string;
  /** How many entries, the newest ones. */
  readonly limit?: number;
}

/** What was done in this namespace: every act of every pass and command, by all hosts. */
export interface AuditAdmin {
  /**
   * The entries that match, the newest first, a bounded number at a time. Changes nothing.
   * @throws OptionsError if a member of the filter is unknown, undefined or empty: it would match other entries than were meant.
   * @example
   * for await (const page of reaper.audit.list({ id: 'a1b2', limit: 10 })) for (const { at, what, why } of page) …
   */
  list(filter?: AuditFilter): AsyncIterable<readonly AuditEntry[]>;
}

export const createAuditAdmin = (deps: Pick<Deps, 'connection' | 'keys'>): AuditAdmin => ({
  async *list(given = {}) {
    const filter = readArguments('auditFilter', given);
    let left = filter.limit ?? Number.POSITIVE_INFINITY;
    for await (const page of entriesBetween(deps, filter.since, filter.until)) {
      const some = page.filter((entry) => matches(entry, filter)).slice(0, left);
      left -= some.length;
      if (some.length > 0) yield some.map(auditEntryOf);
      if (left <= 0) return;
    }
  },
});

/** Entries that one command reads, of about 500 bytes each. */
const pageSize = 500;

/** All entries between two times, the newest first. */
async function* entriesBetween(
  { connection: { redis }, keys }: Pick<Deps, 'connection' | 'keys'>,
  since: Date | undefined,
  until: Date | undefined,
): AsyncIterable<readonly StoredEntry[]> {
  const oldest = since === undefined ? '-' : String(since.getTime());
  let newest = until === undefined ? '+' : String(until.getTime());
  for (;;) {
    const found = await redis.xrevrange(keys.audit, newest, oldest, 'COUNT', pageSize);
    yield found.map(storedEntryOf);
    const last = found.at(-1);
    if (last === undefined || found.length < pageSize) return;
    newest = `(${last[0]}`;
  }
}

const matches = ({ job, jobs, pool, who }: StoredEntry, filter: Pick<AuditFilter, 'id' | 'pool' | 'who'>): boolean =>
  (filter.id === undefined || job === filter.id || jobs?.includes(filter.id) === true) &&
  (filter.pool === undefined || pool === filter.pool) &&
  (filter.who === undefined || namesOf(who).includes(filter.who));

/** `core-1:4711 ann` is known as itself, `core-1:4711`, `core-1` and `ann`. */
const namesOf = (who: string): readonly string[] => {
  const [process = '', ...person] = who.split(' ');
  return [who, process, process.replace(/:\d+$/, ''), person.join(' ')];
};
