import type { Attributes } from '@opentelemetry/api';
import type { Clock } from '../io/clock.ts';
import type { SuspensionReason } from '../machines/refusal.ts';
import { isHookUnchanged } from '../machines/types/job.ts';
import { version } from '../package.ts';
import type { EventSource, Suspension } from './events.ts';

type Api = typeof import('@opentelemetry/api');
type PassName = Suspension['pass'];

/** Spans of OpenTelemetry, one for each pass, with an event for each act. */
export interface Tracing {
  passStarted(pass: PassName): void;
}

/** A pass that has not ended. Times of day in ms. */
interface OpenPass {
  readonly startedAt: number;
  readonly acts: { readonly name: string; readonly attributes: Attributes; readonly at: number }[];
}

/** Events of one span. More would be dropped by the SDK, unless it is set otherwise. */
const maxEvents = 128;

/**
 * Traces the passes, if the host has `@opentelemetry/api`. Without it, or without a tracer provider, nothing is traced. A span
 * is made when its pass has ended: a pass in memory costs less than a span that is not read.
 */
export const createTracing = ({ on }: Pick<EventSource, 'on'>, clock: Clock): Tracing => {
  let api: Promise<Api | undefined> | undefined;
  /** Passes that have not ended, oldest first. Rescue passes may overlap. */
  const open: Record<PassName, OpenPass[]> = { sweep: [], rescue: [] };

  const act = (pass: PassName, name: string, attributes: Attributes) => {
    const acts = open[pass].at(-1)?.acts;
    if (acts !== undefined && acts.length < maxEvents) acts.push({ name, attributes, at: clock.now() });
  };

  const end = async (pass: PassName, attributes: Attributes, error: string | undefined) => {
    const ended = open[pass].shift();
    const endedAt = clock.now();
    const otel = await api;
    if (ended === undefined || otel === undefined) return;
    const tracer = otel.trace.getTracer('jobservice-reaper', version);
    const span = tracer.startSpan(`reaper ${pass}`, { startTime: ended.startedAt, attributes });
    for (const { name, attributes: of, at } of ended.acts) span.addEvent(name, of, at);
    if (error !== undefined) span.setStatus({ code: otel.SpanStatusCode.ERROR, message: error });
    span.end(endedAt);
  };

  on('job', ({ id, verdict, reason, outcome, facts }) => {
    if (verdict === 'keep' || isHookUnchanged(outcome)) return;
    act('sweep', 'job', { id, type: facts.name ?? '', verdict, reason, outcome });
  });
  on('pool', ({ pool, outcome, entries, quarantined }) =>
    act('rescue', 'pool', { pool, outcome, entries, quarantined }),
  );
  on('orphan', ({ id, type, pool, outcome }) => act('rescue', 'orphan', { id, type, pool, outcome }));
  on('quarantine', ({ id, type }) => act('rescue', 'quarantine', { id, type }));
  on('sweep', ({ plan, scanned, suspended, error }) => end('sweep', attributesOf({ plan, scanned }, suspended), error));
  on('rescue', ({ plan, alive, entries, orphaned, suspended, error }) =>
    end('rescue', attributesOf({ plan, alive, entries, orphaned }, suspended), error),
  );

  return {
    passStarted(pass) {
      api ??= import('@opentelemetry/api').catch(() => undefined);
      open[pass].push({ startedAt: clock.now(), acts: [] });
    },
  };
};

const attributesOf = (rest: Attributes, suspended: SuspensionReason | undefined): Attributes =>
  suspended === undefined ? rest : { ...rest, suspended: suspended.message, suspendedBy: suspended.code };
