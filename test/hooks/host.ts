/**
 * A worker host for the tests that kill it: it takes ids from a list, runs each job through its life, and sweeps, until
 * it is killed. REDIS and HOOK say where.
 */
import { Redis } from 'ioredis';
import { createReaper } from '../../src/index.ts';

const url = process.env.REDIS as string;
const redis = new Redis(url);
const reaper = createReaper({
  redis: url,
  namespace: 't',
  logger: false,
  refireGrace: '1s',
  sweep: { initialDelay: 100, interval: 300 },
  // A claim that its holder has died with is over after 12 s.
  hooks: { headerTimeout: 2_000, timeout: 2_000 },
});
// What it has not heard is sent again, and the endpoint may have had it: this machine was too slow.
reaper.on('hook', ({ id, state, outcome, reason }) => {
  if (outcome === 'failed' && reason?.endsWith('within 2000 ms')) process.send?.({ unheard: `${id} ${state?.status}` });
});
reaper.start();
process.send?.('ready');
for (;;) {
  const id = await redis.rpop('todo');
  if (id === null) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    continue;
  }
  const job = await reaper.lifecycle.save({ id, name: 'X', webHookUrl: process.env.HOOK as string });
  await job.run();
  await job.succeed();
}
