import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort, killProcess, redisServer } from './redisServer.ts';

/** A real sentinel for one test file. It watches one master. */
export interface Sentinel {
  readonly port: number;
  /** A client of the sentinel. */
  readonly client: Redis;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** @param lines more lines of its configuration. */
export const startSentinel = async (
  name: string,
  masterPort: number,
  { quorum = 1, password, lines = [] }: { quorum?: number; password?: string; lines?: readonly string[] } = {},
): Promise<Sentinel> => {
  const folder = await mkdtemp(join(tmpdir(), 'reaper-sentinel-'));
  const port = await freePort();
  const file = join(folder, 'sentinel.conf');
  await writeFile(
    file,
    [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `sentinel monitor ${name} 127.0.0.1 ${masterPort} ${quorum}`,
      `sentinel down-after-milliseconds ${name} 1000`,
      `sentinel failover-timeout ${name} 5000`,
      ...(password === undefined ? [] : [`requirepass ${password}`]),
      ...lines,
      '',
    ].join('\n'),
  );
  const child: ChildProcess = spawn(redisServer, [file, '--sentinel'], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const chunk of child.stdout as NonNullable<typeof child.stdout>) {
    if (/Sentinel ID is/.test(String(chunk))) break;
  }
  child.stdout?.resume();
  const client = new Redis({
    port,
    host: '127.0.0.1',
    enableReadyCheck: false,
    ...(password === undefined ? {} : { password }),
  });
  client.on('error', () => undefined);
  const kill = () => killProcess(child);
  return {
    port,
    client,
    kill,
    async stop() {
      client.disconnect();
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
