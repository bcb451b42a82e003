import { textOrBytes } from '../redis/replies/decode.ts';

/** An id of the tracking hash: a string, or bytes that are invalid UTF-8. */
export type TrackedId = string | Buffer;

/** Decodes an id from hex. */
export const idOfHex = (hex: string): TrackedId => textOrBytes(Buffer.from(hex, 'hex'));

/** A distinct string for each id. No valid id begins with a lone surrogate. */
export const keyOf = (id: TrackedId): string => (typeof id === 'string' ? id : `\uD800${id.toString('latin1')}`);
