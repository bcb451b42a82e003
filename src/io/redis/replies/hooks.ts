import { unconverted } from './decode.ts';

type Breaker = 'closed' | 'open' | 'probing' | 'draining';

/** Replies of the scripts in `lua/hooks/`. */
export const hookReplies = {
  claim_hooks: unconverted<[string, Breaker, ...(string | null)[][]]>(),
  enqueue_hooks: unconverted<string[]>(),
  forget_parked: unconverted<number>(),
  move_hook: unconverted<'ok' | 'overtaken'>(),
  settle_hook: unconverted<'ok' | 'again' | 'parked' | 'pending' | 'lost'>(),
};
