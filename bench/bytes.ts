/** The reaper's memory with large entries: 1,500 entries of 1 MB, in every place where an entry can be. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Redis } from 'ioredis';
import type { RedisServer } from '../test/support/redisServer.ts';
import { key, type Report } from './support.ts';

const entries = 1_500;

/** Creates entries inside Redis: a third of periodic executions, a third with another id in the arguments. */
const shape = `
  local big = string.rep('x', 1000000)
  local function entryOf(i)
    local args = i % 3 == 1 and '"_job_kind_periodic_":"7"' or i % 3 == 2 and '"inner":{"id":"x"}' or '"n":1'
    return '{"name":"X","id":"' .. i .. '","t":1700000000,"args":{' .. args .. ',"big":"' .. big .. '"}}'
  end
  local function idOf(i) return i % 3 == 1 and i .. '@7' or tostring(i) end
  local i = tonumber(ARGV[1])
  local second = tonumber(redis.call('TIME')[1])
`;
const each = async (redis: Redis, count: number, script: string) => {
  for (let i = 0; i < count; i++) await redis.eval(`${shape}${script}`, 1, `${key()}`, i);
};

/** Jobs that look hung, with their entries in a queue, in progress in a live and in a dead pool, in `scheduled`, `retry` and `dead`. */
const seedPlaces = async (redis: Redis) => {
  await redis.sadd(key('worker_pools'), 'live', 'gone');
  await beat(redis);
  await each(
    redis,
    entries,
    `local old = string.format('%d', second - 100000)
    redis.call('HSET', KEYS[1] .. 'job_stats:' .. idOf(i), 'id', idOf(i), 'name', 'X', 'kind', 'Generic', 'status', 'Pending',
      'update_time', old, 'enqueue_time', old, 'revision', old)
    redis.call('HSET', KEYS[1] .. 'job_track:inprogress', idOf(i), 2)
    local lists = { 'jobs:X', 'jobs:X:live:inprogress', 'jobs:X:gone:inprogress' }
    local sets = { 'scheduled', 'retry', 'dead' }
    local place = i % 6
    if place < 3 then redis.call('LPUSH', KEYS[1] .. lists[place + 1], entryOf(i))
    else redis.call('ZADD', KEYS[1] .. sets[place - 2], i, entryOf(i)) end`,
  );
};

/** A pool's heartbeat, and the observations of a thousand workers, each with arguments of 100 kB. */
const beat = async (redis: Redis) => {
  const workers = Array.from({ length: 1_000 }, (_, i) => `w${i}`);
  const [second] = await redis.time();
  await redis.hset(key('worker_pools', 'live'), {
    heartbeat_at: second,
    job_names: 'X',
    worker_ids: workers.join(','),
  });
  const args = JSON.stringify({ big: 'x'.repeat(100_000) });
  for (const worker of workers) {
    await redis.hset(key('worker', worker), { job_name: 'X', job_id: worker, started_at: second, args });
  }
};

/** A dead pool with some poison jobs, and a live pool whose entries are orphaned. */
const seedHeld = async (redis: Redis) => {
  await redis.sadd(key('worker_pools'), 'live', 'gone');
  await beat(redis);
  await each(
    redis,
    entries,
    `redis.call('LPUSH', KEYS[1] .. 'jobs:X:' .. (i % 2 == 0 and 'live' or 'gone') .. ':inprogress', entryOf(i))
    if i % 30 == 1 then
      redis.call('HSET', KEYS[1] .. 'reaper:recoveries', idOf(i),
        cjson.encode({ { second - 3, 'a', '' }, { second - 2, 'b', '' }, { second - 1, 'c', '' } }))
    end`,
  );
};

/** Redis holds each entry three times, 4.5 GB: its record has the original and the form in `dead`, and `dead` has it too. */
const seedRecords = (redis: Redis) =>
  each(
    redis,
    entries,
    `local entry = entryOf(i)
    local member = string.sub(entry, 1, -2) .. ',"fails":1,"failed_at":1}'
    redis.call('ZADD', KEYS[1] .. 'dead', i, member)
    redis.call('HSET', KEYS[1] .. 'reaper:quarantine', idOf(i),
      cjson.encode({ at = second, recoveries = { { second, 'p', '' } }, entries = { { 'X', entry, member } } }))`,
  );

const rssOf = async (url: string, what: string): Promise<number> => {
  const script = new URL('./rss.ts', import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '--import', 'tsx', script, url, what]);
  return Number(stdout);
};

export const benchBytes = async ({ client, url }: RedisServer, report: Report): Promise<void> => {
  const seeds: readonly [string, (redis: Redis) => Promise<unknown>, string][] = [
    ['status', seedPlaces, `${entries} entries of 1 MB, in all places`],
    ['explain', seedPlaces, 'the same entries'],
    ['evidence', seedPlaces, 'a sweep of their jobs, which look hung'],
    ['rescue', seedHeld, `${entries} entries of 1 MB, half of them in a dead pool`],
    ['quarantine', seedRecords, `list and release, ${entries} entries of 1 MB`],
  ];
  for (const [what, seed, of] of seeds) {
    await client.flushall();
    await seed(client);
    const rss = await rssOf(url, what);
    // The result counts only if the work was done.
    if (what === 'rescue') assert.equal(await client.exists(key('jobs', 'X', 'gone', 'inprogress')), 0);
    if (what === 'quarantine') assert.equal(await client.llen(key('jobs', 'X')), entries);
    report(`peak RSS over idle, ${what}`, `${rss.toFixed(0)} MB: ${of}`, '≤ 64 MB', rss <= 64);
  }
  await client.flushall();
};
