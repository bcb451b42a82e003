/** The cost of the search for evidence: 100,000 jobs that look hung, in a queue of 500,000 entries. */
import assert from 'node:assert/strict';
import type { Redis } from 'ioredis';
import type { RedisServer } from '../test/support/redisServer.ts';
import { heapOf } from './heap.ts';
import { key, median, type Report, seed, sweepOnce } from './support.ts';

const jobs = 100_000;
const queued = 500_000;

/** Makes all seeded jobs look hung. Each has an entry at the tail of a queue full of other entries. */
const silence = async (redis: Redis): Promise<void> => {
  const script = `
    local old = string.format('%d', tonumber(redis.call('TIME')[1]) - 100000)
    for i = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
      local id = string.format('%024x', i)
      if i < tonumber(ARGV[3]) then
        redis.call('HSET', KEYS[1] .. id, 'status', 'Pending', 'enqueue_time', old, 'update_time', old, 'revision', old,
          'ack', '{"status":"Pending","revision":' .. old .. ',"check_in_at":0}')
      end
      redis.call('LPUSH', KEYS[2], '{"name":"IMAGE_SCAN","id":"' .. id .. '","t":' .. old ..
        ',"args":{"image":"library/nginx:1","registration":{"uuid":"0d9e6c1c-5a6b-11ee-8c99-0242ac120002","name":"Trivy"}}}')
    end`;
  for (let from = 0; from < queued; from += 5_000) {
    await redis.eval(script, 2, key('job_stats', ''), key('jobs', 'IMAGE_SCAN'), from, from + 5_000, jobs);
  }
};

export const benchEvidence = async ({ client, url }: RedisServer, report: Report): Promise<void> => {
  /** Medians in ms: with healthy jobs, and with candidates. */
  const sweeps = async (maxRedisShare: number) => {
    const [healthy, silent]: [number[], number[]] = [[], []];
    for (let round = 0; round < 3; round++) {
      await seed(client, jobs);
      healthy.push((await sweepOnce(url, { keep: jobs }, { sweep: { maxRedisShare } })).durationMs);
      await silence(client);
      const summary = await sweepOnce(url, { keep: jobs }, { sweep: { maxRedisShare } });
      assert.deepEqual({ ...summary.reasons }, { 'in-queue': jobs });
      silent.push(summary.durationMs);
    }
    return [median(healthy), median(silent)] as const;
  };
  const name = 'sweep, 100,000 candidates in a queue of 500,000 entries';
  const resultOf = ([healthy, silent]: readonly [number, number]) =>
    `${silent.toFixed(0)} ms, with healthy jobs ${healthy.toFixed(0)} ms: ${(silent / healthy).toFixed(2)} ×`;
  const paced = await sweeps(0.25);
  report(`${name}, default share (0.25)`, resultOf(paced), '≤ 2 ×', paced[1] <= 2 * paced[0]);
  report(`${name}, share 1`, resultOf(await sweeps(1)));
  const heap = await heapOf(url, jobs, '--max-old-space-size=64');
  report('peak heap over idle of that sweep, V8 heap limit 64 MB', `${heap.toFixed(0)} MB`, '≤ 64 MB', heap <= 64);
};
