import cliProgress from 'cli-progress';
import type { JobOutcome, Reaper, SweepSummary } from '../index.ts';
import { countsOf } from './shared.ts';
import { print, printJson } from './text.ts';

/** One sweep, its jobs as they are judged, its summary last. Exit code 1 where a job could not be mended, or it was suspended. */
export const sweep = async (reaper: Reaper, flags: { json?: boolean; plan?: boolean }): Promise<number> => {
  // A terminal that can't move its cursor has no use for a bar.
  const isDumb = !process.stderr.isTTY || process.env.TERM === 'dumb';
  const bar = flags.json || isDumb ? undefined : progressBar(await reaper.tracked());
  reaper.on('job', (outcome) => {
    bar?.increment();
    if (flags.json) printJson({ type: 'job', ...outcome });
    else if (isWorthALine(outcome)) {
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

const isWorthALine = ({ verdict, reason }: JobOutcome) =>
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
