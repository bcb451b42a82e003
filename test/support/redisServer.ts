import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';

/** The program of all Redis servers and sentinels in tests. `REDIS_SERVER` selects another one, such as an older version or Valkey. */
export const redisServer = process.env.REDIS_SERVER || 'redis-server';

const output = execFileSync(redisServer, ['--version'], { encoding: 'utf8' });
/** The version of Redis, such as `7.0`. Valkey has the rights of Redis 7.2. */
export const redisVersion = output.startsWith('Valkey') ? '7.2' : (/v=(\d+\.\d+)/.exec(output)?.[1] ?? '');
/**
 * Redis before 7.0 has no read-only key patterns, no ACL DRYRUN and no rules for subcommands. Tests of these need Redis 7.0.
 */
export const hasFineRights = Number.parseFloat(redisVersion) >= 7;

/** Sends SIGKILL, and waits for the end of the process. */
export const killProcess = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
};

/** A real redis-server for one test file, on a free port of loopback. It can be killed and restarted. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** A client for the test. It is closed with the server. */
  readonly client: Redis;
  /** Sends SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again with the same port and folder. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A free port below the range of outgoing connections. A port in that range could be given to a client that tries to reach a
 * killed server: the client would connect to itself, and the server could not be restarted.
 */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const server = createServer().listen(randomInt(10_000, 32_000), '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch {
      continue; // The port is in use.
    }
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    return port;
  }
};

/** @param args more options of redis-server, such as `--appendonly yes`. */
export const startRedis = async (...args: string[]): Promise<RedisServer> => {
  const folder = await mkdtemp(join(tmpdir(), 'reaper-redis-'));
  const socket = join(folder, 'redis.sock');
  let port = await freePort();
  let child: ChildProcess;
  const launch = async (): Promise<boolean> => {
    child = spawn(
      redisServer,
      ['--port', String(port), '--bind', '127.0.0.1', '--unixsocket', socket, '--dir', folder, '--save', '', ...args],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    for await (const chunk of child.stdout as NonNullable<typeof child.stdout>) {
      if (!String(chunk).includes('Ready to accept connections')) continue;
      child.stdout?.resume();
      return true;
    }
    return false;
  };
  // Another process may have taken the port meanwhile, or the port of the cluster bus, 10,000 above it.
  for (let attempt = 1; !(await launch()); attempt++) {
    if (attempt === 5) throw new Error('redis-server did not start');
    port = await freePort();
  }
  // A command through a socket file takes a tenth less of both processes.
  const client = new Redis({ path: socket, maxRetriesPerRequest: null, retryStrategy: () => 20 });
  client.on('error', () => undefined);
  const kill = () => killProcess(child);
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child.pid as number;
    },
    client,
    kill,
    async restart() {
      if (!(await launch())) throw new Error('redis-server did not restart');
    },
    async stop() {
      client.disconnect();
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
