import { isUtf8 } from 'node:buffer';
import { each, nothing, outcomes } from './decode.ts';

const times = (count: number) => ({ count });
/** A value for each job, from values for so many jobs in a row. */
const eachOf = <Run extends { readonly count: number }>(runs: readonly Run[]) =>
  runs.flatMap(({ count, ...one }) => Array(count).fill(one) as OneOf<Run>[]);
type OneOf<Run> = Run extends unknown ? Omit<Run, 'count'> : never;

/** What becomes of the hooks of so many jobs in a row. `error` names the queue of their endpoint. */
const enqueuedOnes = each(
  outcomes({
    enqueued: times,
    'already-pending': times,
    parked: times,
    deferred: times,
    unclear: times,
    refused: (count: number, error: string) => ({ count, error }),
  }),
);

/** What becomes of so many hooks in a row. `error` names the stats of their job. */
const deliveredOnes = each(
  outcomes({
    done: times,
    changed: times,
    expired: times,
    refused: (count: number, error: string) => ({ count, error }),
  }),
);

/** A claimed hook: id of the job, kind of the record, number of the attempt, and the stats, if there are any. */
export type ClaimedReply = readonly [
  id: string,
  kind: 'asked' | 'pending',
  attempt: number,
  /** The values of STATS in the script; `unread` in a repeated reply. */
  stats?: readonly (string | false)[] | 'unread',
];

/** Bytes that are not UTF-8 are replaced: an event is JSON, which cannot carry them. They must not break the rest of the text. */
const decodeJson = (json: Buffer) => {
  if (isUtf8(json)) return JSON.parse(json.toString());
  return JSON.parse(json.toString('latin1'), (_, value) =>
    typeof value === 'string' ? Buffer.from(value, 'latin1').toString() : value,
  );
};

type Breaker = 'closed' | 'open' | 'probing' | 'draining';

/** Replies of the scripts in `lua/hooks/`. Times are in ms. */
export const hookReplies = {
  claim_hooks: outcomes({
    claimed: (wait: Buffer, breaker: Buffer, at: Buffer, until: Buffer, hooks: Buffer, next: Buffer) => ({
      /** Undefined if the queue is empty. */
      wait: Number(wait) < 0 ? undefined : Number(wait),
      breaker: String(breaker) as Breaker,
      /** Time of the claim, and its end. */
      at: Number(at),
      until: Number(until),
      hooks: decodeJson(hooks) as readonly ClaimedReply[],
      next: decodeJson(next) as readonly string[],
    }),
  }),
  drop_hook: outcomes({ done: nothing, overtaken: nothing }),
  enqueue_hooks: outcomes({
    /** One for each job. */
    done: (...runs: unknown[]) => ({ changes: eachOf(enqueuedOnes(...runs)) }),
  }),
  forget_parked: outcomes({ done: (count: number) => ({ count }) }),
  park_hook: outcomes({ parked: nothing, changed: nothing, expired: nothing }),
  record_delivered: outcomes({
    /** One for each hook. */
    recorded: (...runs: unknown[]) => ({ hooks: eachOf(deliveredOnes(...runs)) }),
  }),
  record_failed: outcomes({ pending: nothing, parked: nothing, changed: nothing, expired: nothing }),
  record_unsent: outcomes({ pending: nothing, expired: nothing }),
  remove_hook: outcomes({ done: nothing, changed: nothing, expired: nothing }),
  retry_hook: outcomes({ done: nothing, overtaken: nothing }),
};
