import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createScripts, FencedError, type ScriptName, type Scripts } from '../../src/io/redis/scripts.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

// What the scripts of the shared schedule answer and write, rule by rule, and what goes before other scripts (150: behavior
// that no test proved).

let server: RedisServer;
let redis: Redis;
let scripts: Scripts;
let thisRun: string;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client;
  scripts = createScripts(redis);
  thisRun = /run_id:(\w+)/.exec(await redis.info('server'))?.[1] ?? '';
});
afterAll(() => server.stop());
beforeEach(() => redis.flushall());

const lease = 't:reaper:lease';
const progress = 't:reaper:progress';
const track = 't:job_track:inprogress';
const run = <Reply = unknown>(name: ScriptName, keys: readonly string[], args: readonly (string | number)[] = []) =>
  scripts.run(name, keys, args) as Promise<unknown> as Promise<Reply>;
const nowMs = async () => {
  const [s, us] = await redis.time();
  return 1_000 * Number(s) + Number(us) / 1_000;
};
/** Whether it is a time in ms of just now, by the clock of Redis. */
const isNow = async (text: string | null | undefined) => {
  const ago = (await nowMs()) - Number(text);
  return ago > -1_000 && ago < 60_000;
};
const take = (caller: string, fence = '', ms = 60_000) =>
  run<string[]>('acquire_lease', [lease, progress], [caller, `host of ${caller}`, fence, ms]);

describe('the lease', () => {
  test('says who has it, since when and until when, and how far the passes are', async () => {
    await redis.hset(progress, 'ended', 5);
    const [now, leader, host, fence, until, since, ...rest] = await take('a');
    expect([leader, host, rest]).toEqual(['a', 'host of a', ['ended', '5']]);
    expect([await isNow(now), await isNow(since), await isNow(fence)]).toEqual([true, true, true]);
    expect(Number(until) - Number(now)).toBe(60_000);
    expect((await take('b')).slice(1)).toEqual(['a', 'host of a', fence, until, since, 'ended', '5']);
  });

  test('is renewed under its number by a caller that knows that number, and begun anew by one that does not', async () => {
    const [, , , fence = '', until, since] = await take('a');
    const renewed = await take('a', fence, 90_000);
    expect([renewed[3], renewed[5]]).toEqual([fence, since]);
    expect(Number(renewed[4])).toBeGreaterThan(Number(until));
    expect(Number((await take('a', '7'))[3])).toBeGreaterThan(Number(fence));
  });

  test('gives a higher number each time, though the clock is behind the last one', async () => {
    await redis.hset(lease, { fence: '9000000000000', until: 0 });
    expect((await take('a'))[3]).toBe('9000000000001');
  });

  test('that is given up is free, once and as long as no other has it', async () => {
    const [, , , fence] = await take('a');
    expect(await run('resign_lease', [lease], ['b'])).toBe('not held');
    expect((await take('b'))[1]).toBe('a');
    expect([await run('resign_lease', [lease], ['a']), await run('resign_lease', [lease], ['a'])]).toEqual([
      'left',
      'left',
    ]);
    expect(await redis.hgetall(lease)).toEqual({ fence, until: '0' });
    expect((await take('b'))[1]).toBe('b');
    expect(await run('resign_lease', [lease], ['a'])).toBe('not held');
  });

  test('is had though the progress of the passes is of another type', async () => {
    await redis.set(progress, 'x');
    expect(await take('a')).toHaveLength(6);
  });
});

describe('a sweep', () => {
  const begin = () => run<[string, number, string]>('begin_sweep', [progress, track]);
  const note = (cursor: string, scanned: number, of = thisRun) =>
    run('checkpoint_sweep', [progress], [cursor, scanned, of]);

  test('begins at the beginning, and says how many jobs there are and since when it runs', async () => {
    await redis.hset(track, { a: 2, b: 2 });
    expect(await begin()).toEqual(['0', 0, thisRun]);
    expect(await redis.hmget(progress, 'cursor', 'scanned', 'run_id', 'total')).toEqual(['0', '0', thisRun, '2']);
    expect(await isNow(await redis.hget(progress, 'begun'))).toBe(true);
  });

  test('is gone on with from where it was left, as the one that it was', async () => {
    await begin();
    await redis.hset(progress, 'begun', 5);
    await note('17', 34);
    expect(await begin()).toEqual(['17', 34, thisRun]);
    expect(await redis.hget(progress, 'begun')).toBe('5');
  });

  test.each([
    ['another process of Redis', 'other'],
    ['none', ''],
  ])('begins anew after a cursor of %s, as the one that it was', async (_, of) => {
    await redis.hset(progress, { cursor: '17', scanned: 34, run_id: of, begun: 5 });
    expect(await begin()).toEqual(['0', 0, thisRun]);
    expect(await redis.hmget(progress, 'cursor', 'scanned', 'begun')).toEqual(['0', '0', '5']);
  });

  test('notes no cursor of another process of Redis', async () => {
    await note('17', 34, 'other');
    expect(await redis.hmget(progress, 'cursor', 'scanned', 'run_id')).toEqual(['0', '0', thisRun]);
  });

  test('without the right to INFO begins anew each time', async () => {
    await redis.call('ACL', 'SETUSER', 'u', 'reset', 'on', '>p', '~*', '+@all', '-info');
    const limited = new Redis({ port: server.port, username: 'u', password: 'p', enableReadyCheck: false });
    try {
      const asLimited = createScripts(limited);
      const call = (name: ScriptName, keys: string[], args: (string | number)[] = []) =>
        asLimited.run(name, keys, args);
      expect(await call('begin_sweep', [progress, track])).toEqual(['0', 0, '']);
      await call('checkpoint_sweep', [progress], ['17', 34, '']);
      expect(await call('begin_sweep', [progress, track])).toEqual(['0', 0, '']);
    } finally {
      limited.disconnect();
    }
  });

  test('that has ended is not gone on with; the end of a rescue says nothing of it', async () => {
    await begin();
    await note('17', 34);
    const rescued = await run<string>('complete_pass', [progress], ['rescue']);
    expect(await redis.hmget(progress, 'cursor', 'ended', 'rescue_ended')).toEqual(['17', null, rescued]);
    const ended = await run<string>('complete_pass', [progress], ['sweep', 50]);
    expect(await redis.hmget(progress, 'cursor', 'ended', 'scanned')).toEqual([null, ended, '50']);
    expect(await isNow(ended)).toBe(true);
    expect(await begin()).toEqual(['0', 0, thisRun]);
  });
});

describe('behind a fence', () => {
  const note = (number: string) => scripts.run('checkpoint_sweep', [progress], ['17', 34, thisRun], { lease, number });

  test('a script runs for the holder of the lease, and for no one else', async () => {
    const [, , , fence = ''] = await take('a');
    expect(await note(fence)).toBe('ok');
    await redis.del(progress);
    await expect(note(String(Number(fence) - 1))).rejects.toThrow(FencedError);
    await expect(note(String(Number(fence) + 1))).rejects.toThrow(FencedError);
    await redis.hset(lease, 'until', Math.floor(await nowMs()));
    await expect(note(fence)).rejects.toThrow(FencedError);
    await redis.del(lease);
    await expect(note(fence)).rejects.toThrow(FencedError);
    expect(await redis.exists(progress)).toBe(0);
  });
});

describe('a change that is sent again', () => {
  const stats = 't:job_stats:j';
  const checkIn = (token: string, id = 'j') =>
    scripts.run('check_in', [stats, '', '', '', ''], ['', id, ''], undefined, { key: 'answers', token });
  const run100 = (token: string, revision = 100) =>
    scripts.run('set_status', [stats, track], ['Running', revision, 'j', '', '', '', ''], undefined, {
      key: 'answers',
      token,
    });

  test('gives its first answer, and another its own', async () => {
    await redis.hset(stats, { status: 'Pending', revision: 100 });
    expect(await run100('a')).toBe('ok');
    await redis.hset(stats, 'status', 'Success');
    expect([await run100('a'), await run100('b')]).toEqual(['ok', 'Success']);
    expect(await redis.hget(stats, 'status')).toBe('Success');
  });

  test('gives it as long as somebody may ask, after others too, and of sixteen changes', async () => {
    await redis.hset(stats, { status: 'Running', revision: 100 });
    const answers = [];
    for (let i = 0; i < 17; i++) answers.push(await checkIn(`t${i}`));
    await redis.hset(stats, 'status', 'Success');
    expect(await checkIn('t16')).toEqual(answers[16]);
    expect(await checkIn('t1')).toEqual(answers[1]);
    expect(await checkIn('t0')).toBe('Success');
    expect((await redis.get('answers'))?.split('\n')).toHaveLength(16);
    expect(await redis.pttl('answers')).toBeGreaterThan(300_000);
    expect(await redis.pttl('answers')).toBeLessThanOrEqual(600_000);
  });

  test('is not done where its answer was asked for before it came', async () => {
    await redis.hset(stats, { status: 'Pending', revision: 100 });
    const change = { key: 'answers', token: 'a' };
    expect(await scripts.run('cancel_change', [], [], undefined, change)).toEqual(['canceled']);
    expect(await run100('a')).toEqual(['canceled']);
    expect(await redis.hget(stats, 'status')).toBe('Pending');
    expect(await scripts.run('cancel_change', [], [], undefined, { key: 'answers', token: 'b' })).toEqual(['canceled']);
    expect(await run100('c')).toBe('ok');
    expect(await scripts.run('cancel_change', [], [], undefined, { key: 'answers', token: 'c' })).toBe('ok');
  });

  test('is another one where an argument only looks like a token', async () => {
    await redis.hset(stats, { status: 'Pending', revision: 100 });
    const odd = () => run('set_status', [stats, track], ['once:x', 100, 'j', '', '', '', '']);
    expect([await odd(), await redis.hget(stats, 'status')]).toEqual(['Pending', 'Pending']);
    await redis.hset(stats, 'status', 'once:x');
    expect(await odd()).toBe('ok');
    expect(await redis.keys('*')).toEqual([stats]);
  });
});

describe('what a script needs', () => {
  test('is proven before it begins: the key of another type is named, and what it holds', async () => {
    await redis.set(progress, 'x');
    await expect(run('complete_pass', [progress], ['rescue'])).rejects.toThrow(
      /t:reaper:progress holds a string, where a hash/,
    );
  });

  test.each(['hset', 'hdel'])('the right to %s is proven before it begins, and named with its key', async (command) => {
    await redis.call('ACL', 'SETUSER', 'u', 'reset', 'on', '>p', '~*', '+@all', `-${command}`);
    const limited = new Redis({ port: server.port, username: 'u', password: 'p' });
    try {
      await expect(createScripts(limited).run('complete_pass', [progress], ['sweep', 5])).rejects.toThrow(
        new RegExp(`no permission to run ${command.toUpperCase()} on t:reaper:progress`),
      );
      expect(await redis.exists(progress)).toBe(0);
    } finally {
      limited.disconnect();
    }
  });
});
