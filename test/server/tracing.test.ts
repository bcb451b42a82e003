/** Spans of OpenTelemetry: one for each pass, with an event for each act. */
import { SpanStatusCode, trace } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { emptyTally } from '../../src/machines/tally.ts';
import { emptyRescue } from '../../src/machines/types/rescue.ts';
import { createEmitter } from '../../src/reaper/events.ts';
import { noHooks } from '../../src/reaper/hookCounts.ts';
import { rescueSummary, sweepSummary } from '../../src/reaper/summaries.ts';
import { createTracing } from '../../src/reaper/tracing.ts';
import { createTestClock } from '../support/clock.ts';
import { outcome, rescued } from '../support/passes.ts';

const exporter = new InMemorySpanExporter();
beforeEach(() => {
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
});
afterEach(() => {
  exporter.reset();
  trace.disable();
});

const traced = () => {
  const clock = createTestClock();
  const { emit, ...source } = createEmitter(() => undefined);
  const { passStarted } = createTracing(source, clock);
  return { clock, emit, passStarted };
};
const spans = async (count: number) => {
  await vi.waitUntil(() => exporter.getFinishedSpans().length === count);
  return exporter.getFinishedSpans();
};
const sweepOf = (more = {}) =>
  sweepSummary({ number: 1, plan: false, tally: { ...emptyTally, scanned: 3 }, ...more }, 5_000, () => noHooks);

test('a sweep is a span with its times, and each act an event of it', async () => {
  const { clock, emit, passStarted } = traced();
  const began = clock.now();
  passStarted('sweep');
  clock.advance(1_000);
  emit('job', outcome);
  emit('job', { ...outcome, verdict: 'keep', reason: 'ongoing', outcome: 'kept' });
  for (const end of ['already-pending', 'parked'] as const)
    emit('job', { ...outcome, verdict: 'refire', reason: 'unacknowledged', outcome: end });
  clock.advance(4_000);
  emit('sweep', sweepOf());
  const [span] = await spans(1);
  expect(span).toMatchObject({ name: 'reaper sweep', attributes: { plan: false, scanned: 3 } });
  const ms = ([s, ns]: readonly number[] = []) => Math.round((s ?? 0) * 1_000 + (ns ?? 0) / 1e6);
  expect([ms(span?.startTime) - began, ms(span?.endTime) - began]).toEqual([0, 5_000]);
  expect(span?.events.map(({ name, attributes }) => ({ name, ...attributes }))).toEqual([
    { name: 'job', id: 'j1', type: outcome.facts.name ?? '', verdict: 'fail', reason: 'hung', outcome: 'done' },
  ]);
});

test('a rescue that did not complete is a span with an error; no span has more than 128 events', async () => {
  const { emit, passStarted } = traced();
  passStarted('rescue');
  for (let i = 0; i < 200; i++) emit('pool', rescued(`p${i}`));
  emit('rescue', rescueSummary({ ...emptyRescue({ number: 0, plan: false }), error: 'connection lost' }, 10));
  const [span] = await spans(1);
  expect(span?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'connection lost' });
  expect(span?.events).toHaveLength(128);
});
