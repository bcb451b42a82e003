import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createReaper, type Reaper } from '../src/index.ts';
import { enqueueOn, seedOn } from './jobs.ts';
import {
  cleanUps,
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
} from './stage.ts';

/** Healthy jobs, so that sweeps have something to keep. */
const healthy = 3_000;
/** Intervals in ms at which a job is enqueued, a broken job appears, and a host is killed. */
const every = { job: 700, broken: 2_500, death: 14_000 };

/** Steady traffic with the inspector open until Ctrl-C: jobs run, hang and are orphaned; hosts die and are replaced. */
export const watch = async (isAsked: Promise<void>): Promise<void> => {
  let isOver = false;
  const over = isAsked.then(() => {
    isOver = true;
  });
  const [url, hook] = await Promise.all([
    startRedis(),
    // Away for 5 s of every 40.
    startHookEndpoint([], () => Date.now() % 40_000 < 5_000),
  ]);
  const redis = new Redis(url);
  cleanUps.push(() => redis.disconnect());
  const reaper = createReaper({
    redis: url,
    namespace,
    logger: false,
    refireGrace: '2s',
    sweep: { initialDelay: 2_000, interval: 4_000, pageSize: 100 },
    rescue: { heartbeatTimeout, grace, interval: 1_000, initialDelay: 500 },
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
  showEvents(reaper);
  reaper.start();

  let number = 0;
  const hosts = createHosts(() => ++number, url);
  const repeat = async (pause: number, act: () => Promise<unknown>) => {
    while (!isOver) {
      await act().catch((error) => row('demo', 'something failed', error.message));
      await Promise.race([sleep(pause, undefined, { ref: false }), over]);
    }
  };
  await Promise.all([hosts.add(), hosts.add(), hosts.add()]);
  await Promise.all([
    repeat(every.job, () =>
      enqueue(`job-${++number}`, number % 5 === 0 ? 'COLLECT' : 'SCAN', 300 + (number % 7) * 400),
    ),
    repeat(every.broken, () => breakOne(++number, seed, track)),
    repeat(every.death, hosts.killOne),
  ]);
};

const showEvents = (reaper: Reaper) => {
  reaper.on('pool', ({ pool, outcome, evidence, entries }) =>
    row('rescue', `${pool}: ${outcome}`, `${evidence}; ${entries} requeued`),
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
};

/** The worker hosts. */
const createHosts = (next: () => number, url: string) => {
  const hosts = new Set<Host>();
  const add = async () => hosts.add(await startHost(`host-${next()}`, url));
  /** Kills a host if there are enough, and starts another one. */
  const killOne = async () => {
    const [victim] = hosts;
    if (hosts.size < 3 || victim === undefined) return add();
    hosts.delete(victim);
    const killed = once(victim.child, 'exit');
    victim.child.kill('SIGKILL');
    await killed;
    row(
      victim.pool,
      'is killed: SIGKILL',
      victim.running === undefined ? 'while idle' : `while it runs ${victim.running}`,
    );
    return add();
  };
  return { add, killOne };
};

/** Writes a broken job, each time of another kind. */
const breakOne = async (
  number: number,
  seed: ReturnType<typeof seedOn>,
  track: (id: string, count: number) => Promise<unknown>,
) => {
  const id = `${['hung', 'unacked', 'behind', 'missing', 'acknowledged'][number % 5]}-${number}`;
  if (id.startsWith('hung')) await seed(id, 'Running', 30 * 3_600, 'Running');
  if (id.startsWith('unacked')) await seed(id, 'Success', 600, 'Running');
  if (id.startsWith('behind')) await seed(id, 'Running', 600, 'Success');
  if (id.startsWith('acknowledged')) await seed(id, 'Success', 600, 'Success');
  await track(id, 1);
};
