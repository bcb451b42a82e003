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
  const healthy: number[] = [];
  const silent: number[] = [];
  let heap = 0;
  for (let round = 0; round < 3; round++) {
    await seed(client, jobs);
    healthy.push((await sweepOnce(url, { keep: jobs })).durationMs);
    await silence(client);
    const summary = await sweepOnce(url, { keep: jobs });
    assert.deepEqual({ ...summary.reasons }, { 'in-queue': jobs });
    silent.push(summary.durationMs);
    if (round === 0) heap = await heapOf(url, jobs, '--max-old-space-size=64');
  }
  const ratio = median(silent) / median(healthy);
  report(
    'sweep, 100,000 candidates in a queue of 500,000 entries',
    `${median(silent).toFixed(0)} ms, with healthy jobs ${median(healthy).toFixed(0)} ms: ${ratio.toFixed(2)} ×`,
    '≤ 2 ×',
    ratio <= 2,
  );
  report('peak heap over idle of that sweep, V8 heap limit 64 MB', `${heap.toFixed(0)} MB`, '≤ 64 MB', heap <= 64);
};
