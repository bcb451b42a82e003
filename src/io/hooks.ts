import PQueue from 'p-queue';
import type { Ack } from '../machines/facts.ts';
import { messageOf } from '../machines/job.ts';
import { type Clock, createSignal, type Signal, within } from './clock.ts';
import type { Connection } from './connection.ts';
import { type CheckIn, type HookEvent, hookEventOf, type NoEvent } from './hookEvent.ts';
import type { Keys } from './keys.ts';
import type { Poster } from './post.ts';
import type { Scripts } from './scripts.ts';

/**
 * What became of one attempt to tell a receiver. `failed`: it is tried again later; `given up`: the next sweep finds the
 * job; `skipped`: nothing was sent, for the reason given.
 */
export interface HookOutcome {
  readonly id: string;
  readonly outcome: 'delivered' | 'failed' | 'given up' | 'skipped';
  readonly attempt: number;
  readonly state?: Ack;
  /** Where it went: scheme, host and port. */
  readonly origin?: string;
  readonly reason?: string;
}

/** Delivers hooks off the scan, bounded in flight and in wait, from memory: what is lost with it, a sweep finds again. */
export interface Hooks {
  /**
   * Has the receiver of a job told what its stats say when the hook goes out. Returns at once.
   * - `queued`: on its way; `firstAttempt` resolves when its first attempt has ended.
   * - `deferred`: as many wait as may.
   *
   * @param checkIn goes out as an event of its own, in order.
   */
  send(id: string, checkIn?: CheckIn): { readonly reply: 'queued' | 'deferred'; readonly firstAttempt: Promise<void> };
  /** Resolves when the first attempt of everything that has been sent until now has ended. */
  firstAttempts(): Promise<void>;
  /** Whether `send` would take another one. */
  hasRoom(): boolean;
  /** How many there are now: in flight, and waiting for their turn or for another try. */
  load(): { readonly inFlight: number; readonly waiting: number };
  /** Takes no more, and lets what is in flight end within `timeout` ms; what waits is left to the next sweep. */
  stop(timeout: number): Promise<void>;
}

export interface HookLimits {
  /** At once. */
  readonly concurrency: number;
  /** Waiting for their turn or for another try. */
  readonly waiting: number;
  /** For how long a failed one is tried again, in ms. */
  readonly retryFor: number;
}

interface Delivery {
  readonly id: string;
  readonly checkIn: CheckIn | undefined;
  readonly began: number;
  attempt: number;
  /** Delivered, while Redis has not noted it yet: tried again, only this is. */
  confirmed: Pick<HookEvent, 'state' | 'unreadableAck'> | undefined;
  timer: unknown;
  /** Whether its event has been built: a change that comes now needs another one. */
  isBuilt: boolean;
  first: Signal;
}

/** Time-outs in a row after which an origin counts as silent, and for how long, in ms. */
const silentAfter = 16;
const silentFor = 60_000;

export const createHooks = ({
  connection,
  keys,
  scripts,
  poster,
  limits,
  clock,
  random,
  onOutcome,
}: {
  connection: Connection;
  keys: Keys;
  scripts: Scripts;
  poster: Poster;
  limits: HookLimits;
  clock: Clock;
  random: () => number;
  onOutcome: (outcome: HookOutcome) => void;
}): Hooks => {
  const queue = new PQueue({ concurrency: limits.concurrency });
  /** Invariant: at most `limits.waiting` + `limits.concurrency` deliveries, each in exactly one chain. */
  const chains = new Map<string, Delivery[]>();
  let size = 0;
  let isStopped = false;
  /** An origin that lets every request run into its time-out would hold all places for minutes: time-outs in a row. */
  const silence = new Map<string, { count: number; until: number }>();

  const hasRoom = () => !isStopped && size < limits.waiting + limits.concurrency;

  const begin = (delivery: Delivery) => void queue.add(() => attempt(delivery));

  const attempt = async (delivery: Delivery): Promise<void> => {
    if (isStopped) return leave(delivery, 'given up', 'the reaper stops');
    delivery.attempt += 1;
    try {
      if (delivery.confirmed === undefined && !(await tell(delivery))) return;
      const { state, unreadableAck } = delivery.confirmed as NonNullable<Delivery['confirmed']>;
      const { status, revision, checkInAt } = state;
      const args = [status, revision, checkInAt, delivery.id, ...(unreadableAck === undefined ? [] : [unreadableAck])];
      await scripts.run('acknowledge', [keys.stats(delivery.id), keys.track], args);
      leave(delivery, 'delivered');
    } catch (error) {
      tryLater(delivery, `Redis: ${messageOf(error)}`);
    }
  };

  /** Posts the event; says whether the receiver has taken it. */
  const tell = async (delivery: Delivery): Promise<boolean> => {
    delivery.isBuilt = true;
    const stats = await connection.redis.hgetall(keys.stats(delivery.id));
    const event = hookEventOf(delivery.id, stats, delivery.checkIn);
    if (typeof event === 'string') {
      leave(delivery, 'skipped', reasons[event]);
      return false;
    }
    const origin = originOf(event.url);
    if (isSilent(origin)) {
      tryLater(delivery, 'not tried: its receiver has let the last requests time out', origin);
      return false;
    }
    const reply = await poster.post(event.url, event.body);
    noteSilence(origin, !reply.ok && reply.isSilent === true);
    if (reply.ok) {
      delivery.confirmed = event;
      return true;
    }
    if (reply.isHopeless) leave(delivery, 'given up', reply.reason, origin);
    else tryLater(delivery, reply.reason, origin);
    return false;
  };

  /** Source of the times: Harbor `hook/hook_agent.go` (2 s, doubling, ± 50 %, for 5 min). */
  const tryLater = (delivery: Delivery, reason: string, origin?: string) => {
    const wait = 2_000 * 2 ** (delivery.attempt - 1) * (0.5 + random());
    if (isStopped || clock.now() - delivery.began + wait > limits.retryFor)
      return leave(delivery, 'given up', reason, origin);
    delivery.isBuilt = delivery.confirmed !== undefined;
    delivery.timer = clock.setTimeout(() => {
      delivery.timer = undefined;
      begin(delivery);
    }, wait);
    report(delivery, 'failed', reason, origin);
    delivery.first.resolve();
  };

  /** A change that comes while another try is waited for does not wait with it. */
  const hurry = (delivery: Delivery) => {
    if (delivery.timer === undefined) return;
    clock.clearTimeout(delivery.timer);
    delivery.timer = undefined;
    delivery.first = createSignal();
    begin(delivery);
  };

  const leave = (delivery: Delivery, outcome: HookOutcome['outcome'], reason?: string, origin?: string) => {
    const chain = chains.get(delivery.id) as Delivery[];
    chain.shift();
    size -= 1;
    report(delivery, outcome, reason, origin);
    delivery.first.resolve();
    const next = chain[0];
    if (next === undefined) chains.delete(delivery.id);
    else begin(next);
  };

  const report = (
    { id, attempt: number, confirmed }: Delivery,
    outcome: HookOutcome['outcome'],
    reason: string | undefined,
    origin: string | undefined,
  ) =>
    onOutcome({
      id,
      outcome,
      attempt: number,
      ...(confirmed === undefined ? {} : { state: confirmed.state }),
      ...(origin === undefined ? {} : { origin }),
      ...(reason === undefined ? {} : { reason }),
    });

  const isSilent = (origin: string) => {
    const known = silence.get(origin);
    return known !== undefined && known.count >= silentAfter && clock.now() < known.until;
  };

  const noteSilence = (origin: string, wasSilent: boolean) => {
    if (!wasSilent) silence.delete(origin);
    else silence.set(origin, { count: (silence.get(origin)?.count ?? 0) + 1, until: clock.now() + silentFor });
  };

  return {
    send(id, checkIn) {
      const chain = chains.get(id);
      const unbuilt = checkIn === undefined ? chain?.find((d) => d.checkIn === undefined && !d.isBuilt) : undefined;
      if (unbuilt !== undefined) {
        hurry(unbuilt);
        return { reply: 'queued', firstAttempt: unbuilt.first.promise };
      }
      if (!hasRoom()) {
        return { reply: 'deferred', firstAttempt: Promise.resolve() };
      }
      const delivery: Delivery = {
        id,
        checkIn,
        began: clock.now(),
        attempt: 0,
        confirmed: undefined,
        timer: undefined,
        isBuilt: false,
        first: createSignal(),
      };
      size += 1;
      if (chain !== undefined) chain.push(delivery);
      else {
        chains.set(id, [delivery]);
        begin(delivery);
      }
      return { reply: 'queued', firstAttempt: delivery.first.promise };
    },

    async firstAttempts() {
      await Promise.all([...chains.values()].flat().map(({ first }) => first.promise));
    },

    hasRoom,

    load: () => ({ inFlight: queue.pending, waiting: size - queue.pending }),

    async stop(timeout) {
      isStopped = true;
      for (const [delivery] of chains.values()) {
        if (delivery?.timer === undefined) continue;
        clock.clearTimeout(delivery.timer);
        leave(delivery, 'given up', 'the reaper stops');
      }
      await within(clock, timeout, queue.onIdle());
      await poster.close();
      await queue.onIdle();
    },
  };
};

const reasons: Readonly<Record<NoEvent, string>> = {
  gone: 'the job has no stats any more',
  'no receiver': 'the job has no hook URL',
  acknowledged: 'the receiver has confirmed this state already',
  malformed: 'the stats have no known status',
};

const originOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : 'no URL');
