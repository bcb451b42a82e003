import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { countText } from '../ages.ts';
import type { Clock } from '../io/clock.ts';
import type { Keys } from '../io/redis/keys.ts';
import { readSet } from '../io/redis/paged.ts';
import { unlessRefused } from '../io/redis/refusals.ts';
import { redisTime } from '../io/redis/time.ts';
import { type DoctorCheck, fine, notFine } from './report.ts';

/** The largest clock offset that is fine, in ms. */
const tolerance = 2_000;
/** Interval of heartbeats, in ms. They are in whole seconds. */
const beat = 5_000;
/** The oldest heartbeat, in ms, that a live pool with a wrong clock may have: no clock is off by more than a time zone. */
const maxBehind = 86_400_000;
/** Precision of a heartbeat, in ms. */
const second = 1_000;
/** How often old heartbeats are read while they are watched, in ms. */
const readEvery = 500;
const maxPools = 1_000;
const maxNamed = 20;

/** Compares the clock of this host with that of Redis. */
export const checkHostClock = async (redis: Redis, clock: Clock): Promise<DoctorCheck[]> => {
  const before = clock.now();
  const time = await unlessRefused(redisTime(redis));
  if (time === undefined) return [notFine('clock', 'TIME is not allowed, so no clock can be checked', 'allow TIME')];
  const after = clock.now();
  const offset = (before + after) / 2 - time;
  return Math.abs(offset) <= tolerance + (after - before) / 2
    ? [fine('clock', `this host differs from Redis by ${Math.round(Math.abs(offset))} ms`)]
    : [
        notFine(
          'clock',
          `this host is ${spanOf(offset)} the clock of Redis`,
          'synchronize this host and the host of Redis with NTP',
        ),
      ];
};

interface Heartbeat {
  readonly pool: string;
  /** heartbeat_at, in ms. */
  readonly at: number;
  /** Redis TIME minus heartbeat_at, in ms. */
  readonly age: number;
}

/**
 * Compares the clocks of the pools, by their heartbeats, with that of Redis. An old heartbeat belongs to a dead pool, or to a live
 * one whose clock is behind. Only the heartbeat of a live pool moves while it is watched.
 */
export const checkPoolClocks = async (redis: Redis, keys: Keys, watchFor: number): Promise<DoctorCheck[]> => {
  const pools = await unlessRefused(readSet({ redis, epoch: () => 1 }, keys.pools));
  if (pools === undefined) return [];
  const first = await readHeartbeats(redis, keys, pools.slice(0, maxPools));
  if (first === undefined) return [];
  const off = first.filter(({ age }) => age < -tolerance);
  let stale = first.filter(({ age }) => age > beat + second && age < maxBehind);
  for (let waited = 0; stale.length > 0 && waited < watchFor; waited += readEvery) {
    await sleep(readEvery);
    const now = await readHeartbeats(
      redis,
      keys,
      stale.map(({ pool }) => pool),
    );
    if (now === undefined) break;
    const moved = now.filter(({ pool, at }) => stale.some((one) => one.pool === pool && one.at !== at));
    off.push(...moved.filter(({ age }) => age > tolerance));
    stale = stale.filter(({ pool }) => !moved.some((one) => one.pool === pool));
  }
  const checks = off
    .slice(0, maxNamed)
    .map(({ pool, age }) =>
      notFine(
        'clock',
        `the heartbeat of pool ${pool} is ${spanOf(-age)} the clock of Redis`,
        'synchronize its host with NTP; a pool whose heartbeat looks old is taken for dead',
      ),
    );
  const aside = pools.length > maxPools ? `; ${countText(pools.length - maxPools)} more pools are not checked` : '';
  return checks.length > 0 ? checks : [fine('clock', `no live pool differs from Redis${aside}`)];
};

/** Reads heartbeats; undefined if a command is not allowed. Skips pools without a valid heartbeat. */
const readHeartbeats = async (redis: Redis, keys: Keys, pools: readonly string[]): Promise<Heartbeat[] | undefined> => {
  const time = await unlessRefused(redisTime(redis));
  if (time === undefined) return undefined;
  const beats = await Promise.all(
    pools.map((pool) => unlessRefused(redis.hmget(keys.heartbeat(pool), 'heartbeat_at'))),
  );
  return pools.flatMap((pool, i) => {
    const text = beats[i]?.[0];
    const at = text ? Number(text) * 1_000 : Number.NaN;
    return Number.isNaN(at) ? [] : [{ pool, at, age: time - at }];
  });
};

/** `12 s ahead of`, `3 h behind`. */
const spanOf = (ahead: number): string => {
  const seconds = Math.round(Math.abs(ahead) / 1_000);
  const text = seconds < 120 ? `${seconds} s` : seconds < 7_200 ? `${Math.round(seconds / 60)} min` : hours(seconds);
  return `${text} ${ahead > 0 ? 'ahead of' : 'behind'}`;
};

const hours = (seconds: number) =>
  seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} days`;
