import { beforeEach, expect, test } from 'vitest';
import type { Reaper } from '../../../src/index.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second, seedJob } from '../../support/jobs.ts';

// A person who takes a quarantined job from `dead`, by whatever tool, starts its count of recoveries again.

const { server, redis, keys, opened, upstream } = await redisFixture();
let reaper: Reaper;
let pools = 0;
beforeEach(() => {
  reaper = opened.create({ redis: server.url });
  pools = 0;
});

const entryOf = (id: string, more = '') => `{"name":"X","id":"${id}","t":1700000000,"args":{}${more}}`;
/** A pool takes what is in the queue, and dies of it; what the rescue then did: `queue` or `dead`. */
const die = async (count = 1): Promise<string> => {
  const pool = `p${pools++}`;
  await redis.sadd(keys.pools, pool);
  await redis.hset(keys.heartbeat(pool), { heartbeat_at: second(-60), job_names: 'X' });
  for (let i = 0; i < count; i++) expect(await upstream.fetch('X', pool)).not.toBeNull();
  const { entries, quarantined } = await reaper.rescue({ grace: 0 });
  expect(entries + quarantined).toBe(count);
  return quarantined === count ? 'dead' : entries === count ? 'queue' : 'both';
};
const dieOften = async (count: number, entries = 1) => {
  const all: string[] = [];
  for (let i = 0; i < count; i++) all.push(await die(entries));
  return all;
};
const fourDeaths = ['queue', 'queue', 'queue', 'dead'];
/** gocraft's retry of dead jobs: out of `dead`, their failures forgotten, into their queue. */
const retryDead = async (pick: (id: string, member: string) => boolean = () => true) => {
  for (const member of await redis.zrange(keys.dead, '0', '-1')) {
    const { fails: _f, err: _e, failed_at: _a, ...job } = JSON.parse(member);
    if (!pick(job.id, member)) continue;
    await redis
      .multi()
      .zrem(keys.dead, member)
      .lpush(keys.queue('X'), JSON.stringify({ ...job, t: second() }))
      .exec();
  }
};

test('fault 128: the retry by gocraft of a job in quarantine lets it die three times again, however often that is done', async () => {
  await seedJob(redis, 'bad');
  await redis.lpush(keys.queue('X'), entryOf('bad'));
  for (let round = 0; round < 3; round++) {
    expect(await dieOften(4)).toEqual(fourDeaths);
    await retryDead();
  }
});

test('fault 128: the same where the record was listed, and so forgotten, in between', async () => {
  await redis.lpush(keys.queue('X'), entryOf('bad'));
  expect(await dieOften(4)).toEqual(fourDeaths);
  await retryDead();
  expect(await die()).toBe('queue');
  for await (const _ of reaper.quarantine.list());
  expect(await redis.hlen(keys.quarantine)).toBe(0);
  expect(await dieOften(3)).toEqual(['queue', 'queue', 'dead']);
});

test('fault 128: the same where it was deleted from dead with a command, or dropped by us, and enqueued again', async () => {
  for (const remove of [() => redis.del(keys.dead), () => reaper.quarantine.drop({ id: 'bad' })]) {
    await redis.flushall();
    await redis.lpush(keys.queue('X'), entryOf('bad'));
    expect(await dieOften(4)).toEqual(fourDeaths);
    await remove();
    await redis.lpush(keys.queue('X'), entryOf('bad', ',"unique":true'));
    expect(await dieOften(4)).toEqual(fourDeaths);
  }
});

test('fault 128: retry all of gocraft, with two entries of one id and another job', async () => {
  await redis.lpush(keys.queue('X'), entryOf('bad'), entryOf('bad', ',"unique":true'), entryOf('other'));
  expect(await dieOften(4, 3)).toEqual(fourDeaths);
  await retryDead();
  expect(await dieOften(4, 3)).toEqual(fourDeaths);
  // One of the two is enough: a person has looked at the job.
  await retryDead((id, member) => id === 'bad' && !member.includes('unique'));
  expect(await dieOften(4)).toEqual(fourDeaths);
});

test('fault 128: while no person has taken any of it from dead, a second entry of the job follows the first one', async () => {
  await redis.lpush(keys.queue('X'), entryOf('bad'));
  expect(await dieOften(4)).toEqual(fourDeaths);
  await redis.lpush(keys.queue('X'), entryOf('bad', ',"unique":true'));
  expect(await die()).toBe('dead');
  expect(await redis.zcard(keys.dead)).toBe(2);
});

test('fault 128: after a release the count starts again as well', async () => {
  await redis.lpush(keys.queue('X'), entryOf('bad'));
  expect(await dieOften(4)).toEqual(fourDeaths);
  expect(await reaper.quarantine.release({ id: 'bad' })).toEqual({ done: 1, gone: 0 });
  expect(await dieOften(4)).toEqual(fourDeaths);
});
