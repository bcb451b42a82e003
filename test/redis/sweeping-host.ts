/**
 * A host for the tests that kill and pause it: it takes part in the scheduled passes of the namespace `t`, in small pages
 * and few lanes so that a sweep takes its time, and tells of them. REDIS says where. With STAND_AFTER it stands
 * (SIGSTOP) once it has judged so many jobs: how far it has come does not depend on who looks when.
 */
import { createReaper } from '../../src/index.ts';

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
const standAfter = Number(process.env.STAND_AFTER ?? 0);
let judged = 0;
reaper.on('job', () => {
  judged += 1;
  if (judged === standAfter) process.send?.({ stands: true }, () => process.kill(process.pid, 'SIGSTOP'));
});
reaper.start();
