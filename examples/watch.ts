import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createReaper } from '../src/index.ts';
import { enqueueOn, seedOn } from './jobs.ts';
import {
  cleanUps,
  graceMs,
  type Host,
  heartbeatAgeMs,
  hookTimes,
  key,
  namespace,
  row,
  say,
  startHost,
  startReceiver,
  startRedis,
} from './stage.ts';

/** Jobs that are healthy, so that a sweep has something to pass by. */
const healthy = 3_000;
/** How often a job comes, a job is found broken, and a host is killed, in ms. */
const every = { job: 700, broken: 2_500, death: 14_000 };

/** Steady traffic with the inspector open, until it is asked to end: jobs run, hang, are lost; hosts die and others come. */
export const watch = async (isAsked: Promise<void>): Promise<void> => {
  let isOver = false;
  const over = isAsked.then(() => {
    isOver = true;
  });
  const [url, hook] = await Promise.all([
    startRedis(),
    // Away for 5 s of every 40.
    startReceiver([], () => Date.now() % 40_000 < 5_000),
  ]);
  const redis = new Redis(url);
  cleanUps.push(() => redis.disconnect());
  const reaper = createReaper({
    redis: url,
    namespace,
    logger: false,
    refireGraceS: 2,
    sweep: { firstAfterMs: 2_000, intervalMs: 4_000, pageSize: 100 },
    rescue: { heartbeatAgeMs, graceMs, intervalMs: 1_000, firstAfterMs: 500 },
    hooks: hookTimes,
    inspect: { control: true, announce: () => undefined },
  });
  cleanUps.push(() => reaper.stop({ timeout: 2_000 }));
  const where = await reaper.inspectorUrl();
  const enqueue = enqueueOn(reaper, redis, hook);
  const seed = seedOn(redis, hook);
  const track = (id: string, count: number) => redis.hset(key('job_track', 'inprogress'), id, count);

  for (let i = 0; i < healthy; i++) {
    await seed(`healthy-${i}`, 'Running', 600, 'Running');
    await track(`healthy-${i}`, 2);
  }
  say(`\nWatch it at  ${where}\nCtrl-C ends it.\n`);
  reaper.on('pool', ({ pool, outcome, evidence, entries }) =>
    row('rescue', `${pool}: ${outcome}`, `${evidence}; ${entries} put back`),
  );
  reaper.on('sweep', ({ scanned, verdicts: { keep = 0, ...acts } }) =>
    row(
      'sweep',
      `${scanned} jobs`,
      Object.entries(acts)
        .map(([verdict, count]) => `${count} ${verdict}`)
        .join(', '),
    ),
  );
  reaper.start();

  let number = 0;
  const hosts = new Set<Host>();
  const addHost = async () => hosts.add(await startHost(`host-${++number}`, url));
  const repeat = async (pause: number, act: () => Promise<unknown>) => {
    while (!isOver) {
      await act().catch((error) => row('demo', 'something failed', error.message));
      await Promise.race([sleep(pause, undefined, { ref: false }), over]);
    }
  };
  const breakOne = async () => {
    const id = `${['hung', 'unacked', 'behind', 'lost', 'settled'][++number % 5]}-${number}`;
    if (id.startsWith('hung')) await seed(id, 'Running', 30 * 3_600, 'Running');
    if (id.startsWith('unacked')) await seed(id, 'Success', 600, 'Running');
    if (id.startsWith('behind')) await seed(id, 'Running', 600, 'Success');
    if (id.startsWith('settled')) await seed(id, 'Success', 600, 'Success');
    await track(id, 1);
  };
  const killOne = async () => {
    const [victim] = hosts;
    if (hosts.size < 3 || victim === undefined) return addHost();
    hosts.delete(victim);
    const killed = once(victim.child, 'exit');
    victim.child.kill('SIGKILL');
    await killed;
    row(
      victim.pool,
      'is killed: SIGKILL',
      victim.running === undefined ? 'while idle' : `while it runs ${victim.running}`,
    );
    return addHost();
  };
  await Promise.all([addHost(), addHost(), addHost()]);
  await Promise.all([
    repeat(every.job, () =>
      enqueue(`job-${++number}`, number % 5 === 0 ? 'COLLECT' : 'SCAN', 300 + (number % 7) * 400),
    ),
    repeat(every.broken, breakOne),
    repeat(every.death, killOne),
  ]);
};
