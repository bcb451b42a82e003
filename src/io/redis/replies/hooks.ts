import { each, nothing, outcomes } from './decode.ts';

/** What becomes of the hook of one job. `error` names the queue of its endpoint. */
const enqueued = outcomes({
  enqueued: nothing,
  'already-pending': nothing,
  parked: nothing,
  deferred: nothing,
  unclear: nothing,
  refused: (error: string) => ({ error }),
});
const endsOf = each(enqueued);

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
    done: (...changes: unknown[]) => ({ changes: endsOf(...changes) }),
  }),
  forget_parked: outcomes({ done: (count: number) => ({ count }) }),
  park_hook: outcomes({ parked: nothing, changed: nothing, expired: nothing }),
  record_delivered: outcomes({ done: nothing, changed: nothing, expired: nothing }),
  record_failed: outcomes({ pending: nothing, parked: nothing, changed: nothing, expired: nothing }),
  record_unsent: outcomes({ pending: nothing, expired: nothing }),
  remove_hook: outcomes({ done: nothing, changed: nothing, expired: nothing }),
  retry_hook: outcomes({ done: nothing, overtaken: nothing }),
};
