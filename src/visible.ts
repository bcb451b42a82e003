/**
 * Escapes what a terminal or a page must not get: names in Redis can hold anything. Control characters move the cursor, change
 * colours, set the clipboard or forge lines; marks of direction make a text read as another one; half a surrogate pair is no
 * text. All of them are shown as in JSON: `\u001b`.
 */
export const visible = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029\ufeff]/gu,
    (character) => `\\u${(character.codePointAt(0) as number).toString(16).padStart(4, '0')}`,
  );

/** JSON in which the characters are escaped that `JSON.stringify` leaves. It parses to the same value. */
export const visibleJson = (value: unknown): string => visible(JSON.stringify(value));
