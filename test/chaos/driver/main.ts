/**
 * The seeded chaos driver: `npm run chaos -- --seed N --runs M` runs the seeds N to N+M−1 and prints one line for each. A failed
 * run prints its seed, its schedule and the breaches. Exits with 1 if a run failed. Ctrl-C ends all processes.
 */
import { Command, InvalidArgumentError } from 'commander';
import PQueue from 'p-queue';
import { type FaultKind, faultKinds } from './acts.ts';
import { buildPrograms } from './processes.ts';
import { lineOf, textOf, textOfKinds } from './report.ts';
import { runChaos } from './run.ts';

const count = (text: string): number => {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
};
const kindsOf = (text: string): FaultKind[] =>
  text.split(',').map((name) => {
    const kind = faultKinds.find((known) => known === name.trim());
    if (kind === undefined) throw new InvalidArgumentError(`Kinds are ${faultKinds.join(', ')}.`);
    return kind;
  });
const { seed, runs, concurrency, only, verbose } = new Command('chaos')
  .description(
    'Kills, stops and disconnects worker hosts, reapers and Redis at seeded times, and checks that no job is lost or run twice.',
  )
  .option('--seed <n>', 'first seed', count, 1)
  .option('--runs <n>', 'number of runs; each has the next seed', count, 1)
  .option('--concurrency <n>', 'number of runs at the same time', count, 1)
  .option('--only <kinds>', 'only these kinds of faults, separated by commas', kindsOf)
  .option('--verbose', 'print the full report of successful runs too')
  .parse()
  .opts<{ seed: number; runs: number; concurrency: number; only?: FaultKind[]; verbose?: boolean }>();

const asked = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => asked.abort());

const programs = await buildPrograms();
const failed: number[] = [];
const counts = new Map<FaultKind, number>();
const queue = new PQueue({ concurrency: Math.max(1, concurrency) });
try {
  await queue.addAll(
    Array.from({ length: runs }, (_, i) => async () => {
      asked.signal.throwIfAborted();
      const report = await runChaos(seed + i, programs, { only, signal: asked.signal }).catch((error: Error) => {
        if (asked.signal.aborted) throw error;
        failed.push(seed + i);
        console.log(`seed ${seed + i}: ABORTED: ${error.stack}`);
      });
      if (report === undefined) return;
      console.log(lineOf(report));
      for (const kind of report.plan.kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
      if (report.breaches.length > 0) failed.push(report.plan.seed);
      if (report.breaches.length > 0 || verbose) console.log(textOf(report));
    }),
  );
  console.log(`runs with each kind of fault: ${textOfKinds(counts)}`);
  console.log(
    failed.length === 0
      ? `all ${runs} runs passed`
      : `${failed.length} of ${runs} runs failed; seeds ${failed.join(', ')}`,
  );
  if (failed.length > 0) process.exitCode = 1;
} catch (error) {
  if (!asked.signal.aborted) throw error;
  console.error('chaos: interrupted');
  process.exitCode = 130;
} finally {
  await queue.onIdle();
  await programs.remove();
}
