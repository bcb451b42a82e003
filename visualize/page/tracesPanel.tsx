import { useMemo, useState } from 'preact/hooks';
import type { ChartIndex, Trace } from '../protocol.ts';
import { Chart, type Marks } from './chart.tsx';
import type { Data } from './connection.ts';
import { FactsTable, Rules } from './facts.tsx';
import { clockTime, stateName } from './format.ts';

/** The recorded traces of a job. The chosen one is drawn in the chart, step by step. */
export const TracesPanel = ({ traces, data }: { traces: readonly Trace[]; data: Data }) => {
  const [chosen, setChosen] = useState<number>();
  const trace = traces.find(({ number }) => number === chosen) ?? traces[0];
  return (
    <section class="panel" aria-label="Traces">
      <header>
        <h3>Traces</h3>
        {traces.length > 1 && (
          <label>
            Trace{' '}
            <select value={trace?.number} onChange={({ currentTarget }) => setChosen(Number(currentTarget.value))}>
              {traces.map(({ number, steps, outcome }) => (
                <option key={number} value={number}>
                  {clockTime(steps[0]?.at ?? 0)}{' '}
                  {outcome === undefined ? 'running' : `${outcome.verdict}, ${outcome.outcome}`}
                </option>
              ))}
            </select>
          </label>
        )}
      </header>
      {trace === undefined ? (
        <p class="hint">
          No trace of this job is recorded. The reaper records the latest 1,000 jobs that acted, and one in{' '}
          {data.about.sampleEvery} of the others. Watch the job to see its next trace.
        </p>
      ) : (
        <TraceView key={trace.number} trace={trace} index={data.about.charts.job} />
      )}
    </section>
  );
};

const TraceView = ({ trace, index }: { trace: Trace; index: ChartIndex }) => {
  const [step, setStep] = useState<number>();
  const last = trace.steps.length - 1;
  // The latest step is shown until a person chooses another one.
  const at = Math.min(step ?? last, last);
  const here = trace.steps[at] as Trace['steps'][number];
  const judged = trace.judged[here.facts];
  const description = index.descriptions[index.states.indexOf(here.state)];
  const marks = useMemo(() => marksOf(trace, at), [trace, at]);
  return (
    <div class="trace">
      <Stepper trace={trace} at={at} go={(to) => setStep(Math.max(0, Math.min(last, to)))} />
      <StepText trace={trace} at={at} index={index} />
      {description !== undefined && description !== '' && <p class="hint">{description}</p>}
      <Chart name="job" index={index} marks={marks} />
      {judged !== undefined && (
        <div class="columns">
          <div>
            <h4>The facts at this step</h4>
            <FactsTable facts={judged.facts} />
          </div>
          <div>
            <h4>The rules that were asked</h4>
            <Rules rules={judged.rules} />
          </div>
        </div>
      )}
    </div>
  );
};

/** Marks the states and transitions up to a step. */
const marksOf = ({ steps }: Trace, at: number): Marks => {
  const here = steps[at] as Trace['steps'][number];
  return {
    kind: 'trace',
    states: new Set(steps.slice(0, at + 1).map(({ state }) => state)),
    transitions: new Set(steps.slice(1, at + 1).map(({ transition }) => transition as number)),
    here: here.state,
    by: here.transition,
  };
};

/** The buttons for the steps. The arrow keys go back and forward. */
const Stepper = ({ trace: { steps }, at, go }: { trace: Trace; at: number; go(to: number): void }) => {
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'ArrowLeft') go(at - 1);
    else if (event.key === 'ArrowRight') go(at + 1);
    else return;
    event.preventDefault();
  };
  return (
    <div class="stepper">
      <button type="button" onClick={() => go(at - 1)} onKeyDown={onKey} disabled={at === 0} aria-label="Step back">
        ←
      </button>
      <ol aria-label="Steps">
        {steps.map(({ state }, i) => (
          <li key={i}>
            <button
              type="button"
              class={i > at ? 'ahead' : ''}
              aria-current={i === at ? 'step' : undefined}
              onClick={() => go(i)}
              onKeyDown={onKey}
            >
              {stateName(state)}
            </button>
          </li>
        ))}
      </ol>
      <button
        type="button"
        onClick={() => go(at + 1)}
        onKeyDown={onKey}
        disabled={at === steps.length - 1}
        aria-label="Step forward"
      >
        →
      </button>
    </div>
  );
};

/** A step in words: its state and time, and how the job came there; for the last step also how the job ended. */
const StepText = ({ trace, at, index }: { trace: Trace; at: number; index: ChartIndex }) => {
  const here = trace.steps[at] as Trace['steps'][number];
  const transition = here.transition === undefined ? undefined : index.transitions[here.transition];
  const isLast = at === trace.steps.length - 1;
  const { outcome } = trace;
  return (
    <p role="status">
      <strong>{stateName(here.state)}</strong> at {clockTime(here.at)}
      {transition !== undefined && (
        <>
          , from {stateName(transition.from)} by <code>{transition.label}</code>
        </>
      )}
      {trace.lane !== undefined && at === 0 && <>, in {trace.lane}</>}
      {isLast && outcome !== undefined && (
        <>
          . {trace.plan ? 'Planned' : 'Ended'}: {outcome.verdict}, {outcome.reason} → {outcome.outcome}
          {outcome.error !== undefined && <span class="bad"> {outcome.error}</span>}
        </>
      )}
      {isLast && outcome === undefined && <>, still running</>}
    </p>
  );
};
