/** Performs the acts of a plan. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { type Act, wordsOf } from './acts.ts';
import type { Breach } from './invariants.ts';
import type { LossyLine } from './lossyLine.ts';
import type { Processes } from './processes.ts';
import type { RedisOfRun } from './redisOfRun.ts';
import { driverTimeoutMs, key, reaperUser } from './settings.ts';

export interface Performer {
  perform(act: Act): Promise<void>;
  /** Whether Redis denies the reapers access now, or did a moment ago. */
  isRefusing(): boolean;
  /** Commands that reapers sent as another user than the configured one. */
  readonly breaches: readonly Breach[];
}

/** Commands that a connection sends before it is authenticated. */
const handshake = /^(NULL|auth|hello|select|ping|info|role|quit|reset|client(\|.*)?|command(\|.*)?|readonly)$/i;
/** How long the driver waits for a running sweep, in ms. */
const sweepWithinMs = 4_000;

export const createPerformer = ({
  redis,
  client,
  lines,
  processes,
  pause,
  note,
}: {
  redis: RedisOfRun;
  /** A client of the master, in the database of the run. */
  client: Redis;
  lines: ReadonlyMap<string, LossyLine>;
  processes: Processes;
  pause: (ms: number) => Promise<unknown>;
  note: (text: string) => void;
}): Performer => {
  const breaches = new Map<string, Breach>();
  let isBusy = false;
  let refusedUntil = 0;

  /** Only one act at a time affects Redis itself. Others are skipped. */
  const alone = async (what: string, step: () => Promise<void>) => {
    if (isBusy) return note(`skipped, because another act affects Redis: ${what}`);
    isBusy = true;
    try {
      await step();
    } finally {
      isBusy = false;
    }
  };

  const killClients = async (picks: readonly number[] | 'all') => {
    const others = ((await client.client('LIST', 'TYPE', 'NORMAL')) as string).match(/^id=\d+/gm) ?? [];
    const chosen = picks === 'all' ? others : picks.map((n) => others[Math.floor((n / 100) * others.length)]);
    for (const found of new Set(chosen)) {
      if (found !== undefined) await client.call('CLIENT', 'KILL', 'ID', found.slice(3), 'SKIPME', 'YES');
    }
  };

  const within = <T>(step: Promise<T>): Promise<T> =>
    Promise.race([step, pause(driverTimeoutMs).then(() => Promise.reject(new Error('no answer in time')))]);
  /** Sends a command to every server until it is confirmed. */
  const onServers = (...command: [string, ...string[]]) =>
    Promise.all(
      redis.servers.map(async (server) => {
        for (;;) {
          const isHeard = await within(server.client.call(...command)).then(
            () => true,
            () => false,
          );
          if (isHeard) return;
          await pause(50);
        }
      }),
    );

  /** Finds reapers that send commands as another user than the configured one. */
  const watchUsers = async () => {
    for (const line of String(await within(redis.master().client.client('LIST'))).split('\n')) {
      const { name = '', user, cmd = '' } = Object.fromEntries(line.split(' ').map((field) => field.split('=')));
      if (!name.startsWith('reaper-') || user === reaperUser.name || handshake.test(cmd)) continue;
      const text = `${name} runs ${cmd} as the user ${user}`;
      breaches.set(text, { text });
    }
  };

  const refuse = async (forMs: number, refusal: readonly string[], permission: readonly string[]) => {
    refusedUntil = Number.POSITIVE_INFINITY;
    const until = Date.now() + forMs;
    try {
      await onServers('ACL', 'SETUSER', reaperUser.name, ...refusal);
      await onServers('CLIENT', 'KILL', 'USER', reaperUser.name);
      while (Date.now() < until) {
        await watchUsers().catch(() => undefined);
        await pause(100);
      }
    } finally {
      await onServers('ACL', 'SETUSER', reaperUser.name, ...permission);
      refusedUntil = Date.now() + 1_000;
    }
  };

  const awayInSweep = async (forMs: number) => {
    for (const until = Date.now() + sweepWithinMs; Date.now() < until; await sleep(2)) {
      const asked = client.hmget(key('reaper', 'progress'), 'scanned', 'total');
      const [scanned, total] = await asked.catch(() => []);
      if (Number(scanned) > 0 && Number(scanned) < Number(total)) {
        note(`Redis is killed after ${scanned} of ${total} jobs`);
        return redis.killFor(forMs);
      }
    }
    note('no sweep was running');
  };

  const perform = async (act: Act): Promise<void> => {
    switch (act.kind) {
      case 'kill':
        await processes.kill(act.target);
        await pause(act.forMs);
        void processes.start(act.target);
        return;
      case 'stop':
        processes.stop(act.target);
        await pause(act.forMs);
        return processes.goOn(act.target);
      case 'stop-then-kill':
        processes.stop(act.target);
        await pause(act.stopMs);
        await processes.kill(act.target);
        await pause(act.forMs);
        void processes.start(act.target);
        return;
      case 'cut':
        lines.get(act.target)?.cut(act.forMs);
        return;
      case 'half-open':
        return lines.get(act.target)?.swallow(act.forMs);
      case 'lose-replies':
        return lines.get(act.target)?.loseReplies(act.forMs);
      case 'kill-clients':
        for (let i = 0; i < act.times; i++) {
          await killClients(act.picks).catch(() => undefined);
          await pause(20);
        }
        return;
      case 'flush-scripts':
        await client.script('FLUSH').catch(() => undefined);
        return;
      case 'select-refused':
        return alone(act.kind, () => refuse(act.forMs, ['-select'], ['+select']));
      case 'auth-refused': {
        const restored = ['resetpass', `>${reaperUser.password}`];
        return alone(act.kind, () => refuse(act.forMs, ['resetpass', '>another-password'], restored));
      }
      case 'kill-redis':
        return alone(act.kind, () => redis.killFor(act.forMs));
      case 'freeze-redis':
        return alone(act.kind, () => redis.freezeFor(act.forMs));
      case 'away-in-sweep':
        return alone(act.kind, () => awayInSweep(act.forMs));
      case 'failover':
        return alone(act.kind, () => redis.failover().catch((error: Error) => note(`no failover: ${error.message}`)));
      case 'kill-master':
        return alone(act.kind, () => redis.killMaster(act.forMs));
    }
  };

  return {
    async perform(act) {
      note(wordsOf(act));
      await perform(act);
    },
    isRefusing: () => Date.now() < refusedUntil,
    get breaches() {
      return [...breaches.values()];
    },
  };
};
