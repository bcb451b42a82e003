import { isUtf8 } from 'node:buffer';
import type { Status } from '../../../machines/facts.ts';
import { nothing, outcomes, textOrBytes } from './decode.ts';

/** One job in the reply of `read_facts`: its fields in the order of `lua/includes/facts.lua`, or a word. */
export type FactsReply = readonly (string | false)[] | 'nothing' | 'unreadable';
/** How the fields are decoded from bytes. `latin1`, a character for each byte, where some of them are not valid UTF-8. */
export type FactsEncoding = 'utf8' | 'latin1';
const encodingOf = (json: Buffer): FactsEncoding => (isUtf8(json) ? 'utf8' : 'latin1');

const ofStatus = outcomes({
  done: nothing,
  /** The status that is stored. */
  refused: (status: string) => ({ status }),
  missing: nothing,
});

/** Replies of the scripts in `lua/jobs/`. Times are in unix seconds. */
export const jobReplies = {
  acknowledge: outcomes({ done: nothing, refused: nothing, missing: nothing }),
  begin_attempt: ofStatus,
  check_in: outcomes({
    done: (status: Status, revision: string, checkInAt: number) => ({ status, revision: Number(revision), checkInAt }),
    refused: (status: string) => ({ status }),
    missing: nothing,
  }),
  fail_job: outcomes({
    done: nothing,
    refused: (status: string) => ({ status }),
    overtaken: nothing,
    missing: nothing,
  }),
  read_entries: outcomes({
    read: (isEnd: 0 | 1, ids: readonly string[], us?: number) => ({ isEnd: isEnd === 1, ids, us }),
  }),
  read_facts: outcomes({
    read(json: Buffer, passedOver: readonly (Buffer | number)[], us?: number) {
      const encoding = encodingOf(json);
      const [readAt, ...jobs] = JSON.parse(json.toString(encoding)) as [number, ...(FactsReply | false)[]];
      const screened = new Map<string, number>();
      for (let i = 0; i < passedOver.length; i += 2) screened.set(String(passedOver[i]), Number(passedOver[i + 1]));
      return { readAt, encoding, jobs: jobs as readonly (FactsReply | false)[], screened, us };
    },
  }),
  read_queue: outcomes({
    read(length: number, oldestId: string, oldestAt: string) {
      const at = Number(oldestAt);
      return { length, oldestId: oldestId || undefined, oldestAt: at > 0 && Number.isFinite(at) ? at : undefined };
    },
  }),
  reset_job: outcomes({
    done: (revision: number) => ({ revision }),
    refused: (status: string) => ({ status }),
    missing: nothing,
  }),
  restore_ack: outcomes({ done: nothing, overtaken: nothing }),
  save_job: outcomes({ done: (revision: number) => ({ revision }) }),
  scan_entries: outcomes({
    read: (cursor: string, ids: readonly string[], scores: readonly string[], us?: number) => ({
      cursor,
      ids,
      scores: scores.map(Number),
      us,
    }),
  }),
  scan_tracked: outcomes({
    read(runId: Buffer, cursor: Buffer, json: Buffer, us?: number) {
      const encoding = encodingOf(json);
      const texts: readonly string[] = JSON.parse(json.toString(encoding));
      const ids = encoding === 'utf8' ? texts : texts.map((text) => textOrBytes(Buffer.from(text, encoding)));
      return { runId: String(runId), cursor: String(cursor), ids, us };
    },
  }),
  set_status: ofStatus,
  untrack: outcomes({ done: nothing, overtaken: nothing }),
};
