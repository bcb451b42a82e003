import cliProgress from 'cli-progress';
import type { Command } from 'commander';
import type { JobOutcome, Reaper, SweepSummary } from '../index.ts';
import { configOf, reaperOf } from './config.ts';
import { withExamples } from './help.ts';
import { withOptions } from './options.ts';
import { once } from './signals.ts';
import { countsOf, finish, print, printJson } from './text.ts';

export const registerSweep = (program: Command): void => {
  const command = program
    .command('sweep')
    .description('judge every tracked job once')
    .option('--plan', 'print what would be done, and change nothing');
  withExamples(command, {
    'what a sweep would do': 'reaper sweep --plan',
    'a sweep in which garbage collections are hung after a week':
      'reaper sweep --hung-after-by-type GARBAGE_COLLECTION=7d',
    'only what was done, for scripts': 'reaper sweep --json | jq \'select(.outcome == "done")\'',
  });
  withOptions(command, 'redis', 'judging', 'pools', 'sweep', 'hooks', 'audit').action(async (flags: SweepFlags) => {
    const reaper = reaperOf(configOf(command));
    finish(await once(reaper, () => sweep(reaper, flags)));
  });
};

interface SweepFlags {
  readonly json?: boolean;
  readonly plan?: boolean;
}

/**
 * One sweep: a line for each job that needs one, the summary at the end. Exit code 1 if an act was given up, or the sweep was
 * suspended.
 */
export const sweep = async (reaper: Reaper, flags: SweepFlags): Promise<number> => {
  // The bar needs a terminal that can move its cursor.
  const isDumb = !process.stderr.isTTY || process.env.TERM === 'dumb';
  const bar = flags.json || isDumb ? undefined : progressBar(await reaper.tracked());
  reaper.on('job', (outcome) => {
    bar?.increment();
    if (flags.json) printJson({ type: 'job', ...outcome });
    else if (needsLine(outcome)) {
      if (bar !== undefined) process.stderr.write('\r\u001b[K'); // The bar is drawn again below the line.
      print(lineOf(outcome));
    }
  });
  let summary: SweepSummary;
  try {
    summary = await reaper.sweep({ plan: flags.plan === true });
  } finally {
    bar?.stop();
  }
  if (flags.json) printJson({ type: 'summary', ...summary });
  else print(...summaryOf(summary));
  return (summary.outcomes.abandoned ?? 0) > 0 || summary.suspended !== undefined ? 1 : 0;
};

const progressBar = (total: number) => {
  const bar = new cliProgress.SingleBar({
    format: 'sweep {bar} {value} of {total} jobs, {eta_formatted} to go',
    stream: process.stderr,
    hideCursor: true,
    fps: 10,
    clearOnComplete: true,
  });
  bar.start(total, 0);
  return bar;
};

const needsLine = ({ verdict, reason }: JobOutcome) =>
  verdict !== 'keep' || reason === 'malformed' || reason === 'clock-ahead';

const lineOf = ({ id, verdict, reason, detail, outcome, facts, error }: JobOutcome): string =>
  [
    id,
    facts.name ?? '-',
    facts.status ?? 'no status',
    `${verdict} (${reason}${detail === undefined ? '' : `: ${detail}`})`,
    outcome,
    ...(error === undefined ? [] : [error]),
  ].join('  ');

const summaryOf = ({ plan, scanned, verdicts, outcomes, hooks, durationMs, suspended }: SweepSummary): string[] => [
  ...(suspended === undefined ? [] : [`the sweep was suspended: ${suspended}`]),
  `${plan ? 'planned: ' : ''}${scanned} jobs in ${durationMs} ms`,
  `verdicts: ${countsOf(verdicts)}`,
  `outcomes: ${countsOf(outcomes)}`,
  ...(plan ? [] : [`hooks, first attempts: ${countsOf({ ...hooks })}`]),
];
