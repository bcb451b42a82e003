/**
 * Escapes what a terminal or a page must not get: names in Redis can hold anything. Control characters move the cursor, change
 * colours, set the clipboard or forge lines; marks of direction make a text read as another one; characters without a width make two
 * names look the same; half a surrogate pair is no text. All of them are shown as in JSON: `\u001b`, or two such for a character of
 * more than 16 bits.
 */
export const visible = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\u2028\u2029]/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );

/** JSON in which the characters are escaped that `JSON.stringify` leaves. It parses to the same value. */
export const visibleJson = (value: unknown): string => visible(JSON.stringify(value));
