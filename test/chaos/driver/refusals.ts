/** Denies the reapers access to Redis for a time, and watches as whom they send commands meanwhile. */
import type { Breach } from './invariants.ts';
import type { RedisOfRun } from './redisOfRun.ts';
import { driverTimeoutMs, reaperUser } from './settings.ts';

export interface Refusals {
  /** @param refusal the rules of the reapers' user for the time. @param permission those that restore its access. */
  refuse(forMs: number, refusal: readonly string[], permission: readonly string[]): Promise<void>;
  /** Whether Redis denies the reapers access now, or did a moment ago. */
  isRefusing(): boolean;
  /** Commands that reapers sent as another user than the configured one. */
  breaches(): readonly Breach[];
}

/** Commands that a connection sends before it is authenticated. */
const handshake = /^(NULL|auth|hello|select|ping|info|role|quit|reset|client(\|.*)?|command(\|.*)?|readonly)$/i;

export const createRefusals = ({
  redis,
  pause,
}: {
  redis: RedisOfRun;
  pause: (ms: number) => Promise<unknown>;
}): Refusals => {
  const breaches = new Map<string, Breach>();
  let refusedUntil = 0;

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

  const refuse: Refusals['refuse'] = async (forMs, refusal, permission) => {
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

  return { refuse, isRefusing: () => Date.now() < refusedUntil, breaches: () => [...breaches.values()] };
};
