/**
 * Runs the benchmarks and compares the results with their targets: `npm run bench`, or `npm run bench -- --only GROUP,…`.
 * Most targets are ratios of two results of the same run. `upstream/` does what the Go reaper does.
 */
import { parseArgs } from 'node:util';
import { type RedisServer, startRedis } from '../test/support/redisServer.ts';
import { benchAudit } from './audit.ts';
import { benchBytes } from './bytes.ts';
import { benchEvidence } from './evidence.ts';
import { benchFleet } from './fleet.ts';
import { benchHeap } from './heap.ts';
import { benchHooks } from './hooks.ts';
import { benchInspector } from './inspector.ts';
import { benchMetrics } from './metrics.ts';
import { benchRequeue } from './requeue.ts';
import { benchRescue } from './rescue.ts';
import { benchSteps } from './steps.ts';
import type { Report } from './support.ts';
import { benchSweep } from './sweep.ts';

/** Each group gets an empty Redis. */
const groups: Record<string, (server: RedisServer, report: Report) => Promise<void>> = {
  sweep: benchSweep,
  metrics: benchMetrics,
  heap: benchHeap,
  requeue: benchRequeue,
  rescue: benchRescue,
  evidence: benchEvidence,
  bytes: benchBytes,
  hooks: benchHooks,
  inspector: benchInspector,
  steps: benchSteps,
  audit: benchAudit,
  fleet: benchFleet,
};

const { only } = parseArgs({ options: { only: { type: 'string' } } }).values;
const asked = only?.split(',') ?? Object.keys(groups);
const unknown = asked.filter((name) => !Object.hasOwn(groups, name));
if (unknown.length > 0) {
  console.error(`unknown group: ${unknown.join(', ')}. The groups are: ${Object.keys(groups).join(', ')}`);
  process.exit(2);
}

const rows: { benchmark: string; result: string; target: string; isMet: boolean | undefined }[] = [];
const report: Report = (benchmark, result, target = '', isMet) => {
  rows.push({ benchmark, result, target, isMet });
  console.log(`${benchmark}: ${result}${target === '' ? '' : `  (target ${target}: ${isMet ? 'met' : 'NOT MET'})`}`);
};
for (const name of asked) {
  const server = await startRedis();
  try {
    await groups[name]?.(server, report);
  } finally {
    await server.stop();
  }
}
console.log('\n| benchmark | result | target | met |\n| --- | --- | --- | --- |');
for (const { benchmark, result, target, isMet } of rows) {
  console.log(`| ${benchmark} | ${result} | ${target} | ${isMet === undefined ? '' : isMet ? 'yes' : 'no'} |`);
}
console.log(`\nNode ${process.version}, ${process.platform}, one run.`);
