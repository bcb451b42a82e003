import { isoTime } from '../isoTime.ts';

/** Facts of a job by name, as texts; null for one that is missing. */
export type AuditedFacts = Readonly<Record<string, string | null>>;

/** Codes of the acts in the audit stream. */
export type AuditedAct =
  | 'fail'
  | 'reset'
  | 'untrack'
  | 'refire'
  | 'requeue'
  | 'requeue-orphan'
  | 'remove-stale'
  | 'deregister'
  | 'quarantine'
  | 'rebuild-counters'
  | 'release-quarantined'
  | 'drop-quarantined'
  | 'retry-hook'
  | 'drop-hook'
  | 'undo';

/** One act, as recorded in the audit stream. */
export interface AuditEntry {
  /** Id of the entry, which `undo` takes: ms by the clock of Redis, and a counter. */
  readonly id: string;
  /** ISO time. */
  readonly at: string;
  /** Host and process, and the person on whose behalf it acted, such as `core-1:4711 ann`. */
  readonly who: string;
  /** The pass that acted, such as `sweep/x1Yz`, or `command`. */
  readonly pass: string;
  /** An `AuditedAct`; another text only if another version has written it. */
  readonly what: string;
  /** Reason code. */
  readonly why: string;
  readonly job?: string;
  readonly pool?: string;
  readonly type?: string;
  /** The entry that this one has undone. */
  readonly of?: string;
  /** For an act on several entries or hooks: how many, and the ids of their jobs, as far as they fit. */
  readonly count?: number;
  readonly jobs?: readonly string[];
  /** Facts before the act, and those that it has changed. */
  readonly was: AuditedFacts;
  readonly is: AuditedFacts;
  /** Some facts were too long to be recorded, or not UTF-8, so the act cannot be undone. */
  readonly isCut: boolean;
}

/** An entry with what only an undo uses. */
export interface StoredEntry extends AuditEntry {
  /** Key of what an undo needs. */
  readonly kept: string | undefined;
}

/** Decodes an entry of the stream. Foreign entries and unknown fields do no harm. */
export const storedEntryOf = ([id, flat]: readonly [id: string, flat: readonly string[]]): StoredEntry => {
  const fields = new Map<string, string>();
  for (let i = 0; i < flat.length; i += 2) fields.set(flat[i] as string, flat[i + 1] as string);
  const text = (name: string) => fields.get(name) ?? '';
  const ids = fields.get('ids');
  return {
    id,
    at: isoTime(Number(id.split('-')[0])),
    ...{ who: text('who'), pass: text('pass'), what: text('what'), why: text('why') },
    ...optional(fields, 'job', 'pool', 'type', 'of'),
    ...(/^\d{1,15}$/.test(text('n')) ? { count: Number(text('n')) } : {}),
    ...(ids === undefined ? {} : { jobs: ids.split('\n') }),
    was: factsOf(fields.get('was')),
    is: factsOf(fields.get('is')),
    // A byte that is no UTF-8 was replaced: an undo must not write that back.
    isCut: fields.has('cut') || [text('was'), text('is'), text('job')].some((one) => one.includes('\ufffd')),
    kept: fields.get('kept'),
  };
};

export const auditEntryOf = ({ kept: _, ...entry }: StoredEntry): AuditEntry => entry;

const optional = <Name extends string>(fields: ReadonlyMap<string, string>, ...names: readonly Name[]) =>
  Object.fromEntries(names.flatMap((name) => (fields.has(name) ? [[name, fields.get(name)]] : []))) as Partial<
    Record<Name, string>
  >;

const factsOf = (json: string | undefined): AuditedFacts => {
  try {
    const facts = Object.entries((JSON.parse(json ?? '{}') ?? {}) as object);
    return Object.fromEntries(facts.filter(([, value]) => value === null || typeof value === 'string'));
  } catch {
    return {};
  }
};
