import { createHash } from 'node:crypto';
import { type Ack, isStatus, type StoredTime, type TrackedJob } from '../../machines/facts.ts';
import { bytesText } from '../redis/bytesText.ts';
import { textOrBytes } from '../redis/replies/decode.ts';
import type { FactsEncoding, FactsReply } from '../redis/replies/jobs.ts';

/** Decodes a job of `read_facts`. Never throws: facts that cannot be decoded are marked as such. */
export const decodeFacts = (
  id: string,
  readAt: number,
  reply: FactsReply,
  encoding: FactsEncoding = 'utf8',
): TrackedJob => {
  if (typeof reply === 'string') {
    return { facts: { id, readAt, stats: reply, hasHook: false }, fingerprint: () => reply };
  }
  const values = encoding === 'utf8' ? reply : reply.map((value) => value && Buffer.from(value, encoding).toString());
  const [, status, kind, , updateTime, checkInAt, revision, enqueueTime, runAt, ack, url] = values;
  return {
    facts: {
      id,
      readAt,
      stats: 'found',
      // Two names that read the same with U+FFFD are two.
      statsId: statsIdOf(reply[0], encoding, id),
      name: nameOf(reply[3], encoding),
      kind: textOf(kind),
      status: textOf(status),
      updateTime: decodeTime(textOf(updateTime)),
      checkInAt: decodeTime(textOf(checkInAt)),
      revision: decodeTime(textOf(revision)),
      enqueueTime: decodeTime(textOf(enqueueTime)),
      runAt: decodeTime(textOf(runAt)),
      ack: decodeAck(textOf(ack)),
      hasHook: (textOf(url) ?? '').trim() !== '',
    },
    fingerprint: fingerprintOf(reply, encoding),
    hookUrl: textOf(url),
  };
};

/** The facts of a job whose id is invalid UTF-8: its stats cannot be read, and its id cannot be written back. */
export const brokenIdFacts = (id: Buffer, readAt: number): TrackedJob => ({
  facts: { id: bytesText(id), hasBrokenId: true, readAt, stats: 'unreadable', hasHook: false },
  fingerprint: () => 'unreadable',
});

/** Computes the same as `lua/includes/facts.lua`, which compares it with the fingerprint of the facts in Redis. */
const fingerprintOf = (values: Exclude<FactsReply, string>, encoding: FactsEncoding) => (): string => {
  const parts = values.map((value) => (value === false ? '-' : `${Buffer.byteLength(value, encoding)}:${value}`));
  return createHash('sha1').update(parts.join(''), encoding).digest('hex');
};

const nameOf = (value: string | false | undefined, encoding: FactsEncoding): string | undefined => {
  if (encoding === 'utf8' || !value) return textOf(value);
  const name = textOrBytes(Buffer.from(value, encoding));
  return typeof name === 'string' ? name : bytesText(name);
};

/** The id in the stats. One that is not UTF-8 is never equal to the id of the job, also if that is the text for its bytes. */
const statsIdOf = (value: string | false | undefined, encoding: FactsEncoding, id: string): string | undefined => {
  const text = nameOf(value, encoding);
  return text === id && value && encoding !== 'utf8' ? Buffer.from(value, encoding).toString() : text;
};

const textOf = (value: string | false | undefined): string | undefined => (value === false ? undefined : value);

/**
 * Parses a safe integer in decimal digits; NaN for anything else. Go reads up to 2^63, but beyond 2^53 neither JavaScript nor Lua
 * can tell a number from the next one.
 */
export const decodeTime = (text: string | undefined): StoredTime => {
  if (text === undefined) return undefined;
  const number = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(number) ? number : Number.NaN;
};

/** The same rule as in `lua/includes/ack.lua`. */
export const decodeAck = (text: string | undefined): Ack | 'unreadable' | undefined => {
  if (text === undefined) return undefined;
  let ack: unknown;
  try {
    ack = JSON.parse(text);
  } catch {
    return 'unreadable';
  }
  if (typeof ack !== 'object' || ack === null) return 'unreadable';
  const { status, revision, check_in_at: checkInAt = 0 } = ack as Record<string, unknown>;
  if (typeof status !== 'string' || !isStatus(status)) return 'unreadable';
  if (!Number.isSafeInteger(revision) || !Number.isSafeInteger(checkInAt)) return 'unreadable';
  return { status, revision: revision as number, checkInAt: checkInAt as number };
};
