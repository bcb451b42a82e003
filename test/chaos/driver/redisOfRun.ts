/** The Redis of a run: a single server, or a master with replicas and sentinels; and the faults of it. */
import { type RedisServer, startRedis } from '../../support/redisServer.ts';
import { startSentinels } from './sentinels.ts';
import { reaperUser } from './settings.ts';

export interface RedisOfRun {
  /** All data servers, including the master. */
  readonly servers: readonly RedisServer[];
  /** Ports of the sentinels. */
  readonly sentinels: readonly number[];
  master(): RedisServer;
  /** SIGKILL of the single server, then a restart. */
  killFor(forMs: number): Promise<void>;
  /** SIGSTOP of the master. */
  freezeFor(forMs: number): Promise<void>;
  failover(): Promise<void>;
  /** SIGKILL of the master, then a restart as a replica, this long after another server has become master. */
  killMaster(forMs: number): Promise<void>;
  stop(): Promise<void>;
}

/** Maximum time to wait for a failover, in ms. */
const longestFailoverMs = 20_000;

const serverArgs = [
  ...['--appendonly', 'yes', '--appendfsync', 'always', '--notify-keyspace-events', 'KEA'],
  ...['--repl-diskless-sync-delay', '0', '--repl-timeout', '5', '--repl-ping-replica-period', '1'],
  ...['--user', reaperUser.name, 'on', `>${reaperUser.password}`, '~*', '&*', '+@all'],
];

/**
 * @param onMaster called when another server has become the master.
 * @param pause rejects when the run has ended: nothing is started after that.
 */
export const startRedisOfRun = async (
  sentinel: { readonly replicas: number; readonly sentinels: number } | undefined,
  onMaster: () => void,
  pause: (ms: number) => Promise<unknown>,
): Promise<RedisOfRun> => {
  const { replicas, sentinels: sentinelCount } = sentinel ?? { replicas: 0, sentinels: 0 };
  const safety = replicas > 0 ? ['--min-replicas-to-write', String(replicas), '--min-replicas-max-lag', '2'] : [];
  const servers = [await startRedis(...serverArgs, ...safety)];
  const [first] = servers as [RedisServer];
  for (let i = 0; i < replicas; i++) {
    const replica = await startRedis(...serverArgs, ...safety);
    servers.push(replica);
    // Not as an argument: a restarted server waits until the sentinels name the master.
    await replica.client.replicaof('127.0.0.1', first.port);
  }
  const watch = sentinelCount > 0 ? await startSentinels(sentinelCount, servers, onMaster) : undefined;
  const master = () => servers.find(({ port }) => port === watch?.masterPort()) ?? first;
  return {
    servers,
    sentinels: watch?.ports ?? [],
    master,
    async killFor(forMs) {
      await first.kill();
      await pause(forMs);
      await first.restart();
    },
    async freezeFor(forMs) {
      const { pid } = master();
      process.kill(pid, 'SIGSTOP');
      await pause(forMs);
      process.kill(pid, 'SIGCONT');
    },
    async failover() {
      await watch?.failover();
    },
    async killMaster(forMs) {
      const killed = master();
      await killed.kill();
      // Restarted also if no other server has become master.
      await Promise.race([watch?.masterOtherThan(killed.port), pause(longestFailoverMs)]);
      await pause(forMs);
      await killed.restart();
    },
    async stop() {
      await watch?.stop();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
};
