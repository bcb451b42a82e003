import { nothing, outcomes } from './decode.ts';

/** What has changed since an act, so that it cannot be undone. */
export interface Moved {
  /** Name of the fact: `status`, `hook`, `quarantine`, … */
  readonly fact: string;
  /** As the act has left it, and as it is now; empty for none. */
  readonly expected: string;
  readonly found: string;
}

/**
 * What the endpoint knows of a state that was undone. `unsent`: nothing; the hook was removed. `tried`: its hook was tried without an
 * answer that counts, and was removed. `sent`: the endpoint has confirmed it. `none`: there is no endpoint, or nothing is known.
 */
export type UndoneHook = 'unsent' | 'tried' | 'sent' | 'none';

const moved = (...flat: string[]) => ({
  moved: Array.from(
    { length: flat.length / 3 },
    (_, i): Moved => ({ fact: flat[3 * i] ?? '', expected: flat[3 * i + 1] ?? '', found: flat[3 * i + 2] ?? '' }),
  ),
});
const ofStatus = outcomes({ done: (hook: UndoneHook) => ({ hook }), moved, sending: nothing });

/** Replies of the scripts that undo an act. */
export const undoReplies = {
  undo_status: ofStatus,
  undo_quarantine: ofStatus,
  undo_untrack: outcomes({ done: nothing, moved }),
  undo_drop_hook: outcomes({ done: nothing, moved }),
  undo_drop_quarantined: outcomes({ done: nothing, moved, expired: nothing }),
};
