/**
 * A text as it may go to a terminal: names in Redis can hold anything, control characters among them, which would move the
 * cursor, change colours or forge lines.
 */
export const visible = (text: string): string =>
  text.replace(
    /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${(character.codePointAt(0) as number).toString(16).padStart(4, '0')}`,
  );

/** JSON in which control characters that `JSON.stringify` leaves are escaped too. */
export const visibleJson = (value: unknown): string => visible(JSON.stringify(value));

/** Whether colours are wanted: on a terminal, unless NO_COLOR is set. */
export const wantsColors = (stream: NodeJS.WriteStream): boolean =>
  stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
