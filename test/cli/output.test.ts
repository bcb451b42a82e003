/** Output and exit codes of the commands on a real Redis. Tests of the process itself start one. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { applySweep } from '../../src/cli/apply.ts';
import { explain } from '../../src/cli/explain.ts';
import { listHooks, moveHooks } from '../../src/cli/hooks.ts';
import { endQuarantine, listQuarantine } from '../../src/cli/quarantine.ts';
import { rescue } from '../../src/cli/rescue.ts';
import { status } from '../../src/cli/status.ts';
import { sweep } from '../../src/cli/sweep.ts';
import type { PlannedAct, Reaper, ReaperOptions } from '../../src/index.ts';
import { callCli, launchCli, runCli, watchCli } from '../support/cli.ts';
import { type HookEndpoint, startHookEndpoint } from '../support/hookEndpoint.ts';
import { ackText, second, seedJob, seedWithHook, unheard } from '../support/jobs.ts';
import { entryOf, seedPool } from '../support/pools.ts';
import { builtOf } from '../support/programs.ts';
import { trackOpened } from '../support/reapers.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let redis: Redis;
let hookEndpoint: HookEndpoint;
const opened = trackOpened();
beforeAll(async () => {
  server = await startRedis();
  redis = server.client;
  hookEndpoint = await startHookEndpoint();
});
afterAll(async () => {
  await server.stop();
  await hookEndpoint.stop();
});
beforeEach(() => redis.flushall());
afterEach(() => opened.close());

const create = (options: Partial<ReaperOptions> = {}) => opened.create({ redis: server.url, ...options });
/** The output of a command, and its exit code. */
const said = async (act: (reaper: Reaper) => Promise<number>, options: Partial<ReaperOptions> = {}) => {
  let text = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += chunk;
    return true;
  });
  try {
    const code = await act(create(options));
    return { code, text };
  } finally {
    write.mockRestore();
  }
};
const linesOf = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('sweep', () => {
  test('says how many jobs were passed over, if it may', async () => {
    const at = second(-600);
    for (const id of ['a', 'b']) await seedJob(redis, id, { run_at: 0, revision: at, ack: ackText('Running', at) });
    await seedJob(redis, 'odd', { status: 'Weird' });
    const { text } = await said((reaper) => sweep(reaper, {}), { sweep: { screen: true } });
    expect(text).toMatch(/^3 jobs in \d+ ms, 2 screened$/m);
  });

  test('prints jobs that are acted on, jobs that need attention, and the outcomes of the hooks', async () => {
    await seedJob(redis, 'fine');
    await seedJob(redis, 'hung', { age: 100_000, web_hook_url: `${hookEndpoint.url}/200/x` });
    await seedJob(redis, 'odd', { status: 'Weird' });
    const far = second(86_400);
    await seedJob(redis, 'ahead', { update_time: far, revision: far, enqueue_time: far });
    const { code, text } = await said((reaper) => sweep(reaper, { verbose: true }));
    expect(code).toBe(0);
    expect(text).toContain('hung  X  Running  fail (hung');
    expect(text).toMatch(/^odd .* keep \(malformed/m);
    expect(text).toMatch(/^ahead .* keep \(clock-ahead/m);
    expect(text).not.toMatch(/^fine/m);
    expect(text).toMatch(/^4 jobs in [\d,]+ ms$/m);
    expect(text).toMatch(/^hooks, first attempts: 1 delivered, 0 failed, 0 parked, 0 skipped$/m);
  });

  test.each([true, false])('prints groups with their endpoints, counts and three examples; plan: %s', async (plan) => {
    const url = `${hookEndpoint.url}/200/secret?token=x`;
    for (let i = 0; i < 40; i++) await seedJob(redis, `untold-${i}`, { status: 'Success', web_hook_url: url });
    await seedJob(redis, 'elsewhere', {
      status: 'Success',
      name: 'Y',
      web_hook_url: 'http://user:secret@127.0.0.1:1/x',
    });
    await seedJob(redis, 'hung', { age: 100_000, name: 'a type with a name that is longer than a column' });
    await seedJob(redis, 'fine');
    await seedJob(redis, 'odd', { status: 'Weird' });
    const { code, text } = await said((reaper) => sweep(reaper, { plan }));
    expect(code).toBe(0);
    // Not on a terminal: one line for each group.
    expect(text.split('\n').length).toBeLessThan(35);
    const rows = text.split('\n').map((row) => row.replace(/[│\s]+/g, ' '));
    expect(
      rows
        .map((row) =>
          row
            .match(/ (\d+) (fail|refire|untrack|keep) /)
            ?.slice(1)
            .join(' '),
        )
        .filter(Boolean),
    ).toEqual([...['1 fail', '40 refire', '1 refire', '1 keep']]);
    const untold = rows.find((row) => row.includes(' 40 '));
    expect(untold).toMatch(
      new RegExp(`refire unacknowledged (enqueued )?X ${hookEndpoint.url} untold-\\d+ untold-\\d+ untold-\\d+`),
    );
    expect(untold?.match(/untold-/g)).toHaveLength(3);
    expect(untold?.includes('enqueued')).toBe(!plan);
    expect(text).not.toContain('secret');
    expect(text).not.toContain('fine');
  });

  test.each([true, false])('lists no job whose hook is pending already, and counts it; plan: %s', async (plan) => {
    for (const id of ['a', 'b']) await seedWithHook(redis, id);
    await seedWithHook(redis, 'given-up', 'parked');
    const lines: object[] = [];
    const writer = { add: (line: object) => lines.push(line), finish: () => undefined, discard: () => undefined };
    const { code, text } = await said((reaper) => sweep(reaper, { plan, exitCode: plan }, plan ? writer : undefined));
    expect([code, lines]).toEqual([0, []]);
    expect(text.match(/refire/g)).toHaveLength(2);
    expect(text).toMatch(/refire.*given-up/);
    expect(text).toMatch(/^verdicts: 3 refire$/m);
    expect(text).toMatch(/^outcomes: (2 already-pending, 1 parked|1 parked, 2 already-pending)$/m);
    const { text: each } = await said((reaper) => sweep(reaper, { plan, verbose: true }));
    expect(each.match(/^\S+ {2}X /gm)).toEqual(['given-up  X ']);
    const { text: state } = await said((reaper) => status(reaper, {}));
    expect(state).toContain('jobs to refire whose hook is pending already, or parked: 2\n');
    const { text: why } = await said((reaper) => explain(reaper, 'a', {}));
    expect(why).toContain('a sweep would do: nothing: its hook is pending already\n');
    expect(why).toMatch(/^hook: pending, .*, 503, next attempt at \d{4}-\d\d-\d\dT\S+Z, in (59 min \d+ s|1 h)$/m);
  });

  test('apply of an old plan has nothing to do for hooks that are pending or parked by then', async () => {
    const ids = ['a', 'b', 'later', 'stays'];
    for (const id of ids) await seedJob(redis, id, { status: 'Success', web_hook_url: `${unheard}/x` });
    const acts: PlannedAct[] = [];
    const planning = create();
    planning.on('job', ({ act }) => void (act !== undefined && acts.push(act)));
    await planning.sweep({ plan: true });
    for (const [id, kind] of [
      ['a', 'pending'],
      ['b', 'sending'],
      ['later', 'parked'],
    ] as const)
      await redis.hset(
        't:reaper:hooks',
        id,
        `${kind} Success:${await redis.hget(`t:job_stats:${id}`, 'revision')} ${unheard} 1 1 1 503`,
      );
    // The hook that another host sends is awaited for four times as long.
    const options = { hooks: { timeout: 50 } };
    const { code, text } = await said((reaper) => applySweep(reaper, { acts }, {}), options);
    expect(code).toBe(0);
    expect(text).toMatch(/^nothing to do for 2: their hooks are pending already$/m);
    expect(text).toMatch(/^nothing to do for 1: their hooks are parked → reaper hooks$/m);
    expect(text).toMatch(/^4 planned: 1 done, 0 moved, 0 failed, in [\d,]+ ms$/m);
    const { text: json } = await said((reaper) => applySweep(reaper, { acts }, { json: true }), options);
    expect(linesOf(json).at(-1)).toMatchObject({ planned: 4, done: 0, moved: 0, failed: 0, nothingToDo: 4 });
  });

  test('--exit-code ends a plan with 3 if it would do something', async () => {
    await seedJob(redis, 'fine');
    await seedJob(redis, 'odd', { status: 'Weird' });
    const plan = (reaper: Reaper) => sweep(reaper, { plan: true, exitCode: true });
    expect((await said(plan)).code).toBe(0);
    await seedJob(redis, 'hung', { age: 100_000 });
    expect((await said(plan)).code).toBe(3);
    expect((await said((reaper) => sweep(reaper, { plan: true }))).code).toBe(0);
  });

  test('--plan prints that it is a plan, and no hooks', async () => {
    await seedJob(redis, 'hung', { age: 100_000, web_hook_url: `${hookEndpoint.url}/200/x` });
    const { code, text } = await said((reaper) => sweep(reaper, { plan: true }));
    expect(code).toBe(0);
    expect(text).toMatch(/^planned: 1 jobs/m);
    expect(text).not.toContain('hooks');
    expect(await redis.hget('t:job_stats:hung', 'status')).toBe('Running');
  });

  test('--id reports jobs that are not tracked, and ends with 4 if none is; --limit says that there may be more', async () => {
    await seedJob(redis, 'hung', { age: 100_000 });
    await seedJob(redis, 'hung-2', { age: 100_000 });
    const complained = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
    const some = await said((reaper) =>
      sweep(reaper, { id: ['hung', 'gone'], limit: 1, type: ['X'], verdict: ['fail'] }),
    );
    const none = await said((reaper) => sweep(reaper, { id: ['gone', 'gone'] }));
    expect(complained.mock.calls.map(([line]) => line)).toEqual(
      Array.from({ length: 2 }, () => 'reaper: not tracked: gone. See: reaper explain JOB\n'),
    );
    complained.mockRestore();
    expect([some.code, none.code]).toEqual([0, 4]);
    expect(some.text).toContain('the limit was reached: there may be more');
    expect(none.text).not.toContain('limit');
    expect(await redis.hget('t:job_stats:hung-2', 'status')).toBe('Running');
  });

  test('--type reports a type of no tracked job', async () => {
    await seedJob(redis, 'a');
    const complained = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
    const ends = [
      await said((reaper) => sweep(reaper, { plan: true, type: ['X', 'Y'] })),
      await said((reaper) => sweep(reaper, { plan: true, type: ['Y', 'Z'] })),
    ];
    expect(complained.mock.calls).toEqual([['reaper: no tracked job has the type Y or Z. See: reaper status\n']]);
    complained.mockRestore();
    expect(ends.map(({ code }) => code)).toEqual([0, 0]);
  });

  test('ends with 1 if an act on a job has failed', async () => {
    await seedJob(redis, 'a', { status: 'Success', web_hook_url: `${hookEndpoint.url}/200/x` });
    await redis.set(`t:reaper:hooks:due:${hookEndpoint.url}`, 'no sorted set');
    const { code, text } = await said((reaper) => sweep(reaper, {}));
    expect(code).toBe(1);
    expect(text).toContain('1 abandoned');
    expect(text).toMatch(/^given up: a: /m);
    expect(text).toContain(`t:reaper:hooks:due:${hookEndpoint.url}`);
  });
});

describe('rescue', () => {
  test('names keys that cannot be read, and ends with 1 if a pool was given up', async () => {
    await seedPool(redis, 'dead', { heartbeat: second(-60), holds: new Map([['X', ['a']]]) });
    await redis.set('t:jobs:X', 'no list');
    for (const plan of [true, false]) {
      const { code, text } = await said((reaper) => rescue(reaper, { grace: 0, plan }));
      expect(code).toBe(1);
      expect(text).toMatch(/^dead {2}abandoned .*entries are left where they are: t:jobs:X: holds a string/m);
      expect(text).toMatch(/^cannot be read: t:jobs:X: holds a string/m);
    }
  });

  test('prints how many pools were alive, and what was requeued and rebuilt', async () => {
    await seedPool(redis, 'live', { heartbeat: second() });
    await seedPool(redis, 'dead', { heartbeat: second(-60), holds: new Map([['X', ['a', 'b']]]) });
    await redis.set('t:jobs:X:lock', 12_007);
    const planned = await said((reaper) => rescue(reaper, { grace: 0, plan: true }));
    expect(planned.text).toMatch(/^lock of X that would be written: 12,007 → 0; it was off by 12,005$/m);
    expect(planned.text).toMatch(/^nothing was changed; without --plan it would be$/m);
    const { code, text } = await said((reaper) => rescue(reaper, { grace: 0 }));
    expect(code).toBe(0);
    expect(text).toMatch(/^1 pool alive, 1 suspected, in [\d,]+ ms$/m);
    expect(text).toMatch(/^entries of dead pools requeued: 2$/m);
    expect(text).toMatch(/^lock of X written: 12,007 → 0; it was off by 12,005$/m);
    expect(text.match(/lock of X/g)).toHaveLength(1);
    expect(text).not.toContain('rescue suspended');
    await seedPool(redis, 'another', { heartbeat: second(-60), holds: new Map([['X', ['a']]]) });
    const json = await said((reaper) => rescue(reaper, { grace: 0, plan: true, json: true }));
    expect(json.text.match(/"marks"/g)).toHaveLength(1);
    await said((reaper) => rescue(reaper, { grace: 0 }));
    await redis.set('t:jobs:X:lock', '');
    const { text: ofEmpty } = await said((reaper) => rescue(reaper, { grace: 0, plan: true }));
    expect(ofEmpty).toMatch(/^lock of X that would be written: empty → 0$/m);
    await said((reaper) => rescue(reaper, { grace: 0 }));
    const again = await said((reaper) => rescue(reaper, { grace: 0, plan: true }));
    expect(again.text).toMatch(/^nothing would be changed$/m);
  });

  test.each([true, false])('prints its changes by type and pool, with three examples; plan: %s', async (plan) => {
    for (const pool of ['dead-1', 'dead-2', 'dead-3', 'dead-4', 'dead-5']) {
      const ids = Array.from({ length: 30 }, (_, i) => `${pool}-${i}`);
      await seedPool(redis, pool, { heartbeat: second(-60), holds: new Map([['X', ids]]) });
    }
    const deaths = JSON.stringify([1, 2, 3].map((n) => [second(-3_600 + n), `gone${n}`, second(-3_700)]));
    for (const id of ['dead-1-1', 'dead-1-2']) await redis.hset('t:reaper:recoveries', id, deaths);
    const { code, text } = await said((reaper) => rescue(reaper, { grace: 0, plan, exitCode: plan }));
    expect(code).toBe(plan ? 3 : 0);
    const rows = text.split('\n').map((line) => line.replace(/[│\s]+/g, ' ').trim());
    for (const pool of ['dead-2', 'dead-3', 'dead-4', 'dead-5']) expect(rows).toContain(`requeue X ${pool} 30`);
    expect(rows).toContain('requeue X dead-1 28');
    expect(rows).toContainEqual(expect.stringMatching(/^quarantine X dead-1 2 dead-1-[12] dead-1-[12]$/));
    expect(rows).toContainEqual(expect.stringMatching(/^deregister - - 5 dead-\d dead-\d dead-\d$/));
    expect(text).not.toMatch(/^dead-/m);
    const again = await said((reaper) => rescue(reaper, { grace: 0, plan: true, exitCode: true, verbose: true }));
    if (!plan) expect(again.code).toBe(0);
    else expect(again.text).toMatch(/^dead-2 {2}planned {2}.* {2}30 X {2}would be removed: /m);
  });

  test('--pool rescues this pool only, and ends with 4 if it is not there', async () => {
    for (const pool of ['dead-1', 'dead-2'])
      await seedPool(redis, pool, { heartbeat: second(-60), holds: new Map([['X', [pool]]]) });
    const complained = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
    const none = await said((reaper) => rescue(reaper, { grace: 0, pool: ['dead-3'] }));
    expect(complained.mock.calls).toEqual([
      ['reaper: unknown pool: dead-3; nothing was changed. See: reaper status\n'],
    ]);
    complained.mockRestore();
    expect([none.code, none.text]).toEqual([4, '']);
    expect((await said((reaper) => rescue(reaper, { grace: 0, pool: ['dead-1'] }))).code).toBe(0);
    expect(await redis.llen('t:jobs:X:dead-2:inprogress')).toBe(1);
    expect(await redis.llen('t:jobs:X')).toBe(1);
  });

  test('--grace overrides the configured grace period', async () => {
    await seedPool(redis, 'dead', { heartbeat: second(-60), holds: new Map([['X', ['a']]]) });
    // The configured grace period lasts for days.
    const { text } = await said((reaper) => rescue(reaper, { grace: 1, plan: true }), {
      rescue: { grace: 2_000_000_000 },
    });
    expect(text).toMatch(/^entries of dead pools that would be requeued: 1$/m);
  });
});

describe('hooks', () => {
  const seedHooks = async (...answers: number[]) => {
    for (const [i, answer] of answers.entries())
      await seedJob(redis, `j${i}`, { status: 'Success', web_hook_url: `${hookEndpoint.url}/${answer}/x` });
    const reaper = create({ hooks: { breakerThreshold: 1 } });
    await reaper.sweep();
    await reaper.stop();
  };

  test('match an endpoint that was copied with its path, and are sent before the command ends', async () => {
    await seedHooks(400, 400);
    hookEndpoint.answer = (_, response) => response.writeHead(200).end();
    const { code, text } = await said((reaper) =>
      moveHooks(reaper, 'retry', { endpoint: `${hookEndpoint.url}/400/x?y#z` }),
    );
    hookEndpoint.answer = undefined;
    expect([code, text]).toEqual([0, 'retried: 2\n']);
    expect(await redis.hlen('t:reaper:hooks')).toBe(0);
  });

  test('behind an open circuit are reported after a retry and in the list', async () => {
    await seedHooks(503);
    const options = { hooks: { breakerThreshold: 1 } };
    const { text } = await said((reaper) => moveHooks(reaper, 'retry', { id: 'j0' }), options);
    expect(text).toContain(`circuit open for ${hookEndpoint.url}: 1 hooks wait`);
    const list = await said((reaper) => listHooks(reaper, {}), options);
    expect(list.text).toMatch(
      new RegExp(`^${hookEndpoint.url}: circuit open \\(\\d+ consecutive failures, next attempt in \\d+ s\\)$`, 'm'),
    );
  });

  test('that are being sent are listed as pending', async () => {
    await seedWithHook(redis, 'a', 'sending');
    const { text } = await said((reaper) => listHooks(reaper, {}));
    expect(text).toContain('pending');
    expect(text).not.toContain('sending');
  });

  test('--json prints one object per line, without the record of Redis', async () => {
    await seedHooks(400, 503);
    const { text } = await said((reaper) => listHooks(reaper, { json: true }));
    const all = linesOf(text);
    const [hook, endpoint] = ['j0', undefined].map((job) => all.find(({ id }) => id === job));
    expect(hook).toMatchObject({ type: 'hook', id: 'j0', state: 'parked', answer: '400', attempts: 1 });
    expect(hook).not.toHaveProperty('text');
    expect(endpoint).toMatchObject({ type: 'endpoint', endpoint: hookEndpoint.url });
    const plan = await said((reaper) => moveHooks(reaper, 'drop', { json: true, plan: true, reason: '400' }));
    expect(linesOf(plan.text)).toEqual([
      { ...hook, plan: true },
      { schema: 1, type: 'drop', plan: true, count: 1 },
    ]);
    const none = await said((reaper) => moveHooks(reaper, 'drop', { plan: true, reason: '404' }));
    expect(none.text).toBe('would be dropped: 0\n');
  });

  test.each([true, false])('of a job that has none are not found; --json: %s', async (json) => {
    await seedHooks(400);
    expect((await said((reaper) => listHooks(reaper, { json, id: 'j0' }))).code).toBe(0);
    expect((await said((reaper) => listHooks(reaper, { json, id: 'j1' }))).code).toBe(4);
    expect((await said((reaper) => listHooks(reaper, { json, reason: '404' }))).code).toBe(0);
  });
});

describe('explain', () => {
  test('says of a job that Redis does not know only that, with the namespace', async () => {
    const { code, text } = await said((reaper) => explain(reaper, 'a', {}));
    expect(code).toBe(4);
    expect(text).toMatch(
      /^a: is unknown: nothing in namespace t on 127\.0\.0\.1:\d+\/0 is about it\na: not tracked\n$/,
    );
  });

  test('names the command for another namespace that is in use', async () => {
    await redis.sadd('{t}:known_jobs', 'X');
    const { code, text } = await said((reaper) => explain(reaper, "it's", {}));
    expect([code, text.split('\n').at(-2)]).toEqual([
      4,
      "namespace t is empty, but {t} is not: did you mean that one? → reaper explain 'it'\\''s' --namespace '{t}'",
    ]);
  });

  test('prints that a job is in no place, and whether it is tracked', async () => {
    await seedJob(redis, 'a');
    await redis.hdel('t:job_track:inprogress', 'a');
    const { code, text } = await said((reaper) => explain(reaper, 'a', {}));
    expect(code).toBe(0);
    expect(text).toMatch(/^a: not tracked$/m);
    expect(text).toMatch(/^in no queue, and held by no pool$/m);
    expect(text).toMatch(/^revision: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, 10 min( \d s)? ago$/m);
  });

  test('prints where the entries of a job are, and whether the pools that hold them are alive', async () => {
    await seedJob(redis, 'a');
    await seedPool(redis, 'live', { heartbeat: second(), holds: new Map([['X', ['a']]]) });
    await seedPool(redis, 'dead', { heartbeat: second(-60), holds: new Map([['Y', ['a']]]) });
    await redis.rpush('t:jobs:X', entryOf('other'), entryOf('a'), entryOf('next'));
    await redis.zadd('t:retry', 7, entryOf('a'));
    const { text } = await said((reaper) => explain(reaper, 'a', {}));
    expect(text).toMatch(/^a: tracked$/m);
    expect(text).toMatch(/^held by pool live \(alive\) as X$/m);
    expect(text).toMatch(/^held by pool dead \(dead\) as Y$/m);
    expect(text).toMatch(/^position 2 in queue X$/m);
    expect(text).toMatch(/^in retry, 1970-01-01T00:00:07Z, [\d,]+ d( \d+ h)? ago$/m);
    expect(text).not.toContain('in no queue');
  });
});

test('status shows dead pools, clocks that are ahead, and paused types', async () => {
  await seedPool(redis, 'live', { heartbeat: second(), jobNames: 'X' });
  await seedPool(redis, 'dead', { heartbeat: second(-60) });
  await seedPool(redis, 'ahead', { heartbeat: second(7_200) });
  await redis.set('t:jobs:X:paused', 1);
  await redis.set('t:known_jobs', 'no set');
  const { code, text } = await said((reaper) => status(reaper, {}));
  expect(code).toBe(3);
  expect(text).toMatch(/live .*alive/);
  expect(text).toMatch(/dead .*dead .*1 min( \d s)? /);
  expect(text).toMatch(/ahead .*dead .*(2 h|1 h 59 min) ahead/);
  expect(text).toMatch(/X .*paused/);
  expect(text).toMatch(/^cannot be read: t:known_jobs/m);
});

test('quarantine shows which entries other tools have taken, and acts by type', async () => {
  await seedJob(redis, 'a');
  await redis.rpush('t:jobs:X', entryOf('a'));
  for (let death = 0; death < 4; death++) {
    await seedPool(redis, `p${death}`, { heartbeat: second(-60) });
    expect(await redis.rpoplpush('t:jobs:X', `t:jobs:X:p${death}:inprogress`)).not.toBeNull();
    const reaper = create();
    await reaper.rescue({ grace: 0 });
    await reaper.stop();
  }
  expect((await said((reaper) => listQuarantine(reaper, {}))).text).toMatch(/a .*X .*4 times .*p0 .*yes/);
  expect((await said((reaper) => endQuarantine(reaper, 'drop', { type: 'Y', plan: true }))).text).toBe(
    'would be dropped: 0\n',
  );
  expect((await said((reaper) => endQuarantine(reaper, 'release', { type: 'X', plan: true }))).text).toBe(
    'would be requeued: 1\n',
  );
  await redis.del('t:dead');
  const record = (await redis.hget('t:reaper:quarantine', 'a')) ?? '';
  expect((await said((reaper) => listQuarantine(reaper, {}))).text).toContain('no, already removed by another tool');
  // The list has removed the record.
  await redis.hset('t:reaper:quarantine', 'a', record);
  expect((await said((reaper) => endQuarantine(reaper, 'release', { id: 'a' }))).text).toBe(
    'requeued: 0\nno longer among the dead jobs, already removed by another tool: 1\n',
  );
  for (const json of [true, false]) {
    expect((await said((reaper) => listQuarantine(reaper, { json, id: 'b' }))).code).toBe(4);
    expect((await said((reaper) => listQuarantine(reaper, { json, type: 'Y' }))).code).toBe(0);
  }
});

const at = () => ['--redis', server.url, '--namespace', 't'];
const call = (...args: string[]) => callCli([...args, ...at()], { REAPER_NAMESPACE: '' });

test('wrong usage ends with 2', async () => {
  const ends = [
    await callCli(['status'], { REAPER_NAMESPACE: '' }),
    await callCli(['status', '--namespace', ' ']),
    await call('run', '--inspect-control'),
    await call('sweep', '--hooks-rewrite-origins', 'http://a=http://b=http://c'),
    await call('sweep', '--hooks-drain-rate', '0'),
  ];
  expect(ends.map(({ code }) => code)).toEqual([2, 2, 2, 2, 2]);
  expect(ends[0]?.stderr).toContain('No namespace');
  expect(ends[2]?.stderr).toContain('--inspect');
});

test('empty list items are ignored, and an origin that is not allowed gets no hook', async () => {
  await seedJob(redis, 'a', { status: 'Success', web_hook_url: `${hookEndpoint.url}/200/x` });
  hookEndpoint.hooks.length = 0;
  const types = await call('status', '--json', '--job-types', ' X,,Y, ');
  const hooks = await call('sweep', '--json', '--hooks-allowed-origins', 'http://other.example,');
  expect(
    linesOf(types.stdout)[0]
      .queues.map(({ type }: { type: string }) => type)
      .sort(),
  ).toEqual(['X', 'Y']);
  expect(linesOf(hooks.stdout).at(-1)).toMatchObject({ hooks: { parked: 1 } });
  expect(hookEndpoint.hooks).toEqual([]);
});

describe('as a process', () => {
  test('wrong usage ends with 2, a failure with 1, help with 0', async () => {
    const ends = await Promise.all([
      runCli(['--help']),
      runCli(['sleep']),
      runCli(['status', '--redis', 'redis://127.0.0.1:1', '--namespace', 't', '--log-level', 'silent']),
    ]);
    expect(ends.map(({ code }) => code)).toEqual([0, 2, 1]);
  });

  describe('writes to what cannot be written', () => {
    /** Runs the command with one of its outputs opened for reading only, and gives the other one. */
    const runWithout = async (lost: 'stdout' | 'stderr', args: readonly string[]) => {
      const file = openSync(import.meta.filename, 'r');
      const stdio = (['stdout', 'stderr'] as const).map((name) => (name === lost ? file : 'pipe'));
      const child = spawn(process.execPath, [builtOf('src/cli/main.ts'), ...args], { stdio: ['ignore', ...stdio] });
      const { stdout, stderr, code } = await watchCli(child).ended;
      closeSync(file);
      return { text: stdout + stderr, code };
    };
    // A job that cannot be judged has a line in the log.
    beforeEach(() => seedJob(redis, 'odd', { status: 'Odd' }));

    test('its result: it ends with 1 and says so once', async () => {
      const { text, code } = await runWithout('stdout', [
        'sweep',
        '--verbose',
        '--json',
        '--log-level',
        'silent',
        ...at(),
      ]);
      expect([code, text]).toEqual([1, 'reaper: the output cannot be written (EBADF)\n']);
    });

    test('its log or an error: it does the same without them', async () => {
      const { text, code } = await runWithout('stderr', ['sweep', ...at()]);
      expect([code, text]).toEqual([0, expect.stringContaining('verdicts: 1 keep\n')]);
      expect((await runWithout('stderr', ['sleep'])).code).toBe(2);
    });
  });

  test('run --json prints its events, and ends with 0 after a signal', async () => {
    await seedJob(redis, 'hung', { age: 100_000 });
    await seedJob(redis, 'fine');
    await seedWithHook(redis, 'pending');
    const intervals = ['--sweep-initial-delay', '0', '--rescue-interval', '200ms'];
    const child = launchCli(['run', '--json', '--inspect', '127.0.0.1:0', ...intervals, ...at()]);
    const { output, ended } = watchCli(child);
    await expect.poll(() => output.stdout).toContain('"type":"rescue"');
    await expect.poll(() => output.stdout).toContain('"type":"sweep"');
    child.kill('SIGTERM');
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    expect(linesOf(stdout).map(({ type }) => type)).toContain('leader');
    const judged = linesOf(stdout).flatMap(({ type, id }) => (type === 'job' ? [id] : []));
    expect(judged).toEqual(['hung']);
  });

  test('run --json has no line for a hook that has to wait because too many do', async () => {
    for (const id of ['x', 'y', 'z']) await seedWithHook(redis, id);
    for (const id of ['a', 'b']) await seedJob(redis, id, { status: 'Success', web_hook_url: `${unheard}/x` });
    const options = ['--sweep-initial-delay', '0', '--hooks-max-records', '2'];
    const child = launchCli(['run', '--json', ...options, ...at()]);
    const { output, ended } = watchCli(child);
    await expect.poll(() => output.stdout).toContain('"type":"sweep"');
    child.kill('SIGTERM');
    const { stdout } = await ended;
    const [sweep] = linesOf(stdout).filter(({ type }) => type === 'sweep');
    expect(sweep.outcomes).toEqual({ 'already-pending': 3, deferred: 2 });
    expect(linesOf(stdout).filter(({ type }) => type === 'job')).toEqual([]);
  });

  test('run --json prints each orphaned entry and each quarantined job once', async () => {
    await seedPool(redis, 'alive', { heartbeat: second(), jobNames: 'X', holds: new Map([['X', ['lost']]]) });
    await redis.hset('t:worker_pools:alive', 'worker_ids', 'w1');
    await redis.hset('t:worker:w1', { job_name: 'X', job_id: 'other', started_at: second(), args: '' });
    await seedJob(redis, 'lost', { status: 'Pending' });
    await seedPool(redis, 'dead', { holds: new Map([['X', ['poison']]]) });
    const deaths = [1, 2, 3].map((n) => [second(-3_600 + n), `p${n}`, second(-3_700)]);
    await redis.hset('t:reaper:recoveries', 'poison', JSON.stringify(deaths));
    const options = ['--rescue-interval', '200ms', '--rescue-grace', '0', '--rescue-orphaned-after', '0'];
    // No process writes a heartbeat here.
    const child = launchCli(['run', '--json', ...options, '--rescue-heartbeat-timeout', '10m', ...at()]);
    const { output, ended } = watchCli(child);
    await expect.poll(() => output.stdout).toContain('"type":"orphan"');
    await expect.poll(() => output.stdout).toContain('"type":"quarantine"');
    child.kill('SIGTERM');
    const { stdout } = await ended;
    const linesOn = (job: string) =>
      linesOf(stdout).filter((line) => [line.id, line.entry?.id, line.job?.id].includes(job));
    expect(linesOn('lost')).toMatchObject([{ type: 'orphan', entry: { type: 'X', outcome: 'requeued' } }]);
    expect(linesOn('poison')).toMatchObject([{ type: 'quarantine', job: { type: 'X' } }]);
  });
});
