/**
 * The seeded chaos driver: `npm run chaos -- --seed N --runs M` runs the seeds N, N+1, … N+M−1, a line each; a failure
 * prints its seed, its schedule and what is wrong. Exit code 1 if one failed. Ctrl-C leaves nothing running.
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
const { seed, runs, atOnce, only, verbose } = new Command('chaos')
  .description(
    'Kills, stops and cuts off worker hosts, reapers and Redis at seeded moments, and checks that no job is lost or doubled.',
  )
  .option('--seed <n>', 'first seed', count, 1)
  .option('--runs <n>', 'how many runs, each with the next seed', count, 1)
  .option('--at-once <n>', 'runs side by side', count, 1)
  .option('--only <kinds>', 'only faults of these kinds, with commas between', kindsOf)
  .option('--verbose', 'tell of runs that are fine what is told of failures')
  .parse()
  .opts<{ seed: number; runs: number; atOnce: number; only?: FaultKind[]; verbose?: boolean }>();

const asked = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => asked.abort());

const programs = await buildPrograms();
const failed: number[] = [];
const counts = new Map<FaultKind, number>();
const queue = new PQueue({ concurrency: Math.max(1, atOnce) });
try {
  await queue.addAll(
    Array.from({ length: runs }, (_, i) => async () => {
      asked.signal.throwIfAborted();
      const report = await runChaos(seed + i, programs, { only, signal: asked.signal }).catch((error: Error) => {
        if (asked.signal.aborted) throw error;
        failed.push(seed + i);
        console.log(`seed ${seed + i}: BROKE OFF: ${error.stack}`);
      });
      if (report === undefined) return;
      console.log(lineOf(report));
      for (const kind of report.plan.kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
      if (report.breaches.length > 0) failed.push(report.plan.seed);
      if (report.breaches.length > 0 || verbose) console.log(textOf(report));
    }),
  );
  console.log(`runs that had each kind: ${textOfKinds(counts)}`);
  console.log(
    failed.length === 0
      ? `all ${runs} runs are fine`
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
