/** The environment of the demo: a Redis, an endpoint for hooks and worker hosts. All are real, and all are stopped at the end. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const namespace = '{demo}';
// Time is scaled down, in ms: by default a pool beats every 5 s, and is dead after 10 s without and 15 s of grace.
export const heartbeatMs = 500;
export const heartbeatTimeout = 2_000;
export const grace = 1_500;
/** Another host sends the hooks of a dead one when their claims expire: after this timeout and 10 s. */
export const hookTimes = { headerTimeout: 1_000, timeout: 1_000 };

/** A key of the demo's namespace. */
export const key = (...parts: string[]): string => `${namespace}:${parts.join(':')}`;

export const cleanUps: (() => unknown)[] = [];
/** Stops everything that was started, in reverse order. A step that fails or takes longer than 5 s does not stop the others. */
export const cleanUp = async (): Promise<void> => {
  for (const act of cleanUps.splice(0).reverse()) {
    const tooLong = new AbortController();
    await Promise.race([
      Promise.resolve(act()).catch(() => undefined),
      sleep(5_000, undefined, { signal: tooLong.signal }).catch(() => undefined),
    ]);
    tooLong.abort();
  }
};
/** Ends a child process and waits for it. It may have ended already: Ctrl-C on a terminal reaches children too. */
export const end = async (child: ChildProcess) => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
};
const began = Date.now();
export const elapsed = (): number => Date.now() - began;
export const say = (text: string): void => console.log(text);
/** Prints a line: when, who, what and why. */
export const row = (who: string, what: string, why: string): void =>
  say(`${`${(elapsed() / 1_000).toFixed(1)} s`.padStart(7)}  ${who.padEnd(10)} ${what.padEnd(22)} ${why}`);

/** @throws Error after 30 s. */
export const until = async (what: string, isSo: () => unknown): Promise<void> => {
  const deadline = Date.now() + 30_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`timed out after 30 s: ${what}`);
    await sleep(20);
  }
};

/** Starts a redis-server for the demo (`REDIS_SERVER` may name the program). Returns its URL. */
export const startRedis = async (): Promise<string> => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  const folder = await mkdtemp(join(tmpdir(), 'reaper-demo-'));
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
  const child = spawn(process.env.REDIS_SERVER || 'redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
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

/** Starts an endpoint that stores the hooks that it gets. `isBusy` makes it answer 503. Returns its URL. */
export const startHookEndpoint = async (
  received: { job_id: string; status: string }[],
  isBusy: () => boolean = () => false,
): Promise<string> => {
  const server = createHttpServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (isBusy()) return response.writeHead(503).end();
    received.push(JSON.parse(Buffer.concat(chunks).toString()));
    return response.writeHead(200).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
};

/** Starts a worker host as a process. */
export interface Host {
  readonly pool: string;
  readonly child: ChildProcess;
  readonly finished: string[];
  running: string | undefined;
}

export const startHost = async (pool: string, url: string): Promise<Host> => {
  const child = fork(new URL('./worker-host.ts', import.meta.url), {
    execArgv: ['--import', 'tsx'],
    env: {
      ...process.env,
      REAPER_REDIS: url,
      REAPER_NAMESPACE: namespace,
      // The scheduled passes are those of the demo's own reaper, whose times are scaled down.
      REAPER_ROLE: 'never',
      WORKER_POOL: pool,
      WORKER_TYPES: 'SCAN,COLLECT',
      WORKER_HEARTBEAT_MS: String(heartbeatMs),
      WORKER_HOOK_TIMEOUT_MS: String(hookTimes.timeout),
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
