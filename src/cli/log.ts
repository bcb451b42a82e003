import { pino } from 'pino';
import pretty from 'pino-pretty';
import { visible } from '../visible.ts';
import { clearStatusLine } from './statusLine.ts';
import { wantsColors } from './text.ts';

export const logLevels: readonly string[] = ['debug', 'info', 'warn', 'error', 'silent'];

/** A log on stderr: JSON lines, or readable lines on a terminal. */
export const createLog = (level: string) => {
  if (!process.stderr.isTTY) {
    const plain = pino.destination({ dest: 2, sync: true });
    // A log that cannot be written, as on a full disk, does not end the command.
    plain.on('error', () => undefined);
    return pino({ name: 'reaper', level }, { write: (line: string) => plain.write(`${visible(line.trimEnd())}\n`) });
  }
  const lines = pretty({
    destination: 2,
    ignore: 'pid,hostname,name',
    singleLine: true,
    sync: true,
    colorize: wantsColors(process.stderr),
  });
  // Texts are escaped before the line is made readable, so only its own colours are real.
  return pino(
    { name: 'reaper', level },
    {
      write(line: string) {
        clearStatusLine();
        lines.write(withVisibleTexts(line));
      },
    },
  );
};

/** A line of JSON with all control characters in texts and names escaped. */
const withVisibleTexts = (line: string): string => `${JSON.stringify(withVisible(JSON.parse(line)))}\n`;
const withVisible = (value: unknown): unknown => {
  if (typeof value === 'string') return visible(value);
  if (Array.isArray(value)) return value.map(withVisible);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [visible(name), withVisible(each)]));
};
