import type { Ack } from '../../machines/facts.ts';
import { messageOf } from '../../machines/messageOf.ts';
import { monotonicOf } from '../clock.ts';
import { decodeTime } from '../jobs/stats.ts';
import type { Deps } from '../redis/deps.ts';
import { createCheckInTexts } from './checkInTexts.ts';
import type { ClaimedHook } from './claims.ts';
import { type CheckIn, hookEventOf, type NoEvent } from './hookEvent.ts';
import { createHostBackoff, type HostBackoff } from './hostBackoff.ts';
import type { HttpClient } from './http/client.ts';
import { createKeyedMutex } from './keyedMutex.ts';
import type { HookRecords } from './records.ts';
import { createResults, type FailedReply, type HookOutcome } from './results.ts';

export interface SenderSettings {
  /** How long a change is retried, in ms from its first attempt. */
  readonly deadline: number;
  /** Changes older than this are parked, in ms. */
  readonly maxAge: number;
  /** The longest time that a POST takes, in ms. */
  readonly timeout: number;
}

/** Sends claimed hooks, one attempt each. */
export interface Sender {
  /** Never rejects. If Redis fails, the hook is due again when its claim expires. */
  deliver(hook: ClaimedHook): Promise<void>;
  /** Holds the text of a check-in until the next attempt for its job. */
  holdText(id: string, checkIn: CheckIn): void;
  /** This host stops: from now on, results wait for Redis no longer than for half a claim. */
  hurry(): void;
  /** From now on, results that cannot be recorded in Redis are not retried. */
  stop(): void;
  /** Sends texts of jobs whose hooks were sent by another host meanwhile. Never rejects. */
  deliverPendingTexts(): Promise<void>;
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
  records: Pick<HookRecords, 'recordAttempt' | 'find'>;
  httpClient: HttpClient;
  settings: SenderSettings;
  random: () => number;
  backoff?: HostBackoff;
  /** The clock of `askedAt` in claims. */
  monotonic?: () => number;
  onOutcome: (outcome: HookOutcome) => void;
}): Sender => {
  const texts = createCheckInTexts(clock);
  const results = createResults({ records, backoff, settings, clock, random, onOutcome });
  /** Attempts for one job take turns, because two of them would both send the same text. */
  const jobs = createKeyedMutex();
  /**
   * What the last attempt for a job has confirmed, for the one that waits for its turn. Its claim has read the job before that: this
   * process was held up for longer than a claim is valid, and has claimed its own hook in flight again.
   */
  const confirmed = new Map<string, Ack>();
  const sendTexts = createTextSender({ keys, scripts, texts, httpClient });
  let isDeliveringTexts = false;

  const onConfirmed = (id: string, state: Ack) => {
    if (jobs.isContended(id)) confirmed.set(id, state);
  };
  const attempt = createAttempt({ records, results, sendTexts, httpClient, backoff, settings, onConfirmed });

  const deliverTextsOf = async (id: string) => {
    const release = await jobs.acquire(id);
    try {
      if ((await records.find(id)) !== undefined) return;
      const stats = await connection.redis.hgetall(keys.stats(id));
      // A claim of this job expires if it waits for the turn too long: one text at most while another attempt waits.
      await sendTexts(id, stats, () => !results.isStopped && !jobs.isContended(id));
    } catch {
      // The text stays held until the next call, or until it is too old.
    } finally {
      if (!jobs.isContended(id)) confirmed.delete(id);
      release();
    }
  };

  return {
    async deliver(hook) {
      const endsAt = monotonicOf(clock) + hook.until - hook.at - (monotonic() - hook.askedAt);
      const { id } = hook;
      const release = await jobs.acquire(id);
      const before = confirmed.get(id);
      confirmed.delete(id);
      try {
        await attempt(hook, () => monotonicOf(clock) + settings.timeout <= endsAt, before);
      } catch (error) {
        results.report(hook, 'failed', { reason: `Redis: ${messageOf(error)}` });
      } finally {
        release();
      }
    },

    hurry: results.hurry,
    stop: results.stop,

    holdText: texts.hold,

    async deliverPendingTexts() {
      if (isDeliveringTexts) return;
      isDeliveringTexts = true;
      for (const id of texts.overdue(jobs.isLocked)) {
        if (results.isStopped) break;
        await deliverTextsOf(id);
      }
      isDeliveringTexts = false;
    },
  };
};

/** Creates the function that makes one attempt for a claimed hook: its texts first, then its event, then the result. */
const createAttempt =
  ({
    records,
    results,
    sendTexts,
    httpClient,
    backoff,
    settings,
    onConfirmed,
  }: {
    records: Pick<HookRecords, 'recordAttempt'>;
    results: ReturnType<typeof createResults>;
    sendTexts: ReturnType<typeof createTextSender>;
    httpClient: HttpClient;
    backoff: HostBackoff;
    settings: SenderSettings;
    /** Called when it is recorded that the endpoint has confirmed a state. */
    onConfirmed: (id: string, state: Ack) => void;
  }) =>
  async (hook: ClaimedHook, hasTime: () => boolean, before: Ack | undefined): Promise<void> => {
    const { id, stats } = hook;
    const sent = await sendTexts(id, stats, hasTime);
    if (sent.failure !== undefined) return results.failed(hook, sent.failure);
    const event = hookEventOf(id, stats);
    if (typeof event === 'string') {
      await records.recordAttempt(hook, { verb: 'dropped' });
      return results.report(hook, 'skipped', { reason: reasons[event] });
    }
    // A text is sent with a state. If that is the present state of the job, it needs no event of its own.
    if (sent.confirmed !== undefined && isSame(sent.confirmed, event.state)) {
      await results.delivered(hook, sent.confirmed);
      return onConfirmed(id, sent.confirmed);
    }
    if (before !== undefined && isSame(before, event.state)) {
      // The attempt before has reported it.
      await records.recordAttempt(hook, { verb: 'delivered', ...before, unreadableAck: event.unreadableAck });
      return onConfirmed(id, before);
    }
    if (!hasTime()) {
      // The texts, Redis or the wait for the turn took too long for this claim. Another claim sends what is left.
      const isUnsent = sent.confirmed === undefined;
      await records.recordAttempt(hook, isUnsent ? { verb: 'unsent' } : { ...dueNow, deadline: settings.deadline });
      return;
    }
    const age = hook.at - 1_000 * lastChange(stats);
    if (age > settings.maxAge && !hook.isRequested) {
      await records.recordAttempt(hook, { verb: 'parked', reason: 'too-old', isEndpointAlive: false });
      return results.report(hook, 'parked', { reason: `too old: changed ${Math.round(age / 86_400_000)} days ago` });
    }
    const reply = await httpClient.post(event.url, event.body);
    if (reply.kind !== 'accepted') return results.failed(hook, reply);
    backoff.end(hook.endpoint);
    await results.delivered(hook, event.state, event.unreadableAck);
    onConfirmed(id, event.state);
  };

/** Creates the function that sends the texts of a job in order. It stops at the first text that is not accepted. */
const createTextSender =
  ({
    keys,
    scripts,
    texts,
    httpClient,
  }: Pick<Deps, 'keys' | 'scripts'> & { texts: ReturnType<typeof createCheckInTexts>; httpClient: HttpClient }) =>
  async (
    id: string,
    stats: ClaimedHook['stats'],
    hasTime: () => boolean,
  ): Promise<{ readonly confirmed: Ack | undefined; readonly failure: FailedReply | undefined }> => {
    let confirmed: Ack | undefined;
    for (const text of texts.of(id)) {
      if (!hasTime()) break;
      const event = hookEventOf(id, stats, text);
      if (typeof event === 'string') {
        texts.drop(id, text);
        continue;
      }
      const reply = await httpClient.post(event.url, event.body);
      if (reply.kind !== 'accepted') {
        if (reply.kind === 'rejected') texts.drop(id, text);
        return { confirmed, failure: reply };
      }
      texts.drop(id, text);
      confirmed = event.state;
      const { status, revision, checkInAt } = event.state;
      try {
        await scripts.run(
          'acknowledge',
          [keys.stats(id), keys.track],
          [status, revision, checkInAt, id, ...(event.unreadableAck === undefined ? [] : [event.unreadableAck])],
        );
      } catch {
        // The endpoint has the text. The result of the whole attempt, which is retried for longer, confirms this state too.
      }
    }
    return { confirmed, failure: undefined };
  };

/** Makes a hook due again at once, without a failure of its endpoint. */
const dueNow = {
  verb: 'failed',
  answer: 'later',
  delay: 0,
  reason: 'deadline',
  isEndpointAlive: true,
  openFor: 0,
} as const;

const reasons: Readonly<Record<NoEvent, string>> = {
  gone: 'the job has no stats any more',
  'no-endpoint': 'the job has no hook URL',
  acknowledged: 'the endpoint has already confirmed this state',
  malformed: 'the stats have no known status',
};

const isSame = (a: Ack, b: Ack) => a.status === b.status && a.revision === b.revision && a.checkInAt === b.checkInAt;

/** When the job last changed, in unix s. Without a time in its stats, the job counts as changed now. */
const lastChange = (stats: Readonly<Record<string, string>>): number =>
  Math.max(time(stats.update_time), time(stats.check_in_at), time(stats.revision)) || Number.POSITIVE_INFINITY;
const time = (text: string | undefined): number => decodeTime(text) || 0;
