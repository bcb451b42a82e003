/**
 * It is 3 a.m., and image scans do not run: a Redis in the state of a Harbor with 50,000 tracked jobs, to practise on (docs/incident.md).
 *
 *   npm run incident                            starts a Redis of its own, and works as the two live pools until Ctrl-C
 *   npm run incident -- --redis URL             uses this one, which must be empty
 *   npm run incident -- --seed 2 --jobs 5000    other ids; fewer jobs
 *   npm run incident -- --redis URL --no-beat   builds the state and ends: after 10 s the live pools look dead too
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { cleanUp, cleanUps, say, startHookEndpoint, startRedis } from '../stage.ts';
import { namespace } from './namespace.ts';
import { fullSize } from './scenario.ts';
import { seedIncident } from './seed.ts';
import { startWorkers } from './workers.ts';

/** @throws Error for a wrong flag. */
const readFlags = () => {
  const { values } = parseArgs({
    options: {
      redis: { type: 'string' },
      seed: { type: 'string', default: '1' },
      jobs: { type: 'string', default: String(fullSize) },
      beat: { type: 'boolean', default: true },
    },
    allowNegative: true,
  });
  const wholeNumber = (name: 'seed' | 'jobs'): number => {
    if (!/^\d{1,9}$/.test(values[name])) throw new Error(`--${name} must be a whole number`);
    return Number(values[name]);
  };
  return { ...values, seed: wholeNumber('seed'), size: wholeNumber('jobs') };
};

const main = async ({ redis: given, seed, size, beat }: ReturnType<typeof readFlags>): Promise<void> => {
  const url = given ?? (await startRedis());
  const redis = new Redis(url);
  redis.on('error', () => undefined); // Each command that fails says so.
  cleanUps.push(() => redis.disconnect());
  const endpoints = beat ? { core: new URL(await startHookEndpoint([])).origin } : {};
  const began = Date.now();
  const incident = await seedIncident(redis, { seed, size, endpoints });
  say(`Seeded ${size.toLocaleString('en')} jobs of a Harbor in ${((Date.now() - began) / 1_000).toFixed(1)} s.`);
  if (!beat) return;
  const workers = await startWorkers(redis, url, incident);
  cleanUps.push(workers.stop);
  say('Two of its pools live as long as this runs; Ctrl-C ends it.\n');
  say('It is 3 a.m., and image scans do not run. In another terminal:\n');
  // A URL that was given may hold a password.
  say(`  export REAPER_REDIS=${given === undefined ? url : 'URL'} REAPER_NAMESPACE='${namespace}'`);
  say('  npx reaper status\n');
  await stopped;
};

/** Ends with the first signal, at any time. */
const stopped = Promise.race(['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => once(process, signal)));
const fail = (code: number) => (error: unknown) => {
  console.error(`incident: ${(error as Error).message}`);
  process.exitCode = code;
};
try {
  await Promise.race([main(readFlags()).catch(fail(1)), stopped]);
} catch (error) {
  fail(2)(error);
}
await cleanUp();
process.exit();
