/**
 * A host for tests that kill and pause it. It takes part in the scheduled passes of the namespace `t`, and reports them. Pages
 * are small and lanes are few, so that a sweep takes long. REDIS is the URL. With PAUSE_AFTER it pauses itself (SIGSTOP) after
 * that many judged jobs, so that its progress does not depend on when a test looks.
 */
import { createReaper } from '../../../src/index.ts';

const reaper = createReaper({
  redis: process.env.REDIS as string,
  namespace: 't',
  logger: false,
  lease: { duration: 1_000, renewInterval: 200 },
  sweep: { initialDelay: 0, pageSize: 20, concurrency: 2 },
  rescue: { initialDelay: 0, interval: 100, grace: 100 },
});
reaper.on('leader', ({ isThisHost }) => process.send?.({ lease: isThisHost }));
reaper.on('sweep', ({ scanned, error = '' }) => process.send?.({ sweep: scanned, error }));
const pauseAfter = Number(process.env.PAUSE_AFTER ?? 0);
let judged = 0;
reaper.on('job', () => {
  judged += 1;
  if (judged === pauseAfter) process.send?.({ isPaused: true }, () => process.kill(process.pid, 'SIGSTOP'));
});
reaper.start();
