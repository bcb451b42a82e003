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
  refireGraceS: 1,
  sweep: { firstAfterMs: 100, intervalMs: 300 },
  // A claim that its holder has died with is over after 11 s.
  hooks: { headerTimeoutMs: 500, totalTimeoutMs: 500 },
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
