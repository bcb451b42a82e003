import { unconverted } from './decode.ts';

/** Replies of the scripts in `lua/leader/`. */
export const leaderReplies = {
  acquire_lease: unconverted<string[]>(),
  begin_sweep: unconverted<[string, number, string]>(),
  checkpoint_sweep: unconverted<string>(),
  complete_pass: unconverted<string>(),
  resign_lease: unconverted<string>(),
};
