/** `status --watch`: the view on a terminal, its end, and where it is refused. A real Redis and a real terminal. */
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { watch } from '../../src/cli/watch.ts';
import { callCli } from '../support/cli.ts';
import { redisFixture } from '../support/fixture.ts';
import { builtOf } from '../support/programs.ts';
import { spawnOnTerminal } from '../support/terminal.ts';

const { server, redis, opened } = await redisFixture();
const at = () => ['--redis', server.url, '--namespace', 't'];

/** A terminal of so many rows, and what was drawn on it. */
const terminalOf = (rows: number) => {
  const drawn: string[] = [];
  return { rows, drawn, write: (text: string | Uint8Array) => drawn.push(String(text)) > 0 };
};

test('the view is drawn again and again until a signal, and stays on the terminal', async () => {
  const terminal = terminalOf(24);
  let readings = 0;
  const read = async () => {
    readings += 1;
    if (readings === 3) process.emit('SIGINT');
    return [`reading ${readings}`];
  };
  const reaper = opened.create({ redis: server.url });
  expect(await watch(reaper, 1, read, terminal)).toBe(0);
  expect(terminal.drawn).toEqual([
    '\u001b[?1049h',
    '\u001b[Hreading 1\u001b[K\u001b[J',
    '\u001b[Hreading 2\u001b[K\u001b[J',
    '\u001b[?1049lreading 3\n',
  ]);
  await expect(reaper.status()).rejects.toThrow('stopped');
});

test('a view that is longer than the terminal ends with how much is left out', async () => {
  const terminal = terminalOf(3);
  const read = async () => {
    if (terminal.drawn.length > 1) process.emit('SIGTERM');
    return ['a', 'b', 'c', 'd'];
  };
  await watch(opened.create({ redis: server.url }), 1, read, terminal);
  expect(terminal.drawn[1]).toBe(
    '\u001b[Ha\u001b[K\nb\u001b[K\n… 2 more lines: make the terminal taller\u001b[K\u001b[J',
  );
});

test('while Redis is away, the view says so above the last reading', async () => {
  const terminal = terminalOf(24);
  const readings: (() => string[])[] = [
    () => ['fine'],
    () => {
      throw new Error('Redis cannot be reached\u001b');
    },
    () => ['fine again'],
  ];
  const read = async () => {
    if (readings.length === 1) process.emit('SIGINT');
    return (readings.shift() as () => string[])();
  };
  expect(await watch(opened.create({ redis: server.url }), 1, read, terminal)).toBe(0);
  expect(terminal.drawn[2]).toBe('\u001b[H!! Redis cannot be reached\\u001b\u001b[K\nfine\u001b[K\u001b[J');
  expect(terminal.drawn[3]).toContain('fine again');
});

test('a reading that hangs does not keep the terminal after a signal', async () => {
  const terminal = terminalOf(24);
  const readings = [async () => ['fine'], () => new Promise<never>(() => setImmediate(() => process.emit('SIGINT')))];
  const read = () => (readings.shift() as () => Promise<string[]>)();
  expect(await watch(opened.create({ redis: server.url }), 1, read, terminal)).toBe(0);
  expect(terminal.drawn.at(-1)).toBe('\u001b[?1049lfine\n');
});

test('Ctrl-C on a terminal ends it with 0', async () => {
  await redis.sadd('t:known_jobs', 'X');
  const command = [process.execPath, builtOf('src/cli/main.ts'), 'status', '--watch', '100ms', ...at()];
  const child = spawnOnTerminal(command);
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  await vi.waitUntil(() => text.split('namespace t').length > 3);
  child.stdin.write('\u0003');
  const [code] = await once(child, 'close');
  expect(code).toBe(0);
  expect(text.slice(text.indexOf('\u001b[?1049l'))).toContain('no problems');
});

test.each([
  ['in a pipe', ['--watch'], 'needs a terminal'],
  ['with --json', ['--watch', '--json'], 'cannot be used with --json'],
  ['with an interval that is none', ['--watch', 'soon'], 'must be a duration'],
])('it is refused %s', async (_, args, message) => {
  const { code, stderr } = await callCli(['status', ...args, ...at()]);
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
});

test('an interval below 100 ms is refused on a terminal', async () => {
  const command = [process.execPath, builtOf('src/cli/main.ts'), 'status', '--watch', '0', ...at()];
  const child = spawnOnTerminal(command);
  // It may have ended by itself.
  child.stdin.on('error', () => undefined);
  onTestFinished(() => void child.stdin.write('\u0003'));
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  await vi.waitUntil(() => /must be|namespace t/.test(text));
  expect(text).toContain('--watch: must be at least 100ms');
});
