import type { Deps } from '../io/redis/deps.ts';
import { orNamed } from '../io/redis/wrongTypes.ts';
import { readArguments } from '../options.ts';
import { type AuditEntry, auditEntryOf, type StoredEntry, storedEntryOf } from './auditEntries.ts';
import { createUndo, type UndoOutcome } from './undo.ts';

/** Selects entries. An entry must match every member that is given. */
export interface AuditFilter {
  /** Id of a job. An act on several jobs matches if the job is among those that its entry names. */
  readonly id?: string;
  /** Id of a pool. */
  readonly pool?: string;
  /** Host, `host:process`, or person. */
  readonly who?: string;
  /** The first time: a Date, or an ISO 8601 time. */
  readonly since?: Date | string;
  /** The last time, likewise. */
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
  /**
   * Undoes acts, the newest first, each by one script that changes nothing if anything has moved since the act. Of a job it undoes one
   * act a call, the newest that can be undone. With `plan` it changes nothing. Undone can be: fail, reset, untrack, quarantine, a dropped hook, a dropped quarantine (for 30 days). An undo is recorded too.
   * @param entries ids of entries.
   * @returns an outcome for each entry, in the order in which they were undone.
   * @example
   * const [outcome] = await reaper.audit.undo(['1790000000000-0'], { plan: true });
   * if (outcome.outcome === 'moved') console.log(outcome.moved);
   */
  undo(entries: readonly string[], options?: { readonly plan?: boolean }): Promise<UndoOutcome[]>;
}

/** @param isPlan whether nothing may be changed. */
export const createAuditAdmin = (
  deps: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'>,
  isPlan: boolean,
): AuditAdmin => ({
  async undo(given, options) {
    const { entries } = readArguments('undoEntries', { entries: given });
    const { plan = false } = readArguments('undo', options);
    const undo = createUndo(deps, (id) => findUndo(deps, id));
    const outcomes: UndoOutcome[] = [];
    const undone = new Map<string, string>();
    for (const id of [...new Set(entries)].sort(newestFirst)) {
      const [found] = await readEntries(deps, id, id, 1);
      const outcome: UndoOutcome =
        found === undefined
          ? { entry: id, what: undefined, job: undefined, outcome: 'not-found', notes: [] }
          : await undo(storedEntryOf(found), plan || isPlan, undone);
      outcomes.push(outcome);
      const { job } = outcome;
      if (job !== undefined && (outcome.outcome === 'done' || outcome.outcome === 'planned')) undone.set(job, id);
    }
    return outcomes;
  },

  async *list(given = {}) {
    const filter = readArguments('auditFilter', given);
    let left = filter.limit ?? Number.POSITIVE_INFINITY;
    for await (const page of entriesBetween(deps, boundOf(filter.since) ?? '-', boundOf(filter.until) ?? '+')) {
      const some = page.filter((entry) => matches(entry, filter)).slice(0, left);
      left -= some.length;
      if (some.length > 0) yield some.map(auditEntryOf);
      if (left <= 0) return;
    }
  },
});

const newestFirst = (a: string, b: string): number => {
  const [atA = 0n, nthA = 0n] = a.split('-').map(BigInt);
  const [atB = 0n, nthB = 0n] = b.split('-').map(BigInt);
  return Number(atB - atA) || Number(nthB - nthA);
};

/** Pages of the latest entries in which an earlier undo is looked for. */
const maxPages = 20;

/** The undo of an entry. It is newer than the entry, and was asked for by a person: mostly it is among the newest. */
const findUndo = async (deps: Pick<Deps, 'connection' | 'keys'>, id: string): Promise<AuditEntry | undefined> => {
  let pages = 0;
  for await (const page of entriesBetween(deps, id, '+')) {
    const found = page.find(({ what, of }) => what === 'undo' && of === id);
    pages += 1;
    if (found !== undefined || pages === maxPages) return found;
  }
  return undefined;
};

/** Entries that one command reads, of about 500 bytes each. */
const pageSize = 500;

/** The bound of ids for a time. There are no entries before 1970, and no ids for them. */
const boundOf = (time: Date | undefined): string | undefined =>
  time === undefined ? undefined : String(Math.max(0, time.getTime()));

/** All entries between two ids, the newest first. */
async function* entriesBetween(
  deps: Pick<Deps, 'connection' | 'keys'>,
  oldest: string,
  latest: string,
): AsyncIterable<readonly StoredEntry[]> {
  for (let newest = latest; ; ) {
    const found = await readEntries(deps, newest, oldest, pageSize);
    yield found.map(storedEntryOf);
    const last = found.at(-1);
    if (last === undefined || found.length < pageSize) return;
    newest = `(${last[0]}`;
  }
}

/** @throws RedisError that names the key and says what to do, if it is no stream. */
const readEntries = async (
  { connection: { redis }, keys }: Pick<Deps, 'connection' | 'keys'>,
  newest: string,
  oldest: string,
  count: number,
): Promise<[id: string, fields: string[]][]> => {
  return orNamed(redis, [keys.audit, 'stream'], redis.xrevrange(keys.audit, newest, oldest, 'COUNT', count));
};

const matches = ({ job, jobs, pool, who }: StoredEntry, filter: Pick<AuditFilter, 'id' | 'pool' | 'who'>): boolean =>
  (filter.id === undefined || job === filter.id || jobs?.includes(filter.id) === true) &&
  (filter.pool === undefined || pool === filter.pool) &&
  (filter.who === undefined || namesOf(who).includes(filter.who));

/** `core-1:4711 ann` is known as itself, `core-1:4711`, `core-1` and `ann`. */
const namesOf = (who: string): readonly string[] => {
  const [process = '', ...person] = who.split(' ');
  return [who, process, process.replace(/:\d+$/, ''), person.join(' ')];
};
