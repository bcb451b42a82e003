/** Performs the acts of a plan. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { type Act, wordsOf } from './acts.ts';
import type { Breach } from './invariants.ts';
import type { LossyLine } from './lossyLine.ts';
import type { Processes } from './processes.ts';
import type { RedisOfRun } from './redisOfRun.ts';
import { createRefusals, type Refusals } from './refusals.ts';
import { key, reaperUser } from './settings.ts';

export interface Performer {
  perform(act: Act): Promise<void>;
  /** Whether Redis denies the reapers access now, or did a moment ago. */
  isRefusing(): boolean;
  /** Commands that reapers sent as another user than the configured one. */
  readonly breaches: readonly Breach[];
}

/** How long the driver waits for a running sweep, in ms. */
const sweepWithinMs = 4_000;

export interface PerformerOptions {
  readonly redis: RedisOfRun;
  /** A client of the master, in the database of the run. */
  readonly client: Redis;
  readonly lines: ReadonlyMap<string, LossyLine>;
  readonly processes: Processes;
  readonly pause: (ms: number) => Promise<unknown>;
  readonly note: (text: string) => void;
}

/** What acts work on. */
interface ActContext extends PerformerOptions {
  /** Runs a step unless another act affects Redis itself. */
  alone(what: string, step: () => Promise<void>): Promise<void>;
}

export const createPerformer = (options: PerformerOptions): Performer => {
  const { note } = options;
  const refusals = createRefusals(options);
  let isBusy = false;
  const context: ActContext = {
    ...options,
    async alone(what: string, step: () => Promise<void>) {
      if (isBusy) return note(`skipped, because another act affects Redis: ${what}`);
      isBusy = true;
      try {
        await step();
      } finally {
        isBusy = false;
      }
    },
  };
  return {
    async perform(act) {
      note(wordsOf(act));
      await perform(act, context, refusals);
    },
    isRefusing: refusals.isRefusing,
    get breaches() {
      return refusals.breaches();
    },
  };
};

/** Acts on processes and their connections. */
const perform = async (act: Act, context: ActContext, refusals: Refusals): Promise<void> => {
  const { processes, lines, pause } = context;
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
    default:
      return performOnRedis(act, context, refusals);
  }
};

type ProcessAct = Extract<
  Act,
  { readonly kind: 'kill' | 'stop' | 'stop-then-kill' | 'cut' | 'half-open' | 'lose-replies' }
>;

/** Acts on Redis itself. Those that stop it, or deny access to it, come one at a time. */
const performOnRedis = async (
  act: Exclude<Act, ProcessAct>,
  context: ActContext,
  refusals: Refusals,
): Promise<void> => {
  const { redis, client, pause, note } = context;
  switch (act.kind) {
    case 'kill-clients':
      for (let i = 0; i < act.times; i++) {
        await killClients(client, act.picks).catch(() => undefined);
        await pause(20);
      }
      return;
    case 'flush-scripts':
      await client.script('FLUSH').catch(() => undefined);
      return;
    case 'select-refused':
      return context.alone(act.kind, () => refusals.refuse(act.forMs, ['-select'], ['+select']));
    case 'auth-refused': {
      const restored = ['resetpass', `>${reaperUser.password}`];
      return context.alone(act.kind, () => refusals.refuse(act.forMs, ['resetpass', '>another-password'], restored));
    }
    case 'kill-redis':
      return context.alone(act.kind, () => redis.killFor(act.forMs));
    case 'freeze-redis':
      return context.alone(act.kind, () => redis.freezeFor(act.forMs));
    case 'away-in-sweep':
      return context.alone(act.kind, () => awayInSweep(context, act.forMs));
    case 'failover':
      return context.alone(act.kind, () =>
        redis.failover().catch((error: Error) => note(`no failover: ${error.message}`)),
      );
    case 'kill-master':
      return context.alone(act.kind, () => redis.killMaster(act.forMs));
  }
};

const killClients = async (client: Redis, picks: readonly number[] | 'all') => {
  const others = ((await client.client('LIST', 'TYPE', 'NORMAL')) as string).match(/^id=\d+/gm) ?? [];
  const chosen = picks === 'all' ? others : picks.map((n) => others[Math.floor((n / 100) * others.length)]);
  for (const found of new Set(chosen)) {
    if (found !== undefined) await client.call('CLIENT', 'KILL', 'ID', found.slice(3), 'SKIPME', 'YES');
  }
};

/** Kills Redis in the middle of a sweep. */
const awayInSweep = async ({ redis, client, note }: ActContext, forMs: number) => {
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
