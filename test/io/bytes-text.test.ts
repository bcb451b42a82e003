import { describe, expect, test } from 'vitest';
import { bytesOfText, bytesText } from '../../src/io/redis/bytesText.ts';

describe('bytes that are not UTF-8 have a text of their own, which gives them back', () => {
  test.each([
    ['\xff', '\\xff'],
    ['\xfe', '\\xfe'],
    ['a\xc3', 'a\\xc3'],
    ['a\xc3\xa9\xff', 'aé\\xff'],
    ['\xe2\x82', '\\xe2\\x82'],
    ['\xff\xe2\x82\xac\xf0\x9f\x98\x80', '\\xff€😀'],
    ['\xed\xa0\x80', '\\xed\\xa0\\x80'],
    ['\xff\\xff', '\\xff\\\\xff'],
    ['\\\xff', '\\\\\\xff'],
    ['\xff\0\n', '\\xff\0\n'],
  ])('%j', (latin1, text) => {
    const bytes = Buffer.from(latin1, 'latin1');
    expect(bytesText(bytes)).toBe(text);
    expect(bytesOfText(text)).toEqual(bytes);
  });

  test.each(['', 'a', 'a\uFFFD', '\\', 'a\\\\b', '\\x41', '\\xFF', '\\xff\\', '\\xc3\\xa9'])(
    '%j is not one',
    (text) => {
      expect(bytesOfText(text)).toBeUndefined();
    },
  );
});
