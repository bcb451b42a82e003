/**
 * A host that has no file descriptor left once it is connected: it sends what is due, says what became of it, and goes on
 * after a message that there are some again. REDIS says where.
 */
import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { createReaper } from '../../src/index.ts';

const reaper = createReaper({ redis: process.env.REDIS as string, namespace: 't', logger: false, role: 'never' });
const faults: unknown[] = [];
const outcomes: unknown[] = [];
reaper.on('error', (fault) => faults.push(fault));
reaper.on('hook', (outcome) => outcomes.push(outcome));
await reaper.ping();
// Loads what is loaded at the first use.
await reaper.undelivered.endpoints();
const held: number[] = [];
try {
  for (;;) held.push(openSync(devNull, 'r'));
} catch {}
const { hooks } = await reaper.sweep();
const health = reaper.health();
for (const fd of held) closeSync(fd);
process.stdout.write(`${JSON.stringify({ held: held.length, hooks, outcomes, faults, health })}\n`);
reaper.start();
for await (const _ of process.stdin) break;
await reaper.stop();
