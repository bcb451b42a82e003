import { useEffect, useRef, useState } from 'preact/hooks';
import type { JobAnswer, Trace } from '../protocol.ts';
import type { Data } from './connection.ts';
import { ExplanationPanel } from './explanation.tsx';
import { useConnection } from './hooks.ts';
import { TracesPanel } from './tracesPanel.tsx';

type Answer =
  | { readonly state: 'asking' }
  | { readonly state: 'known'; readonly job: JobAnswer }
  | { readonly state: 'failed'; readonly error: string };

/** The page of one job: its verdict, its facts, the places of its entry, and its traces. */
export const JobPage = ({ id, data, live }: { id: string; data: Data; live: readonly Trace[] | undefined }) => {
  const connection = useConnection();
  const [answer, setAnswer] = useState<Answer>({ state: 'asking' });
  const [isWatched, setIsWatched] = useState(false);
  /** Traces that were received live stay visible after the end of watching, until the job is explained again. */
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
          New traces appear here as they happen. If the job is tracked, each sweep judges it.
        </p>
      )}
      <AnswerPanel answer={answer} ask={ask} />
      <TracesPanel traces={traces} data={data} />
    </article>
  );
};

const AnswerPanel = ({ answer, ask }: { answer: Answer; ask(): void }) => {
  if (answer.state === 'known') return <ExplanationPanel explanation={answer.job.explanation} />;
  if (answer.state === 'asking') {
    return <section class="panel empty">Reading the job, and searching all queues for it…</section>;
  }
  return (
    <section class="panel empty bad">
      The job could not be explained: {answer.error}.{' '}
      <button type="button" onClick={ask}>
        Try again
      </button>
    </section>
  );
};
