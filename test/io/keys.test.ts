/** The names of keys, and how they are read. */
import { expect, test } from 'vitest';
import {
  brokenCounts,
  brokenName,
  readListName,
  splitsOf,
  typeProvenBy,
  unreadableName,
} from '../../src/io/redis/keyNames.ts';
import { escapeGlob, keysOf } from '../../src/io/redis/keys.ts';

test('white space around a namespace is trimmed, and it gets one colon', () => {
  for (const namespace of ['n', 'n:', ' n ', '\tn:\n']) expect(keysOf(namespace).queue('X')).toBe('n:jobs:X');
  expect(keysOf('{n}').track).toBe('{n}:job_track:inprogress');
  expect(keysOf('').queue('X')).toBe('jobs:X');
});

test('each special character of a pattern is escaped in that of a namespace', () => {
  expect(escapeGlob('a*b?c[d]e\\f')).toBe('a\\*b\\?c\\[d\\]e\\\\f');
  expect(keysOf('[n]*').jobsPattern).toBe('\\[n\\]\\*:jobs:*');
});

const known = (types: string[], pools: string[]) => ({ types: new Set(types), pools: new Set(pools) });

test('a list name with one reading is read that way', () => {
  expect(splitsOf('X:p:inprogress')).toEqual([{ type: 'X', pool: 'p' }]);
  expect(splitsOf(':X:p:inprogress')).toEqual([{ type: ':X', pool: 'p' }]);
  for (const name of ['X:p', 'X', '']) expect(splitsOf(name)).toEqual([]);
  expect(readListName('X:p:inprogress', known([], []))).toEqual({ type: 'X', pool: 'p' });
  expect(readListName('X', known([], []))).toBeUndefined();
  expect(readListName('inprogress', known([], []))).toBeUndefined();
  expect(readListName('X:inprogress', known([], []))).toBeUndefined();
  expect(readListName(':p:inprogress', known([], []))).toBe('none');
  expect(readListName('X::inprogress', known([], []))).toBe('none');
});

test('a reading with a known type and a known pool comes first, then one in which either is known', () => {
  const name = 'X:web-1:4711:inprogress';
  expect(readListName(name, known([], []))).toBe('several');
  expect(readListName(name, known(['X'], []))).toEqual({ type: 'X', pool: 'web-1:4711' });
  expect(readListName(name, known([], ['4711']))).toEqual({ type: 'X:web-1', pool: '4711' });
  expect(readListName(name, known(['X'], ['4711']))).toBe('several');
  expect(readListName(name, known(['X', 'X:web-1'], ['4711']))).toEqual({ type: 'X:web-1', pool: '4711' });
  expect(readListName(name, known(['X', 'X:web-1'], ['4711', 'web-1:4711']))).toBe('several');
});

test('the queue of a known type is not taken for a list of a pool, unless a pool could own it', () => {
  const name = 'X:p:inprogress';
  expect(readListName(name, known([name], []))).toBeUndefined();
  expect(readListName(name, known([name, 'X'], []))).toBeUndefined();
  expect(readListName(name, known([name, 'X'], ['p']))).toBe('several');
});

test('the name and the contents of a key prove its job type', () => {
  expect(typeProvenBy('X', 'list')).toBe('X');
  expect(typeProvenBy('', 'list')).toBeUndefined();
  expect(typeProvenBy('X:p:inprogress', 'list')).toBeUndefined();
  expect(typeProvenBy('X:lock', 'string')).toBe('X');
  expect(typeProvenBy('X:lock', 'list')).toBe('X:lock');
  expect(typeProvenBy('X:lock_info', 'hash')).toBe('X');
  expect(typeProvenBy('X:lock_info', 'string')).toBeUndefined();
  expect(typeProvenBy('X:max_concurrency', 'string')).toBe('X');
  expect(typeProvenBy(':lock', 'string')).toBeUndefined();
  expect(typeProvenBy('X:lock', 'set')).toBeUndefined();
  expect(typeProvenBy('X', 'zset')).toBeUndefined();
});

test('the message for a list whose name cannot be read names each job type and pool that fits', () => {
  expect(unreadableName('n:jobs::p:inprogress', ':p:inprogress', 'none')).toBe(
    'n:jobs::p:inprogress: no job type and pool can be read from its name; its entries are left',
  );
  expect(unreadableName('key', 'X:a:b:inprogress', 'several')).toMatch(
    /^key: its name fits several job types and pools \(type X of pool a:b, type X:a of pool b\); its entries /,
  );
});

test('the messages for names that are invalid UTF-8 name the key, the first five pools and how many more', () => {
  expect(brokenName('key', 'X\uFFFD')).toMatch(/^key: holds X\uFFFD, a name that is invalid UTF-8, and is ignored/);
  const pools = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  const of = (count: number) => brokenCounts('key', pools.slice(0, count));
  expect(of(1)).toMatch(/^key: counts a pool whose name is invalid UTF-8 \(a\); this key and the lock are not rebuilt/);
  expect(of(5)).toContain('(a, b, c, d, e);');
  expect(of(7)).toContain('(a, b, c, d, e and 2 more);');
});

/** Harbor and gocraft/work use the first ones, reapers of other versions the others: another name would be another key. */
test('each key has the name by which others know it', () => {
  const keys = keysOf('n');
  const names = Object.entries(keys).map(([name, key]) => [name, typeof key === 'string' ? key : key('a', 'b')]);
  expect(Object.fromEntries(names)).toEqual({
    prefix: 'n:',
    track: 'n:job_track:inprogress',
    pools: 'n:worker_pools',
    knownJobs: 'n:known_jobs',
    retry: 'n:retry',
    scheduled: 'n:scheduled',
    dead: 'n:dead',
    stats: 'n:job_stats:a',
    executions: 'n:executions:a',
    heartbeat: 'n:worker_pools:a',
    worker: 'n:worker:a',
    queue: 'n:jobs:a',
    inProgress: 'n:jobs:a:b:inprogress',
    lock: 'n:jobs:a:lock',
    lockInfo: 'n:jobs:a:lock_info',
    maxConcurrency: 'n:jobs:a:max_concurrency',
    paused: 'n:jobs:a:paused',
    jobsPattern: 'n:jobs:*',
    jobsPrefix: 'n:jobs:',
    hooks: 'n:reaper:hooks',
    parkedHooks: 'n:reaper:hooks:parked',
    hookEndpoints: 'n:reaper:hooks:origins',
    dueHooks: 'n:reaper:hooks:due:a',
    hookEndpoint: 'n:reaper:hooks:endpoint:a',
    hookClaim: 'n:reaper:hooks:claim:a',
    observed: 'n:reaper:observed',
    workerRecords: 'n:reaper:workers:a',
    unobserved: 'n:reaper:unobserved:a',
    recoveries: 'n:reaper:recoveries',
    rescueNote: 'n:reaper:rescues:a',
    recovered: 'n:reaper:recovered',
    quarantine: 'n:reaper:quarantine',
    beforeQuarantine: 'n:reaper:quarantine:before:a',
    changes: 'n:reaper:changes:a',
    answer: 'n:reaper:answers:a',
    audit: 'n:reaper:audit',
    auditKept: 'n:reaper:audit:kept:a',
    probe: 'n:reaper:probe',
    lease: 'n:reaper:lease',
    progress: 'n:reaper:progress',
    suspects: 'n:reaper:suspects',
    declaredDead: 'n:reaper:declared_dead',
    recount: 'n:reaper:recount:a',
  });
});
