import type { Command } from 'commander';
import type { JobOutcome, Reaper, SweepSummary } from '../index.ts';
import { configOf, reaperOf } from './config.ts';
import { failed } from './exitCodes.ts';
import { withOptions } from './options.ts';
import { type PlanFile, readPlan } from './planFile.ts';
import { once } from './signals.ts';
import { countsOf, finish, print, printJson } from './text.ts';

export const registerApply = (program: Command): void => {
  const command = program
    .command('apply')
    .argument('<file>', 'a plan, as reaper sweep --plan --out FILE writes it')
    .description('do exactly the acts of a plan, each only if its facts still stand');
  withOptions(command, 'redis', 'judging', 'pools', 'sweep', 'hooks', 'audit').action(
    async (file: string, flags: { json?: boolean }) => {
      const config = configOf(command);
      const reaper = reaperOf(config);
      const plan = readPlan(file, String(config.options.namespace));
      finish(await once(reaper, () => apply(reaper, plan, flags)));
    },
  );
};

/**
 * Does the acts of a plan. Names each that was not done, with the reason. Exit code 1 if there is one: its job has changed, or
 * the act was given up.
 */
export const apply = async (
  reaper: Reaper,
  { acts }: Pick<PlanFile, 'acts'>,
  flags: { json?: boolean },
): Promise<number> => {
  let [moved, done] = [0, 0];
  const report = (id: string, why: string) => {
    moved += 1;
    if (flags.json) printJson({ type: 'moved', id, why });
    else print(`${id}: not done, ${why}`);
  };
  reaper.on('job', (outcome) => {
    if (flags.json) printJson({ type: 'job', ...outcome });
    if (isDone(outcome)) done += 1;
    else if (outcome.outcome === 'overtaken') report(outcome.id, whyMoved(outcome));
    else if (!flags.json) print(`${outcome.id}: given up, ${outcome.error ?? outcome.outcome}`);
  });
  const summary = await reaper.sweep({ acts });
  for (const id of summary.notFound ?? []) report(id, 'it is not tracked any more');
  const left = acts.length - done - moved;
  if (flags.json) printJson({ type: 'summary', planned: acts.length, done, moved, failed: left, sweep: summary });
  else print(...summaryOf({ planned: acts.length, done, moved, left }, summary));
  return done < acts.length || summary.suspended !== undefined ? failed : 0;
};

const isDone = ({ outcome }: JobOutcome): boolean => outcome === 'done' || outcome === 'enqueued';

const whyMoved = ({ moved, facts, verdict, reason }: JobOutcome): string => {
  const now = `${facts.status === undefined ? '' : `it is ${facts.status}, `}a sweep would say ${verdict} (${reason})`;
  return `${moved === 'verdict' ? 'the same facts give another verdict now' : 'its facts have changed'}: ${now}`;
};

const summaryOf = (
  { planned, done, moved, left }: { planned: number; done: number; moved: number; left: number },
  { suspended, durationMs, hooks }: SweepSummary,
): string[] => [
  ...(suspended === undefined ? [] : [`suspended: ${suspended}`]),
  `${planned} planned: ${countsOf({ done, moved, failed: left })}, in ${durationMs} ms`,
  `hooks, first attempts: ${countsOf({ ...hooks })}`,
];
