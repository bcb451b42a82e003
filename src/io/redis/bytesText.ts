import { isUtf8 } from 'node:buffer';

/**
 * Bytes that are not UTF-8 as a text, a different one for different bytes: each byte that belongs to no character as `\xff`, and a
 * backslash twice. Within double quotes, redis-cli reads it as these bytes.
 */
export const bytesText = (bytes: Buffer): string => {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = lengths.find((length) => isUtf8(bytes.subarray(at, at + length))) ?? 0;
    if (length === 0) text += `\\x${(bytes[at] as number).toString(16)}`;
    else text += bytes.toString('utf8', at, at + length).replace('\\', '\\\\');
    at += length || 1;
  }
  return text;
};

/** The bytes that have this text; undefined if there are none, as for the text of a valid name. */
export const bytesOfText = (text: string): Buffer | undefined => {
  const escaped = Buffer.from(text).toString('latin1');
  const bytes = Buffer.from(
    escaped.replace(/\\(?:\\|x([89a-f][0-9a-f]))/g, (_, hex?: string) =>
      hex === undefined ? '\\' : String.fromCharCode(Number.parseInt(hex, 16)),
    ),
    'latin1',
  );
  return !isUtf8(bytes) && bytesText(bytes) === text ? bytes : undefined;
};

/** How many bytes a character has. */
const lengths = [1, 2, 3, 4];
