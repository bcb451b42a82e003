import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock.ts';
import { createPools, type Pools } from '../../../src/io/pools/rescue.ts';
import { type Connection, connect } from '../../../src/io/redis/connection.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second, seedJob } from '../../support/jobs.ts';
import { seedPool } from '../../support/pools.ts';

const { server, redis, keys, opened } = await redisFixture('--appendonly', 'yes', '--appendfsync', 'always');
let connection: Connection;
beforeEach(() => {
  connection = connect({ port: server.port, retryStrategy: () => 20 }, () => undefined);
});
afterEach(async () => {
  await connection.close();
  await opened.close();
});

const grace = 15_000;
const poolsOf = (disruptions: () => number = () => 0): Pools =>
  createPools({
    connection,
    keys,
    scripts: createScripts(connection.redis),
    jobTypes: [],
    heartbeatAge: 10_000,
    grace,
    batch: 10,
    recovery: { maxRecoveries: 3, windowS: 86_400 },
    clock: systemClock,
    disruptions,
  });
/** How a process that has seen nothing before sees the pool, as a sweep does. */
const stateOf = async (pools = poolsOf(), name = 'p') =>
  (await pools.readRegistry(false)).pools.find(({ pool }) => pool === name);
const look = (pools = poolsOf(), thorough = true) => pools.find(thorough, 0);
const note = async (name = 'p') => JSON.parse((await redis.hget(keys.suspects, name)) ?? 'null');
/** Time passes: what is noted was noted so many ms before. */
const age = async (ms: number, name = 'p') => {
  const noted = await note(name);
  await redis.hset(keys.suspects, name, JSON.stringify({ ...noted, first: noted.first - ms, since: noted.since - ms }));
};
const dead = { isAlive: false, isConfirmedDead: true };
const unconfirmed = { isAlive: false, isConfirmedDead: false };

test('fault 102: a death is confirmed when the grace is over since a pass has recorded it, in any process', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-60) });
  expect(await stateOf()).toMatchObject(unconfirmed);
  await look();
  expect(await stateOf()).toMatchObject(unconfirmed);
  await age(grace - 1_000);
  expect(await stateOf()).toMatchObject(unconfirmed);
  await look();
  await age(1_000);
  expect(await stateOf()).toMatchObject(dead);
  await look();
  expect(await stateOf()).toMatchObject(dead);
  expect(await redis.pttl(keys.suspects)).toBeGreaterThan(0);
});

test('fault 102: the death of a pool without heartbeat or registration is confirmed likewise', async () => {
  await seedPool(redis, 'p', { isRegistered: false, holds: new Map([['X', ['a']]]) });
  await redis.sadd('t:known_jobs', 'X');
  await look();
  await age(grace);
  expect(await stateOf()).toMatchObject(dead);
  await seedPool(redis, 'p', { heartbeat: second() });
  expect(await stateOf()).toMatchObject({ isAlive: true, isConfirmedDead: false });
});

test('fault 102: a pool whose clock is 20 s behind, and beats, is never confirmed dead', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-40) });
  await look();
  for (let beats = 0; beats < 6; beats++) {
    await age(5_000);
    await redis.hincrby(keys.heartbeat('p'), 'heartbeat_at', 5);
    expect(await stateOf()).toMatchObject({ isAlive: true, isFresh: false, isConfirmedDead: false });
    await look();
    expect(await stateOf()).toMatchObject({ isAlive: true, isConfirmedDead: false });
  }
  // It stops.
  await age(10_000);
  expect(await stateOf()).toMatchObject(unconfirmed);
  await age(5_000);
  expect(await stateOf()).toMatchObject(dead);
});

test('fault 102: a pool that has missed a beat is not confirmed dead, and forgotten with the next', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-11) });
  await look();
  expect(await stateOf()).toMatchObject(unconfirmed);
  await redis.hset(keys.heartbeat('p'), 'heartbeat_at', second());
  expect(await stateOf()).toMatchObject({ isAlive: true, isFresh: true });
  await look();
  expect(await note()).toBeNull();
});

test('fault 102: after Redis has refused a write, the grace begins again', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-60) });
  await look();
  await age(grace);
  expect(await stateOf()).toMatchObject(dead);
  await redis.replicaof('127.0.0.1', 1);
  await expect(redis.hset(keys.heartbeat('p'), 'heartbeat_at', second())).rejects.toThrow('READONLY');
  await redis.replicaof('NO', 'ONE');
  expect(await stateOf()).toMatchObject(unconfirmed);
  await look();
  expect(await stateOf()).toMatchObject(unconfirmed);
  await age(grace);
  expect(await stateOf()).toMatchObject(dead);
});

test('fault 102: after a restart of Redis the grace begins again', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-60) });
  await look();
  await age(grace);
  expect(await stateOf()).toMatchObject(dead);
  await server.kill();
  await server.restart();
  expect(await note()).not.toBeNull();
  expect(await stateOf()).toMatchObject(unconfirmed);
  await look();
  await age(grace);
  expect(await stateOf()).toMatchObject(dead);
});

test('fault 102: after a disruption that only this process has met, the grace begins again, for all processes', async () => {
  let disruptions = 0;
  const pools = poolsOf(() => disruptions);
  await seedPool(redis, 'p', { heartbeat: second(-60) });
  await look(pools);
  await age(grace);
  expect(await stateOf(pools)).toMatchObject(dead);
  disruptions = 1;
  expect(await stateOf(pools)).toMatchObject(unconfirmed);
  await look(pools);
  expect(await stateOf()).toMatchObject(unconfirmed);
  await age(grace);
  expect(await stateOf()).toMatchObject(dead);
});

test('fault 102: a clock of Redis that was set back confirms no death', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-60) });
  await look();
  await age(-3_600_000);
  expect(await stateOf()).toMatchObject(unconfirmed);
  await look();
  expect((await note()).since).toBeLessThan(Date.now() + 60_000);
});

test('a user without the right to INFO confirms nothing, because a disruption would not be seen', async () => {
  await redis.call('ACL', 'SETUSER', 'blind', 'on', '>pass', '~*', '+@all', '-info');
  await connection.close();
  connection = connect({ port: server.port, username: 'blind', password: 'pass' }, () => undefined);
  await seedPool(redis, 'p', { heartbeat: second(-60) });
  await look();
  await age(grace);
  expect(await stateOf()).toMatchObject(unconfirmed);
});

test('plan, status and explain record no suspects; a sweep may', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-60) });
  await seedJob(redis, 'job');
  const reaper = opened.create({ redis: server.url });
  await reaper.rescue({ plan: true, grace: 0 });
  await reaper.status();
  await reaper.explain('job');
  const { pools } = await poolsOf().readRegistry(true);
  expect(await redis.exists(keys.suspects)).toBe(0);
  await poolsOf().recordStates(pools);
  await age(grace);
  expect(await stateOf()).toMatchObject(dead);
});

test('pools that are gone are forgotten, by a pass through all names at once and by others in time', async () => {
  for (const pool of ['p', 'q']) await seedPool(redis, pool, { heartbeat: second(-60) });
  const pools = poolsOf();
  await look(pools);
  expect(await redis.hlen(keys.suspects)).toBe(2);
  await redis.srem(keys.pools, 'p', 'q');
  await look(pools, false);
  expect(await redis.hlen(keys.suspects)).toBe(2);
  await age(3_700_000, 'p');
  await look(pools, false);
  expect(await redis.hkeys(keys.suspects)).toEqual(['q']);
  await look(pools);
  expect(await redis.exists(keys.suspects)).toBe(0);
});

test('a pass over some pools forgets no other, however old its record is', async () => {
  for (const pool of ['p', 'q']) await seedPool(redis, pool, { heartbeat: second(-60) });
  const pools = poolsOf();
  await look(pools);
  await age(3_700_000, 'p');
  const noted = await note('p');
  await pools.find(true, 0, false, { pools: ['q'] });
  expect(await note('p')).toEqual(noted);
});

test('thousands of suspects are recorded up to a limit, registered ones first', async () => {
  await redis.sadd('t:known_jobs', 'X');
  for (let from = 0; from < 6_000; from += 1_000) {
    await redis.hset('t:jobs:X:lock_info', Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [from + i, 0])));
  }
  await seedPool(redis, 'p', { heartbeat: second(-60) });
  await look();
  expect(await redis.hlen(keys.suspects)).toBe(5_000);
  expect(await note()).not.toBeNull();
});

test.each([
  ['a hash with other texts', () => redis.hset(keys.suspects, 'p', '{"heartbeat":5}', 'q', 'no JSON', 'r', 'null')],
  ['no hash', () => redis.set(keys.suspects, 'x')],
])('records that are %s confirm nothing, and stop nothing', async (_, spoil) => {
  await seedPool(redis, 'p', { heartbeat: second(-60), holds: new Map([['X', ['a']]]) });
  await spoil();
  expect(await stateOf()).toMatchObject(unconfirmed);
  expect(await opened.create({ redis: server.url }).rescue({ grace: 0 })).toMatchObject({
    entries: 1,
    pools: { rescued: 1 },
  });
});
