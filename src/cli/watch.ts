import { setTimeout as wait } from 'node:timers/promises';
import type { Reaper } from '../index.ts';
import { visible } from '../visible.ts';

/** The alternate screen keeps what was on the terminal before. */
const [enter, leave] = ['\u001b[?1049h', '\u001b[?1049l'];
const [home, clearLine, clearRest] = ['\u001b[H', '\u001b[K', '\u001b[J'];

/**
 * Draws a view on the terminal every `interval` ms, until Ctrl-C or SIGTERM. Then it leaves the last view behind, stops the reaper, and
 * resolves to exit code 0. A reading that hangs does not keep it. While Redis is away it says so above the last view, and goes on.
 *
 * @param read the lines of the view, without control characters.
 */
export const watch = async (
  reaper: Reaper,
  interval: number,
  read: () => Promise<readonly string[]>,
  terminal: Pick<NodeJS.WriteStream, 'write' | 'rows'> = process.stdout,
): Promise<number> => {
  const over = new AbortController();
  const end = () => over.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  let last: readonly string[] = [];
  try {
    await reaper.ping();
    terminal.write(enter);
    while (!over.signal.aborted) {
      const reading = read().then(
        (lines) => {
          last = lines;
        },
        (error: Error) => error.message,
      );
      const fault = await unlessAborted(reading, over.signal);
      if (!over.signal.aborted)
        terminal.write(screenOf(fault === undefined ? last : [`!! ${visible(fault)}`, ...last], terminal.rows));
      await wait(interval, undefined, { signal: over.signal }).catch(() => undefined);
    }
    terminal.write(`${leave}${last.map((line) => `${line}\n`).join('')}`);
    return 0;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, end);
    // It has only read, so nothing is lost with what is still open.
    await reaper.stop({ timeout: '1s' });
  }
};

/** What a reading comes to, or undefined once the signal is aborted. */
const unlessAborted = <Result>(reading: Promise<Result>, signal: AbortSignal): Promise<Result | undefined> =>
  new Promise((resolve) => {
    const end = () => resolve(undefined);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    void reading.then(resolve).finally(() => signal.removeEventListener('abort', end));
  });

/** The lines that the screen has place for. */
const screenOf = (lines: readonly string[], rows = 24): string => {
  const shown =
    lines.length <= rows
      ? lines
      : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines: make the terminal taller`];
  return `${home}${shown.map((line) => `${line}${clearLine}`).join('\n')}${clearRest}`;
};
