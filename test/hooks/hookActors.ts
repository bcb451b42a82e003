import type { Redis } from 'ioredis';
import type { Clock } from '../../src/io/clock.ts';
import type { HttpReply } from '../../src/io/hooks/http/reply.ts';
import { createHookRecords, type HookRecords } from '../../src/io/hooks/records.ts';
import { createSender } from '../../src/io/hooks/sender.ts';
import { createScripts } from '../../src/io/redis/scripts.ts';
import { HookInvariants } from './hookInvariants.ts';
import { base, deadline, keys, settings } from './hookValues.ts';

/** A POST, and whether the endpoint has taken it. */
export interface Sent {
  readonly who: string;
  readonly isTaken: boolean;
}

/** What the actors share. */
export const createScene = (redis: Redis) => {
  const sent: Sent[] = [];
  const said: Record<string, string[]> = {};
  return {
    redis,
    sent,
    said,
    invariants: new HookInvariants(redis),
    say(who: string, what: string) {
      said[who] = [...(said[who] ?? []), what];
    },
  };
};

export type Scene = ReturnType<typeof createScene>;

/** The records as an actor sees them at a time, in ms after `base`. */
export const recordsOf = (scene: Scene, client: Redis, who: string, at: number): HookRecords =>
  recordsBy(
    scene,
    client,
    who,
    clockAt(() => at),
  );

/** The records by a clock. The invariants follow what is claimed and recorded. */
const recordsBy = ({ invariants, say }: Scene, client: Redis, who: string, clock: Clock): HookRecords => {
  const connection = { redis: client, description: '', epoch: () => 1, close: async () => undefined };
  const records = createHookRecords({ connection, keys, scripts: createScripts(client), settings, clock });
  return {
    ...records,
    async claim(to, most) {
      const claim = await records.claim(to, most);
      invariants.claimed(who, claim.hooks);
      return claim;
    },
    async forgetParked(age) {
      const count = await records.forgetParked(age);
      if (count > 0) invariants.forgotten();
      return count;
    },
    async recordAttempt(claimed, attemptRecord) {
      const reply = await records.recordAttempt(claimed, attemptRecord);
      invariants.attempted(claimed, reply === 'parked');
      say(who, `${attemptRecord.verb} ${reply}`);
      return reply;
    },
  };
};

/** A host that claims at one time and records at another. */
export const hostWith = (scene: Scene, client: Redis, who: string, at: number, reply: HttpReply, settledAt: number) => {
  const { sent, say } = scene;
  let time = at;
  const clock = clockAt(() => time);
  const records = recordsBy(scene, client, who, clock);
  const connection = { redis: client, description: '', epoch: () => 1, close: async () => undefined };
  const sender = createSender({
    connection,
    keys,
    scripts: createScripts(client),
    records,
    httpClient: {
      async post() {
        sent.push({ who, isTaken: reply.kind === 'accepted' });
        // The POSTs of one claim begin at the same time.
        await Promise.resolve();
        time = settledAt;
        return reply;
      },
      close: async () => undefined,
    },
    settings: { deadline, maxAge: 7 * 86_400_000, timeout: 1_000 },
    clock,
    random: () => 0.5,
    onOutcome: ({ outcome, reason }) => say(who, `${outcome}${reason?.startsWith('Redis') ? ` ${reason}` : ''}`),
  });
  return {
    records,
    async round(to: string, most: number) {
      const { hooks } = await records.claim(to, most);
      await Promise.all(hooks.map(sender.deliver));
      return hooks.length;
    },
  };
};

/** The seconds in which an update is written come from Redis; the rest from the actor's own time. */
const clockAt = (read: () => number): Clock => ({
  now: () => base + read(),
  setTimeout: (fn, timeout) => setTimeout(fn, timeout),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
});
