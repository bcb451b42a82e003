import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { AskedRule, Facts, HookRecord } from '../../src/index.ts';
import type { JobAnswer, Trace } from '../protocol.ts';
import { Chart } from './chart.tsx';
import type { Data } from './connection.ts';
import { clockTime, count, dateTime, isoText, span, stateName } from './format.ts';
import { useConnection } from './hooks.ts';

type Answer =
  | { readonly state: 'asking' }
  | { readonly state: 'known'; readonly job: JobAnswer }
  | { readonly state: 'failed'; readonly error: string };

/** All about one job: why it is treated as it is, where it is, and its walks step by step. */
export const JobPage = ({ id, data, live }: { id: string; data: Data; live: readonly Trace[] | undefined }) => {
  const connection = useConnection();
  const [answer, setAnswer] = useState<Answer>({ state: 'asking' });
  const [isWatched, setIsWatched] = useState(false);
  /** What was seen live stays when one does not watch any more, until the job is explained again. */
  const seen = useRef<readonly Trace[] | undefined>(undefined);
  if (live !== undefined) seen.current = live;
  const ask = () => {
    seen.current = undefined;
    setAnswer({ state: 'asking' });
    connection.ask({ type: 'job', id }).then(
      ({ job }) => job !== undefined && setAnswer({ state: 'known', job }),
      (error) => setAnswer({ state: 'failed', error: error.message }),
    );
  };
  useEffect(() => {
    ask();
    return () => connection.unwatch(id);
  }, []);
  const toggle = () => {
    if (isWatched) connection.unwatch(id);
    else connection.watch(id);
    setIsWatched(!isWatched);
  };
  const traces = seen.current ?? (answer.state === 'known' ? answer.job.traces : []);

  return (
    <article class="job">
      <nav aria-label="Back">
        <a href="#/">← All jobs</a>
      </nav>
      <header class="job-head">
        <h2>
          Job <code>{id}</code>
        </h2>
        <div class="buttons">
          <button type="button" aria-pressed={isWatched} onClick={toggle}>
            {isWatched ? 'Watching' : 'Watch'}
          </button>
          <button type="button" onClick={ask} disabled={answer.state === 'asking'}>
            Explain again
          </button>
        </div>
      </header>
      {isWatched && (
        <p class="hint" role="status">
          Its next walks are shown as they happen: a sweep comes to it if it is tracked.
        </p>
      )}
      {answer.state === 'asking' && (
        <section class="panel empty">Reading the job, and looking for it in every queue…</section>
      )}
      {answer.state === 'failed' && (
        <section class="panel empty bad">
          It could not be explained: {answer.error}.{' '}
          <button type="button" onClick={ask}>
            Try again
          </button>
        </section>
      )}
      {answer.state === 'known' && <ExplanationPanel job={answer.job} />}
      <TracesPanel traces={traces} data={data} />
    </article>
  );
};

const ExplanationPanel = ({ job: { explanation } }: { job: JobAnswer }) => {
  const { isTracked, facts, rules, verdict, reason, detail, action, places, hook } = explanation;
  return (
    <div class="columns">
      <section class="panel" aria-label="Verdict">
        <header>
          <h3>Verdict now</h3>
          <span class={`verdict ${verdict}`}>
            <span class="mark" aria-hidden="true" />
            {verdict}: {reason}
          </span>
        </header>
        <p>
          {detail !== undefined && <>{detail}. </>}
          {isTracked ? `A sweep would do: ${action}.` : 'It is not tracked, so no sweep comes to it.'}
        </p>
        <Rules rules={rules} />
      </section>
      <section class="panel" aria-label="Facts">
        <header>
          <h3>Facts</h3>
          <span class="dim">{isTracked ? 'tracked' : 'not tracked'}</span>
        </header>
        <FactsTable facts={facts} />
        <h4>Its undelivered hook</h4>
        <p class="hint">{hook === undefined ? 'None is noted.' : hookText(hook)}</p>
        <h4>Where its entry is</h4>
        {places.length === 0 ? (
          <p class="hint">In no queue, and held by no pool.</p>
        ) : (
          <ul class="places">
            {places.map((place) => (
              <li key={JSON.stringify(place)}>{placeText(place)}</li>
            ))}
          </ul>
        )}
      </section>
    </div>
  );
};

const hookText = ({ state, about, origin, attempts, firstAttemptAt, lastAttemptAt, answer }: HookRecord): string =>
  [
    `${state}: ${about.replace(':', ', revision ')} to ${origin}`,
    `${count(attempts)} attempts${firstAttemptAt === undefined ? '' : `, the first ${isoText(firstAttemptAt)}`}${lastAttemptAt === undefined ? '' : `, the last ${isoText(lastAttemptAt)}`}`,
    ...(answer === undefined ? [] : [state === 'parked' ? `given up: ${answer}` : `last answer ${answer}`]),
  ].join('; ');

const placeText = ({
  kind,
  type,
  pool,
  isPoolAlive,
  ahead,
  at,
}: JobAnswer['explanation']['places'][number]): string => {
  if (kind === 'queue') return `queued in ${type}, ${count(ahead ?? 0)} before it`;
  if (kind === 'in progress') return `held by pool ${pool} (${isPoolAlive ? 'alive' : 'dead'}) as ${type}`;
  if (kind === 'observed') return `run by a worker of pool ${pool}${at ? ` since ${isoText(at)}` : ''}`;
  return `in ${kind}${at ? `, ${isoText(at)}` : ''}`;
};

const Rules = ({ rules }: { rules: readonly AskedRule[] }) => (
  <ol class="rules">
    {rules.map(({ rule, question, answer }, i) => (
      <li key={rule} value={rule} class={i === rules.length - 1 ? 'decides' : ''}>
        <span>{question}</span> <em>{answer}</em>
      </li>
    ))}
  </ol>
);

const FactsTable = ({ facts }: { facts: Facts }) => {
  const time = (value: number | null | undefined) =>
    // NaN, a time that is no integer, comes as null.
    value === null
      ? 'no integer'
      : value
        ? `${dateTime(value)}, ${span(Math.abs(facts.readAt - value) * 1_000)} ${value > facts.readAt ? 'ahead' : 'before'}`
        : 'none';
  if (facts.stats !== 'found') return <p class="hint">Stats: {facts.stats}.</p>;
  const { ack } = facts;
  const rows: readonly (readonly [string, string])[] = [
    ['status', facts.status ?? 'none'],
    ['type', facts.name ?? 'none'],
    ['kind', facts.kind ?? 'none'],
    ['revision', time(facts.revision)],
    ['update_time', time(facts.updateTime)],
    ['check_in_at', time(facts.checkInAt)],
    ['enqueue_time', time(facts.enqueueTime)],
    ['run_at', time(facts.runAt)],
    ['hook', facts.hasHook ? 'has a URL' : 'none'],
    [
      'ACK',
      ack === undefined
        ? 'none'
        : ack === 'unreadable'
          ? 'can not be read'
          : `${ack.status}, revision ${ack.revision}, check-in ${ack.checkInAt}`,
    ],
  ];
  return (
    <dl class="table">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
      <div>
        <dt>read</dt>
        <dd>{dateTime(facts.readAt)}</dd>
      </div>
    </dl>
  );
};

/** The walks that are known, and the one that is chosen, drawn in the job's chart. */
const TracesPanel = ({ traces, data }: { traces: readonly Trace[]; data: Data }) => {
  const [chosen, setChosen] = useState<number>();
  const walk = traces.find(({ number }) => number === chosen) ?? traces[0];
  return (
    <section class="panel" aria-label="Walks">
      <header>
        <h3>Walks</h3>
        {traces.length > 1 && (
          <label>
            Walk{' '}
            <select value={walk?.number} onChange={({ currentTarget }) => setChosen(Number(currentTarget.value))}>
              {traces.map(({ number, steps, outcome }) => (
                <option key={number} value={number}>
                  {clockTime(steps[0]?.at ?? 0)}{' '}
                  {outcome === undefined ? 'walking' : `${outcome.verdict}, ${outcome.outcome}`}
                </option>
              ))}
            </select>
          </label>
        )}
      </header>
      {walk === undefined ? (
        <p class="hint">
          No walk of this job is known. Those of jobs that acted are kept, the last 1,000 of them, and one in{' '}
          {data.about.sampleEvery} of the others. Watch it to see its next one.
        </p>
      ) : (
        <TraceView key={walk.number} walk={walk} data={data} />
      )}
    </section>
  );
};

const TraceView = ({ walk, data }: { walk: Trace; data: Data }) => {
  const [step, setStep] = useState<number>();
  const last = walk.steps.length - 1;
  // Until a person goes back, the walk is followed.
  const at = Math.min(step ?? last, last);
  const here = walk.steps[at] as Trace['steps'][number];
  const judged = walk.judged[here.facts];
  const index = data.about.charts.job;
  const transition = here.transition === undefined ? undefined : index.transitions[here.transition];
  const description = index.descriptions[index.states.indexOf(here.state)];
  const marks = useMemo(
    () => ({
      kind: 'walk' as const,
      states: new Set(walk.steps.slice(0, at + 1).map(({ state }) => state)),
      transitions: new Set(walk.steps.slice(1, at + 1).map(({ transition: taken }) => taken as number)),
      here: here.state,
      by: here.transition,
    }),
    [walk, at],
  );
  const follow = (event: KeyboardEvent) => {
    if (event.key === 'ArrowLeft') go(at - 1);
    else if (event.key === 'ArrowRight') go(at + 1);
    else return;
    event.preventDefault();
  };
  const go = (to: number) => setStep(Math.max(0, Math.min(last, to)));
  return (
    <div class="walk">
      <div class="stepper">
        <button type="button" onClick={() => go(at - 1)} onKeyDown={follow} disabled={at === 0} aria-label="Step back">
          ←
        </button>
        <ol aria-label="Steps">
          {walk.steps.map(({ state }, i) => (
            <li key={i}>
              <button
                type="button"
                class={i > at ? 'ahead' : ''}
                aria-current={i === at ? 'step' : undefined}
                onClick={() => go(i)}
                onKeyDown={follow}
              >
                {stateName(state)}
              </button>
            </li>
          ))}
        </ol>
        <button
          type="button"
          onClick={() => go(at + 1)}
          onKeyDown={follow}
          disabled={at === last}
          aria-label="Step forward"
        >
          →
        </button>
      </div>
      <p role="status">
        <strong>{stateName(here.state)}</strong> at {clockTime(here.at)}
        {transition !== undefined && (
          <>
            , from {stateName(transition.from)} by <code>{transition.label}</code>
          </>
        )}
        {walk.lane !== undefined && at === 0 && <>, in {walk.lane}</>}
        {at === last && walk.outcome !== undefined && (
          <>
            . {walk.plan ? 'Planned' : 'Ended'}: {walk.outcome.verdict}, {walk.outcome.reason} → {walk.outcome.outcome}
            {walk.outcome.error !== undefined && <span class="bad"> {walk.outcome.error}</span>}
          </>
        )}
        {at === last && walk.outcome === undefined && <>, still walking</>}
      </p>
      {description !== undefined && description !== '' && <p class="hint">{description}</p>}
      <Chart name="job" marks={marks} />
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
