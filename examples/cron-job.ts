/**
 * One rescue and one sweep, for cron or a CronJob of Kubernetes, where no process shall stay. Exit code 0 if both passes
 * completed, else 1. Use `reaper run` where you can: a rescue every 10 s finds a dead pool sooner than any cron job does.
 *
 *   REAPER_REDIS, REAPER_NAMESPACE       Redis and namespace
 */
import { createReaper, ReaperError } from '../src/index.ts';
import { need } from './environment.ts';

/** Longer than the passes take, and shorter than the time until the next run. */
const signal = AbortSignal.timeout(50_000);

await using reaper = createReaper({ redis: need('REAPER_REDIS'), namespace: need('REAPER_NAMESPACE') });
try {
  await reaper.ping(); // Passes would wait for Redis.
  // Without a grace period: the next run would begin the wait of this one again.
  const { pools, entries } = await reaper.rescue({ grace: 0, signal });
  const { verdicts, outcomes, hooks } = await reaper.sweep({ signal });
  console.log(JSON.stringify({ pools, entries, verdicts, outcomes, hooks }));
} catch (error) {
  if (!(error instanceof ReaperError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
