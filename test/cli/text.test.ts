/** Texts on a terminal: nothing in them moves the cursor, colours a line or forges one; tables fit the width. */

import stringWidth from 'string-width';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { layOut, shorten } from '../../src/cli/table.ts';
import {
  complain,
  countsOf,
  finish,
  paint,
  print,
  printJson,
  printPainted,
  printTable,
  tableLines,
  timeOf,
  wantsColors,
  widthOf,
} from '../../src/cli/text.ts';
import { visible, visibleJson } from '../../src/visible.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test.each([
  ['\u001b[31m', '\\u001b[31m'],
  ['a\nb\r', 'a\\u000ab\\u000d'],
  ['\u0000\u007f\u009b', '\\u0000\\u007f\\u009b'],
  ['\u2028\u2029', '\\u2028\\u2029'],
  ['\u200e\u200f', '\\u200e\\u200f'],
  ['\u00ad\u200b\u200d\u2060\ufeff', '\\u00ad\\u200b\\u200d\\u2060\\ufeff'],
  ['\u115f\u3164\ufe0f', '\\u115f\\u3164\\ufe0f'],
  ['\ufff9\ufffb', '\\ufff9\\ufffb'],
  ['a\u{e0041}b', 'a\\udb40\\udc41b'],
  ['\u202a\u202e', '\\u202a\\u202e'],
  ['\u2066\u2069', '\\u2066\\u2069'],
  ['Zoë 名 😀 \u2027\u2030', 'Zoë 名 😀 \u2027\u2030'],
])('%j is shown as %s', (text, shown) => {
  expect(visible(text)).toBe(shown);
  expect(JSON.parse(visibleJson({ text }))).toEqual({ text });
  expect(visibleJson({ text })).not.toMatch(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/u);
});

test('colours are used only on a terminal that supports them, if they are wanted', () => {
  const terminal = { isTTY: true } as NodeJS.WriteStream;
  vi.stubEnv('FORCE_COLOR', '');
  vi.stubEnv('NO_COLOR', '');
  vi.stubEnv('TERM', 'xterm');
  expect(wantsColors(terminal)).toBe(true);
  expect(wantsColors({} as NodeJS.WriteStream)).toBe(false);
  vi.stubEnv('NO_COLOR', '1');
  expect(wantsColors(terminal)).toBe(false);
  vi.stubEnv('NO_COLOR', '');
  vi.stubEnv('TERM', 'dumb');
  expect(wantsColors(terminal)).toBe(false);
});

test('FORCE_COLOR decides, wherever the output goes', () => {
  const terminal = { isTTY: true } as NodeJS.WriteStream;
  vi.stubEnv('TERM', 'xterm');
  vi.stubEnv('NO_COLOR', '1');
  vi.stubEnv('FORCE_COLOR', '1');
  expect([wantsColors(terminal), wantsColors({})]).toEqual([true, true]);
  vi.stubEnv('NO_COLOR', '');
  for (const none of ['0', 'false']) {
    vi.stubEnv('FORCE_COLOR', none);
    expect([wantsColors(terminal), wantsColors({})]).toEqual([false, false]);
  }
});

describe('a table', () => {
  const head = ['entry', 'job', 'pools', 'endpoint'];
  const [entry, time] = ['1764200000000-0', '2026-11-26T23:44:08Z'];
  const job = '0123456789abcdef01234567';
  const endpoint = 'https://harbor-core.registry.svc.cluster.local:8443';
  const rows = [
    [[entry, time], [`${job} IMAGE_SCAN`], ['pool-0123456789abcdef01234567'], [endpoint]],
    [['5-0', time], ['b'], ['p1', 'p2'], ['日本語の名前 日本語の名前 日本語の名前']],
  ];
  const widths = (text: string) => [...new Set(text.split('\n').map((line) => stringWidth(line)))];

  test('has one whole line for each row in a pipe', () => {
    const lines = layOut(head, rows).split('\n');
    expect(lines).toHaveLength(6);
    expect(lines[3]).toContain(`${entry}  ${time} │ ${job} IMAGE_SCAN `);
    expect(lines[3]).toContain(endpoint);
    expect(lines[4]).toContain('│ p1  p2 ');
  });

  test.each([200, 120, 80, 72])('is at most %d columns wide on a terminal of that width', (width) => {
    const text = layOut(head, rows, width);
    expect(widths(text)).toHaveLength(1);
    expect(widths(text)[0]).toBeLessThanOrEqual(width);
    // An id of an entry is an argument of undo, and part of a time is another time.
    for (const whole of [entry, '5-0', time]) expect(text).toContain(`│ ${whole} `);
  });

  test('uses the whole width before it shortens, and all of it if it shortens', () => {
    expect(layOut(head, rows, 200)).toContain(endpoint);
    expect(layOut(head, rows, 200)).not.toContain('…');
    for (const width of [81, 82, 83, 84]) expect(widths(layOut(head, rows, width))).toEqual([width]);
    expect(layOut(head, rows, 81)).toMatch(/│ https:\/\S*…\S*:8443 +│/);
  });

  test('keeps numbers whole, even if it does not fit', () => {
    expect(layOut(['n', 'id'], [[['1234567890123'], [job]]], 20)).toMatch(/│ 1234567890123 │ 0123…567 │/);
  });
});

test.each([
  ['abcdefghij', 10, 'abcdefghij'],
  ['abcdefghij', 9, 'abcd…ghij'],
  ['abcdefghij', 8, 'abcd…hij'],
  ['日本語日本語', 8, '日本…語'],
  ['e\u0301'.repeat(9), 5, 'e\u0301e\u0301…e\u0301e\u0301'],
])('%s is shortened to %d columns in its middle', (text, width, shown) => {
  expect(shorten(text, width)).toBe(shown);
  expect(stringWidth(shorten(text, width))).toBeLessThanOrEqual(width);
});

test('the width of a terminal is what COLUMNS says, else the terminal, else 80', () => {
  vi.stubEnv('COLUMNS', '');
  expect([widthOf({ columns: 132 }), widthOf({ columns: 0 }), widthOf({})]).toEqual([132, 80, 80]);
  vi.stubEnv('COLUMNS', '100');
  expect(widthOf({ columns: 132 })).toBe(100);
  for (const odd of ['-5', '1', '9', 'x', 'Infinity']) {
    vi.stubEnv('COLUMNS', odd);
    expect([widthOf({ columns: 132 }), widthOf({ columns: 1 }), widthOf({})]).toEqual([132, 80, 80]);
  }
});

describe('what is printed', () => {
  /** What was written to this stream. */
  const written = (name: 'stdout' | 'stderr') => {
    const texts: string[] = [];
    vi.spyOn(process[name], 'write').mockImplementation((text) => texts.push(String(text)) > 0);
    return texts;
  };

  test('goes to stdout, a line each, with control characters escaped; JSON with its schema', () => {
    const texts = written('stdout');
    print('a\u001b[31m', 'b');
    printJson('b', { a: '\u202e' });
    printPainted(paint('ok', true));
    printPainted(paint('bad', false));
    expect(texts).toEqual([
      'a\\u001b[31m\n',
      'b\n',
      '{"schema":1,"type":"b","a":"\\u202e"}\n',
      '\u001b[32mok\u001b[0m\n',
      '\u001b[31mbad\u001b[0m\n',
    ]);
  });

  test('goes to stderr if it is a complaint, escaped too', () => {
    const texts = written('stderr');
    complain('a\r');
    expect(texts).toEqual(['a\\u000d\n']);
  });

  test('a table has a line for each row, escaped, with counts as people read them', () => {
    const lines = tableLines(['id', 'n', 'pools'], [['a\u0007', 12_345, ['p', 'q']]], undefined);
    expect(lines.filter((line) => line.includes('12,345'))).toHaveLength(1);
    expect(lines.join('\n')).toContain('│ a\\u0007 │');
    expect(lines.join('\n')).toMatch(/p {2}q/);
    const texts = written('stdout');
    printTable(['id', 'n', 'pools'], [['a\u0007', 12_345, ['p', 'q']]]);
    expect(texts).toEqual(lines.map((line) => `${line}\n`));
  });

  test('an exit code is that of the process', () => {
    const before = process.exitCode;
    finish(3);
    expect(process.exitCode).toBe(3);
    process.exitCode = before;
  });
});

test('times have no milliseconds, and counts no decimals', () => {
  expect(timeOf('2026-11-28T01:02:03.456Z')).toBe('2026-11-28T01:02:03Z');
  for (const other of ['unix 1e+300', '2026-11-28T01:02:03.45Z', '2026-11-28T01:02:03.456Z+'])
    expect(timeOf(other)).toBe(other);
  expect(countsOf({ pending: 1_234, parked: undefined, sent: 2 })).toBe('1,234 pending, 0 parked, 2 sent');
  expect(countsOf({})).toBe('none');
});
