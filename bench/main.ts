/**
 * How fast the main job is, against what it must reach: `npm run bench`, or `npm run bench -- --only GROUP,…`. One run on
 * one machine, ratios of what is measured in it; the stand-in for upstream does in Node what the Go reaper does, one command
 * at a time.
 */
import { parseArgs } from 'node:util';
import { type RedisServer, startRedis } from '../test/support/redisServer.ts';
import { benchBytes } from './bytes.ts';
import { benchEvidence } from './evidence.ts';
import { benchHeap } from './heap.ts';
import { benchHooks } from './hooks.ts';
import { benchInspector } from './inspector.ts';
import { benchRequeue } from './requeue.ts';
import { benchRescue } from './rescue.ts';
import { benchSteps } from './steps.ts';
import type { Report } from './support.ts';
import { benchSweep } from './sweep.ts';

/** Each gets a Redis that holds nothing. */
const groups: Record<string, (server: RedisServer, report: Report) => Promise<void>> = {
  sweep: benchSweep,
  heap: benchHeap,
  requeue: benchRequeue,
  rescue: benchRescue,
  evidence: benchEvidence,
  bytes: benchBytes,
  hooks: benchHooks,
  inspector: benchInspector,
  steps: benchSteps,
};

const { only } = parseArgs({ options: { only: { type: 'string' } } }).values;
const asked = only?.split(',') ?? Object.keys(groups);
const unknown = asked.filter((name) => !Object.hasOwn(groups, name));
if (unknown.length > 0) {
  console.error(`no such group: ${unknown.join(', ')}. There are: ${Object.keys(groups).join(', ')}`);
  process.exit(2);
}

const rows: { what: string; measured: string; must: string; isReached: boolean | undefined }[] = [];
const report: Report = (what, measured, must = '', isReached) => {
  rows.push({ what, measured, must, isReached });
  console.log(`${what}: ${measured}${must === '' ? '' : `  (must be ${must}: ${isReached ? 'yes' : 'NO'})`}`);
};
for (const name of asked) {
  const server = await startRedis();
  await groups[name]?.(server, report);
  await server.stop();
}
console.log('\n| what | measured | must be | reached |\n| --- | --- | --- | --- |');
for (const { what, measured, must, isReached } of rows) {
  console.log(
    `| ${what.trim()} | ${measured} | ${must} | ${isReached === undefined ? '' : isReached ? 'yes' : 'no'} |`,
  );
}
console.log(`\nNode ${process.version}, ${process.platform}, one run.`);
