import { useEffect, useErrorBoundary, useMemo, useRef, useState } from 'preact/hooks';
import { visible } from '../../src/visible.ts';
import { ChartsPanel } from './chartsPanel.tsx';
import type { Data, Link, View } from './connection.ts';
import { ControlButtons } from './control.tsx';
import { clockTime, inTime, span } from './format.ts';
import { jobAddress, useConnection, useNow, useRoute, useView } from './hooks.ts';
import { JobPage } from './jobPage.tsx';
import { Lists } from './lists.tsx';
import { Overview } from './overview.tsx';
import { ThemeSwitch } from './theme.tsx';

/** The title in the HTML file. */
const title = document.title;

export const App = () => {
  const view = useView(useConnection());
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  const shown = route.page === 'job' ? route.id : '';
  const isFirst = useRef(true);
  const [fault, forget] = useErrorBoundary();
  // Moves the focus to the top of the new page, for keyboards and screen readers.
  useEffect(() => {
    if (isFirst.current) isFirst.current = false;
    else main.current?.focus();
    forget();
    document.title = shown === '' ? title : `Job ${visible(shown)} · ${title}`;
  }, [shown]);
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <Header view={view} />
      <LinkBanner link={view.link} hasData={view.data !== undefined} />
      <main id="main" ref={main} tabIndex={-1}>
        {fault !== undefined ? (
          <p class="panel empty bad">This page cannot be drawn: {String(fault)}</p>
        ) : view.data === undefined ? (
          <Loading link={view.link} />
        ) : route.page === 'job' ? (
          <JobPage key={route.id} id={route.id} data={view.data} live={view.watched.get(route.id)} />
        ) : (
          <Everything data={view.data} clockOffset={view.clockOffset} />
        )}
      </main>
    </>
  );
};

const Everything = ({ data, clockOffset }: { data: Data; clockOffset: number }) => {
  const { acts, healthy, pools, faults, about } = data;
  // Hundreds of rows: drawn only when they have changed, not with each delta.
  const lists = useMemo(
    () => <Lists data={{ acts, healthy, pools, faults, about }} />,
    [acts, healthy, pools, faults, about],
  );
  return (
    <>
      <Overview data={data} clockOffset={clockOffset} />
      <ChartsPanel data={data} />
      {lists}
    </>
  );
};

const Header = ({ view: { data, link } }: { view: View }) => (
  <header class="top">
    <a class="brand" href="#/">
      <img src="icon.svg" alt="" width="28" height="28" />
      <h1>
        Reaper <small>inspector</small>
      </h1>
    </a>
    <div class="where">
      {data !== undefined && (
        <>
          <strong title="namespace">{data.about.namespace}</strong>
          <span class="dim" title="Redis">
            {data.about.redis}
          </span>
          {data.sweep.leader !== undefined && (
            <span class="dim" title="Host that runs the scheduled passes">
              leader: {data.sweep.leader}
            </span>
          )}
          <span class={`pill ${data.about.isPlanOnly ? 'plan' : ''}`}>
            {data.about.isPlanOnly ? 'plans only' : data.about.mayControl ? 'control' : 'read-only'}
          </span>
        </>
      )}
    </div>
    <Search />
    {data?.about.mayControl && <ControlButtons about={data.about} isOpen={link.state === 'open'} />}
    <span class={`link ${link.state}`}>
      <span class="dot" aria-hidden="true" />
      {link.state === 'open' ? 'live' : link.state === 'lost' ? 'no connection' : 'connecting'}
    </span>
    <ThemeSwitch />
  </header>
);

const Search = () => {
  const [id, setId] = useState('');
  return (
    <search>
      <form
        class="search"
        onSubmit={(event) => {
          event.preventDefault();
          if (id.trim() !== '') location.hash = jobAddress(id.trim());
        }}
      >
        <label class="hidden" for="job-id">
          Job id
        </label>
        <input
          id="job-id"
          type="search"
          placeholder="Explain a job by its id"
          maxLength={512}
          autocomplete="off"
          spellcheck={false}
          value={id}
          onInput={({ currentTarget }) => setId(currentTarget.value)}
        />
        <button type="submit">Explain</button>
      </form>
    </search>
  );
};

/** Reports a lost or restored connection, also to screen readers. */
const LinkBanner = ({ link, hasData }: { link: Link; hasData: boolean }) => {
  const now = useNow();
  const isBack = link.state === 'open' && link.isAgain && now - link.since < 5_000;
  return (
    <div role="status" aria-live="polite" class="banners">
      {link.state === 'lost' && (
        <p class="banner bad">
          {link.needsToken ? (
            <>The reaper was restarted with another token. Open the URL that it printed at its start.</>
          ) : (
            <>
              The connection to the reaper is lost{hasData && <>; the data is from {clockTime(link.since)}</>}.{' '}
              <span aria-hidden="true">Reconnecting {inTime(link.retryAt, now)}.</span>
            </>
          )}
        </p>
      )}
      {isBack && <p class="banner good">Reconnected.</p>}
    </div>
  );
};

const Loading = ({ link }: { link: Link }) => {
  const now = useNow();
  return (
    <section class="panel empty">
      <h2>{link.state === 'lost' ? 'No connection' : 'Connecting to the reaper'}</h2>
      <p>
        {link.state === 'lost'
          ? `No answer for ${span(now - link.since)}. Check that the reaper is running and that its port is reachable.`
          : 'One moment…'}
      </p>
    </section>
  );
};
