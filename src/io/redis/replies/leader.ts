import { nothing, outcomes } from './decode.ts';

const lease = (
  now: string,
  leader: string,
  host: string,
  fence: string,
  until: string | null,
  since: string | null,
  progress: readonly string[],
) => ({
  now: Number(now),
  leader,
  host,
  /** The fencing token. */
  fence,
  /** As they stand in the lease: another program may have written anything. */
  until,
  since,
  progress: recordOf(progress),
});

const at = (now: string) => ({ now: Number(now) });

/** A hash as HGETALL returns it to a script: field, value, … */
const recordOf = (flat: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] as string, flat[2 * i + 1] as string]),
  );

/** Replies of the scripts in `lua/leader/`. Times are in ms by the clock of Redis. */
export const leaderReplies = {
  acquire_lease: outcomes({ acquired: lease, renewed: lease, held: lease }),
  begin_sweep: outcomes({
    begun: (cursor: string, scanned: number, runId: string) => ({ cursor, scanned, runId }),
  }),
  checkpoint_sweep: outcomes({ done: nothing }),
  complete_rescue: outcomes({ done: at }),
  complete_sweep: outcomes({ done: at }),
  resign_lease: outcomes({ done: nothing, 'not-held': nothing }),
};
