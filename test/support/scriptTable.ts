import { createHash } from 'node:crypto';
import type { ScriptName } from '../../src/io/redis/scripts.ts';
import { placeOf, second } from './jobs.ts';
import type { State, StoredKey } from './states.ts';

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
export const audit = 't:reaper:audit';
export const auditKept = 't:reaper:audit:kept:token';

const hash = (value: Record<string, string | number>, ttl?: number): StoredKey => ({
  type: 'hash',
  value: Object.fromEntries(Object.entries(value).map(([field, text]) => [field, String(text)])),
  ...(ttl === undefined ? {} : { ttl }),
});
const zset = (value: Record<string, number>): StoredKey => ({ type: 'zset', value });
const set = (...value: string[]): StoredKey => ({ type: 'set', value });
const list = (...value: string[]): StoredKey => ({ type: 'list', value });
const string = (value: string | number): StoredKey => ({ type: 'string', value: String(value) });

/** An hour ago: no time that a script writes. */
const before = second(-3_600);
const stats = 't:job_stats:j';
const track = 't:job_track:inprogress';
const executions = 't:executions:p';
const hooks = 't:reaper:hooks';
const parked = 't:reaper:hooks:parked';
const origins = 't:reaper:hooks:origins';
const origin = 'http://a:1';
const due = `t:reaper:hooks:due:${origin}`;
const endpoint = `t:reaper:hooks:endpoint:${origin}`;
const progress = 't:reaper:progress';
const hookKeys = [hooks, parked, origins, due];

const fields = { id: 'j', name: 'X', kind: 'Generic', update_time: before, enqueue_time: before, web_hook_url: origin };
const job = (status: string, more: Record<string, string | number> = {}, ttl?: number) => ({
  [stats]: hash({ ...fields, status, revision: before, ...more }, ttl),
  [track]: hash({ j: 2, other: 2 }),
});
const order = [
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
const fingerprintOf = (state: State) => {
  const values = (state[stats]?.value ?? {}) as Record<string, string>;
  const parts = [...order, 'web_hook_url'].map((field) =>
    values[field] === undefined ? '-' : `${values[field].length}:${values[field]}`,
  );
  return createHash('sha1').update(parts.join('')).digest('hex');
};
const ack = (status: string, revision = before) => JSON.stringify({ status, revision, check_in_at: 0 });

/** The hooks' own clock, an hour ago. */
const at = 1_000 * before;
const claimedUntil = at + 40_000;
/** All that is known of hooks, with a record of the job. */
const told = (record: string, { waits = at, known = {} as Record<string, string | number> } = {}): State => ({
  [hooks]: hash({ j: record, other: `pending Running:1 ${origin} 0 0 0 -` }),
  [parked]: zset(record.startsWith('parked') ? { j: at, other: at } : { other: at }),
  [origins]: set('http://other:1'),
  [due]: zset(record.startsWith('parked') ? { other: at } : { j: waits, other: at + 1 }),
  ...(Object.keys(known).length === 0 ? {} : { [endpoint]: hash(known) }),
});
const sending = (first = before - 60) => `sending Running:${before} ${origin} 1 ${first} ${before} -`;
const ofClaim = (...args: (string | number)[]) => ['', 'j', claimedUntil, ...args];
const anyStats = { reason: 'the result of an attempt is recorded whatever becomes of the job' };
const broken = { failures: 1, opens: 1, open_until: at - 1, probe_until: claimedUntil, tokens: 1, tokens_at: at };

const queue = 't:jobs:X';
const held = 't:jobs:X:p:inprogress';
const lock = 't:jobs:X:lock';
const lockInfo = 't:jobs:X:lock_info';
const opened = 't:reaper:recount:X';
const pools = 't:worker_pools';
const heartbeat = 't:worker_pools:p';
const recoveries = 't:reaper:recoveries';
const recovered = 't:reaper:recovered';
const quarantine = 't:reaper:quarantine';
const beforeQuarantine = 't:reaper:quarantine:before:j';
const dead = 't:dead';
const workers = 't:reaper:workers:p';
const unobserved = 't:reaper:unobserved:p';
const oldBeat = String(second(-120));
const entry = (id: string, t = second(-60)) => `{"name":"X","id":"${id}","t":${t},"args":{}}`;
const pool = (beat: string | number, ...entries: string[]): State => ({
  [pools]: set('p', 'q'),
  [heartbeat]: hash({ heartbeat_at: beat, worker_ids: 'w' }),
  ...(entries.length === 0 ? {} : { [held]: list(...entries) }),
  [lock]: string(entries.length + 1),
  [lockInfo]: hash({ p: entries.length + 1, q: 1 }),
});
const died = (times: number) =>
  JSON.stringify(Array.from({ length: times }, (_, i) => [before + i, `old${i}`, String(before)]));
const oldRecoveries: State = {
  [recoveries]: hash({ gone: JSON.stringify([[second(-200_000), 'x', '']]) }),
  [recovered]: list(`${second(-200_000)}\ngone`),
};
const deadMember = '{"name":"X","id":"j","fails":1}';
const quarantined = JSON.stringify({
  at: before,
  recoveries: [[before, 'p', '']],
  entries: [['X', entry('j'), deadMember]],
});
const inQuarantine: State = {
  [quarantine]: hash({ j: quarantined }),
  [dead]: zset({ [deadMember]: before }),
  [recoveries]: hash({ j: died(3) }),
};
const digest = createHash('sha1').update(quarantined).digest('hex');

const isCounter: Exception = { reason: 'rebuild_counters reports a counter of another type' };
const leftAlone = (reason: string): Exception => ({
  reason: `${reason}: left`,
  keys: [held, queue, lock, lockInfo, unobserved, recoveries, recovered, changes],
});
const keepsEntries: Exception = {
  reason: 'a record of ours must not hold an entry back; the answer says so',
  keys: [recoveries, recovered, changes],
};
const notForgotten: Exception = { reason: 'its recoveries are not forgotten then', keys: [recoveries] };
const unrecorded: Exception = {
  reason: 'an act must not fail for its record; the reply says so',
  keys: [audit, auditKept],
};
/** The same set-up, with its act recorded. Without one of these the act is done all the same. */
const recorded = (setUp: SetUp): SetUp => ({
  ...setUp,
  title: `${setUp.title}, recorded`,
  audited: true,
  goesOn: {
    // Where it does less, it records less.
    ...Object.fromEntries(
      Object.entries(setUp.goesOn ?? {}).map(([need, { reason, keys }]) => [
        need,
        keys === undefined ? { reason } : { reason, keys: [...keys, audit, auditKept] },
      ]),
    ),
    ...{ [audit]: unrecorded, [auditKept]: unrecorded, XADD: unrecorded },
  },
});
/** Each set-up, and one of them also with its act recorded. */
const alsoRecorded = (setUps: readonly SetUp[], goesOn: SetUp['goesOn'] = {}, which = 0): readonly SetUp[] => [
  ...setUps,
  recorded({ ...(setUps[which] as SetUp), goesOn: { ...setUps[which]?.goesOn, ...goesOn } }),
];

const otherStats: Exception = {
  reason: '`overtaken`: the stats are not as they were read',
  keys: [held, lock, lockInfo, dead, recoveries, quarantine, beforeQuarantine, track, executions, ...hookKeys, changes],
};
/** Without one of these an entry moves all the same, and its recovery is not counted. */
const uncounted: Readonly<Record<string, Exception>> = Object.fromEntries(
  [recoveries, recovered, 'EXPIRE', 'RPUSH', 'LINDEX', 'LPOP', 'HDEL', 'HMGET'].map((need) => [need, keepsEntries]),
);

const unread = 'the sender reads the stats, which are kept nowhere else';

const fresh: State = job('Pending');
const runs: State = job('Running');

const poisonJob: State = {
  ...runs,
  ...told(`parked Pending:1 ${origin} 1 1 1 404`),
  ...pool(oldBeat, entry('other'), entry('j')),
  [recoveries]: hash({ j: died(3) }),
  [executions]: zset({ j: before }),
  [quarantine]: hash({ gone: JSON.stringify({ at: second(-9_000_000), recoveries: [], entries: [] }) }),
};

/** An entry of the audit stream about the fail of a job, and the state that it has left. */
const failed = { was: facts({ status: 'Running', tracked: 2 }), is: facts({ status: 'Error', tracked: 1 }) };
const afterFail: State = {
  ...job('Error', {}, 604_800),
  [track]: hash({ j: 1, other: 2 }),
  ...told(`pending Error:${before} ${origin} 0 0 0 -`),
};
function facts(changes: Record<string, string | number>) {
  const all = { status: '', revision: before, update_time: before, ...changes };
  return JSON.stringify(Object.fromEntries(Object.entries(all).map(([name, value]) => [name, String(value)])));
}
const pendingError = `pending Error:${before} ${origin} 0 0 0 -`;
const droppedRecord = `parked Running:1 ${origin} 0 0 0 dropped`;
const printOfRuns = fingerprintOf(runs);
const digestOf = (text: string) => createHash('sha1').update(text).digest('hex');
const twoQuarantined = JSON.stringify({
  at: before,
  recoveries: [[before, 'p', '']],
  entries: [
    ['X', 'another', 'another entry'],
    ['X', entry('j'), deadMember],
  ],
});
const dropped = JSON.stringify({ record: quarantined, members: [[deadMember, String(before)]] });

export const scriptTable: Readonly<Record<ScriptName, readonly SetUp[]>> = {
  acknowledge: [
    {
      title: 'a final status',
      state: job('Success'),
      keys: [stats, track],
      args: ['Success', before, 0, 'j'],
    },
    {
      title: 'the last of the count',
      state: { ...job('Success', { ack: ack('Running') }), [track]: hash({ j: 1, other: 1 }) },
      keys: [stats, track],
      args: ['Success', before, 0, 'j'],
    },
    { title: 'a status that is not final', state: runs, keys: [stats, track], args: ['Running', before, 0, 'j'] },
  ],
  begin_sweep: [
    { title: 'the first', state: runs, keys: [progress, track], args: [], fenced: true, goesOn: { INFO: noRunId() } },
    {
      title: 'one that another process of Redis has begun',
      state: { ...runs, [progress]: hash({ cursor: 7, scanned: 9, run_id: 'other', begun: at }) },
      keys: [progress, track],
      args: [],
      fenced: true,
      goesOn: { INFO: noRunId() },
    },
  ],
  cancel_change: [{ title: 'one that was not done', state: {}, keys: [], args: [], once: true }],
  check_in: [
    { title: 'without a receiver', state: runs, keys: [stats, ...hookKeys], args: [before, 'j'], once: true },
    {
      title: 'while it is sent',
      state: { ...runs, ...told(sending(), { waits: claimedUntil }) },
      keys: [stats, ...hookKeys],
      args: [before, 'j', origin, '', 100],
      once: true,
    },
    {
      title: 'after it was parked',
      state: { ...runs, ...told(`parked Pending:${before} ${origin} 1 1 1 404`) },
      keys: [stats, ...hookKeys],
      args: [before, 'j', origin, '', 100],
      once: true,
    },
  ],
  claim_hooks: [
    {
      title: 'what is due, and what is elsewhere by now',
      state: {
        ...runs,
        ...told(`pending Running:1 ${origin} 0 0 0 -`, { known: { tokens: 1, tokens_at: at - 60_000 } }),
        [hooks]: hash({ j: `pending Running:1 ${origin} 0 0 0 -`, other: 'pending Running:1 http://b:1 0 0 0 -' }),
        [due]: zset({ j: at, other: at }),
      },
      keys: [hooks, due, endpoint, origins, 't:job_stats:other', stats],
      args: [at + 5, 40_000, 8, 2, 50, origin, 'other', 'j'],
      goesOn: {
        [stats]: { reason: 'its job has no stats to tell of: the sender drops it', keys: [hooks] },
        't:job_stats:other': { reason: 'its record is not of this receiver' },
      },
      once: true,
      again: {
        reason: unread,
        reply: {
          ...{ outcome: 'claimed', wait: 40_000, breaker: 'draining' },
          hooks: [['j', 'pending', 1, String(at + 5), String(at + 40_005), 'unread']],
        },
      },
    },
    {
      title: 'a probe',
      state: { ...runs, ...told(`asked Running:1 ${origin} 0 0 0 -`, { known: { failures: 2, open_until: at - 1 } }) },
      keys: [hooks, due, endpoint, origins, stats],
      args: [at, 40_000, 8, 2, 50, origin, 'j'],
      goesOn: { [stats]: { reason: 'its job has no stats to tell of: the sender drops it', keys: [hooks] } },
      once: true,
      again: {
        reason: unread,
        reply: {
          ...{ outcome: 'claimed', wait: 1, breaker: 'probing' },
          hooks: [['j', 'asked', 1, String(at), String(at + 40_000), 'unread']],
        },
      },
    },
    {
      title: 'nothing, from a receiver that has heard all',
      state: { [origins]: set(origin, 'http://b:1'), [endpoint]: hash({ tokens: 3, tokens_at: at - 60_000 }) },
      keys: [hooks, due, endpoint, origins],
      args: [at, 40_000, 8, 2, 50, origin],
    },
  ],
  complete_pass: [
    {
      title: 'a sweep',
      state: { [progress]: hash({ cursor: 7, scanned: 9 }) },
      keys: [progress],
      args: ['sweep', 12],
      fenced: true,
    },
    { title: 'a rescue', state: {}, keys: [progress], args: ['rescue'], fenced: true },
  ],
  enqueue_hooks: alsoRecorded([
    {
      title: 'new, parked, and lost from its queue',
      state: {
        ...runs,
        [hooks]: hash({
          j: `parked Pending:1 ${origin} 1 1 1 404`,
          lost: `pending Running:1 ${origin} 0 0 0 -`,
          other: 'pending Running:1 http://b:1 0 0 0 -',
        }),
        [parked]: zset({ j: at, other: at }),
        [origins]: set('http://c:1'),
      },
      keys: [
        ...hookKeys,
        't:reaper:hooks:due:http://b:1',
        stats,
        't:job_stats:lost',
        't:job_stats:new',
        't:job_stats:b',
      ],
      args: [
        at,
        100,
        2,
        origin,
        'http://b:1',
        ...['j', `Running:${before}`, 1],
        ...['lost', 'Running:1', 1],
        ...['new', 'Running:1', 1],
        ...['b', 'Running:1', 2],
      ],
      goesOn: {
        [due]: {
          reason: "its jobs' answers name it; those of other receivers go on",
          keys: [hooks, parked, origins, audit],
        },
        't:reaper:hooks:due:http://b:1': { reason: 'likewise', keys: [hooks, origins, audit] },
        [stats]: { reason: 'nothing can be said of it but what the caller has read' },
        't:job_stats:lost': { reason: 'likewise' },
        't:job_stats:new': { reason: 'likewise' },
        't:job_stats:b': { reason: 'likewise' },
      },
    },
  ]),
  finish_entry: alsoRecorded([
    {
      title: 'an entry whose job has ended, and an observation that names it still',
      state: {
        ...job('Success'),
        ...pool(second(0), entry('j'), entry('other')),
        't:worker:w': hash({ job_id: 'j', job_name: 'X', args: '' }),
      },
      keys: [pools, heartbeat, held, lock, lockInfo, stats, 't:worker:w'],
      args: ['p', 3_600_000, placeOf(entry('j'), 2), 'act', 'j', before, before, 60],
      goesOn: {
        [lock]: isCounter,
        [lockInfo]: isCounter,
        [stats]: {
          reason: 'whether the job has ended can not be read: left',
          keys: [held, lock, lockInfo, 't:worker:w', changes],
        },
        't:worker:w': { reason: 'what it says can not be read, and is left' },
      },
      once: true,
    },
  ]),
  forget_parked: [
    {
      title: 'some that are old',
      state: told(`parked Pending:1 ${origin} 1 1 1 404`),
      keys: [hooks, parked],
      args: [at + 60_000, 30_000, 10],
      again: { reason: 'how many there were; the caller does not ask', reply: { outcome: 'done', count: 0 } },
    },
  ],
  resign_lease: [
    {
      title: 'its own',
      state: { [lease]: hash({ holder: 'me', host: 'h', fence: 5, since: at, until: at + 9_000_000 }) },
      keys: [lease],
      args: ['me'],
    },
  ],
  release_quarantined: ['release', 'drop']
    .map(
      (verb): SetUp => ({
        title: verb,
        state: inQuarantine,
        keys: [quarantine, dead, recoveries, queue],
        args: ['j', digest, verb],
        goesOn: { [recoveries]: notForgotten, HSET: notForgotten },
        once: true,
      }),
    )
    .flatMap((setUp) => [setUp, recorded(setUp)]),
  observe_pool: [
    {
      title: 'the first look since Redis was started',
      state: {
        ...runs,
        [workers]: hash({ at, run: 'other', 'w:gone': `${at} 1 - - x` }),
        [unobserved]: hash({ gone: `${at} x` }),
        't:worker:w': hash({ job_id: 'other', job_name: 'X', args: '' }),
      },
      keys: [workers, unobserved, 't:worker:w', stats, beforeQuarantine],
      args: ['act', '', 86_400, '', 1, 'w', 'f'],
      goesOn: {
        INFO: { reason: 'the run id is empty', keys: [workers] },
        [stats]: { reason: 'that it can not be read is kept', keys: [unobserved] },
        't:worker:w': { reason: 'that it can not be read is kept', keys: [workers] },
        [beforeQuarantine]: { reason: 'the job is no Error', keys: [] },
      },
    },
  ],
  move_hook: alsoRecorded([
    {
      title: 'retry',
      state: told(`parked Pending:1 ${origin} 1 1 1 404`),
      keys: hookKeys,
      args: [at, 'j', `parked Pending:1 ${origin} 1 1 1 404`, 'retry'],
      once: true,
    },
    {
      title: 'retry of what a host held when it died',
      state: told(sending(), { waits: at - 1 }),
      keys: hookKeys,
      args: [at, 'j', sending(), 'retry'],
      once: true,
    },
    {
      title: 'drop',
      state: told(`pending Running:1 ${origin} 0 0 0 -`),
      keys: hookKeys,
      args: [at, 'j', `pending Running:1 ${origin} 0 0 0 -`, 'drop'],
      once: true,
    },
  ]),
  checkpoint_sweep: [
    {
      title: 'the first since Redis was started',
      state: { [progress]: hash({ cursor: 7, scanned: 9 }) },
      keys: [progress],
      args: [8, 12, thisRun],
      fenced: true,
      goesOn: { INFO: noRunId() },
    },
    {
      title: 'a page',
      state: { [progress]: hash({ cursor: 7, scanned: 9, run_id: 'other' }) },
      keys: [progress],
      args: [8, 12, thisRun],
      fenced: true,
      goesOn: { INFO: noRunId() },
    },
  ],
  plan_requeue: [
    {
      title: 'an entry, and one of a poison job',
      state: { ...pool(oldBeat, entry('other'), entry('j')), ...oldRecoveries },
      keys: [pools, heartbeat, held, queue, recoveries, recovered, quarantine, dead],
      args: ['p', 10_000, oldBeat, 0, 100, 3, 86_400],
      goesOn: { ...uncounted },
    },
  ],
  requeue_orphan: alsoRecorded([
    {
      title: 'an entry that no worker runs',
      state: {
        ...fresh,
        ...pool(second(0), entry('j'), entry('other')),
        ...oldRecoveries,
        [unobserved]: hash({ f: `${at} Pending|${before}||${before}`, other: `${at} x` }),
        [workers]: hash({ at, run: thisRun }),
        't:worker:w': hash({ job_id: 'other', job_name: 'X', args: '' }),
      },
      keys: [
        ...[pools, heartbeat, held, queue, lock, lockInfo, stats, recoveries, recovered, quarantine, dead],
        ...[beforeQuarantine, workers, unobserved, 't:worker:w'],
      ],
      args: ['p', 3_600_000, placeOf(entry('j'), 2), 'act', 'j', 'f', 30_000, '', 3, 86_400, '', '', 'w'],
      goesOn: {
        [lock]: isCounter,
        [lockInfo]: isCounter,
        ...uncounted,
        [stats]: leftAlone('what the job is can not be read'),
        't:worker:w': leftAlone('what it runs can not be read'),
        INFO: leftAlone('whether Redis was restarted since is not known'),
      },
      once: true,
    },
  ]),
  quarantine_entry: alsoRecorded([
    {
      title: 'a poison job',
      state: poisonJob,
      keys: [
        ...[pools, heartbeat, held, lock, lockInfo, dead, recoveries, quarantine, stats, track, ...hookKeys],
        ...[beforeQuarantine, executions],
      ],
      args: ['p', 10_000, oldBeat, 3, 86_400, 'X', 'j', fingerprintOf(runs), ...[origin, at, 100]],
      goesOn: { [lock]: isCounter, [lockInfo]: isCounter, [stats]: otherStats },
      once: true,
    },
  ]),
  quarantine_orphan: alsoRecorded([
    {
      title: 'a poison job',
      state: poisonJob,
      keys: [
        ...[held, lock, lockInfo, dead, recoveries, quarantine, stats, track, ...hookKeys],
        ...[beforeQuarantine, executions],
      ],
      args: ['p', placeOf(entry('j'), 1), 3, 86_400, 'X', 'j', fingerprintOf(runs), ...[origin, at, 100]],
      goesOn: { [lock]: isCounter, [lockInfo]: isCounter, [stats]: otherStats },
      once: true,
    },
  ]),
  read_drift: [
    {
      title: 'counters that have drifted',
      state: { ...pool(oldBeat, entry('j')), [lock]: string(5), [lockInfo]: hash({ p: 3, q: 1 }) },
      keys: [lock, lockInfo, held, 't:jobs:X:q:inprogress'],
      args: ['p', 'q'],
      goesOn: { [held]: { reason: 'a key that is no list holds no entries', keys: [] } },
    },
  ],
  read_facts: [
    { title: 'a job', state: runs, keys: [stats], args: [], goesOn: { [stats]: { reason: '`unreadable`' } } },
  ],
  read_held: [{ title: 'a list', state: { [held]: list(entry('j'), entry('k')) }, keys: [held], args: [0, 10, 1_000] }],
  read_entries: [
    { title: 'a queue', state: { [queue]: list(entry('j'), entry('k')) }, keys: [queue], args: [0, 10, 1_000] },
  ],
  read_observations: [
    {
      title: 'two workers',
      state: { 't:worker:w': hash({ job_id: 'j', job_name: 'X', args: '' }), 't:worker:v': hash({ job_id: 'k' }) },
      keys: ['t:worker:w', 't:worker:v'],
      args: [1_000],
      goesOn: { 't:worker:w': { reason: '`unreadable`' }, 't:worker:v': { reason: '`unreadable`' } },
    },
  ],
  read_quarantine: [
    { title: 'one', state: inQuarantine, keys: [quarantine, dead], args: ['', 'j'] },
    { title: 'some', state: inQuarantine, keys: [quarantine, dead], args: ['0', 10] },
  ],
  rebuild_counters: alsoRecorded([
    {
      title: 'counters that have drifted',
      state: { ...pool(oldBeat, entry('j')), [lock]: string(5), [lockInfo]: hash({ p: 3, q: 1 }) },
      keys: [lock, lockInfo, held, 't:jobs:X:q:inprogress'],
      args: ['p', 'q'],
      goesOn: { [held]: { reason: 'a key that is no list holds no entries', keys: [lock, lockInfo, changes] } },
      once: true,
    },
  ]),
  recount_lock: alsoRecorded(
    [
      {
        title: 'opened',
        state: { [lock]: string(5) },
        keys: [lock, opened],
        args: ['mine', 'open'],
        once: true,
        again: { reason: 'it is opened again', reply: { outcome: 'opened' } },
      },
      {
        title: 'not written since it was opened',
        // Redis keeps so long a number as a text, as it does what `open` has written.
        state: { [lock]: string('5'.padStart(45, '0')), [opened]: string('mine') },
        keys: [lock, opened],
        args: ['mine', 2],
        once: true,
      },
      {
        title: 'written since it was opened',
        state: { [lock]: string(5), [opened]: string('mine') },
        keys: [lock, opened],
        args: ['mine', 2],
        once: true,
      },
    ],
    {},
    1,
  ),
  recount_pools: alsoRecorded([
    {
      title: 'fields that have drifted, and one that has not',
      state: { ...pool(oldBeat, entry('j')), [lockInfo]: hash({ p: 3, q: 1, r: 0 }) },
      keys: [lockInfo, held, 't:jobs:X:q:inprogress', 't:jobs:X:r:inprogress'],
      args: ['p', 'q', 'r'],
      goesOn: { [held]: { reason: 'a key that is no list holds no entries', keys: [lockInfo, changes] } },
      once: true,
    },
  ]),
  requeue: alsoRecorded([
    {
      title: 'two entries',
      state: { ...pool(oldBeat, entry('other'), entry('j')), ...oldRecoveries },
      keys: [pools, heartbeat, held, queue, lock, lockInfo, recoveries, recovered, quarantine, dead],
      args: ['p', 10_000, oldBeat, 100, 3, 86_400],
      goesOn: {
        [lock]: isCounter,
        [lockInfo]: isCounter,
        ...uncounted,
      },
      once: true,
    },
  ]),
  reset_job: [
    {
      title: 'a job that has ended',
      state: {
        ...job('Stopped', { ack: ack('Stopped'), check_in: 'x', check_in_at: before }, 86_400),
        [track]: hash({ o: 2 }),
      },
      keys: [stats, track],
      args: ['j', 'Pending', before],
      once: true,
    },
  ],
  restore_ack: alsoRecorded(
    [
      restored(
        'to a newer attempt',
        job('Stopped', { ack: ack('Running', before + 5) }, 86_400),
        'Running',
        before + 5,
      ),
      restored('to its end', job('Running', { ack: ack('Error') }), 'Error', ''),
    ],
    { [track]: { reason: 'only the end of a job counts it down', keys: [audit] } },
  ),
  save_job: [
    {
      title: 'a new execution, over an old one',
      state: job('Success', {}, 86_400),
      keys: [stats, track, executions],
      args: ['j', 9, 'id', 'j', 'status', 'Pending'],
      once: true,
    },
    { title: 'a new job', state: {}, keys: [stats, track], args: ['j', 0, 'id', 'j', 'status', 'Pending'], once: true },
  ],
  scan_entries: [
    { title: 'a set', state: { [dead]: zset({ [deadMember]: before }) }, keys: [dead], args: ['0', 10, 1_000] },
  ],
  scan_tracked: [
    {
      title: 'a page',
      state: runs,
      keys: [track],
      args: ['0', 10],
      goesOn: { INFO: { reason: 'the run id is empty' } },
    },
  ],
  set_status: alsoRecorded([
    {
      title: 'the end of an execution',
      state: { ...runs, ...told(`parked Pending:1 ${origin} 1 1 1 404`), [executions]: zset({ j: before }) },
      keys: [stats, track, ...hookKeys, executions],
      args: ['Error', before, 'j', '', origin, at, 100],
      once: true,
    },
    {
      title: 'the end, the last of the count, lost from its queue',
      state: {
        ...runs,
        ...told(`pending Error:${before} ${origin} 0 0 0 -`),
        [due]: zset({ other: at }),
        [track]: hash({ j: 1, other: 1 }),
      },
      keys: [stats, track, ...hookKeys],
      args: ['Error', before, 'j', fingerprintOf(runs), origin, at, 100],
      once: true,
      fenced: true,
    },
    {
      title: 'a beginning',
      state: job('Success', {}, 86_400),
      keys: [stats, track, ...hookKeys],
      args: ['Running', before + 1, 'j', '', origin, at, 100],
      once: true,
    },
    { title: 'without a receiver', state: fresh, keys: [stats, track], args: ['Stopped', before, 'j', ''], once: true },
  ]),
  record_delivered: [
    {
      title: 'the claimed state',
      state: {
        ...job('Success'),
        ...told(sending().replace('Running', 'Success'), { waits: claimedUntil, known: broken }),
      },
      keys: [stats, track, hooks, due, endpoint],
      args: ofClaim('Success', before, 0),
      again: { reason: 'the sender reports "delivered" all the same', reply: { outcome: 'expired' } },
    },
    {
      title: 'of a job that has changed meanwhile',
      state: { ...job('Success'), ...told(sending(), { waits: claimedUntil }) },
      keys: [stats, track, hooks, due, endpoint],
      args: ofClaim('Running', before, 0),
      again: { reason: 'the sender reports "delivered" all the same', reply: { outcome: 'expired' } },
    },
  ],
  record_failed: [
    {
      title: 'which opens the circuit',
      state: { ...runs, ...told(sending(), { waits: claimedUntil, known: broken }) },
      keys: [stats, hooks, parked, due, endpoint],
      args: ofClaim('500', 2_000, 9e12, 'deadline', 'failing', 2, 2_000),
      once: true,
      goesOn: { [stats]: anyStats },
    },
    {
      title: 'after the deadline',
      state: { ...runs, ...told(sending(), { waits: claimedUntil }) },
      keys: [stats, hooks, parked, due, endpoint],
      args: ofClaim('timeout', 2_000, 10, 'deadline', 'failing', 2, 2_000),
      once: true,
      goesOn: { [stats]: anyStats },
    },
    {
      title: 'after another host has claimed the hook',
      state: { ...runs, ...told(sending(), { waits: claimedUntil + 1, known: broken }) },
      keys: [stats, hooks, parked, due, endpoint],
      args: ofClaim('500', 2_000, 9e12, 'deadline', 'failing', 2, 2_000),
      once: true,
      goesOn: { [stats]: anyStats },
    },
  ],
  record_unsent: [
    {
      title: 'the probe',
      state: { ...runs, ...told(sending(), { waits: claimedUntil, known: broken }) },
      keys: [hooks, due, endpoint],
      args: ofClaim(),
      once: true,
    },
  ],
  park_hook: [
    {
      title: 'an answer that rejects it',
      state: { ...runs, ...told(sending(), { waits: claimedUntil, known: broken }) },
      keys: [stats, hooks, parked, due, endpoint],
      args: ofClaim('400', 'alive'),
      once: true,
      goesOn: { [stats]: anyStats },
    },
  ],
  drop_hook: [
    {
      title: 'nothing to send',
      state: { ...runs, ...told(sending(), { waits: claimedUntil, known: broken }) },
      keys: [stats, hooks, due, endpoint],
      args: ofClaim(0),
      once: true,
      goesOn: { [stats]: anyStats },
    },
  ],
  deregister_pool: alsoRecorded([
    {
      title: 'one that holds nothing',
      state: pool(oldBeat),
      keys: [pools, heartbeat, held, lockInfo],
      args: ['p', 10_000, oldBeat],
      goesOn: { [lockInfo]: isCounter },
      once: true,
    },
  ]),
  acquire_lease: [
    { title: 'a free one', state: {}, keys: [lease, progress], args: ['me', 'h', '', 1_000] },
    {
      title: 'its own again',
      state: { [lease]: hash({ holder: 'me', host: 'h', fence: 5, since: at, until: at + 9_000_000 }) },
      keys: [lease, progress],
      args: ['me', 'h', 5, 1_000],
    },
  ].map((setUp) => ({
    ...setUp,
    goesOn: { [progress]: { reason: 'who has the lease can rescue, and sweep from the beginning' } },
  })),
  undo_status: alsoRecorded([
    {
      title: 'a fail whose hook is pending',
      state: afterFail,
      keys: [stats, track, hooks, parked, due],
      args: ['j', 'act', failed.was, failed.is, pendingError, '1-0'],
      once: true,
    },
    {
      title: 'a reset of a job that had ended',
      state: { ...job('Running', { ack: ack('Running') }), [hooks]: hash({ other: 'x' }) },
      keys: [stats, track, hooks, parked, due],
      args: [
        ...['j', 'act', facts({ status: 'Stopped', tracked: 2, ack: ack('Running') }), facts({ status: 'Running' })],
        ...['', '1-0'],
      ],
      once: true,
    },
  ]),
  undo_quarantine: alsoRecorded([
    {
      title: 'of an execution whose hook is pending',
      state: {
        ...afterFail,
        [stats]: hash({ ...fields, status: 'Error', revision: before, run_at: before }, 604_800),
        ...inQuarantine,
        [executions]: zset({ j: -1, other: 5 }),
      },
      keys: [stats, track, hooks, parked, due, quarantine, dead, queue, recoveries, executions],
      args: [
        ...['j', 'act', failed.was, facts({ status: 'Error', tracked: 1, record: digest }), pendingError, '1-0', 'X'],
      ],
      once: true,
    },
    {
      title: 'of one entry of two',
      state: {
        [quarantine]: hash({ j: twoQuarantined }),
        [dead]: zset({ [deadMember]: before, 'another entry': before }),
        [recoveries]: hash({
          j: JSON.stringify([
            [before, 'p', ''],
            [before, 'other', ''],
          ]),
        }),
      },
      keys: [stats, track, hooks, parked, due, quarantine, dead, queue, recoveries],
      args: ['j', 'act', '{}', JSON.stringify({ record: digestOf(twoQuarantined) }), '', '1-0', 'X'],
      once: true,
    },
  ]),
  undo_drop_hook: alsoRecorded([
    {
      title: 'of a pending hook',
      state: told(droppedRecord),
      keys: hookKeys,
      args: [at, 'j', 'act', `pending Running:1 ${origin} 0 0 0 -`, droppedRecord, '', '1-0'],
      once: true,
    },
    {
      title: 'of a parked hook',
      state: told(droppedRecord),
      keys: hookKeys,
      args: [at, 'j', 'act', `parked Running:1 ${origin} 1 1 1 404`, droppedRecord, at - 5, '1-0'],
      once: true,
    },
  ]),
  undo_drop_quarantined: alsoRecorded([
    {
      title: 'all of it',
      state: {
        [auditKept]: string(dropped),
        [quarantine]: hash({ other: quarantined }),
        [dead]: zset({ other: before }),
      },
      keys: [quarantine, dead, auditKept],
      args: ['j', 'act', '', '1-0'],
      once: true,
    },
  ]),
  undo_untrack: alsoRecorded([
    {
      title: 'of a job that is as it was',
      state: { ...runs, [track]: hash({ other: 2 }) },
      keys: [stats, track],
      args: [
        ...[
          'j',
          'act',
          JSON.stringify({ ...JSON.parse(facts({ status: 'Running', tracked: 2 })), print: printOfRuns }),
          '1-0',
        ],
      ],
      once: true,
      goesOn: { [stats]: { reason: '`moved`: it is not as it was', keys: [track, changes] } },
    },
  ]),
  untrack: alsoRecorded([
    {
      title: 'a job that has ended',
      state: runs,
      keys: [stats, track],
      args: ['j', fingerprintOf(runs)],
      goesOn: { [stats]: { reason: 'it is not as it was judged', keys: [track, audit] } },
    },
  ]),
};

function noRunId(): Exception {
  return { reason: 'without INFO no process of Redis is known, and every sweep begins anew', keys: [progress] };
}
function restored(title: string, state: State, status: string, revision: string | number): SetUp {
  return {
    title,
    state,
    keys: [stats, track],
    args: ['j', status, revision, fingerprintOf(state)],
    once: true,
    fenced: true,
  };
}
