import type { RawReply, ReplyDecoder } from './replies/decode.ts';
import { hookReplies } from './replies/hooks.ts';
import { jobReplies } from './replies/jobs.ts';
import { leaderReplies } from './replies/leader.ts';
import { poolReplies } from './replies/pools.ts';
import { undoReplies } from './replies/undo.ts';

/** What `cancel_change` returns: the reply of another script, or that the change was canceled. */
const replyOfChange: ReplyDecoder<RawReply> = (raw) => raw as RawReply;

/** Every script, with the decoder of its reply. */
const decoders = {
  ...jobReplies,
  ...leaderReplies,
  ...hookReplies,
  ...poolReplies,
  ...undoReplies,
  cancel_change: replyOfChange,
};

/** Every atomic operation that this project does in Redis: the name of a file in `lua/`, without its folder and ending. */
export type ScriptName = keyof typeof decoders;

/** What a script replies. */
export type ReplyOf<Name extends ScriptName> =
  (typeof decoders)[Name] extends ReplyDecoder<infer Reply> ? Reply : never;

/** @throws ReaperError where the script has not replied what it may. */
export const decodeReply = <Name extends ScriptName>(name: Name, raw: unknown): ReplyOf<Name> =>
  (decoders[name] as ReplyDecoder<ReplyOf<Name>>)(raw);
