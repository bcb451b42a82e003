import { isUtf8 } from 'node:buffer';
import { ReaperError } from '../../../errors.ts';

/** What Redis returns for a script: an array whose first element is the outcome. */
export type RawReply = readonly unknown[];

/** Turns what Redis returns for one script into a value with a type. */
export type ReplyDecoder<Reply = unknown> = (raw: unknown) => Reply;

// biome-ignore lint/suspicious/noExplicitAny: a decoder of values names the type of each of them.
type Outcomes = Readonly<Record<string, (...values: any[]) => object>>;

/** A reply as a tagged value: `outcome`, with what the script returns for that outcome. */
export type TaggedReply<Table extends Outcomes> = {
  [Outcome in keyof Table]: { readonly outcome: Outcome } & Readonly<ReturnType<Table[Outcome]>>;
}[keyof Table];

/**
 * A decoder for a script: each outcome that it may reply with, and what becomes of the values that follow.
 *
 * @example
 * outcomes({ done: nothing, refused: (status: string) => ({ status }) })
 * // ['done'] → { outcome: 'done' }; ['refused', 'Success'] → { outcome: 'refused', status: 'Success' }
 */
export const outcomes =
  <Table extends Outcomes>(table: Table): ReplyDecoder<TaggedReply<Table>> =>
  (raw) => {
    const [word, ...values] = Array.isArray(raw) ? raw : [raw];
    const outcome = String(word);
    const decode = Object.hasOwn(table, outcome) ? table[outcome] : undefined;
    if (decode === undefined) throw new ReaperError('internal', `Unexpected script reply: ${JSON.stringify(raw)}`);
    return { outcome: outcome as keyof Table, ...decode(...values) } as TaggedReply<Table>;
  };

/** For a script that replies with an array of tagged replies: all of them by one decoder. */
export const each =
  <Reply>(decode: ReplyDecoder<Reply>) =>
  (...raws: readonly unknown[]): readonly Reply[] =>
    raws.map(decode);

/** For an outcome that no value follows. */
export const nothing = (): object => ({});

/** Bytes as text, unless they are invalid UTF-8. */
export const textOrBytes = (bytes: Buffer): string | Buffer => (isUtf8(bytes) ? bytes.toString() : bytes);
