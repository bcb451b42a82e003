import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { createScripts, FencedError } from '../../../src/io/redis/scripts.ts';
import { redisFixture } from '../../support/fixture.ts';

// What the scripts of the lease reply and write, rule by rule, and what runs before other scripts (150: behavior that no test
// proved).

const { server, redis, scripts } = await redisFixture();
const thisRun = /run_id:(\w+)/.exec(await redis.info('server'))?.[1] ?? '';

const lease = 't:reaper:lease';
const progress = 't:reaper:progress';
const track = 't:job_track:inprogress';
const nowMs = async () => {
  const [s, us] = await redis.time();
  return 1_000 * Number(s) + Number(us) / 1_000;
};
/** Whether a time in ms is about now, by the clock of Redis. */
const isNow = async (text: string | number | null) => {
  const ago = (await nowMs()) - Number(text);
  return ago > -1_000 && ago < 60_000;
};
const take = (caller: string, fence = '', ms = 60_000) =>
  scripts.run('acquire_lease', [lease, progress], [caller, `host of ${caller}`, fence, ms]);
const resign = async (caller: string) => (await scripts.run('resign_lease', [lease], [caller])).outcome;

describe('the lease', () => {
  test('returns its holder, start and end, and the progress of the passes', async () => {
    await redis.hset(progress, 'ended', 5);
    const { now, fence, until, since, ...rest } = await take('a');
    expect(rest).toEqual({ outcome: 'acquired', leader: 'a', host: 'host of a', progress: { ended: '5' } });
    expect([await isNow(now), await isNow(since), await isNow(fence)]).toEqual([true, true, true]);
    expect(Number(until) - now).toBe(60_000);
    const { now: _, ...other } = await take('b');
    expect(other).toEqual({ ...rest, outcome: 'held', fence, until, since });
  });

  test('is renewed for a caller that knows its fencing token, and begins again for a caller that does not', async () => {
    const { fence, until, since } = await take('a');
    const renewed = await take('a', fence, 90_000);
    expect(renewed).toMatchObject({ outcome: 'renewed', fence, since });
    expect(Number(renewed.until)).toBeGreaterThan(Number(until));
    const again = await take('a', '7');
    expect(again.outcome).toBe('acquired');
    expect(Number(again.fence)).toBeGreaterThan(Number(fence));
  });

  test('gives a higher token each time, even if the clock is behind the last one', async () => {
    await redis.hset(lease, { fence: '9000000000000', until: 0 });
    expect((await take('a')).fence).toBe('9000000000001');
  });

  test('is free after its leader has resigned, as long as no other host has acquired it', async () => {
    const { fence } = await take('a');
    expect(await resign('b')).toBe('not-held');
    expect((await take('b')).leader).toBe('a');
    expect([await resign('a'), await resign('a')]).toEqual(['done', 'done']);
    expect(await redis.hgetall(lease)).toEqual({ fence, until: '0' });
    expect((await take('b')).leader).toBe('b');
    expect(await resign('a')).toBe('not-held');
  });

  test('can be acquired although the progress key holds another type', async () => {
    await redis.set(progress, 'x');
    expect(await take('a')).toMatchObject({ outcome: 'acquired', progress: {} });
  });
});

describe('a sweep', () => {
  const begin = (by = scripts) => by.run('begin_sweep', [progress, track]);
  const checkpoint = (cursor: string, scanned: number, of = thisRun, by = scripts) =>
    by.run('checkpoint_sweep', [progress], [cursor, scanned, of]);
  const complete = (scanned: number) => scripts.run('complete_sweep', [progress], [scanned]);
  const completeRescue = () => scripts.run('complete_rescue', [progress]);
  const fromStart = () => ({ outcome: 'begun', cursor: '0', scanned: 0, runId: thisRun });

  test('begins at the start, and records how many jobs there are and when it began', async () => {
    await redis.hset(track, { a: 2, b: 2 });
    expect(await begin()).toEqual(fromStart());
    expect(await redis.hmget(progress, 'cursor', 'scanned', 'run_id', 'total')).toEqual(['0', '0', thisRun, '2']);
    expect(await isNow(await redis.hget(progress, 'begun'))).toBe(true);
  });

  test('is resumed at its checkpoint, and keeps the time when it began', async () => {
    await begin();
    await redis.hset(progress, 'begun', 5);
    await checkpoint('17', 34);
    expect(await begin()).toEqual({ outcome: 'begun', cursor: '17', scanned: 34, runId: thisRun });
    expect(await redis.hget(progress, 'begun')).toBe('5');
  });

  test.each([
    ['another Redis process', 'other'],
    ['no known process', ''],
  ])('begins again after a cursor of %s, and keeps the time when it began', async (_, of) => {
    await redis.hset(progress, { cursor: '17', scanned: 34, run_id: of, begun: 5 });
    expect(await begin()).toEqual(fromStart());
    expect(await redis.hmget(progress, 'cursor', 'scanned', 'begun')).toEqual(['0', '0', '5']);
  });

  test('records no cursor of another Redis process', async () => {
    await checkpoint('17', 34, 'other');
    expect(await redis.hmget(progress, 'cursor', 'scanned', 'run_id')).toEqual(['0', '0', thisRun]);
  });

  test('starts again each time without the right to run INFO', async () => {
    await redis.call('ACL', 'SETUSER', 'u', 'reset', 'on', '>p', '~*', '+@all', '-info');
    const limited = new Redis({ port: server.port, username: 'u', password: 'p', enableReadyCheck: false });
    try {
      const asLimited = createScripts(limited);
      expect(await begin(asLimited)).toEqual({ ...fromStart(), runId: '' });
      await checkpoint('17', 34, '', asLimited);
      expect(await begin(asLimited)).toEqual({ ...fromStart(), runId: '' });
    } finally {
      limited.disconnect();
    }
  });

  test('is not resumed once it is complete; a completed rescue does not complete it', async () => {
    await begin();
    await checkpoint('17', 34);
    const rescued = await completeRescue();
    expect(await redis.hmget(progress, 'cursor', 'ended', 'rescue_ended')).toEqual(['17', null, `${rescued.now}`]);
    const { now } = await complete(50);
    expect(await redis.hmget(progress, 'cursor', 'ended', 'scanned')).toEqual([null, `${now}`, '50']);
    expect(await isNow(now)).toBe(true);
    expect(await begin()).toEqual(fromStart());
  });
});

describe('behind a fence', () => {
  const note = (token: string) => scripts.run('checkpoint_sweep', [progress], ['17', 34, thisRun], { lease, token });

  test('a script runs for the leader only', async () => {
    const { fence } = await take('a');
    expect(await note(fence)).toEqual({ outcome: 'done' });
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
  const done = { outcome: 'done' };
  const stats = 't:job_stats:j';
  const checkIn = (token: string, id = 'j') =>
    scripts.run('check_in', [stats, '', '', '', ''], ['', id, ''], undefined, { key: 'answers', token });
  const run100 = (token: string, revision = 100) =>
    scripts.run('set_status', [stats, track], ['Running', revision, 'j', '', '', ''], undefined, {
      key: 'answers',
      token,
    });

  test('repeats its first reply; another change has its own', async () => {
    await redis.hset(stats, { status: 'Pending', revision: 100 });
    expect(await run100('a')).toEqual(done);
    await redis.hset(stats, 'status', 'Success');
    expect([await run100('a'), await run100('b')]).toEqual([done, { outcome: 'refused', status: 'Success' }]);
    expect(await redis.hget(stats, 'status')).toBe('Success');
  });

  test('repeats it for longer than any host retries, after other changes too, for sixteen changes', async () => {
    await redis.hset(stats, { status: 'Running', revision: 100 });
    const answers = [];
    for (let i = 0; i < 17; i++) answers.push(await checkIn(`t${i}`));
    await redis.hset(stats, 'status', 'Success');
    expect(await checkIn('t16')).toEqual(answers[16]);
    expect(await checkIn('t1')).toEqual(answers[1]);
    expect(await checkIn('t0')).toEqual({ outcome: 'refused', status: 'Success' });
    expect((await redis.get('answers'))?.split('\n')).toHaveLength(16);
    expect(await redis.pttl('answers')).toBeGreaterThan(300_000);
    expect(await redis.pttl('answers')).toBeLessThanOrEqual(600_000);
  });

  test('is not done if its reply was asked for before the call arrived', async () => {
    await redis.hset(stats, { status: 'Pending', revision: 100 });
    const change = { key: 'answers', token: 'a' };
    expect(await scripts.replyOrCancel('set_status', change)).toBeUndefined();
    await expect(run100('a')).rejects.toThrow('canceled');
    expect(await redis.hget(stats, 'status')).toBe('Pending');
    expect(await scripts.replyOrCancel('set_status', { key: 'answers', token: 'b' })).toBeUndefined();
    expect(await run100('c')).toEqual(done);
    expect(await scripts.replyOrCancel('set_status', { key: 'answers', token: 'c' })).toEqual(done);
  });

  test('needs a real token: an argument that looks like one does not count', async () => {
    await redis.hset(stats, { status: 'Pending', revision: 100 });
    const odd = () => scripts.run('set_status', [stats, track], ['once:x', 100, 'j', '', '', '']);
    expect(await odd()).toEqual({ outcome: 'refused', status: 'Pending' });
    expect(await redis.hget(stats, 'status')).toBe('Pending');
    await redis.hset(stats, 'status', 'once:x');
    expect(await odd()).toEqual(done);
    expect(await redis.keys('*')).toEqual([stats]);
  });
});

describe('the needs of a script', () => {
  test('are proven before it begins: the error names a key of another type, and that type', async () => {
    await redis.set(progress, 'x');
    await expect(scripts.run('complete_rescue', [progress])).rejects.toThrow(
      /t:reaper:progress holds a string, where a hash/,
    );
  });

  test.each(['hset', 'hdel'])(
    'are proven before it begins: the error names the missing right to %s, and the key',
    async (command) => {
      await redis.call('ACL', 'SETUSER', 'u', 'reset', 'on', '>p', '~*', '+@all', `-${command}`);
      const limited = new Redis({ port: server.port, username: 'u', password: 'p' });
      try {
        await expect(createScripts(limited).run('complete_sweep', [progress], [5])).rejects.toThrow(
          new RegExp(`no permission to run ${command.toUpperCase()} on t:reaper:progress`),
        );
        expect(await redis.exists(progress)).toBe(0);
      } finally {
        limited.disconnect();
      }
    },
  );
});
