import { clockOverride } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { forCaller } from '../redis/errors.ts';
import { retry } from '../redis/retry.ts';
import { type ChangeOnce, changeOnce, type ReplyOf } from '../redis/scripts.ts';
import { createBatcher } from './batcher.ts';
import type { ClaimedHook, ClaimSettings } from './claims.ts';

/** The result of one attempt to deliver a claimed hook. */
export type AttemptRecord =
  | {
      readonly verb: 'delivered';
      /** What the endpoint has confirmed. */
      readonly status: string;
      readonly revision: number;
      readonly checkInAt: number;
      readonly unreadableAck: string | undefined;
    }
  | {
      readonly verb: 'failed';
      /** A short code, such as `503` or `timeout`. */
      readonly answer: string;
      /** When the next attempt is due, in ms from now. */
      readonly delay: number;
      /** How long after the first attempt the hook is parked for `reason`, in ms. */
      readonly deadline: number;
      readonly reason: string;
      readonly isEndpointAlive: boolean;
      /** How long a breaker that opens now stays open, in ms. */
      readonly openFor: number;
    }
  | { readonly verb: 'parked'; readonly reason: string; readonly isEndpointAlive: boolean }
  /** This host could not send it. The hook is due again at once, for other hosts too, and the attempt does not count. */
  | { readonly verb: 'unsent' }
  /** There is nothing to send. The record is removed unless the job has changed. */
  | { readonly verb: 'dropped' };

/**
 * What became of the record. `changed`: the job has changed since it was claimed, and the new state is due now. `expired`: the
 * claim has expired, and another host may have sent the hook.
 */
export type AttemptOutcome = 'done' | 'changed' | 'parked' | 'pending' | 'expired';

export interface Attempts {
  recordAttempt(hook: ClaimedHook, attempt: AttemptRecord): Promise<AttemptOutcome>;
}

interface AttemptDeps extends Pick<Deps, 'keys' | 'scripts' | 'clock'> {
  readonly settings: Pick<ClaimSettings, 'breakerThreshold'>;
}

export const createAttempts = (deps: AttemptDeps): Attempts => {
  const { keys, clock } = deps;
  const write = createWrites(deps);
  const delivered = createBatcher(createDeliveredWrite(deps), maxPerCall);

  const record = (
    hook: ClaimedHook,
    attempt: Exclude<AttemptRecord, { verb: 'delivered' }>,
    change: ChangeOnce,
  ): Promise<{ readonly outcome: AttemptOutcome }> => {
    switch (attempt.verb) {
      case 'failed':
        return write.failed(hook, attempt, change);
      case 'parked':
        return write.parked(hook, attempt, change);
      case 'unsent':
        return write.unsent(hook, change);
      case 'dropped':
        return write.dropped(hook, change);
    }
  };

  return {
    async recordAttempt(hook, attempt) {
      if (attempt.verb === 'delivered') return outcomeOf(await delivered(hook.endpoint, { hook, attempt }));
      const change = changeOnce(keys, hook.id);
      return (await retry(clock, () => record(hook, attempt, change))).outcome;
    },
  };
};

/** Delivered hooks that one call records: less than a millisecond of Redis. */
const maxPerCall = 32;

interface Delivery {
  readonly hook: ClaimedHook;
  readonly attempt: Extract<AttemptRecord, { verb: 'delivered' }>;
}

type DeliveryReply = ReplyOf<'record_delivered'>['hooks'][number];

/** @throws Error that names the stats of the job, if the hook could not be recorded because of them. */
const outcomeOf = (reply: DeliveryReply): AttemptOutcome => {
  if (reply.outcome === 'refused') throw forCaller(new Error(reply.error));
  return reply.outcome;
};

/** Repeated without a token, because a repeated call changes nothing more. The sender retries it for longer. */
const createDeliveredWrite =
  ({ keys, scripts, clock }: AttemptDeps) =>
  async (endpoint: string, deliveries: readonly Delivery[]): Promise<readonly DeliveryReply[]> => {
    const stats = deliveries.map(({ hook }) => keys.stats(hook.id));
    const args = deliveries.flatMap(({ hook: { id, until }, attempt }) => {
      const { status, revision, checkInAt, unreadableAck = '' } = attempt;
      return [id, until, status, revision, checkInAt, unreadableAck];
    });
    const reply = await scripts.run(
      'record_delivered',
      [keys.track, keys.hooks, keys.dueHooks(endpoint), keys.hookEndpoint(endpoint), ...stats],
      [clockOverride(clock), ...args],
    );
    return reply.hooks;
  };

/** One script for each other verb. */
const createWrites = ({ keys, scripts, clock, settings }: AttemptDeps) => {
  /** The keys of a claimed hook without those of its job, and the first arguments of all these scripts. */
  const partsOf = ({ id, endpoint, until }: ClaimedHook) => ({
    record: keys.hooks,
    parked: keys.parkedHooks,
    queue: [keys.dueHooks(endpoint), keys.hookEndpoint(endpoint)],
    args: [clockOverride(clock), id, until],
  });

  const failed = (hook: ClaimedHook, attempt: Extract<AttemptRecord, { verb: 'failed' }>, change: ChangeOnce) => {
    const { record, parked, queue, args } = partsOf(hook);
    const { answer, delay, deadline, reason, isEndpointAlive, openFor } = attempt;
    const health = isEndpointAlive ? 'alive' : 'failing';
    return scripts.run(
      'record_failed',
      [keys.stats(hook.id), record, parked, ...queue],
      [...args, answer, Math.round(delay), deadline, reason, health, settings.breakerThreshold, Math.round(openFor)],
      undefined,
      change,
    );
  };

  const parked = (hook: ClaimedHook, attempt: Extract<AttemptRecord, { verb: 'parked' }>, change: ChangeOnce) => {
    const { record, parked, queue, args } = partsOf(hook);
    return scripts.run(
      'park_hook',
      [keys.stats(hook.id), record, parked, ...queue],
      [...args, attempt.reason, attempt.isEndpointAlive ? 'alive' : 'unknown'],
      undefined,
      change,
    );
  };

  const unsent = (hook: ClaimedHook, change: ChangeOnce) => {
    const { record, queue, args } = partsOf(hook);
    return scripts.run('record_unsent', [record, ...queue], args, undefined, change);
  };

  const dropped = (hook: ClaimedHook, change: ChangeOnce) => {
    const { record, queue, args } = partsOf(hook);
    const checkInAt = hook.stats.check_in_at ?? 0;
    return scripts.run('remove_hook', [keys.stats(hook.id), record, ...queue], [...args, checkInAt], undefined, change);
  };

  return { failed, parked, unsent, dropped };
};
