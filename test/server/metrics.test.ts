/** The catalogue of metrics, the bounds of labels, and what is counted of events. */
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createEmitter } from '../../src/reaper/events.ts';
import { catalog, type MetricDefinition } from '../../src/reaper/metrics/catalog.ts';
import { createCounting } from '../../src/reaper/metrics/counting.ts';
import { createInstruments } from '../../src/reaper/metrics/instruments.ts';
import { createEndpointLabels, createTypeLabels } from '../../src/reaper/metrics/labels.ts';
import { processMetrics } from '../../src/reaper/metrics/processMetrics.ts';
import { outcome, rescued } from '../support/passes.ts';

const definitions = Object.values<MetricDefinition>(catalog);

test('each name is unique, has a base unit, and `_total` if it is a counter', () => {
  expect(new Set(definitions.map(({ name }) => name)).size).toBe(definitions.length);
  for (const { name, type, help, buckets } of definitions) {
    expect(name, name).toMatch(/^[a-z_]+$/);
    expect(name, name).not.toMatch(/_(ms|minutes|hours|milliseconds|percent)(_|$)/);
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    expect(help, name).toMatch(/\.$/);
    if (type === 'histogram') expect(name, String(buckets)).toMatch(/_seconds$/);
  }
});

test('a type that a terminal would obey is shown escaped, the first time and later', () => {
  const typeOf = createTypeLabels();
  for (const _ of ['first', 'later'])
    expect(typeOf('a\u001b[2J\r\u202e\u2028')).toBe('a\\u001b[2J\\u000d\\u202e\\u2028');
});

test('200 types and 100 endpoints keep their names; a made-up name becomes other', () => {
  const typeOf = createTypeLabels();
  const labels = Array.from({ length: 300 }, (_, i) => typeOf(`T${i}`));
  expect(new Set(labels).size).toBe(201);
  expect([typeOf('T0'), typeOf('T299'), typeOf(undefined), typeOf('')]).toEqual(['T0', 'other', 'other', 'other']);
  expect(createTypeLabels()('x'.repeat(201))).toBe('other');
  const endpointOf = createEndpointLabels();
  for (const name of ['http://u:p@h', 'http://h/path', 'file:///etc', 'no URL', 'http://H.example'])
    expect(endpointOf(name), name).toBe('other');
  expect(endpointOf('https://h.example:8443')).toBe('https://h.example:8443');
  const endpoints = Array.from({ length: 150 }, (_, i) => endpointOf(`http://e${i}`));
  expect(new Set(endpoints).size).toBe(100);
});

const count = () => {
  const registry = new Registry();
  const source = createEmitter(() => undefined);
  const metrics = createInstruments(registry);
  const counting = createCounting(source, metrics, { typeOf: createTypeLabels(), endpointOf: createEndpointLabels() });
  return {
    emit: source.emit,
    async value(series: string) {
      counting.flush();
      const line = (await registry.metrics()).split('\n').find((one) => one.startsWith(`jobservice_reaper_${series} `));
      return line === undefined ? undefined : Number(line.split(' ').at(-1));
    },
  };
};

test('a pool that proves to be alive after entries of it were requeued is a false death', async () => {
  const { emit, value } = count();
  emit('pool', rescued('a', { outcome: 'alive', entries: 0, moved: {} }));
  expect(await value('false_deaths_total')).toBe(0);
  emit('pool', rescued('b', { outcome: 'alive' }));
  expect(await value('false_deaths_total')).toBe(1);
});

test('a plan requeues nothing, and is not a death', async () => {
  const { emit, value } = count();
  emit('pool', rescued('a', { outcome: 'planned' }));
  const act = { pool: 'a', heartbeat: '', entries: { A: 2 }, poison: [], marks: {} };
  emit('pool', rescued('a', { outcome: 'abandoned', act }));
  const orphan = { id: 'j', type: 'A', pool: 'p' };
  emit('orphan', { outcome: 'requeued', unobservedMs: 40_000, ...orphan, plan: true });
  expect(await value('entries_requeued_total{cause="dead-pool",type="A"}')).toBeUndefined();
  expect(await value('entries_requeued_total{cause="orphaned",type="A"}')).toBeUndefined();
  emit('pool', rescued('a', { durationMs: 20_000 }));
  emit('orphan', { outcome: 'requeued', unobservedMs: 40_000, ...orphan, plan: false });
  emit('orphan', { outcome: 'removed', endedMs: 1, ...orphan, plan: false });
  expect(await value('entries_requeued_total{cause="dead-pool",type="A"}')).toBe(2);
  expect(await value('entries_requeued_total{cause="orphaned",type="A"}')).toBe(1);
  expect(await value('entries_removed_total{type="A"}')).toBe(1);
  expect(await value('recovery_seconds_sum{cause="dead-pool"}')).toBe(20);
  expect(await value('recovery_seconds_sum{cause="orphaned"}')).toBe(40);
});

test('a job that was abandoned because Redis refuses writes does not count as one that failed', async () => {
  const { emit, value } = count();
  emit('job', { ...outcome, outcome: 'abandoned' });
  emit('job', { ...outcome, outcome: 'abandoned', isRefused: true });
  emit('job', outcome);
  emit('job', { ...outcome, verdict: 'keep', reason: 'ongoing', outcome: 'kept' });
  expect(await value('job_acts_total{verdict="fail",outcome="abandoned"}')).toBe(1);
  expect(await value('job_acts_total{verdict="fail",outcome="refused"}')).toBe(1);
  expect(await value('job_acts_total{verdict="fail",outcome="done"}')).toBe(1);
  expect(await value('job_acts_total{verdict="keep",outcome="kept"}')).toBeUndefined();
});

test('a failure of this host is not counted for the endpoint', async () => {
  const { emit, value } = count();
  const hook = { id: 'j', attempt: 1, endpoint: 'http://h' };
  emit('hook', { ...hook, outcome: 'skipped', hostError: 'EMFILE' });
  emit('hook', { ...hook, outcome: 'failed' });
  expect(await value('hook_attempts_total{outcome="host-error",endpoint="http://h"}')).toBe(1);
  expect(await value('hook_attempts_total{outcome="failed",endpoint="http://h"}')).toBe(1);
  expect(await value('hook_attempts_total{outcome="skipped",endpoint="http://h"}')).toBeUndefined();
});

test('the metrics of the process hold the lag of the event loop', async () => {
  expect(await processMetrics()).toContain('nodejs_eventloop_lag_p99_seconds');
});
