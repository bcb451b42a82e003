/** The real sentinels of a run, and the master that they name. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort, type RedisServer, redisServer } from '../../support/redisServer.ts';
import { masterName } from './settings.ts';

export interface Sentinels {
  readonly ports: readonly number[];
  masterPort(): number;
  /** Resolves when another server has become the master. */
  masterOtherThan(port: number): Promise<void>;
  failover(): Promise<void>;
  stop(): Promise<void>;
}

/** How often the driver asks for the master, in ms. */
const askMs = 200;
/** How long a server may wrongly act as the master, in ms. The sentinels themselves wait for 8 s. */
const demoteAfterMs = 800;

export const startSentinels = async (
  count: number,
  servers: readonly RedisServer[],
  onMaster: () => void,
): Promise<Sentinels> => {
  const folder = await mkdtemp(join(tmpdir(), 'reaper-sentinel-'));
  const [first] = servers as [RedisServer];
  const { children, ports } = await spawnSentinels(count, first, folder);
  const clients = ports.map((port) => {
    const client = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null, retryStrategy: () => 20 });
    client.on('error', () => undefined);
    return client;
  });
  const [asked] = clients as [Redis];

  let masterPort = first.port;
  let isOver = false;
  const demote = createDemotion(servers, clients, () => masterPort);
  const follow = async () => {
    while (!isOver) {
      const port = Number((await stateOf(asked)).port);
      if (port !== masterPort) {
        masterPort = port;
        onMaster();
      }
      // A stopped server gives no answer. This must not keep the driver from following the master.
      await Promise.race([demote().catch(() => undefined), sleep(askMs)]);
      await sleep(askMs);
    }
  };
  const isReady = ({ 'num-slaves': replicas, 'num-other-sentinels': others }: Readonly<Record<string, string>>) =>
    Number(replicas) === servers.length - 1 && Number(others) === count - 1;
  for (const client of clients) while (!isReady(await stateOf(client))) await sleep(50);
  while ((await first.client.wait(servers.length - 1, 1_000)) < servers.length - 1) await sleep(50);
  const following = follow().catch(() => undefined);

  return {
    ports,
    masterPort: () => masterPort,
    async masterOtherThan(port) {
      while (masterPort === port && !isOver) await sleep(50);
    },
    async failover() {
      await asked.call('SENTINEL', 'FAILOVER', masterName);
    },
    async stop() {
      isOver = true;
      for (const client of clients) client.disconnect();
      for (const child of children) {
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }
      await Promise.race([following, sleep(1_000)]);
      await rm(folder, { recursive: true, force: true });
    },
  };
};

const spawnSentinels = async (count: number, first: RedisServer, folder: string) => {
  const children: ChildProcess[] = [];
  const ports: number[] = [];
  for (let i = 0; i < count; i++) {
    const port = await freePort();
    const file = join(folder, `sentinel-${i}.conf`);
    const of = (name: string, ...values: (string | number)[]) => `sentinel ${name} ${masterName} ${values.join(' ')}`;
    const lines = [
      ...[`port ${port}`, 'bind 127.0.0.1', `dir ${folder}`],
      of('monitor', '127.0.0.1', first.port, Math.floor(count / 2) + 1),
      ...[of('down-after-milliseconds', 500), of('failover-timeout', 2_000), of('parallel-syncs', 2)],
    ];
    await writeFile(file, `${lines.join('\n')}\n`);
    const child = spawn(redisServer, [file, '--sentinel'], { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout?.resume();
    children.push(child);
    ports.push(port);
  }
  return { children, ports };
};

/** What a sentinel knows of the master. */
const stateOf = async (client: Redis): Promise<Readonly<Record<string, string>>> => {
  const flat = (await client.call('SENTINEL', 'MASTER', masterName)) as string[] | Record<string, string>;
  if (!Array.isArray(flat)) return flat;
  return Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] as string]] : [])));
};

/** Makes a replica of a server that restarted as a master. Not during a failover, which changes the master itself. */
const createDemotion = (servers: readonly RedisServer[], clients: readonly Redis[], masterPort: () => number) => {
  const claims = new Map<number, number>();
  return async () => {
    const states = await Promise.all(clients.map(stateOf));
    if (states.some(({ flags, port }) => flags !== 'master' || Number(port) !== masterPort())) return claims.clear();
    for (const { port, client } of servers) {
      const role = client.status === 'ready' ? await client.role().catch(() => undefined) : undefined;
      const isClaim = role !== undefined && port !== masterPort() && role[0] === 'master';
      if (!isClaim) claims.delete(port);
      else if (Date.now() - (claims.get(port) ?? Date.now()) > demoteAfterMs) {
        // As the sentinels do it: all connections are closed, because the server is not the master any more.
        await client
          .multi()
          .call('REPLICAOF', '127.0.0.1', masterPort())
          .call('CLIENT', 'KILL', 'TYPE', 'normal')
          .exec()
          .catch(() => undefined);
      } else if (!claims.has(port)) claims.set(port, Date.now());
    }
  };
};
