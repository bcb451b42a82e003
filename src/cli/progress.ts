import cliProgress from 'cli-progress';
import type { Command } from 'commander';
import { countText } from '../ages.ts';
import type { Clock } from '../index.ts';
import { visible } from '../visible.ts';
import { clearStatusLine, showStatusLine } from './statusLine.ts';
import { shorten } from './table.ts';
import { widthOf } from './text.ts';

/** What a command does now: in words, or as a count that is below its total. */
type Doing = string | { readonly what: string; readonly value: number; readonly total: number };

/** Shows what a command does, once that takes longer than a second. */
interface Progress {
  /** From now on the line is what this returns. */
  describe(doing: () => Doing): void;
  stop(): void;
}

/** When the line appears, and how often it is drawn, in ms. */
const delay = 1_000;
const interval = 250;

type ProgressClock = Pick<Clock, 'now' | 'setTimeout' | 'clearTimeout'>;

const startProgress = (clock: ProgressClock, first: Doing): Progress => {
  const startedAt = clock.now();
  let doing = () => first;
  const draw = () => {
    const line = lineOf(doing(), clock.now() - startedAt);
    showStatusLine(shorten(visible(line), widthOf(process.stderr) - 1));
    timer = clock.setTimeout(draw, interval);
  };
  let timer = clock.setTimeout(draw, delay);
  return {
    describe(given) {
      doing = given;
    },
    stop() {
      clock.clearTimeout(timer);
      clearStatusLine();
    },
  };
};

const barSize = 24;
const format = {
  autopaddingChar: '0',
  barsize: barSize,
  barCompleteString: '█'.repeat(barSize),
  barIncompleteString: '░'.repeat(barSize),
  barGlue: '',
};

const lineOf = (doing: Doing, elapsed: number): string => {
  if (typeof doing === 'string') return `${doing}, ${Math.floor(elapsed / 1_000)} s so far`;
  const { what, value, total } = doing;
  const done = value / total;
  const left =
    done === 0
      ? ''
      : `, ${cliProgress.Format.TimeFormat(Math.round((elapsed / 1_000) * (1 / done - 1)), format, 5)} to go`;
  return `${what} ${cliProgress.Format.BarFormat(done, format)} ${countText(value)} of ${countText(total)}${left}`;
};

const texts = new WeakMap<Command, string>();

/** Sets what a command says at first, if it takes longer than a second. */
export const withProgress = (command: Command, text: string): Command => {
  texts.set(command, text);
  return command;
};

let current: Progress | undefined;

/** Shows the progress of a command on a terminal that can move its cursor. With `--json` and `--watch` there is none. */
export const beginProgress = (command: Command, clock: ProgressClock = systemClock): void => {
  const { json, watch } = command.opts<{ json?: boolean; watch?: unknown }>();
  const text = texts.get(command);
  if (text === undefined || json || watch || !process.stderr.isTTY || process.env.TERM === 'dumb') return;
  current = startProgress(clock, text);
};

const systemClock: ProgressClock = {
  now: () => performance.now(),
  setTimeout,
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
};

/** Says what the command does from now on. Returns whether anyone sees it. */
export const describeProgress = (doing: () => Doing): boolean => {
  current?.describe(doing);
  return current !== undefined;
};

export const endProgress = (): void => {
  current?.stop();
  current = undefined;
};
