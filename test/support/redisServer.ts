import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';

/** The program of every Redis and sentinel in tests: `REDIS_SERVER` names another one, such as an older version, or Valkey's. */
export const redisServer = process.env.REDIS_SERVER || 'redis-server';

const said = execFileSync(redisServer, ['--version'], { encoding: 'utf8' });
/** Which version of Redis it is, such as `7.0`; Valkey has the rights of Redis 7.2. */
export const redisVersion = said.startsWith('Valkey') ? '7.2' : (/v=(\d+\.\d+)/.exec(said)?.[1] ?? '');
/**
 * Redis before 7.0 has no rights to read only, no ACL DRYRUN, and takes no subcommand away. What is about these can't be run there.
 */
export const hasFineRights = Number.parseFloat(redisVersion) >= 7;

/** A real redis-server of a test's own, on a free port of loopback, which can be killed and started again. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** A client that the test uses; closed with the server. */
  readonly client: Redis;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same port and folder. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A port below those that the system takes for outgoing connections. One of these could be given to a client that tries to
 * reach a killed server: it then connects to itself, and the server can't be started again.
 */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const server = createServer().listen(randomInt(10_000, 32_000), '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch {
      continue; // It is in use.
    }
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    return port;
  }
};

/** @param args further options of redis-server, such as `--appendonly yes`. */
export const startRedis = async (...args: string[]): Promise<RedisServer> => {
  const folder = await mkdtemp(join(tmpdir(), 'reaper-redis-'));
  let port = await freePort();
  let child: ChildProcess;
  const launch = async (): Promise<boolean> => {
    child = spawn(
      redisServer,
      ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...args],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    for await (const chunk of child.stdout as NonNullable<typeof child.stdout>) {
      if (!String(chunk).includes('Ready to accept connections')) continue;
      child.stdout?.resume();
      return true;
    }
    return false;
  };
  // Somebody else may have taken the port by then, or that of the cluster's bus, 10,000 above it.
  for (let tries = 1; !(await launch()); tries++) {
    if (tries === 5) throw new Error('redis-server did not start');
    port = await freePort();
  }
  const client = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null, retryStrategy: () => 20 });
  client.on('error', () => undefined);
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child.pid as number;
    },
    client,
    kill,
    async restart() {
      if (!(await launch())) throw new Error('redis-server did not start again');
    },
    async stop() {
      client.disconnect();
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
