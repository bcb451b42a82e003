import type { Status } from '../../../machines/facts.ts';
import { unconverted } from './decode.ts';

/** Replies of the scripts in `lua/jobs/`. */
export const jobReplies = {
  acknowledge: unconverted<string>(),
  check_in: unconverted<string | [Status, string, number]>(),
  read_entries: unconverted<[number, string[]]>(),
  read_facts: unconverted<string>(),
  reset_job: unconverted<number | string>(),
  restore_ack: unconverted<string>(),
  save_job: unconverted<number>(),
  scan_entries: unconverted<[string, string[], string[]]>(),
  scan_tracked: unconverted<[string, string, string[], string[]]>(),
  set_status: unconverted<string>(),
  untrack: unconverted<string>(),
};
