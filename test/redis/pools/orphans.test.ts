import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { pino } from 'pino';
import { afterEach, expect, test, vi } from 'vitest';
import { rescue } from '../../../src/cli/rescue.ts';
import type { OrphanOutcome, ReaperOptions } from '../../../src/index.ts';
import type { SkippedOrphan } from '../../../src/io/pools/orphanJudge.ts';
import { createOrphans } from '../../../src/io/pools/orphans.ts';
import { createScripts, scriptOfDigest } from '../../../src/io/redis/scripts.ts';
import { countTimers, createTestClock } from '../../support/clock.ts';
import { jobOf } from '../../support/entries.ts';
import { redisFixture } from '../../support/fixture.ts';
import { intercept, placeOf, second, seedJob } from '../../support/jobs.ts';
import { builtOf } from '../../support/programs.ts';

const { server, opened, keys } = await redisFixture();
const hosts: ChildProcess[] = [];
afterEach(async () => {
  for (const host of hosts.splice(0)) host.kill('SIGKILL');
  await opened.close();
});

const list = keys.inProgress('X', 'p');
/** Enqueued after the start of this Redis, whose second may be the one that it is now. */
const fresh = second(60);
const entryOf = (id: string, more: object = { t: fresh }) => JSON.stringify({ name: 'X', id, args: {}, ...more });
const periodicEntry = (policy: string, epoch: number) =>
  entryOf(policy, { t: fresh, args: { _job_kind_periodic_: String(epoch) } });
const hold = async (...entries: string[]) => {
  // That they are Pending says that no worker has begun: what is to be proven of others is in orphan-proof.test.ts.
  for (const entry of entries) {
    const id = jobOf(entry);
    if (id !== undefined && !(await server.client.exists(keys.stats(id)))) {
      await seedJob(server.client, id, { status: 'Pending' });
    }
  }
  await server.client.rpush(list, ...entries);
  await server.client.incrby(keys.lock('X'), entries.length);
  await server.client.hincrby(keys.lockInfo('X'), 'p', entries.length);
};
const beat = async (pool = 'p', workers = 'w1,w2') => {
  await server.client.sadd(keys.pools, pool);
  await server.client.hset(keys.heartbeat(pool), { heartbeat_at: second(), job_names: 'X', worker_ids: workers });
};
const observe = (worker: string, id: string, args = '') =>
  server.client.hset(keys.worker(worker), { job_name: 'X', job_id: id, started_at: second(), args });
const queued = () => server.client.lrange(keys.queue('X'), 0, -1);
const held = () => server.client.lrange(list, 0, -1);
/** Everything that is in Redis. */
const dump = async () =>
  Object.fromEntries(
    await Promise.all(
      (await server.client.keys('*')).sort().map(async (key) => [key, await server.client.dumpBuffer(key)] as const),
    ),
  );

/** Passes over the pool p, one after the other, with the reports of what was skipped. */
const createLooks = () => {
  const clock = createTestClock();
  const skipped: SkippedOrphan[] = [];
  const orphans = createOrphans({
    connection: { redis: server.client, description: '', epoch: () => 1, close: async () => undefined },
    keys,
    scripts: createScripts(server.client),
    heartbeatAge: 10_000,
    orphanedAfter: 30_000,
    batch: 500,
    recovery: { maxRecoveries: 3, windowS: 86_400 },
    quarantine: { addOrphan: async () => ({ outcome: 'again' as const }), keysFor: async () => [] },
    clock,
    onSkipped: (what) => skipped.push(what),
  });
  return {
    skipped,
    advance: clock.advance,
    restore: (live: Parameters<typeof orphans.requeue>[0]) => orphans.requeue(live, { plan: false }),
    look: async (plan = false) => {
      await beat();
      const workerIds = ((await server.client.hget(keys.heartbeat('p'), 'worker_ids')) as string).split(',');
      return orphans.requeue([{ pool: 'p', workerIds, types: ['X'] }], { plan });
    },
  };
};
/** Two looks 30 s apart: what the second one says. */
const twice = async (looks: ReturnType<typeof createLooks>, plan = false) => {
  await looks.look(plan);
  looks.advance(30_000);
  return looks.look(plan);
};

test('an entry that no worker observes for 30 s is requeued as the same bytes, and the counters follow', async () => {
  const odd = `{ "name":"X", "id":"odd", "t":${fresh}, "args":{"n":12345678901234567890, "s":"\\u00e9"} }`;
  await hold(odd, entryOf('running'));
  await observe('w1', 'running');
  const clock = createTestClock();
  const reaper = opened.create({ redis: server.url, clock, role: 'always' });
  const orphans: OrphanOutcome[] = [];
  const summaries: { orphaned: number; drift: readonly unknown[] }[] = [];
  reaper.on('orphan', (entry) => orphans.push(entry));
  reaper.on('rescue', (summary) => summaries.push(summary));
  await beat();
  const timers = countTimers(clock);
  reaper.start();
  for (const [i, ms] of [5_000, 10_000, 10_000, 10_000].entries()) {
    expect(await queued()).toEqual([]);
    await beat();
    await vi.waitUntil(() => timers(10_000) === i); // The next pass waits for its time.
    clock.advance(ms);
    await vi.waitUntil(() => summaries.length === i + 1);
  }
  expect(orphans).toEqual([
    { outcome: 'requeued', id: 'odd', type: 'X', pool: 'p', unobservedMs: 30_000, plan: false },
  ]);
  expect(summaries.map((summary) => summary.orphaned)).toEqual([0, 0, 0, 1]);
  expect(summaries[3]?.drift).toEqual([]);
  expect([await queued(), await held()]).toEqual([[odd], [entryOf('running')]]);
  expect(await server.client.mget(keys.lock('X'))).toEqual(['1']);
  expect(await server.client.hgetall(keys.lockInfo('X'))).toEqual({ p: '1' });
});

test.each([
  ['requeue_orphan', 'Pending'],
  ['finish_entry', 'Success'],
])('a rescue that is aborted while %s runs begins with no further entry', async (script, status) => {
  for (const id of ['j1', 'j2']) await seedJob(server.client, id, { status, age: 600 });
  await hold(entryOf('j1'), entryOf('j2'));
  await observe('w1', 'other');
  const clock = createTestClock();
  const controller = new AbortController();
  const client = intercept(server.client, 'evalsha', ([digest]) => {
    if (scriptOfDigest(String(digest)) === script) controller.abort();
  });
  const reaper = opened.create({ redis: opened.hold(client), clock });
  const pass = async () => {
    await beat();
    await reaper.rescue({ grace: 0, signal: controller.signal });
    clock.advance(30_000);
  };
  await expect(pass().then(pass)).rejects.toMatchObject({ code: 'aborted' });
  expect(await held()).toHaveLength(1);
});

test('a stop in the middle of a pass ends it after the entry that is being requeued, which is reported and counted', async () => {
  await hold(...['j1', 'j2', 'j3'].map((id) => entryOf(id)));
  await observe('w1', 'other');
  const clock = createTestClock();
  let stopped: Promise<void> | undefined;
  const client = intercept(server.client, 'evalsha', ([digest]) => {
    if (scriptOfDigest(String(digest)) === 'requeue_orphan') stopped ??= reaper.stop();
  });
  const reaper = opened.create({ redis: opened.hold(client), clock });
  const orphans: string[] = [];
  reaper.on('orphan', ({ id }) => orphans.push(id));
  await beat();
  await reaper.rescue({ grace: 0 });
  clock.advance(30_000);
  await beat();
  await expect(reaper.rescue({ grace: 0 })).rejects.toMatchObject({
    summary: { orphaned: 1, error: 'the reaper is stopped' },
  });
  await stopped;
  expect(orphans).toHaveLength(1);
  expect([(await queued()).map(jobOf), (await held()).length]).toEqual([orphans, 2]);
});

test('the wait of an entry starts again if one pass finds it observed or gone', async () => {
  for (const interrupt of [
    async () => {
      await observe('w2', 'j1');
      return () => server.client.del(keys.worker('w2'));
    },
    async () => {
      await server.client.rename(list, 't:aside');
      return () => server.client.rename('t:aside', list);
    },
  ]) {
    await server.client.flushall();
    await hold(entryOf('j1'));
    await observe('w1', 'other');
    const looks = createLooks();
    await looks.look();
    looks.advance(29_000);
    const restore = await interrupt();
    await looks.look();
    await restore();
    looks.advance(1_000);
    expect(await looks.look()).toMatchObject({ orphaned: [], dueInMs: 30_000 });
    looks.advance(29_999);
    expect(await looks.look()).toMatchObject({ orphaned: [], dueInMs: 1 });
    looks.advance(1);
    expect(await looks.look()).toMatchObject({ orphaned: [{ id: 'j1', unobservedS: 30 }], dueInMs: undefined });
  }
});

test('fault 146: an entry without a readable id is left where it is, and reported', async () => {
  await hold('{"name":"X","t":1}', 'no JSON', '[]', '{"id":5}');
  await observe('w1', 'other');
  const looks = createLooks();
  expect(await twice(looks)).toEqual({
    orphaned: [],
    finished: [],
    unobserved: [],
    undecided: 4,
    oldestUndecidedS: 30,
    poison: [],
    dueInMs: undefined,
  });
  expect(await held()).toHaveLength(4);
  expect(looks.skipped).toHaveLength(4);
  expect(looks.skipped).toContainEqual({
    pool: 'p',
    type: 'X',
    ageS: 30,
    reason: expect.stringContaining(placeOf('no JSON', 1).slice(0, 40)),
  });
});

test.each([
  ['Pending', true],
  ['Scheduled', true],
  ['Running', false],
  ['Error', false],
  ['Stopped', false],
  [undefined, false],
])('the status decides, and not the age of the entry: with %s, orphaned is %s', async (status, isLost) => {
  const entries = [{ t: second(-23 * 3_600 - 60) }, { t: second(3_660) }, { t: 'x' }, {}, { t: second(-600) }];
  for (const i of entries.keys()) await seedJob(server.client, `j${i}`, { status: status ?? 'Pending' });
  await hold(...entries.map((more, i) => entryOf(`j${i}`, more)));
  if (status === undefined) await server.client.del(...entries.map((_, i) => keys.stats(`j${i}`)));
  await observe('w1', 'other');
  const looks = createLooks();
  expect(await twice(looks)).toMatchObject({
    orphaned: isLost ? entries.map(() => ({})) : [],
    undecided: isLost ? 0 : entries.length,
    oldestUndecidedS: isLost ? 0 : 30,
  });
  expect(await held()).toHaveLength(isLost ? 0 : entries.length);
  // Reported once, however many passes see it.
  await looks.look();
  expect(looks.skipped).toHaveLength(isLost ? 0 : entries.length);
  if (!isLost) {
    expect(looks.skipped[0]).toMatchObject({ pool: 'p', type: 'X', id: expect.stringMatching(/^j/), ageS: 30 });
  }
});

test('entries of a pool whose workers never reported an observation stay; the summary names the pool, and the log does so once', async () => {
  await hold(entryOf('j1'));
  const looks = createLooks();
  expect(await looks.look()).toMatchObject({ unobserved: [], dueInMs: undefined });
  looks.advance(30_000);
  expect(await looks.look()).toMatchObject({ orphaned: [], unobserved: ['p'] });
  expect(await looks.look()).toMatchObject({ orphaned: [], unobserved: ['p'] });
  expect(looks.skipped).toEqual([{ pool: 'p', reason: 'its workers have never said what they run' }]);
  expect(await held()).toHaveLength(1);
});

test('the next reaper knows for a week that a pool reports observations', async () => {
  await hold(entryOf('j1'));
  await server.client.zadd(
    keys.observed,
    ...[String(second(-8 * 86_400)), 'old', String(second(-6 * 86_400)), 'newer'],
  );
  await observe('w1', 'other');
  await createLooks().look();
  await server.client.del(keys.worker('w1'));
  expect(await server.client.zrangebyscore(keys.observed, '-inf', '+inf')).toEqual(['newer', 'p']);
  expect(await server.client.ttl(keys.observed)).toBeGreaterThan(6 * 86_400);
  expect(await twice(createLooks())).toMatchObject({ orphaned: [{ id: 'j1' }] });
});

test('that a pool reports observations is recorded once an hour', async () => {
  await observe('w1', 'other');
  const looks = createLooks();
  const score = () => server.client.zscore(keys.observed, 'p');
  await looks.look();
  expect(await score()).not.toBeNull();
  await server.client.zadd(keys.observed, '1', 'p');
  looks.advance(3_599_000);
  await looks.look();
  expect(await score()).toBe('1');
  looks.advance(1_000);
  await looks.look();
  expect(Number(await score())).toBeGreaterThan(1);
});

test('an execution of a policy is orphaned by itself: another running execution does not keep it', async () => {
  await hold(periodicEntry('policy', 100), periodicEntry('policy', 200));
  await observe('w1', 'policy', '{"_job_kind_periodic_":"100"}');
  expect(await twice(createLooks())).toMatchObject({ orphaned: [{ id: 'policy@200' }] });
  expect(await queued()).toEqual([periodicEntry('policy', 200)]);
});

test('a host that does not say which execution of a policy it runs may run any of them', async () => {
  await hold(periodicEntry('policy', 100), periodicEntry('policy', 200));
  await observe('w1', 'policy');
  expect(await twice(createLooks())).toMatchObject({ orphaned: [], dueInMs: undefined });
});

test('a plan counts orphaned entries, and changes nothing', async () => {
  await hold(entryOf('j1'), entryOf('j2'));
  await observe('w1', 'j2');
  await beat();
  const clock = createTestClock();
  const reaper = opened.create({ redis: server.url, clock, plan: true });
  const orphans: OrphanOutcome[] = [];
  reaper.on('orphan', (entry) => orphans.push(entry));
  const before = await dump();
  const timers = countTimers(clock);
  const ended = reaper.rescue();
  await vi.waitUntil(() => timers(30_000) === 1);
  clock.advance(30_000);
  expect(await ended).toMatchObject({ plan: true, orphaned: 1 });
  expect(orphans).toEqual([{ outcome: 'requeued', id: 'j1', type: 'X', pool: 'p', unobservedMs: 30_000, plan: true }]);
  expect(await dump()).toEqual(before);
});

test('a pass requeues one batch at most, and undecided entries do not delay others', async () => {
  for (const id of ['old1', 'old2']) await seedJob(server.client, id, { status: 'Running' });
  await hold(entryOf('old1', {}), entryOf('old2', {}), ...['j1', 'j2', 'j3'].map((id) => entryOf(id)));
  await observe('w1', 'other');
  await beat();
  const clock = createTestClock();
  const options: Partial<ReaperOptions> = { clock, rescue: { batchSize: 2, orphanedAfter: 1_000 } };
  const reaper = opened.create({ redis: server.url, ...options });
  const passes: string[][] = [[]];
  reaper.on('orphan', ({ id }) => passes.at(-1)?.push(id));
  reaper.on('rescue', () => passes.push([]));
  reaper.start();
  await clock.until(() => passes.flat().length === 3, 1_000);
  expect(passes.filter((ids) => ids.length > 0)).toEqual([['j1', 'j2'], ['j3']]);
});

test('under memory pressure nothing is half done: the failure is reported, and the next pass completes it', async () => {
  await hold(entryOf('j1'));
  await observe('w1', 'other');
  const looks = createLooks();
  await looks.look();
  looks.advance(30_000);
  await beat();
  const before = await dump();
  await server.client.config('SET', 'maxmemory', '1');
  const workers = { pool: 'p', workerIds: ['w1', 'w2'], types: ['X'] };
  const refused = await looks.restore([workers]).finally(() => server.client.config('SET', 'maxmemory', '0'));
  expect(refused).toMatchObject({ orphaned: [], error: expect.stringContaining('OOM') });
  expect(await dump()).toEqual(before);
  expect(await looks.look()).toMatchObject({ orphaned: [{ id: 'j1' }] });
});

test('a worker host that runs a job for longer keeps it, and each requeued entry is one line in the log', async () => {
  await seedJob(server.client, 'j1', { status: 'Pending' });
  await server.client.lpush(keys.queue('X'), entryOf('j1', { t: fresh, args: { ms: 60_000 } }));
  const host = fork(builtOf('examples/worker-host.ts'), {
    execArgv: [],
    env: {
      ...process.env,
      REAPER_REDIS: server.url,
      REAPER_NAMESPACE: 't',
      WORKER_POOL: 'host',
      WORKER_TYPES: 'X',
      WORKER_HEARTBEAT_MS: '200',
      // Its own reaper leaves the passes to the one under test, whose time is another one.
      REAPER_ROLE: 'never',
    },
  });
  hosts.push(host);
  for (;;) {
    const [message] = (await once(host, 'message')) as [{ event: string }];
    if (message.event === 'running') break;
  }
  const orphan = entryOf('orphan');
  await seedJob(server.client, 'orphan', { status: 'Pending' });
  await server.client.rpush(keys.inProgress('X', 'host'), orphan);
  const clock = createTestClock();
  const lines: { msg: string; entry?: OrphanOutcome }[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const reaper = opened.create({ redis: server.url, clock, logger });
  reaper.start();
  await clock.until(async () => (await queued()).length > 0, 1_000);
  expect(await queued()).toEqual([orphan]);
  expect(await server.client.llen(keys.inProgress('X', 'host'))).toBe(1);
  await vi.waitUntil(() => lines.length > 0);
  expect(lines).toMatchObject([{ msg: 'an orphaned entry was requeued', entry: { id: 'orphan', pool: 'host' } }]);
});

test('`reaper rescue` waits for its second try, and prints each requeued entry and the remaining ones', async () => {
  await seedJob(server.client, 'old', { status: 'Running' });
  await hold(entryOf('j1'), entryOf('old', {}));
  await observe('w1', 'other');
  await beat();
  await server.client.rpush(keys.inProgress('X', 'silent'), entryOf('j2'));
  await beat('silent', 'w9');
  await server.client.set(keys.lock('X'), 9);
  const reaper = opened.create({ redis: server.url, rescue: { orphanedAfter: 1 } });
  const printed: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  try {
    expect(await rescue(reaper, { grace: 1, verbose: true })).toBe(0);
  } finally {
    write.mockRestore();
  }
  expect(printed.join('')).toContain('j1  requeued  X  no worker of p has run it for 0 s\n');
  expect(printed.join('')).toContain('orphaned entries of live pools requeued: 1\n');
  expect(printed.join('')).toContain('undecided entries: 1 (a worker may still run them)\n');
  expect(printed.join('')).toContain('because their workers record no observations: silent\n');
  expect(printed.join('')).toContain(
    'lock of X written: 9 → 2; it was off by 6\nlock_info of X rebuilt: 1 field, off by 1\n',
  );
});

test('a job that is orphaned again and again on a live pool is quarantined like a job whose workers die', async () => {
  await seedJob(server.client, 'j1', { status: 'Pending' });
  await observe('w1', 'other');
  await server.client.lpush(keys.queue('X'), entryOf('j1'));
  const reaper = opened.create({ redis: server.url, rescue: { orphanedAfter: 0 } });
  const quarantined: unknown[] = [];
  reaper.on('quarantine', ({ id, recoveries }) => quarantined.push([id, recoveries.map(({ pool }) => pool)]));
  const passes: number[][] = [];
  for (let i = 4; i > 0; i--) {
    await beat();
    // Each time by another heartbeat: what is taken by the same one is the same loss.
    await server.client.hset(keys.heartbeat('p'), 'heartbeat_at', second(-i));
    await server.client.rpoplpush(keys.queue('X'), list);
    await server.client.incr(keys.lock('X'));
    await server.client.hset(keys.lockInfo('X'), 'p', 1);
    const { orphaned, quarantined: count, drift } = await reaper.rescue({ grace: 1 });
    passes.push([orphaned, count, drift.length]);
  }
  expect(passes).toEqual([...Array(3).fill([1, 0, 0]), [0, 1, 0]]);
  expect(quarantined).toEqual([['j1', ['p', 'p', 'p', 'p']]]);
  expect([await queued(), await held(), await server.client.zcard(keys.dead)]).toEqual([[], [], 1]);
  expect(await server.client.hget(keys.stats('j1'), 'status')).toBe('Error');
});

test('in a plan too, an observation of a policy without args may be of any of its executions', async () => {
  await hold(periodicEntry('policy', 200));
  await observe('w2', 'policy', '{"_job_kind_periodic_":"100"}');
  expect(await twice(createLooks(), true)).toMatchObject({ orphaned: [{ id: 'policy@200' }] });
  await observe('w2', 'policy');
  expect(await twice(createLooks(), true)).toMatchObject({ orphaned: [], dueInMs: undefined });
});
