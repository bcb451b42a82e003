/**
 * A text as it may go to a terminal or a page: names in Redis can hold anything. Control characters move the cursor, change
 * colours, set clipboards or forge lines; marks of direction make a text read as another one; half a surrogate pair is no text.
 * All of them show as in JSON: `\u001b`.
 */
export const visible = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029\ufeff]/gu,
    (character) => `\\u${(character.codePointAt(0) as number).toString(16).padStart(4, '0')}`,
  );

/** JSON in which what `JSON.stringify` leaves of these is escaped too: it is read as the same. */
export const visibleJson = (value: unknown): string => visible(JSON.stringify(value));
