/**
 * Shared by the benchmarks: tracked jobs and one sweep.
 */
import assert from 'node:assert/strict';
import type { Redis } from 'ioredis';
import { createReaper, type Reaper, type ReaperOptions, type SweepSummary } from '../src/index.ts';

export const namespace = '{bench}';
export const key = (...parts: string[]) => `${namespace}:${parts.join(':')}`;

/** Takes one row of the result table. A benchmark without a target has no `target` and no `isMet`. */
export type Report = (benchmark: string, result: string, target?: string, isMet?: boolean) => void;

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] as number;

/** Parameters as Harbor writes them for a scan: 326 bytes, too long for the compact encoding of a hash. */
const parameters = JSON.stringify({
  registration: { uuid: '7c8b6e9a-1f2d-4b3c-9d8e-0a1b2c3d4e5f', name: 'Trivy', url: 'http://trivy-adapter:8080' },
  sr: {
    registry: { url: 'http://core:8080' },
    artifact: { repository: 'library/nginx', digest: `sha256:${'5'.repeat(64)}` },
  },
  authType: 'Bearer',
}).padEnd(326);

/**
 * Creates tracked jobs inside Redis. One in `actingOneIn` has to act: in turn it is hung without a hook URL, behind, without
 * stats, or acknowledged. All others are healthy or, with `unacked`, owe that endpoint a hook. `from` keeps those that were seeded
 * before, and adds the others up to `count`.
 */
export const seed = async (
  redis: Redis,
  count: number,
  { actingOneIn = 0, unacked = '', from: first = 0, types = 0 } = {},
): Promise<void> => {
  const script = `
    local now = tonumber(redis.call('TIME')[1])
    local from, to, every, unacked = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
    local types = tonumber(ARGV[6])
    for i = from, to - 1 do
      local id = string.format('%024x', i)
      local stats = KEYS[1] .. 'job_stats:' .. id
      local kind = every > 0 and i % every == 0 and (i / every) % 4 or -1
      local t = string.format('%d', kind == 0 and now - 100000 or now - 600)
      local status, ack = 'Running', 'Running'
      if kind == 1 then ack = 'Success' end
      if kind == 3 then status, ack = 'Success', 'Success' end
      if kind ~= 2 then
        local name = types > 0 and 'TYPE_' .. i % types or 'IMAGE_SCAN'
        redis.call('HSET', stats, 'id', id, 'name', name, 'kind', 'Generic', 'unique', '0', 'status', status,
          'ref_link', '/api/v1/jobs/' .. id, 'enqueue_time', t, 'run_at', '0', 'cron_spec', '',
          'web_hook_url', kind == 0 and '' or (unacked ~= '' and unacked or 'http://127.0.0.1:1/hook'), 'numeric_policy_id', '0',
          'update_time', t, 'revision', t, 'parameters', ARGV[5])
        if unacked == '' then
          redis.call('HSET', stats, 'ack', '{"status":"' .. ack .. '","revision":' .. t .. ',"check_in_at":0}')
        end
      end
      redis.call('HSET', KEYS[2], id, '2')
    end`;
  if (first === 0) await redis.flushall();
  for (let from = first; from < count; from += 5_000) {
    const to = Math.min(from + 5_000, count);
    await redis.eval(
      script,
      2,
      `${namespace}:`,
      key('job_track', 'inprogress'),
      from,
      to,
      actingOneIn,
      unacked,
      parameters,
      types,
    );
  }
};

/** Processor time of Redis since its start, in ms. */
export const redisCpu = async (client: Redis): Promise<number> => {
  const info = await client.info('cpu');
  const of = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]);
  return 1_000 * (of('used_cpu_user') + of('used_cpu_sys'));
};

/** Wall time, and processor time of the client and of Redis, in ms. */
export interface Cost {
  readonly ms: number;
  readonly clientMs: number;
  readonly redisMs: number;
}

/** @param work of this process; resolves to its wall time in ms. */
export const costOf = async (client: Redis, work: () => Promise<number>): Promise<Cost> => {
  const before = await redisCpu(client);
  const cpu = process.cpuUsage();
  const ms = await work();
  const { user, system } = process.cpuUsage(cpu);
  return { ms, clientMs: (user + system) / 1_000, redisMs: (await redisCpu(client)) - before };
};

export type SweepOptions = Pick<ReaperOptions, 'audit' | 'http' | 'sweep'>;

/** Reads the metrics of a reaper every second, if it has a server. Returns the function that stops this. */
const scrape = async (reaper: Reaper): Promise<() => void> => {
  const url = await reaper.httpUrl();
  let scrapes = 0;
  const read = async () => {
    assert.match(await (await fetch(`${url}/metrics`)).text(), /jobservice_reaper_jobs_judged_total/);
    scrapes += 1;
  };
  const timer = url === undefined ? undefined : setInterval(() => void read(), 1_000);
  return () => {
    clearInterval(timer);
    assert.equal(scrapes > 0, url !== undefined);
  };
};

/** Runs one sweep in a new reaper. Throws unless it judged exactly the seeded jobs and acted on them. */
export const sweepOnce = async (
  redis: string,
  verdicts: SweepSummary['verdicts'],
  options: SweepOptions = {},
): Promise<SweepSummary> => {
  const reaper = createReaper({ redis, namespace, logger: false, ...options });
  await reaper.ping();
  const stopScraping = await scrape(reaper);
  const summary = await reaper.sweep();
  stopScraping();
  await reaper.stop();
  assert.deepEqual({ ...summary.verdicts }, verdicts);
  const { keep = 0, ...acts } = verdicts;
  assert.equal(summary.outcomes.kept ?? 0, keep);
  assert.equal(
    (summary.outcomes.done ?? 0) + (summary.outcomes.enqueued ?? 0),
    Object.values(acts).reduce((sum, count) => sum + count, 0),
  );
  return summary;
};
