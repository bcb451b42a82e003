/** Keys, values and states that the set-ups of several scripts share. */
import { createHash } from 'node:crypto';
import { second } from '../jobs.ts';
import type { State, StoredKey } from '../states.ts';

/** Where a script does something else than all or nothing, on purpose: why, and which keys may then hold something else. */
export interface Exception {
  readonly reason: string;
  readonly keys?: readonly string[];
}

/** A state, and a call of a script in it. All set-ups of a script together have it write all that it can write. */
export interface SetUp {
  readonly title: string;
  readonly state: State;
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
  /** It is called behind a fence; with a token. */
  readonly fenced?: true;
  readonly once?: true;
  /** Its act is recorded. */
  readonly audited?: true;
  /** By command or key: without it, or with another type in it, the script goes on. */
  readonly goesOn?: Readonly<Record<string, Exception>>;
  /** Sent again it says something else. */
  readonly again?: Exception & { readonly reply?: unknown };
}

/** Stands for the run id of the Redis that the set-up is written to. */
export const thisRun = '<run>';
export const lease = 't:reaper:lease';
export const fenceNumber = '1000000000000';
export const changes = 't:reaper:changes:j';

export const hash = (value: Record<string, string | number>, ttl?: number): StoredKey => ({
  type: 'hash',
  value: Object.fromEntries(Object.entries(value).map(([field, text]) => [field, String(text)])),
  ...(ttl === undefined ? {} : { ttl }),
});
export const zset = (value: Record<string, number>): StoredKey => ({ type: 'zset', value });
export const set = (...value: string[]): StoredKey => ({ type: 'set', value });
export const list = (...value: string[]): StoredKey => ({ type: 'list', value });
export const string = (value: string | number): StoredKey => ({ type: 'string', value: String(value) });

/** An hour ago: no time that a script writes. */
export const before = second(-3_600);
/** Recoveries of a job, before. */
export const died = (times: number) =>
  JSON.stringify(Array.from({ length: times }, (_, i) => [before + i, `old${i}`, String(before)]));
export const stats = 't:job_stats:j';
export const track = 't:job_track:inprogress';
export const executions = 't:executions:p';
export const hooks = 't:reaper:hooks';
export const parked = 't:reaper:hooks:parked';
export const origins = 't:reaper:hooks:origins';
export const origin = 'http://a:1';
export const due = `t:reaper:hooks:due:${origin}`;
export const endpoint = `t:reaper:hooks:endpoint:${origin}`;
export const hookKeys = [hooks, parked, origins, due];
export const fields = {
  id: 'j',
  name: 'X',
  kind: 'Generic',
  update_time: before,
  enqueue_time: before,
  web_hook_url: origin,
};

export const job = (status: string, more: Record<string, string | number> = {}, ttl?: number) => ({
  [stats]: hash({ ...fields, status, revision: before, ...more }, ttl),
  [track]: hash({ j: 2, other: 2 }),
});

/** The fields of stats that are judged, in the order of a fingerprint. */
export const judgedFields = [
  'id',
  'status',
  'kind',
  'name',
  'update_time',
  'check_in_at',
  'revision',
  'enqueue_time',
  'run_at',
  'ack',
];

/** As `lua/includes/facts.lua` makes it. */
export const fingerprintOf = (state: State) => {
  const values = (state[stats]?.value ?? {}) as Record<string, string>;
  const parts = [...judgedFields, 'web_hook_url'].map((field) =>
    values[field] === undefined ? '-' : `${values[field].length}:${values[field]}`,
  );
  return createHash('sha1').update(parts.join('')).digest('hex');
};

/** The hooks' own clock, an hour ago. */
export const at = 1_000 * before;
export const claimedUntil = at + 40_000;

/** All that is known of hooks, with a record of the job. */
export const withRecord = (
  record: string,
  { waits = at, known = {} as Record<string, string | number> } = {},
): State => ({
  [hooks]: hash({ j: record, other: `pending Running:1 ${origin} 0 0 0 -` }),
  [parked]: zset(record.startsWith('parked') ? { j: at, other: at } : { other: at }),
  [origins]: set('http://other:1'),
  [due]: zset(record.startsWith('parked') ? { other: at } : { j: waits, other: at + 1 }),
  ...(Object.keys(known).length === 0 ? {} : { [endpoint]: hash(known) }),
});
export const sending = (first = before - 60) => `sending Running:${before} ${origin} 1 ${first} ${before} -`;
export const queue = 't:jobs:X';
export const held = 't:jobs:X:p:inprogress';
export const lock = 't:jobs:X:lock';
export const quarantine = 't:reaper:quarantine';
/** Says that entries of the pool were requeued or quarantined. */
export const rescueNote = 't:reaper:rescues:p';
export const lockInfo = 't:jobs:X:lock_info';
export const pools = 't:worker_pools';
export const heartbeat = 't:worker_pools:p';
export const recoveries = 't:reaper:recoveries';
export const dead = 't:dead';
export const oldBeat = String(second(-120));
export const entry = (id: string, t = second(-60)) => `{"name":"X","id":"${id}","t":${t},"args":{}}`;

export const pool = (beat: string | number, ...entries: string[]): State => ({
  [pools]: set('p', 'q'),
  [heartbeat]: hash({ heartbeat_at: beat, worker_ids: 'w' }),
  ...(entries.length === 0 ? {} : { [held]: list(...entries) }),
  [lock]: string(entries.length + 1),
  [lockInfo]: hash({ p: entries.length + 1, q: 1 }),
});
export const deadMember = '{"name":"X","id":"j","fails":1}';

export const quarantined = JSON.stringify({
  at: before,
  recoveries: [[before, 'p', '']],
  entries: [['X', entry('j'), deadMember]],
});
/** The record of a job with two entries in quarantine, the other one of this type. */
export const twoQuarantined = (type: string) =>
  JSON.stringify({
    at: before,
    recoveries: [[before, 'p', '']],
    entries: [
      [type, 'another', 'another entry'],
      ['X', entry('j'), deadMember],
    ],
  });
export const digestOf = (text: string) => createHash('sha1').update(text).digest('hex');
export const digest = digestOf(quarantined);
export const isCounter: Exception = { reason: 'rebuild_counters reports a counter of another type' };
export const isNote: Exception = { reason: 'a note of ours must not hold a rescue back', keys: [rescueNote, changes] };
export const fresh: State = job('Pending');
export const runs: State = job('Running');
