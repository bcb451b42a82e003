/**
 * Shows the reaper at work: a worker is killed while it runs a job, and the job finishes on another host; five broken jobs
 * are repaired. Everything is real: a Redis, two worker hosts, an endpoint for hooks, SIGKILL. Exit code 0 if every check
 * holds at the end, else 1. Leaves nothing running.
 *
 * With `--watch` it continues until Ctrl-C, with steady traffic and the inspector open.
 */
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { createReaper, type Reaper } from '../src/index.ts';
import { checksOf } from './checks.ts';
import { enqueueOn, seedOn } from './jobs.ts';
import {
  cleanUp,
  cleanUps,
  elapsed,
  grace,
  type Host,
  heartbeatTimeout,
  hookTimes,
  key,
  namespace,
  row,
  say,
  startHookEndpoint,
  startHost,
  startRedis,
  until,
} from './stage.ts';
import { watch } from './watch.ts';

/** Time limit for the whole demo, in ms. */
const watchdogMs = 110_000;

const main = async (): Promise<boolean> => {
  say('Starting a Redis, an endpoint for hooks and two worker hosts. Time is scaled down: a heartbeat every 0.5 s,');
  say(
    `dead after ${heartbeatTimeout / 1_000} s without one and ${grace / 1_000} s of grace (by default: 5 s, 10 s and 15 s).\n`,
  );
  const scene = await startScene();
  const { reaper, redis } = scene;
  say('    time  who        what                   why');
  for (const n of [1, 2, 3, 4]) await scene.enqueue(`scan-${n}`, 'SCAN', 100);
  await until('four jobs to finish', () => scene.hosts.flatMap(({ finished }) => finished).length === 4);

  const { victim, survivor } = await killAHost(scene);
  const broken = await breakJobs(scene);
  showEvents(reaper);
  reaper.start();
  const summary = await reaper.sweep();
  await until('the survivor to finish collect-1 and collect-2', () =>
    ['collect-1', 'collect-2'].every((id) => survivor.finished.includes(id)),
  );
  await until(
    'the dead pool to be removed',
    async () => (await redis.sismember(key('worker_pools'), victim.pool)) === 0,
  );
  await until('the ACK of collect-1', async () =>
    (await redis.hget(key('job_stats', 'collect-1'), 'ack'))?.includes('Success'),
  );

  say('');
  const checks = await checksOf({ ...scene, victim, survivor }, broken.length <= summary.scanned);
  for (const [what, isSo] of checks) say(`${isSo ? '✓' : '✗'} ${what}`);
  return checks.every(([, isSo]) => isSo);
};

/** A Redis, an endpoint for hooks, two worker hosts, and a reaper that is not started. */
const startScene = async () => {
  const received: { job_id: string; status: string }[] = [];
  const [url, hook] = await Promise.all([startRedis(), startHookEndpoint(received)]);
  const redis = new Redis(url);
  cleanUps.push(() => redis.disconnect());
  const reaper = createReaper({
    redis: url,
    namespace,
    logger: false,
    rescue: { heartbeatTimeout, grace, interval: 1_000, initialDelay: 0 },
    hooks: hookTimes,
  });
  cleanUps.push(() => reaper.stop({ timeout: 2_000 }));

  const enqueue = enqueueOn(reaper, redis, hook);

  const hosts = await Promise.all([startHost('host-one', url), startHost('host-two', url)]);
  return { redis, hook, received, reaper, enqueue, hosts };
};

type Scene = Awaited<ReturnType<typeof startScene>>;

/** Kills the host that runs a job whose type allows one run at a time. */
const killAHost = async ({ redis, enqueue, hosts }: Scene) => {
  // One at a time: as long as the dead host holds the lock, COLLECT never runs again.
  await redis.set(key('jobs', 'COLLECT', 'max_concurrency'), 1);
  await enqueue('collect-1', 'COLLECT', 3_000);
  await until('collect-1 to run', () => hosts.some(({ running }) => running === 'collect-1'));
  const victim = hosts.find(({ running }) => running === 'collect-1') as Host;
  const survivor = hosts.find((host) => host !== victim) as Host;
  const killed = once(victim.child, 'exit');
  victim.child.kill('SIGKILL');
  await killed;
  row(victim.pool, 'is killed: SIGKILL', 'while it runs collect-1; its lock (cap 1) stays');
  await enqueue('collect-2', 'COLLECT', 100);
  return { victim, survivor };
};

/** Writes five jobs as users find them, and returns their ids. */
const breakJobs = async ({ redis, hook }: Scene) => {
  const seed = seedOn(redis, hook);
  await seed('hung', 'Running', 30 * 3_600, 'Running');
  await seed('unacked', 'Success', 600, 'Running');
  await seed('behind', 'Running', 600, 'Success');
  await seed('acknowledged', 'Success', 600, 'Success');
  const broken = ['hung', 'unacked', 'behind', 'missing', 'acknowledged'];
  // 2 when a job is saved; one less when it is final, and one less when its final status is confirmed.
  await redis.hset(key('job_track', 'inprogress'), { hung: 2, unacked: 1, behind: 1, missing: 2, acknowledged: 1 });
  row('seeded', broken.join(', '), 'five jobs as users find them');
  return broken;
};

const showEvents = (reaper: Reaper) => {
  reaper.on('job', ({ id, verdict, reason, detail, outcome }) => {
    if (verdict !== 'keep')
      row('sweep', `${id}: ${verdict}`, `${reason}${detail === undefined ? '' : `, ${detail}`} → ${outcome}`);
  });
  reaper.on('pool', ({ pool, outcome, evidence, entries }) =>
    row('rescue', `${pool}: ${outcome}`, `${evidence}; ${entries} requeued`),
  );
  reaper.on('hook', ({ id, outcome, state }) =>
    row('hook', `${id}: ${outcome}`, state === undefined ? '' : `${state.status} confirmed`),
  );
};

const abort = (why: string) => async () => {
  console.error(`demo: ${why}`);
  await cleanUp();
  process.exit(1);
};
process.on('uncaughtException', (error) => abort(error.message)());

if (process.argv.includes('--watch')) {
  const isAsked = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });
  await watch(isAsked);
  await cleanUp();
} else {
  process.on('SIGINT', abort('interrupted'));
  process.on('SIGTERM', abort('interrupted'));
  process.on('SIGHUP', abort('its terminal was closed'));
  const watchdog = setTimeout(abort(`not finished after ${watchdogMs / 1_000} s`), watchdogMs);
  let isFine = false;
  try {
    isFine = await main();
  } catch (error) {
    console.error(`demo: ${(error as Error).message}`);
  }
  clearTimeout(watchdog);
  await cleanUp();
  say(
    isFine
      ? `\nEverything is as expected, after ${(elapsed() / 1_000).toFixed(0)} s.`
      : '\nSome checks failed: see above.',
  );
  say('To watch it in a browser, with steady traffic until Ctrl-C:  npm run demo -- --watch');
  process.exitCode = isFine ? 0 : 1;
}
