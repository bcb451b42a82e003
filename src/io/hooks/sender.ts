import type { Ack } from '../../machines/facts.ts';
import { messageOf } from '../../machines/job.ts';
import { createSignal, monotonicOf, pause } from '../clock.ts';
import { decodeTime } from '../jobs/stats.ts';
import type { Deps } from '../redis/deps.ts';
import { kindOfRedisError } from '../redis/errors.ts';
import { type CheckIn, hookEventOf, type NoEvent } from './hookEvent.ts';
import { createHostBackoff, type HostBackoff } from './hostBackoff.ts';
import type { HttpClient, HttpReply } from './http/post.ts';
import type { Claimed, HookRecords } from './records.ts';
import { createTurns } from './turns.ts';

/**
 * What became of one attempt to tell a receiver. `failed`: it is tried again later; `parked`: not again until the job
 * changes or a person says so; `skipped`: nothing was sent, for the reason given.
 */
export interface HookOutcome {
  readonly id: string;
  readonly outcome: 'delivered' | 'failed' | 'parked' | 'skipped';
  /** Which attempt for this change it was, counted from 1. */
  readonly attempt: number;
  readonly state?: Ack;
  /** Where it went: scheme, host and port. */
  readonly origin?: string;
  readonly reason?: string;
  /**
   * Why this host could not send it, such as `EMFILE`; it says nothing of the receiver. The attempt does not count, and the
   * hook is due again at once.
   */
  readonly ours?: string;
}

export interface SenderSettings {
  /** From the first try of a change to the last, in ms. */
  readonly deadline: number;
  /** Changes older than this are not sent, in ms. */
  readonly tooOld: number;
  /** How long one POST may take, in ms. */
  readonly totalTimeout: number;
}

/** Sends hooks that were claimed, one attempt each. */
export interface Sender {
  /** Never rejects: what goes wrong with Redis is left to the end of the claim. */
  deliver(claimed: Claimed): Promise<void>;
  /** Holds the text of a report of progress for the next attempt for its job. */
  hold(id: string, checkIn: CheckIn): void;
  /** What can't be noted in Redis is left as it is from now on. */
  stop(): void;
  /** Sends texts whose job another host has told its receiver of meanwhile. Never rejects. */
  deliverLeft(): Promise<void>;
}

/** The first pause before another try, in ms; it doubles up to the longest (source: Harbor `hook/hook_agent.go`, ± 50 %). */
const firstPause = 2_000;
const longestPause = 600_000;
/** For how long a receiver that does not know the job is asked again, in ms. */
const unknownFor = 600_000;
/** Texts that may be held; for how long; and after how long one counts as left, in ms. */
const maxTexts = 1_000;
const heldFor = 300_000;
const leftAfter = 5_000;

interface Held extends CheckIn {
  readonly since: number;
}

export const createSender = ({
  connection,
  keys,
  scripts,
  records,
  httpClient,
  settings,
  clock,
  random,
  backoff = createHostBackoff(clock, random),
  monotonic = () => performance.now(),
  onOutcome,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  records: HookRecords;
  httpClient: HttpClient;
  settings: SenderSettings;
  random: () => number;
  backoff?: HostBackoff;
  /** What `askedAt` of a claim was read from. */
  monotonic?: () => number;
  onOutcome: (outcome: HookOutcome) => void;
}): Sender => {
  /** Invariant: `maxTexts` texts at the most, none of them older than `heldFor` after the next look. */
  const texts = new Map<string, Held[]>();
  let held = 0;
  const stopped = createSignal();
  let isStopped = false;
  let isDeliveringLeft = false;
  /** One job's receiver is told by one at a time: two would both send the text that both find. */
  const turns = createTurns();

  const report = (
    { id, attempt, origin }: Claimed,
    outcome: HookOutcome['outcome'],
    more: Pick<HookOutcome, 'state' | 'reason' | 'ours'> = {},
  ) => onOutcome({ id, outcome, attempt, origin, ...more });

  const drop = (id: string, text: Held) => {
    const rest = texts.get(id)?.filter((other) => other !== text) ?? [];
    if (rest.length < (texts.get(id)?.length ?? 0)) held -= 1;
    if (rest.length === 0) texts.delete(id);
    else texts.set(id, rest);
  };

  /** Sends the texts of a job in their order; gives the state of the last one that was taken, or why one was not. */
  const sendTexts = async (
    id: string,
    stats: Claimed['stats'],
    hasTime: () => boolean,
  ): Promise<{
    readonly confirmed: Ack | undefined;
    readonly failure: Exclude<HttpReply, { kind: 'taken' }> | undefined;
  }> => {
    let confirmed: Ack | undefined;
    for (const text of texts.get(id) ?? []) {
      if (!hasTime()) break;
      const event = hookEventOf(id, stats, text);
      if (typeof event === 'string') {
        drop(id, text);
        continue;
      }
      const reply = await httpClient.post(event.url, event.body);
      if (reply.kind !== 'taken') {
        if (reply.kind === 'refused') drop(id, text);
        return { confirmed, failure: reply };
      }
      drop(id, text);
      confirmed = event.state;
      const { status, revision, checkInAt } = event.state;
      try {
        await scripts.run(
          'acknowledge',
          [keys.stats(id), keys.track],
          [status, revision, checkInAt, id, ...(event.unreadableAck === undefined ? [] : [event.unreadableAck])],
        );
      } catch {
        // It was heard all the same: what is noted last, and tried for longer, says so too.
      }
    }
    return { confirmed, failure: undefined };
  };

  /** What a receiver has taken must not be sent again: it is tried to note that for as long as the claim holds. */
  const settleDelivered = async (claimed: Claimed, state: Ack, unreadableAck?: string) => {
    const ends = monotonicOf(clock) + (claimed.until - claimed.at) / 2;
    for (let wait = 500; ; wait = Math.min(2 * wait, 10_000)) {
      try {
        await records.settle(claimed, { verb: 'delivered', ...state, unreadableAck });
        return report(claimed, 'delivered', { state });
      } catch (error) {
        const kind = kindOfRedisError(error);
        if (isStopped || kind === 'permanent' || kind === 'wrong-type' || monotonicOf(clock) + wait > ends) throw error;
        await Promise.race([pause(clock, wait), stopped.promise]);
      }
    }
  };

  const settleFailure = async (claimed: Claimed, reply: Exclude<HttpReply, { kind: 'taken' }>) => {
    const { reason } = reply;
    if (reply.kind === 'ours') {
      backoff.begin(claimed.origin);
      await records.settle(claimed, { verb: 'unsent' });
      return report(claimed, 'skipped', { reason, ours: reply.code });
    }
    backoff.end(claimed.origin);
    if (isStopped && reply.kind === 'busy') {
      // It was this host that hung up: no failure of the receiver. It is sent again when the claim is over.
      return report(claimed, 'failed', { reason: 'this host was stopped' });
    }
    if (reply.kind === 'refused') {
      const done = await records.settle(claimed, {
        verb: 'parked',
        reason: reply.code,
        isEndpointAlive: /^\d+$/.test(reply.code),
      });
      return report(claimed, done === 'parked' ? 'parked' : 'failed', { reason });
    }
    const jitter = 0.5 + random();
    const delay = Math.min(longestPause, firstPause * 2 ** Math.min(claimed.attempt - 1, 20)) * jitter;
    const isUnknown = reply.kind === 'unknown';
    const done = await records.settle(claimed, {
      verb: 'failed',
      answer: isUnknown ? String(reply.status) : reply.code,
      delay: Math.max(delay, isUnknown ? 0 : (reply.retryAfter ?? 0)),
      patience: isUnknown ? unknownFor : settings.deadline,
      reason: isUnknown ? String(reply.status) : 'deadline',
      isEndpointAlive: isUnknown,
      openFor: firstPause * jitter,
    });
    return report(claimed, done === 'parked' ? 'parked' : 'failed', { reason });
  };

  const attempt = async (claimed: Claimed, hasTime: () => boolean): Promise<void> => {
    const { id, stats } = claimed;
    const sent = await sendTexts(id, stats, hasTime);
    if (sent.failure !== undefined) return settleFailure(claimed, sent.failure);
    const event = hookEventOf(id, stats);
    if (typeof event === 'string') {
      await records.settle(claimed, { verb: 'dropped' });
      return report(claimed, 'skipped', { reason: reasons[event] });
    }
    // A text goes out with its state: if that is the state of the job, there is nothing left to tell.
    if (sent.confirmed !== undefined && isSame(sent.confirmed, event.state)) {
      return settleDelivered(claimed, sent.confirmed);
    }
    if (!hasTime()) {
      // The texts have used the claim up, or the wait for Redis or for a turn: another claim, for what is left.
      await records.settle(
        claimed,
        sent.confirmed === undefined ? { verb: 'unsent' } : { ...laterOn, patience: settings.deadline },
      );
      return;
    }
    const age = claimed.at - 1_000 * lastChange(stats);
    if (age > settings.tooOld && !claimed.isAsked) {
      await records.settle(claimed, { verb: 'parked', reason: 'too-old', isEndpointAlive: false });
      return report(claimed, 'parked', { reason: `too old: changed ${Math.round(age / 86_400_000)} days ago` });
    }
    const reply = await httpClient.post(event.url, event.body);
    if (reply.kind !== 'taken') return settleFailure(claimed, reply);
    backoff.end(claimed.origin);
    return settleDelivered(claimed, event.state, event.unreadableAck);
  };

  return {
    async deliver(claimed) {
      const endsAt = monotonicOf(clock) + claimed.until - claimed.at - (monotonic() - claimed.askedAt);
      const endTurn = await turns.take(claimed.id);
      try {
        await attempt(claimed, () => monotonicOf(clock) + settings.totalTimeout <= endsAt);
      } catch (error) {
        report(claimed, 'failed', { reason: `Redis: ${messageOf(error)}` });
      } finally {
        endTurn();
      }
    },

    stop() {
      isStopped = true;
      stopped.resolve();
    },

    hold(id, checkIn) {
      if (held >= maxTexts) {
        const [oldest] = texts.entries();
        const [text] = oldest?.[1] ?? [];
        if (oldest !== undefined && text !== undefined) drop(oldest[0], text);
      }
      texts.set(id, [...(texts.get(id) ?? []), { ...checkIn, since: monotonicOf(clock) }]);
      held += 1;
    },

    async deliverLeft() {
      if (isDeliveringLeft) return;
      isDeliveringLeft = true;
      for (const [id, [text]] of [...texts]) {
        if (isStopped) break;
        if (text === undefined || turns.isTaken(id) || monotonicOf(clock) - text.since < leftAfter) continue;
        if (monotonicOf(clock) - text.since > heldFor) {
          drop(id, text);
          continue;
        }
        const endTurn = await turns.take(id);
        try {
          if ((await records.find(id)) !== undefined) continue;
          const stats = await connection.redis.hgetall(keys.stats(id));
          // A claim has an end: it is not kept waiting for more than one text.
          await sendTexts(id, stats, () => !isStopped && !turns.isAwaited(id));
        } catch {
          // Held for the next look, and dropped when it is too old.
        } finally {
          endTurn();
        }
      }
      isDeliveringLeft = false;
    },
  };
};

/** Due again at once, with nothing against the receiver. */
const laterOn = {
  verb: 'failed',
  answer: 'later',
  delay: 0,
  reason: 'deadline',
  isEndpointAlive: true,
  openFor: 0,
} as const;

const reasons: Readonly<Record<NoEvent, string>> = {
  gone: 'the job has no stats any more',
  'no receiver': 'the job has no hook URL',
  acknowledged: 'the receiver has confirmed this state already',
  malformed: 'the stats have no known status',
};

const isSame = (a: Ack, b: Ack) => a.status === b.status && a.revision === b.revision && a.checkInAt === b.checkInAt;

/** When the job last changed, unix s; now where its stats don't say. */
const lastChange = (stats: Readonly<Record<string, string>>): number =>
  Math.max(time(stats.update_time), time(stats.check_in_at), time(stats.revision)) || Number.POSITIVE_INFINITY;
const time = (text: string | undefined): number => decodeTime(text) || 0;
