/** What the quarantine does, and what scripts do with large entries, little memory and unusual names. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { askRights } from '../../../src/doctor/questions.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { createHookRecords } from '../../../src/io/hooks/records.ts';
import { noPace } from '../../../src/io/jobs/pace.ts';
import { createTrackedJobs } from '../../../src/io/jobs/trackedJobs.ts';
import { createQuarantine } from '../../../src/io/pools/quarantine.ts';
import { packageRoot } from '../../../src/package.ts';
import { redisFixture } from '../../support/fixture.ts';
import { startHookEndpoint } from '../../support/hookEndpoint.ts';
import { intercept, second, seedJob } from '../../support/jobs.ts';
import { entryOf, idsIn, seedPool } from '../../support/pools.ts';

const { redis, opened, connection, keys, scripts } = await redisFixture();
const hookEndpoint = await startHookEndpoint();
afterAll(() => hookEndpoint.stop());
beforeEach(() => {
  hookEndpoint.hooks.length = 0;
});

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex');
const deathsOf = (count: number) =>
  JSON.stringify(Array.from({ length: count }, (_, n) => [second(-3_600 + n), `p${n}`, String(second(-3_700))]));
const quarantineOf = () => {
  const settings = { maxRecords: 1_000, breakerThreshold: 3, drainRate: 50, claimDuration: 60_000 };
  return createQuarantine({
    keys,
    scripts,
    tracked: createTrackedJobs({ connection, keys, scripts, pace: noPace, pageSize: 10, random: () => 0.5 }),
    hooks: { endpointFor: () => undefined, announce: () => undefined },
    records: createHookRecords({ connection, keys, scripts, settings, clock: systemClock }),
    heartbeatAge: 10_000,
    recovery: { maxRecoveries: 3, windowS: 86_400 },
    clock: systemClock,
    onQuarantined: () => undefined,
  });
};
const dead = { pool: 'p', heartbeat: '', types: ['X'], evidence: '', disruptions: 0, at: 0 };
const recordOf = (id: string) =>
  JSON.stringify({
    ...{ at: second(-60), recoveries: JSON.parse(deathsOf(3)) },
    entries: [['X', entryOf(id), `{"id":"${id}","fails":1}`]],
  });

describe('the quarantine', () => {
  test('the hook of a quarantined job is sent at once, before the rescue ends', async () => {
    for (const id of ['a', 'b']) {
      await seedJob(redis, id, { web_hook_url: `${hookEndpoint.url}/200/x` });
      await redis.hset(keys.recoveries, id, deathsOf(3));
    }
    await seedPool(redis, 'p', { heartbeat: second(-600), holds: new Map([['X', ['a', 'b']]]) });
    let calls = 0;
    const client = opened.hold(
      intercept(redis, 'evalsha', async (args) => {
        if (!args.includes(keys.dead) || !args.includes(keys.parkedHooks)) return;
        // The second job is quarantined only after the hook of the first one has arrived.
        if (++calls > 1) await vi.waitUntil(() => hookEndpoint.hooks.length > 0);
      }),
    );
    expect(await opened.create({ redis: client }).rescue({ grace: 0 })).toMatchObject({ quarantined: 2 });
    await vi.waitUntil(() => hookEndpoint.hooks.length === 2);
    expect(hookEndpoint.hooks.map(({ body }) => [body.job_id, body.status]).toSorted()).toEqual([
      ['a', 'Error'],
      ['b', 'Error'],
    ]);
  });

  test('a job with too few recoveries is not quarantined, and its entry is requeued later', async () => {
    await seedJob(redis, 'a');
    await redis.hset(keys.recoveries, 'a', deathsOf(2));
    await seedPool(redis, 'p', { heartbeat: second(-600), holds: new Map([['X', ['a']]]) });
    const suspect = { ...dead, heartbeat: (await redis.hget(keys.heartbeat('p'), 'heartbeat_at')) ?? '' };
    expect(await quarantineOf().add(suspect, 'X', 'a')).toEqual({ outcome: 'again' });
    expect(await idsIn(redis, keys.inProgress('X', 'p'))).toEqual(['a']);
    expect(await redis.exists(keys.quarantine, keys.dead)).toBe(0);
    await redis.hset(keys.recoveries, 'a', deathsOf(3));
    expect(await quarantineOf().add(suspect, 'X', 'a')).toEqual({ outcome: 'quarantined' });
  });

  test('a pool that beats again is alive, and keeps its entry', async () => {
    await seedJob(redis, 'a');
    await redis.hset(keys.recoveries, 'a', deathsOf(3));
    await seedPool(redis, 'p', { heartbeat: second(), holds: new Map([['X', ['a']]]) });
    const suspect = { ...dead, heartbeat: String(second(-600)) };
    expect(await quarantineOf().add(suspect, 'X', 'a')).toMatchObject({ outcome: 'alive' });
    expect(await idsIn(redis, keys.inProgress('X', 'p'))).toEqual(['a']);
    expect(await redis.exists(keys.quarantine, keys.dead)).toBe(0);
  });

  test('a thousand jobs are all listed', async () => {
    const ids = Array.from({ length: 1_000 }, (_, i) => `j${i}`);
    await redis.hset(keys.quarantine, ...ids.flatMap((id) => [id, recordOf(id)]));
    const found: string[] = [];
    for await (const page of quarantineOf().all()) found.push(...page.map(({ id }) => id));
    expect([...new Set(found)].toSorted()).toEqual(ids.toSorted());
  });
});

describe('release_quarantined.lua and drop_quarantined.lua', () => {
  const since = [second(-5), 'later', String(second(-10))];
  const leave = async (verb: 'release' | 'drop', isInDead: boolean) => {
    await redis.flushall();
    await redis.hset(keys.quarantine, 'j', recordOf('j'));
    if (isInDead) await redis.zadd(keys.dead, 1, '{"id":"j","fails":1}');
    await redis.hset(keys.recoveries, 'j', JSON.stringify([...JSON.parse(deathsOf(3)), since]));
    const quarantine = quarantineOf();
    const record = await quarantine.find('j');
    if (record === undefined) throw new Error('the job is not in quarantine');
    return [(await quarantine[verb](record)).outcome, await redis.hget(keys.recoveries, 'j')];
  };

  test.each(['release', 'drop'] as const)(
    'after a %s no earlier recovery counts, and later ones count only if another tool has taken the entry',
    async (verb) => {
      expect(await leave(verb, true)).toEqual(['done', null]);
      expect(await leave(verb, false)).toEqual(['gone', JSON.stringify([since])]);
    },
  );
});

test('equal entries that are one member of dead are requeued once', async () => {
  const [[type, entry, member]] = JSON.parse(recordOf('a')).entries;
  const record = JSON.stringify({ ...JSON.parse(recordOf('a')), entries: Array(2).fill([type, entry, member]) });
  await redis.hset(keys.quarantine, 'a', record);
  await redis.zadd(keys.dead, 5, member);
  const reply = await scripts.run(
    'release_quarantined',
    [keys.quarantine, keys.dead, keys.recoveries, keys.queue('X'), keys.queue('X')],
    ['a', sha1(record), ''],
  );
  expect(reply).toEqual({ outcome: 'done' });
  expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([entry]);
  expect(await redis.exists(keys.quarantine, keys.dead)).toBe(0);
});

test('a job whose id looks like a token is found', async () => {
  const id = 'once:j';
  await redis.hset(keys.quarantine, id, recordOf(id));
  await redis.zadd(keys.dead, 1, `{"id":"${id}","fails":1}`);
  const quarantine = quarantineOf();
  const record = await quarantine.find(id);
  if (record === undefined) throw new Error('the job is not in quarantine');
  expect(await quarantine.release(record, { plan: true })).toEqual({ outcome: 'done' });
  expect(await redis.hexists(keys.quarantine, id)).toBe(1);
  expect(await quarantine.release(record)).toEqual({ outcome: 'done' });
  expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([entryOf(id)]);
});

test('requeue moves at most a batch, even past an entry that is larger than a step may read', async () => {
  const entries = Array.from({ length: 2_005 }, (_, i) => entryOf(`j${i}`));
  entries[2_000] = JSON.stringify({ name: 'X', id: 'j2000', t: 1, args: { big: 'x'.repeat(1_500_000) } });
  await seedPool(redis, 'p', { heartbeat: second(-600) });
  await redis.rpush(keys.inProgress('X', 'p'), ...entries);
  const reply = await scripts.run(
    'requeue',
    [
      keys.pools,
      keys.heartbeat('p'),
      keys.recoveries,
      keys.recovered,
      keys.quarantine,
      keys.dead,
      keys.rescueNote('p'),
      keys.inProgress('X', 'p'),
      keys.queue('X'),
      keys.lock('X'),
      keys.lockInfo('X'),
    ],
    ['p', 10_000, (await redis.hget(keys.heartbeat('p'), 'heartbeat_at')) ?? '', 2_000, 3, 86_400, '', 'X'],
  );
  expect(reply).toMatchObject({ counts: [{ moved: 2_000, left: 5 }] });
  expect(await redis.lrange(keys.inProgress('X', 'p'), 0, -1)).toEqual(entries.slice(0, 5));
  expect((await redis.lrange(keys.queue('X'), 0, -1)).map(sha1)).toEqual(entries.slice(5).map(sha1));
});

test('counts of pools without entries are removed even if Redis has no memory for new ones', async () => {
  await redis.hset(keys.lockInfo('X'), { p: 3, q: 2 });
  await redis.config('SET', 'maxmemory', 1);
  try {
    const step = () =>
      scripts.run(
        'recount_pools',
        [keys.lockInfo('X'), keys.inProgress('X', 'p'), keys.inProgress('X', 'q')],
        ['p', 'q'],
      );
    expect(await step()).toMatchObject({ entries: 0, fields: 2, off: 5 });
    expect(await redis.exists(keys.lockInfo('X'))).toBe(0);
  } finally {
    await redis.config('SET', 'maxmemory', 0);
  }
});

describe('doctor/rights.lua', () => {
  const question = (...command: string[]) => ({ command, mayRun: true, needsString: false });

  test('a command that this Redis does not have is neither allowed nor denied', async () => {
    const questions = [question('GET', 'k'), question('NOSUCHCOMMAND', 'k'), question('SET', 'k', 'v')];
    expect(await askRights(redis, keys.probe, questions)).toEqual([true, undefined, true]);
  });

  test('the reply says whether Redis was asked, or each command was run, as Redis before 7.0 requires', async () => {
    const [, major] = /redis_version:(\d+)/.exec(await redis.info('server')) ?? [];
    const script = readFileSync(`${packageRoot}lua/doctor/rights.lua`, 'utf8');
    const questions = [['GET', 'k'], ['NOSUCHCOMMAND']].map((command) => JSON.stringify([command, true, false]));
    expect(await redis.eval(script, 1, keys.probe, ...questions)).toEqual([Number(major) < 7 ? 'run' : 'asked', 1, -1]);
    expect(await redis.exists(keys.probe)).toBe(0);
  });
});
