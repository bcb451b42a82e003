import cliProgress from 'cli-progress';
import type { Command } from 'commander';
import type { JobOutcome, Reaper, SweepSummary } from '../index.ts';
import { configOf, reaperOf } from './config.ts';
import { failed, needsAttention } from './exitCodes.ts';
import { createJobGroups, printJobGroups } from './jobGroups.ts';
import { withOptions } from './options.ts';
import { once } from './signals.ts';
import { countsOf, finish, print, printJson } from './text.ts';
import { UsageError } from './usage.ts';

export const registerSweep = (program: Command): void => {
  const command = program
    .command('sweep')
    .description('judge every tracked job once')
    .option('--plan', 'print what would be done, and change nothing')
    .option('--exit-code', 'with --plan: end with 3 if something would be done')
    .option('--verbose', 'a line for each job, instead of groups');
  withOptions(command, 'redis', 'judging', 'pools', 'sweep', 'hooks', 'audit').action(async (flags: SweepFlags) => {
    if (flags.exitCode && !flags.plan) throw new UsageError('--exit-code: use it with --plan');
    const reaper = reaperOf(configOf(command));
    finish(await once(reaper, () => sweep(reaper, flags)));
  });
};

interface SweepFlags {
  readonly json?: boolean;
  readonly plan?: boolean;
  readonly exitCode?: boolean;
  readonly verbose?: boolean;
}

/**
 * One sweep: the jobs that it acts on, or that need attention, in groups; the summary at the end. Exit code 1 if an act was given
 * up, or the sweep was suspended.
 */
export const sweep = async (reaper: Reaper, flags: SweepFlags): Promise<number> => {
  // The bar needs a terminal that can move its cursor.
  const isDumb = !process.stderr.isTTY || process.env.TERM === 'dumb';
  const bar = flags.json || isDumb ? undefined : progressBar(await reaper.tracked());
  const plan = flags.plan === true;
  const groups = createJobGroups();
  reaper.on('job', (outcome) => {
    bar?.increment();
    if (flags.json) printJson({ type: 'job', ...outcome });
    else if (!isNoteworthy(outcome)) return;
    else if (!flags.verbose) groups.add(outcome);
    else {
      if (bar !== undefined) process.stderr.write('\r\u001b[K'); // The bar is drawn again below the line.
      print(lineOf(outcome));
    }
  });
  let summary: SweepSummary;
  try {
    summary = await reaper.sweep({ plan });
  } finally {
    bar?.stop();
    printJobGroups(groups, plan);
  }
  if (flags.json) printJson({ type: 'summary', ...summary });
  else print(...summaryOf(summary));
  const { outcomes, suspended } = summary;
  if ((outcomes.abandoned ?? 0) > 0 || suspended !== undefined) return failed;
  return flags.exitCode && (outcomes.planned ?? 0) > 0 ? needsAttention : 0;
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

const isNoteworthy = ({ verdict, reason }: JobOutcome) =>
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
