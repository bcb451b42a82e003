import { nothing, outcomes } from './decode.ts';

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
  drop_hook: outcomes({ done: nothing, changed: nothing, expired: nothing }),
  enqueue_hooks: outcomes({
    /** The outcome of each job, or an error text. */
    done: (...changes: string[]) => ({ changes }),
  }),
  forget_parked: outcomes({ done: (count: number) => ({ count }) }),
  move_hook: outcomes({ done: nothing, overtaken: nothing }),
  park_hook: outcomes({ parked: nothing, changed: nothing, expired: nothing }),
  record_delivered: outcomes({ done: nothing, changed: nothing, expired: nothing }),
  record_failed: outcomes({ pending: nothing, parked: nothing, changed: nothing, expired: nothing }),
  record_unsent: outcomes({ pending: nothing, expired: nothing }),
};
