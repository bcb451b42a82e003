import { afterAll, describe, expect, test, vi } from 'vitest';
import { SimulatedClock } from 'xstate';
import type { Reaper, ReaperOptions } from '../../../src/index.ts';
import { createRunAnswered } from '../../../src/io/redis/answered.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { runCli } from '../../support/cli.ts';
import { countTimers, createTestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { intercept, loseReplies, second, seedJob } from '../../support/jobs.ts';
import { startProxy } from '../../support/proxy.ts';

const { server, redis, keys, opened } = await redisFixture();
const proxy = await startProxy(server.port);
afterAll(() => proxy.stop());

const held = keys.inProgress('X', 'p');
/** Enqueued after the start of this Redis, whose second may be the one that it is now. */
const fresh = second(60);
const entryOf = (id: string) => JSON.stringify({ name: 'X', id, t: fresh, args: {} });
const hold = async (heartbeat: number, ...ids: string[]) => {
  await redis.sadd(keys.pools, 'p');
  await redis.hset(keys.heartbeat('p'), { heartbeat_at: heartbeat, job_names: 'X', worker_ids: 'w1,w2' });
  if (ids.length > 0) await redis.lpush(held, ...ids.map(entryOf));
  await redis.set(keys.lock('X'), ids.length);
  await redis.hset(keys.lockInfo('X'), 'p', ids.length);
};
const beat = () => redis.hset(keys.heartbeat('p'), 'heartbeat_at', second());
const died = (times: number) =>
  JSON.stringify(Array.from({ length: times }, (_, i) => [second(-600 + i), `old${i}`, String(second(-600 + i))]));

/** Arguments by which a call is known to be of this script. */
const calls = {
  requeue: [keys.queue('X'), keys.recovered],
  settle: [keys.pools, keys.lockInfo('X'), held, 10_000],
  quarantine: [keys.dead, keys.quarantine, keys.track],
  rebuild: [keys.lock('X'), keys.lockInfo('X'), 'p'],
  putBack: [keys.workerRecords('p'), keys.queue('X')],
};
const names = ['pool', 'orphan', 'quarantine', 'error'] as const;
/** A reaper whose calls lose their replies, and what it says. */
const reaperThatLoses = (
  of: readonly (string | number)[],
  { rescue = {}, clock, ...loss }: Parameters<typeof loseReplies>[2] & Pick<ReaperOptions, 'rescue' | 'clock'> = {},
) => {
  const client = loseReplies(redis, of, loss);
  opened.hold(client);
  const reaper: Reaper = opened.create({ redis: client, rescue, ...(clock && { clock }) });
  const events: { name: string; event: unknown }[] = [];
  for (const name of names) reaper.on(name, (event: unknown) => void events.push({ name, event }));
  return { client, reaper, events };
};

describe('fault 138: a step for a dead pool that had no reply', () => {
  const ids = Array.from({ length: 12 }, (_, i) => `j${i}`);

  test.each([1, 2])('requeue, %i times: every entry is counted once', async (times) => {
    await hold(second(-60), ...ids);
    const { client, reaper, events } = reaperThatLoses(calls.requeue, { times, rescue: { batchSize: 5 } });
    const summary = await reaper.rescue({ grace: 0 });
    expect(client.lost).toBe(times);
    expect(summary).toMatchObject({ entries: 12, quarantined: 0, pools: { rescued: 1, abandoned: 0 }, drift: [] });
    expect(events).toEqual([
      { name: 'pool', event: expect.objectContaining({ outcome: 'rescued', moved: { X: 12 }, entries: 12 }) },
    ]);
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual(ids.map(entryOf).reverse());
    expect(await redis.get(keys.lock('X'))).toBe('0');
  });

  test('requeue: what it moved is counted, though the pool has come to life since', async () => {
    await hold(second(-60), ...ids);
    const { client, reaper, events } = reaperThatLoses(calls.requeue, { between: beat, rescue: { batchSize: 5 } });
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 10, pools: { alive: 1 } });
    expect(client.lost).toBe(1);
    expect(events).toEqual([{ name: 'pool', event: expect.objectContaining({ outcome: 'alive', moved: { X: 10 } }) }]);
    expect(await redis.llen(held)).toBe(2);
  });

  test('requeue: the grace begins again after it', async () => {
    await hold(second(-60), ...ids);
    const clock = new SimulatedClock();
    const timers = countTimers(clock);
    const graces = () => timers(60_000);
    const { client, reaper } = reaperThatLoses(calls.requeue, { clock, rescue: { batchSize: 5 } });
    const rescue = reaper.rescue({ grace: 60_000 });
    await vi.waitUntil(() => graces() === 1);
    clock.increment(60_000);
    await vi.waitUntil(() => client.lost === 1);
    await vi.waitUntil(() => {
      if (graces() < 2) clock.increment(1_000);
      return graces() === 2;
    });
    expect(await redis.llen(keys.queue('X'))).toBe(10);
    clock.increment(60_000);
    expect(await rescue).toMatchObject({ entries: 12, pools: { rescued: 1 } });
  });

  test.each(['requeue', 'quarantine'] as const)(
    '%s: a poison job is quarantined once, with its event',
    async (name) => {
      await hold(second(-60), 'a', 'poison', 'b');
      await redis.hset(keys.recoveries, 'poison', died(3));
      await seedJob(redis, 'poison');
      const { client, reaper, events } = reaperThatLoses(calls[name]);
      expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 2, quarantined: 1, pools: { rescued: 1 } });
      expect(client.lost).toBe(1);
      expect(events).toEqual([
        {
          name: 'quarantine',
          event: expect.objectContaining({ id: 'poison', type: 'X', recoveries: Array(4).fill(expect.anything()) }),
        },
        { name: 'pool', event: expect.objectContaining({ moved: { X: 2 }, quarantined: 1 }) },
      ]);
      expect(await redis.zcard(keys.dead)).toBe(1);
    },
  );

  test('settle: rescued, though another process has taken its name since', async () => {
    await hold(second(-60));
    const between = () => Promise.all([redis.sadd(keys.pools, 'p'), beat()]);
    const { client, reaper, events } = reaperThatLoses(calls.settle, { between });
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ pools: { rescued: 1, alive: 0 } });
    expect(client.lost).toBe(1);
    expect(events).toEqual([{ name: 'pool', event: expect.objectContaining({ outcome: 'rescued' }) }]);
    expect(await redis.sismember(keys.pools, 'p')).toBe(1);
  });

  test('requeue: counted once, though Redis is away when the answer is asked for', async () => {
    await hold(second(-60), ...ids);
    let away = 0;
    const between = async () => {
      away = 3;
    };
    const losing = loseReplies(redis, calls.requeue, { between });
    opened.hold(losing);
    // biome-ignore lint/suspicious/noExplicitAny: the overloads of a command
    const methods = losing as any;
    const call = methods.evalsha.bind(losing);
    methods.evalsha = async (...args: unknown[]) => {
      if (away === 0) return call(...args);
      away -= 1;
      throw new Error('connect ECONNREFUSED');
    };
    const clock = createTestClock();
    const reaper = opened.create({ redis: losing, clock, rescue: { batchSize: 5 } });
    const summary = await clock.untilSettled(reaper.rescue({ grace: 0 }));
    expect([losing.lost, away]).toEqual([1, 0]);
    expect(summary).toMatchObject({ entries: 12, pools: { rescued: 1 } });
  });

  test('a call that Redis gets after its answer was asked for does nothing', async () => {
    await hold(second(-60), ...ids);
    const client = opened.hold(redis.duplicate());
    // biome-ignore lint/suspicious/noExplicitAny: the overloads of a command
    const methods = client as any;
    let late: unknown[] | undefined;
    for (const command of ['evalsha', 'eval']) {
      const call = methods[command].bind(client);
      methods[command] = async (...args: unknown[]) => {
        if (late !== undefined || !calls.requeue.every((arg) => args.includes(arg))) return call(...args);
        late = args;
        throw new Error('Connection is closed.');
      };
    }
    const reaper = opened.create({ redis: client });
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 12, pools: { rescued: 1 } });
    // The pool holds an entry again, and is dead again.
    await hold(second(-60), 'z');
    const [sha, ...args] = late as [string, ...string[]];
    expect(await redis.evalsha(sha, ...(args as [string, ...string[]]))).toEqual(['canceled']);
    expect(await redis.llen(held)).toBe(1);
  });

  test('that was not done fails with its error, and is canceled', async () => {
    let sent = 0;
    const client = opened.hold(
      intercept(redis, 'evalsha', () => {
        if (++sent === 1) throw new Error('Connection is closed.');
      }),
    );
    const onLostReply = vi.fn();
    const run = createRunAnswered({ keys, scripts: createScripts(client), clock: createTestClock(), onLostReply });
    const step = run('quarantine_orphan', [held], [], undefined);
    await expect(step).rejects.toThrow('Connection is closed.');
    expect(onLostReply).not.toHaveBeenCalled();
    expect(sent).toBeGreaterThan(1);
  });

  test('on a connection that is cut after Redis has run it, every entry is counted once', async () => {
    const many = Array.from({ length: 60 }, (_, i) => `j${i}`);
    const reaper = opened.create({ redis: `redis://127.0.0.1:${proxy.port}`, rescue: { batchSize: 5 } });
    await reaper.rescue({ grace: 0 });
    await hold(second(-60), ...many);
    const isCut = proxy.cutAtReply('*4\r\n$5\r\nmoved\r\n*1\r\n*2\r\n:5\r\n:30\r\n');
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 60, pools: { rescued: 1 } });
    expect(isCut()).toBe(true);
    expect(await redis.llen(keys.queue('X'))).toBe(60);
  });
});

describe('fault 138: a step for a live pool that had no reply', () => {
  const observeAnother = () =>
    redis.hset(keys.worker('w1'), { job_name: 'X', job_id: 'other', started_at: second(), args: '' });

  test('an orphaned entry: counted, with its event', async () => {
    await hold(second(), 'a');
    await seedJob(redis, 'a', { status: 'Pending' });
    await observeAnother();
    const { client, reaper, events } = reaperThatLoses(calls.putBack, { rescue: { orphanedAfter: 0 } });
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ orphaned: 1, drift: [] });
    expect(client.lost).toBe(1);
    expect(events).toEqual([
      { name: 'orphan', event: expect.objectContaining({ outcome: 'requeued', id: 'a', pool: 'p' }) },
    ]);
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([entryOf('a')]);
  });

  test('an orphaned entry of a poison job: quarantined, with its event', async () => {
    await hold(second(), 'a');
    await seedJob(redis, 'a', { status: 'Pending' });
    await redis.hset(keys.recoveries, 'a', died(3));
    await observeAnother();
    const { client, reaper, events } = reaperThatLoses(calls.quarantine, { rescue: { orphanedAfter: 0 } });
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ orphaned: 0, quarantined: 1 });
    expect(client.lost).toBe(1);
    expect(events).toEqual([{ name: 'quarantine', event: expect.objectContaining({ id: 'a' }) }]);
  });

  test('an entry whose job is over: finished, with its event', async () => {
    await hold(second(), 'a');
    await seedJob(redis, 'a', { status: 'Success' });
    await observeAnother();
    const { client, reaper, events } = reaperThatLoses([keys.lock('X'), keys.stats('a'), 60]);
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ finished: 1, drift: [] });
    expect(client.lost).toBe(1);
    expect(events).toEqual([
      { name: 'orphan', event: expect.objectContaining({ outcome: 'removed', id: 'a', type: 'X' }) },
    ]);
  });

  test('counters that have drifted: reported', async () => {
    await hold(second(), 'a');
    await redis.set(keys.lock('X'), 5);
    await redis.hset(keys.lockInfo('X'), 'p', 3);
    const { client, reaper } = reaperThatLoses(calls.rebuild, { times: 2 });
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({
      drift: [{ type: 'X', lockBefore: '5', lock: '1', fields: 1, size: { lock: 4, lockInfo: 2 } }],
    });
    expect(client.lost).toBe(2);
  });

  test('a plan keeps no answers, whatever the pool is called', async () => {
    const pool = 'once:x';
    await redis.sadd(keys.pools, pool);
    await redis.hset(keys.heartbeat(pool), { heartbeat_at: second(), job_names: 'X', worker_ids: 'w1' });
    for (const id of ['a', 'b']) await redis.lpush(`t:jobs:X:${pool}:inprogress`, entryOf(id));
    await seedJob(redis, 'a', { status: 'Success' });
    await seedJob(redis, 'b', { status: 'Pending' });
    await observeAnother();
    const reaper = opened.create({ redis: server.url, rescue: { orphanedAfter: 0 } });
    expect(await reaper.rescue({ grace: 0, plan: true })).toMatchObject({ finished: 1, orphaned: 1 });
    expect(await redis.keys('t:reaper:answers:*')).toEqual([]);
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ finished: 1, orphaned: 1 });
  });
});

describe('fault 138: the end of a quarantine that had no reply', () => {
  const quarantine = async (id: string, isInDead = true) => {
    const record = { at: second(), recoveries: [[second(), 'p', '']], entries: [['X', entryOf(id), `dead ${id}`]] };
    await redis.hset(keys.quarantine, id, JSON.stringify(record));
    if (isInDead) await redis.zadd(keys.dead, second(), `dead ${id}`);
  };

  test.each(['release', 'drop'] as const)('%s: done, and said so', async (verb) => {
    await quarantine('a');
    await quarantine('b', false);
    const { client, reaper } = reaperThatLoses([`${verb}_quarantined`], { times: 2 });
    expect(await reaper.quarantine[verb]({})).toEqual({ done: 1, gone: 1 });
    expect(client.lost).toBe(2);
    expect(await redis.llen(keys.queue('X'))).toBe(verb === 'release' ? 1 : 0);
    expect(await redis.exists(keys.quarantine, keys.dead)).toBe(0);
  });

  test('`reaper quarantine release` says what it released, though its connection was cut', async () => {
    await quarantine('a');
    const isCut = proxy.cutAtReply('*1\r\n$4\r\ndone\r\n');
    const { stdout, code } = await runCli(['quarantine', 'release', '--id', 'a'], {
      REAPER_REDIS: `redis://127.0.0.1:${proxy.port}`,
      REAPER_NAMESPACE: 't',
    });
    expect({ stdout, code }).toEqual({ stdout: 'requeued: 1\n', code: 0 });
    expect(isCut()).toBe(true);
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([entryOf('a')]);
  });
});

test('fault 138: answers are kept for as long as somebody may ask, and only of what was changed', async () => {
  await hold(second(), 'a');
  const reaper = opened.create({ redis: server.url });
  await reaper.rescue({ grace: 0 });
  expect(await redis.keys('t:reaper:answers:*')).toEqual([]);
  await redis.hset(keys.heartbeat('p'), 'heartbeat_at', second(-60));
  await reaper.rescue({ grace: 0 });
  const kept = await redis.keys('t:reaper:answers:*');
  // requeue, and settle: nothing had drifted.
  expect(kept).toHaveLength(2);
  for (const key of kept) expect(await redis.pttl(key)).toBeGreaterThan(300_000);
});
