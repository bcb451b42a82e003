/**
 * A script that looks once and changes nothing: what a sweep would do, by verdict and reason, and why the jobs that you name
 * do not run. Exit code 0 if no job needs an act, else 3.
 *
 *   REAPER_REDIS, REAPER_NAMESPACE       Redis and namespace
 *   tsx examples/one-shot.ts [JOB…]
 */
import { createReaper } from '../src/index.ts';
import { need } from './environment.ts';

await using reaper = createReaper({
  redis: need('REAPER_REDIS'),
  namespace: need('REAPER_NAMESPACE'),
  plan: true, // No method of this reaper changes anything.
  logger: false,
});

const { scanned, verdicts, reasons, outcomes } = await reaper.sweep();
console.log(`${scanned} jobs are tracked`, verdicts, reasons);
for (const id of process.argv.slice(2)) {
  const { verdict, reason, action } = await reaper.explain(id);
  console.log(`${id}: ${verdict} (${reason}), ${action}`);
}
process.exitCode = outcomes.planned === undefined ? 0 : 3;
