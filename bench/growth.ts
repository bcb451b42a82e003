/** What a sweep, a rescue and `status` cost, by the number of tracked jobs. */
import type { Redis } from 'ioredis';
import { createReaper } from '../src/index.ts';
import type { RedisServer } from '../test/support/redisServer.ts';
import { measureSweep } from './heap.ts';
import { namespace, type Report, redisCpu, seed } from './support.ts';

interface Cost {
  readonly jobs: number;
  /** Wall time, and processor time of the client and of Redis, in ms. */
  readonly wall: number;
  readonly client: number;
  readonly redis: number;
}

/** Grows the data from one size to the next one. */
export const benchGrowth = async (
  { client, url }: RedisServer,
  report: Report,
  sizes: readonly number[],
  types: number,
): Promise<void> => {
  const sweeps: Cost[] = [];
  let seeded = 0;
  for (const jobs of sizes) {
    await seed(client, jobs, { from: seeded, types });
    seeded = jobs;
    const before = await redisCpu(client);
    const { heapMb, ms, cpuMs } = await measureSweep(url, jobs);
    const cost = { jobs, wall: ms, client: cpuMs, redis: (await redisCpu(client)) - before };
    sweeps.push(cost);
    const each = (value: number) => `${((value * 1_000) / jobs).toFixed(1)} µs`;
    report(
      `sweep of ${jobs.toLocaleString('en')} jobs`,
      `${(ms / 1_000).toFixed(1)} s, ${each(ms)} a job; processor time: client ${each(cost.client)}, Redis ${each(cost.redis)}; Redis has ${await memoryOf(client)}`,
    );
    const text = `${heapMb.toFixed(0)} MB`;
    if (jobs >= 100_000)
      report(`peak heap over idle, ${jobs.toLocaleString('en')} jobs, no flags`, text, '≤ 40 MB', heapMb <= 40);
    report(`rescue and status beside ${jobs.toLocaleString('en')} jobs`, await passesBeside(client, url));
  }
  const large = sweeps.filter(({ jobs }) => jobs >= 100_000);
  if (large.length < 2) return;
  const exponents = (['wall', 'client', 'redis'] as const).map((of) => exponentOf(large, of));
  report(
    `growth of a sweep from ${(large[0] as Cost).jobs.toLocaleString('en')} to ${seeded.toLocaleString('en')} jobs`,
    `exponent of wall time ${exponents[0]?.toFixed(2)}; of processor time: client ${exponents[1]?.toFixed(2)}, Redis ${exponents[2]?.toFixed(2)}`,
    '≤ 1.05',
    exponents.every((exponent) => exponent <= 1.05),
  );
};

/** The rescue of a caller, which scans the names of all keys, and `status`: wall time and processor time of Redis. */
const passesBeside = async (client: Redis, url: string): Promise<string> => {
  const reaper = createReaper({ redis: url, namespace, logger: false });
  await reaper.ping();
  const cost = async (work: () => Promise<unknown>) => {
    const before = await redisCpu(client);
    const began = performance.now();
    await work();
    return `${(performance.now() - began).toFixed(0)} ms (Redis ${((await redisCpu(client)) - before).toFixed(0)} ms)`;
  };
  const rescue = await cost(() => reaper.rescue({ grace: 0 }));
  const status = await cost(() => reaper.status());
  await reaper.stop();
  return `rescue ${rescue}, status ${status}`;
};

const memoryOf = async (client: Redis): Promise<string> => {
  const used = Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1]);
  return `${(used / 2 ** 30).toFixed(1)} GiB`;
};

/** The slope of the straight line through the costs, by least squares, with both axes logarithmic. */
const exponentOf = (costs: readonly Cost[], of: 'wall' | 'client' | 'redis'): number => {
  const points = costs.map((cost) => [Math.log(cost.jobs), Math.log(cost[of])] as const);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const slope = (a: number, b: number) => (a - x) * (b - y);
  return points.reduce((sum, [a, b]) => sum + slope(a, b), 0) / points.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
};
