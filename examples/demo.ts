/**
 * The main job, seen working: a worker is killed in mid-job and its job finishes elsewhere; a hung, an un-ACKed, a
 * behind, a lost and a settled job are mended. Everything is real: a Redis, two worker hosts, a hook receiver, SIGKILL.
 * Ends with 0 if all of it is so in the end, else with 1, and leaves nothing running.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createReaper } from '../src/index.ts';

const namespace = '{demo}';
const heartbeatMs = 500;
const heartbeatAgeMs = 2_000;
const graceMs = 1_500;
/** The whole must be over by then, in ms. */
const watchdogMs = 110_000;

const cleanUps: (() => unknown)[] = [];
/** Undoes what was started, last first. What fails or takes longer than 5 s does not keep the rest from being undone. */
const cleanUp = async () => {
  for (const act of cleanUps.splice(0).reverse()) {
    const tooLong = new AbortController();
    await Promise.race([
      Promise.resolve(act()).catch(() => undefined),
      sleep(5_000, undefined, { signal: tooLong.signal }).catch(() => undefined),
    ]);
    tooLong.abort();
  }
};
/** Ends a child and waits for its end. It may have ended already: Ctrl-C on a terminal reaches children too. */
const end = async (child: ChildProcess) => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
};
const began = Date.now();
const say = (text: string) => console.log(text);
const row = (who: string, what: string, why: string) =>
  say(`${`${((Date.now() - began) / 1_000).toFixed(1)} s`.padStart(7)}  ${who.padEnd(10)} ${what.padEnd(22)} ${why}`);

const until = async (what: string, isSo: () => unknown): Promise<void> => {
  const deadline = Date.now() + 30_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`waited 30 s in vain for: ${what}`);
    await sleep(20);
  }
};

const startRedis = async (): Promise<string> => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  const folder = await mkdtemp(join(tmpdir(), 'reaper-demo-'));
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanUps.push(async () => {
    await end(child);
    await rm(folder, { recursive: true, force: true });
  });
  await new Promise<void>((resolve, reject) => {
    let output = '';
    child.stdout.on('data', (chunk) => {
      if (output.includes('Ready to accept')) return;
      output += chunk;
      if (output.includes('Ready to accept')) resolve();
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`redis-server did not start: ${output.trim().split('\n').at(-1)}`)));
  });
  return `redis://127.0.0.1:${port}`;
};

const startReceiver = async (received: { job_id: string; status: string }[]): Promise<string> => {
  const server = createHttpServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    received.push(JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(200).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
};

interface Host {
  readonly pool: string;
  readonly child: ChildProcess;
  readonly finished: string[];
  running: string | undefined;
}

const startHost = async (pool: string, url: string): Promise<Host> => {
  const child = fork(new URL('./worker-host.ts', import.meta.url), {
    execArgv: ['--import', 'tsx'],
    env: {
      ...process.env,
      REAPER_REDIS_URL: url,
      REAPER_NAMESPACE: namespace,
      WORKER_POOL: pool,
      WORKER_TYPES: 'SCAN,COLLECT',
      WORKER_HEARTBEAT_MS: String(heartbeatMs),
    },
  });
  const host: Host = { pool, child, finished: [], running: undefined };
  cleanUps.push(() => end(child));
  child.on('message', ({ event, id }: { event: string; id: string }) => {
    if (event === 'running') {
      host.running = id;
      row(pool, `runs ${id}`, '');
    }
    if (event === 'finished') {
      host.finished.push(id);
      host.running = undefined;
      row(pool, `finished ${id}`, '');
    }
  });
  await once(child, 'message');
  return host;
};

const main = async (): Promise<boolean> => {
  say('Starting a Redis, a hook receiver and two worker hosts. Time is scaled down: a heartbeat every 0.5 s,');
  say(
    `dead after ${heartbeatAgeMs / 1_000} s without one and ${graceMs / 1_000} s of grace (by default: 5 s, 10 s and 15 s).\n`,
  );
  const received: { job_id: string; status: string }[] = [];
  const [url, hook] = await Promise.all([startRedis(), startReceiver(received)]);
  const redis = new Redis(url);
  cleanUps.push(() => redis.disconnect());
  const key = (...parts: string[]) => `${namespace}:${parts.join(':')}`;
  const reaper = createReaper({
    redis: url,
    namespace,
    logger: false,
    rescue: { heartbeatAgeMs, graceMs, intervalMs: 1_000, firstAfterMs: 0 },
  });
  cleanUps.push(() => reaper.stop({ timeout: 2_000 }));

  const enqueue = async (id: string, type: string, ms: number) => {
    await reaper.lifecycle.save({ id, name: type, webHookUrl: hook, enqueueTime: Math.floor(Date.now() / 1_000) });
    await redis.lpush(
      key('jobs', type),
      JSON.stringify({ name: type, id, t: Math.floor(Date.now() / 1_000), args: { ms } }),
    );
  };

  const hosts = await Promise.all([startHost('host-one', url), startHost('host-two', url)]);
  say('    time  who        what                   why');
  for (const n of [1, 2, 3, 4]) await enqueue(`scan-${n}`, 'SCAN', 100);
  await until('four jobs finished', () => hosts.flatMap(({ finished }) => finished).length === 4);

  // One at a time: while the lock of a dead host stands, COLLECT never runs again.
  await redis.set(key('jobs', 'COLLECT', 'max_concurrency'), 1);
  await enqueue('collect-1', 'COLLECT', 3_000);
  await until('collect-1 runs', () => hosts.some(({ running }) => running === 'collect-1'));
  const victim = hosts.find(({ running }) => running === 'collect-1') as Host;
  const survivor = hosts.find((host) => host !== victim) as Host;
  const killed = once(victim.child, 'exit');
  victim.child.kill('SIGKILL');
  await killed;
  row(victim.pool, 'is killed: SIGKILL', 'while it runs collect-1; its lock (cap 1) stays');
  await enqueue('collect-2', 'COLLECT', 100);

  const seed = (id: string, status: string, ageS: number, ack: string | undefined) => {
    const t = Math.floor(Date.now() / 1_000) - ageS;
    const stats = {
      id,
      name: 'SCAN',
      kind: 'Generic',
      status,
      web_hook_url: hook,
      enqueue_time: t,
      update_time: t,
      revision: t,
    };
    const confirmed = ack === undefined ? {} : { ack: JSON.stringify({ status: ack, revision: t, check_in_at: 0 }) };
    return redis.hset(key('job_stats', id), { ...stats, ...confirmed });
  };
  await seed('hung', 'Running', 30 * 3_600, 'Running');
  await seed('unacked', 'Success', 600, 'Running');
  await seed('behind', 'Running', 600, 'Success');
  await seed('settled', 'Success', 600, 'Success');
  const broken = ['hung', 'unacked', 'behind', 'lost', 'settled'];
  // 2 when a job is saved; one less once it is final, and once its final status is confirmed.
  await redis.hset(key('job_track', 'inprogress'), { hung: 2, unacked: 1, behind: 1, lost: 2, settled: 1 });
  row('seeded', broken.join(', '), 'five jobs as users find them');

  reaper.on('job', ({ id, verdict, reason, detail, outcome }) => {
    if (verdict !== 'kept')
      row('sweep', `${id}: ${verdict}`, `${reason}${detail === undefined ? '' : `, ${detail}`} → ${outcome}`);
  });
  reaper.on('pool', ({ pool, outcome, evidence, entries }) =>
    row('rescue', `${pool}: ${outcome}`, `${evidence}; ${entries} put back`),
  );
  reaper.on('hook', ({ id, outcome, state }) =>
    row('hook', `${id}: ${outcome}`, state === undefined ? '' : `${state.status} confirmed`),
  );
  reaper.start();
  const summary = await reaper.sweep();
  await until('collect-1 and collect-2 finished by the survivor', () =>
    ['collect-1', 'collect-2'].every((id) => survivor.finished.includes(id)),
  );
  await until('the pool gone', async () => (await redis.sismember(key('worker_pools'), victim.pool)) === 0);
  await until('collect-1 confirmed', async () =>
    (await redis.hget(key('job_stats', 'collect-1'), 'ack'))?.includes('Success'),
  );

  say('');
  const status = (id: string) => redis.hget(key('job_stats', id), 'status');
  const tracked = (id: string) => redis.hget(key('job_track', 'inprogress'), id);
  const told = (id: string, what: string) => received.some((event) => event.job_id === id && event.status === what);
  const checks: [string, boolean][] = [
    ['the sweep judged every broken job', broken.length <= summary.scanned],
    [
      'hung: is Error, its receiver was told, no longer tracked',
      (await status('hung')) === 'Error' && told('hung', 'Error') && (await tracked('hung')) === null,
    ],
    [
      'unacked: its receiver was told Success, no longer tracked',
      told('unacked', 'Success') && (await tracked('unacked')) === null,
    ],
    [
      'behind: has the Success that its receiver had confirmed, no longer tracked',
      (await status('behind')) === 'Success' && (await tracked('behind')) === null,
    ],
    ['lost: no longer tracked', (await tracked('lost')) === null],
    ['settled: no longer tracked', (await tracked('settled')) === null],
    [
      'collect-1: finished by the survivor, once',
      survivor.finished.filter((id) => id === 'collect-1').length === 1 && !victim.finished.includes('collect-1'),
    ],
    [
      'collect-1: is Success, its receiver was told, no longer tracked',
      (await status('collect-1')) === 'Success' &&
        told('collect-1', 'Success') &&
        (await tracked('collect-1')) === null,
    ],
    ['the lock of COLLECT is free', Number(await redis.get(key('jobs', 'COLLECT', 'lock'))) === 0],
    [
      'nothing is left in a queue or in progress',
      (await redis.exists(key('jobs', 'COLLECT'), key('jobs', 'COLLECT', victim.pool, 'inprogress'))) === 0,
    ],
    [
      'the dead pool has left no trace',
      (await redis.exists(key('worker_pools', victim.pool))) === 0 &&
        (await redis.hexists(key('jobs', 'COLLECT', 'lock_info'), victim.pool)) === 0,
    ],
  ];
  for (const [what, isSo] of checks) say(`${isSo ? '✓' : '✗'} ${what}`);
  return checks.every(([, isSo]) => isSo);
};

const abort = (why: string) => async () => {
  console.error(`demo: ${why}`);
  await cleanUp();
  process.exit(1);
};
process.on('SIGINT', abort('interrupted'));
process.on('SIGTERM', abort('interrupted'));
process.on('SIGHUP', abort('its terminal is gone'));
process.on('uncaughtException', (error) => abort(error.message)());
const watchdog = globalThis.setTimeout(abort(`not over after ${watchdogMs / 1_000} s`), watchdogMs);

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
    ? `\nAll is as it should be, after ${((Date.now() - began) / 1_000).toFixed(0)} s.`
    : '\nSomething is not as it should be: see above.',
);
process.exitCode = isFine ? 0 : 1;
