import { each, nothing, outcomes } from './decode.ts';

const times = (count: number) => ({ count });
/** What becomes of the hooks of so many jobs in a row. `error` names the queue of their endpoint. */
const runsOf = each(
  outcomes({
    enqueued: times,
    'already-pending': times,
    parked: times,
    deferred: times,
    unclear: times,
    refused: (count: number, error: string) => ({ count, error }),
  }),
);

/** What becomes of one hook. `error` names the stats of its job. */
const deliveredOnes = each(
  outcomes({ done: nothing, changed: nothing, expired: nothing, refused: (error: string) => ({ error }) }),
);

type Breaker = 'closed' | 'open' | 'probing' | 'draining';

/** Replies of the scripts in `lua/hooks/`. Times are in ms. */
export const hookReplies = {
  claim_hooks: outcomes({
    claimed: (wait: string, breaker: Breaker, ...hooks: (string | null)[][]) => ({
      /** Undefined if the queue is empty. */
      wait: Number(wait) < 0 ? undefined : Number(wait),
      breaker,
      hooks,
    }),
  }),
  drop_hook: outcomes({ done: nothing, overtaken: nothing }),
  enqueue_hooks: outcomes({
    /** One for each job. */
    done: (...runs: unknown[]) => ({
      changes: runsOf(...runs).flatMap(({ count, ...change }) => Array<typeof change>(count).fill(change)),
    }),
  }),
  forget_parked: outcomes({ done: (count: number) => ({ count }) }),
  park_hook: outcomes({ parked: nothing, changed: nothing, expired: nothing }),
  record_delivered: outcomes({
    /** One for each hook. */
    recorded: (...hooks: unknown[]) => ({ hooks: deliveredOnes(...hooks) }),
  }),
  record_failed: outcomes({ pending: nothing, parked: nothing, changed: nothing, expired: nothing }),
  record_unsent: outcomes({ pending: nothing, expired: nothing }),
  remove_hook: outcomes({ done: nothing, changed: nothing, expired: nothing }),
  retry_hook: outcomes({ done: nothing, overtaken: nothing }),
};
