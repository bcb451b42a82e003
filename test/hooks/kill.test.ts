/** Hosts that are killed under load: no change is lost, and one is sent twice only where a kill fell into its sending. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type HookEndpoint, startHookEndpoint } from '../support/hookEndpoint.ts';
import { builtOf } from '../support/programs.ts';
import { trackOpened } from '../support/reapers.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let hookEndpoint: HookEndpoint;
const opened = trackOpened();
const hosts = new Set<ChildProcess>();
/** What a host has sent without hearing an answer in time. */
const unheard = new Set<string>();
beforeAll(async () => {
  [server, hookEndpoint] = await Promise.all([startRedis(), startHookEndpoint()]);
});
afterEach(async () => {
  for (const host of hosts) host.kill('SIGKILL');
  await opened.close();
});
afterAll(() => Promise.all([server.stop(), hookEndpoint.stop()]));

const startHost = async (): Promise<ChildProcess> => {
  const host = fork(builtOf('test/hooks/host.ts'), {
    execArgv: [],
    env: { ...process.env, REDIS: server.url, HOOK: `${hookEndpoint.url}/200` },
  });
  hosts.add(host);
  await once(host, 'message');
  host.on('message', ({ unheard: key }: { unheard: string }) => void unheard.add(key));
  return host;
};

test('two hosts that are killed again and again lose no hook', async () => {
  const jobs = 600;
  const { client } = server;
  /** The number of the next delivery or kill. */
  let order = 0;
  const deliveries = new Map<string, number[]>();
  hookEndpoint.answer = (_, response) => {
    const { job_id, status } = hookEndpoint.hooks.at(-1)?.body ?? {};
    const key = `${job_id} ${status}`;
    deliveries.set(key, [...(deliveries.get(key) ?? []), order++]);
    response.writeHead(200).end();
  };
  const kills: number[] = [];
  let running = await Promise.all([startHost(), startHost()]);
  await client.lpush('todo', ...Array.from({ length: jobs }, (_, i) => `j${i}`));
  for (let kill = 1; kill <= 6; kill++) {
    // Each at another point of the work.
    await vi.waitUntil(async () => (await client.llen('todo')) <= jobs - kill * 80, { interval: 3 });
    const [victim, ...others] = running;
    const gone = once(victim as ChildProcess, 'exit');
    victim?.kill('SIGKILL');
    await gone;
    kills.push(order++);
    running = [...others, await startHost()];
  }
  await vi.waitUntil(async () => (await client.llen('todo')) === 0);
  // All that was saved comes to be confirmed as it stands; what a host held when it died, when its claim is over.
  await vi.waitUntil(
    async () => {
      if ((await client.hlen('t:reaper:hooks')) > 0) return false;
      const keys = await client.keys('t:job_stats:*');
      const acks = await Promise.all(keys.map((key) => client.hmget(key, 'status', 'ack')));
      return acks.every(([status, ack]) => status === 'Pending' || (ack ?? '').includes(`"${status}"`));
    },
    { interval: 100 },
  );
  const saved = (await client.keys('t:job_stats:*')).length;
  // At each kill at most one job was between its entry and its save.
  expect(saved).toBeGreaterThanOrEqual(jobs - kills.length);
  const twice = [...deliveries].filter(([, times]) => times.length > 1);
  for (const [key, times] of twice) {
    if (unheard.has(key)) continue;
    // Only a kill between two deliveries explains the second one.
    for (const [i, next] of times.slice(1).entries()) {
      const last = times[i] as number;
      expect([key, kills.some((kill) => kill > last && kill < next)]).toEqual([key, true]);
    }
  }
  // No more than what can have been in flight of a host.
  expect(twice.filter(([key]) => !unheard.has(key)).length).toBeLessThanOrEqual(kills.length * 16);
});
