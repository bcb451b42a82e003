import type { ComponentChildren } from 'preact';
import type { Data } from './connection.ts';
import { ago, clockTime, count, inTime, span, stateName } from './format.ts';
import { jobAddress, useNow } from './hooks.ts';

export const verdictNames = ['keep', 'untrack', 'reset', 'fail', 'refire'] as const;

/** The four cards: sweep, rescue, lanes and hooks. */
export const Overview = ({ data, clockOffset }: { data: Data; clockOffset: number }) => {
  const now = useNow(clockOffset);
  return (
    <div class="cards">
      <SweepCard data={data} now={now} />
      <RescueCard data={data} now={now} />
      <LanesCard data={data} />
      <HooksCard data={data} now={now} />
    </div>
  );
};

const Card = ({ title, note, children }: { title: string; note: string; children: ComponentChildren }) => (
  <section class="panel card" aria-label={title}>
    <header>
      <h2>{title}</h2>
      <span class="dim">{note}</span>
    </header>
    {children}
  </section>
);

const Fact = ({ name, value, tone = '' }: { name: string; value: string; tone?: string }) => (
  <div class={`fact ${tone}`}>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);

const SweepCard = ({ data: { sweep }, now }: { data: Data; now: number }) => {
  const { phase, scanned, screened, total, rate, verdicts, beganAt, endedAt, dueAt, error, plan } = sweep;
  const next = dueAt !== undefined && dueAt > now ? `next ${inTime(dueAt, now)}` : '';
  const note =
    phase === 'running'
      ? `${plan ? 'planning' : 'sweeping'} for ${span(now - (beganAt ?? now))}`
      : phase === 'ended'
        ? `${plan ? 'plan' : 'sweep'} ended at ${clockTime(endedAt ?? now)}${next && ` · ${next}`}`
        : next || 'not scheduled';
  if (phase === 'none-yet') {
    return (
      <Card title="Sweep" note={note}>
        <p class="hint">No sweep yet. A sweep judges every tracked job.</p>
      </Card>
    );
  }
  const isRunning = phase === 'running';
  return (
    <Card title="Sweep" note={note}>
      <div class="progress">
        <progress
          aria-label="jobs scanned"
          max={isRunning ? Math.max(total ?? 0, scanned, 1) : Math.max(scanned, 1)}
          value={isRunning ? scanned : Math.max(scanned, 1)}
        />
        <p>
          <strong data-testid="scanned">{count(scanned)}</strong>
          {isRunning && total !== undefined && ` of ${count(total)}`} jobs · {count(rate)} a second
          {screened > 0 && ` · ${count(screened)} screened`}
        </p>
      </div>
      <ul class="verdicts">
        {verdictNames.map((verdict) => (
          <li key={verdict} class={`verdict ${verdict}`}>
            <span class="mark" aria-hidden="true" />
            <span>{verdict}</span>
            <strong data-verdict={verdict}>{count(verdicts[verdict] ?? 0)}</strong>
          </li>
        ))}
      </ul>
      {error !== undefined && <p class="bad">It was not completed: {error}</p>}
    </Card>
  );
};

const RescueCard = ({ data: { rescue }, now }: { data: Data; now: number }) => {
  const { lastAt, dueAt, alive, suspects, pools, rescued, cleaned, cleared, abandoned, entries, planned, error } =
    rescue;
  const busy = pools.filter(({ state }) => state !== 'pool.suspect').length;
  const dead = planned ?? busy;
  const next = dueAt !== undefined && dueAt > now ? `next ${inTime(dueAt, now)}` : 'not scheduled';
  return (
    <Card title="Rescue" note={lastAt === undefined ? `no rescue yet · ${next}` : `${ago(lastAt, now)} · ${next}`}>
      <dl class="facts">
        <Fact name="alive" value={count(alive)} tone="good" />
        <Fact name="suspect" value={count(suspects)} tone={suspects > 0 ? 'warn' : ''} />
        <Fact name="dead" value={count(dead)} tone={dead > 0 ? 'bad' : ''} />
        <Fact name="rescued" value={count(rescued)} />
        <Fact name={planned === undefined ? 'requeued' : 'would be requeued'} value={count(entries)} />
        <Fact name="cleaned" value={count(cleaned)} />
        <Fact name="cleared" value={count(cleared)} />
      </dl>
      {pools.length > 0 && (
        <ul class="chips">
          {pools.slice(0, 6).map(({ pool, state, since }) => (
            <li key={pool}>
              <code>{pool}</code> {stateName(state)} {span(now - since)}
            </li>
          ))}
          {busy + suspects > 6 && <li>and {count(busy + suspects - 6)} more</li>}
        </ul>
      )}
      {abandoned > 0 && <p class="bad">{count(abandoned)} abandoned; the next rescue tries again</p>}
      {error !== undefined && <p class="bad">The latest rescue was not completed: {error}</p>}
    </Card>
  );
};

const LanesCard = ({ data: { lanes } }: { data: Data }) => {
  const { total, working } = lanes;
  return (
    <Card title="Lanes" note={`${count(working.length)} of ${count(total)} busy`}>
      <div class="lanes" role="img" aria-label={`${working.length} of ${total} lanes busy`}>
        {Array.from({ length: Math.min(total, 128) }, (_, i) => (
          <span key={i} class={i < working.length ? 'busy' : ''} />
        ))}
      </div>
      {working.length === 0 ? (
        <p class="hint">Idle. Only a job that acts takes a lane.</p>
      ) : (
        <ul class="chips">
          {working.slice(0, 4).map(({ lane, job, state }) => (
            <li key={lane}>
              <a href={jobAddress(job)}>
                <code>{job}</code>
              </a>{' '}
              {stateName(state)}
            </li>
          ))}
          {working.length > 4 && <li>and {count(working.length - 4)} more</li>}
        </ul>
      )}
    </Card>
  );
};

const HooksCard = ({ data: { hooks }, now }: { data: Data; now: number }) => {
  const { inFlight, pending, parked, delivered, failed, endpoints } = hooks;
  const failing = endpoints.filter(({ failures, breaker }) => failures > 0 || breaker !== 'closed');
  return (
    <Card title="Hooks" note={`${count(inFlight)} in flight`}>
      <dl class="facts">
        <Fact name="pending" value={count(pending)} tone={failing.length > 0 && pending > 0 ? 'warn' : ''} />
        <Fact name="parked" value={count(parked)} tone={parked > 0 ? 'bad' : ''} />
        <Fact name="delivered" value={count(delivered)} tone="good" />
        <Fact name="failed attempts" value={count(failed)} tone={failed > 0 ? 'warn' : ''} />
      </dl>
      {failing.length === 0 ? (
        <p class="hint">{pending + delivered > 0 ? 'All endpoints answer.' : 'No endpoint has a pending hook.'}</p>
      ) : (
        <ul class="chips">
          {failing.slice(0, 3).map(({ endpoint, pending: waiting, breaker, failingSince, answer }) => (
            <li key={endpoint} class={breaker === 'draining' ? 'warn' : 'bad'}>
              <code>{endpoint}</code> {breakerWords[breaker]}
              {answer !== undefined && breaker !== 'draining' && `, ${answer}`}
              {failingSince !== undefined && ` for ${span(now - failingSince)}`}, {count(waiting)} waiting
            </li>
          ))}
          {failing.length > 3 && <li>and {count(failing.length - 3)} more endpoints</li>}
        </ul>
      )}
    </Card>
  );
};

const breakerWords: Readonly<Record<string, string>> = {
  closed: 'fails',
  open: 'fails, circuit open',
  probing: 'is probed',
  draining: 'has recovered, missed hooks are delivered',
};
