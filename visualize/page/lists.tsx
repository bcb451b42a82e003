import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { TraceRow } from '../protocol.ts';
import type { Data } from './connection.ts';
import { clockTime, count, stateName } from './format.ts';
import { hasPage, jobAddress } from './hooks.ts';
import { verdictNames } from './overview.tsx';
import { Tabs } from './tabs.tsx';

type List = 'acts' | 'pools' | 'faults' | 'healthy';

/** Rows that are drawn before one asks for more. */
const atFirst = 100;

type Rings = Pick<Data, 'acts' | 'healthy' | 'pools' | 'faults' | 'about'>;

export const Lists = ({ data }: { data: Rings }) => {
  const [list, setList] = useState<List>('acts');
  const tabs = [
    { id: 'acts', title: 'Acts', count: data.acts.length },
    { id: 'pools', title: 'Pools', count: data.pools.length },
    { id: 'faults', title: 'Errors', count: data.faults.length },
    { id: 'healthy', title: 'Sample of the healthy', count: data.healthy.length },
  ] as const;
  return (
    <section class="panel" aria-label="Lists">
      <header class="with-tabs">
        <h2>Recent</h2>
        <Tabs label="Lists" tabs={tabs} chosen={list} choose={(id) => setList(id)} />
      </header>
      <div role="tabpanel" id={`panel-${list}`} aria-labelledby={`tab-${list}`}>
        {list === 'acts' && <Traces rows={data.acts} empty="No job had to act yet." />}
        {list === 'healthy' && (
          <Traces
            rows={data.healthy}
            empty={`Nothing yet. One healthy job in ${data.about.sampleEvery} is kept with its walk, and each that is watched.`}
          />
        )}
        {list === 'pools' && <Pools data={data} />}
        {list === 'faults' && <Faults data={data} />}
      </div>
    </section>
  );
};

const Table = <Row,>({
  head,
  rows,
  empty,
  draw,
}: {
  head: readonly string[];
  rows: readonly Row[];
  empty: string;
  draw(row: Row): ComponentChildren;
}) => {
  const [shown, setShown] = useState(atFirst);
  if (rows.length === 0) return <p class="hint empty">{empty}</p>;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keyboard too */}
      <section class="scroll" tabIndex={0} aria-label="Table">
        <table>
          <thead>
            <tr>
              {head.map((title) => (
                <th key={title} scope="col">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>{rows.slice(0, shown).map(draw)}</tbody>
        </table>
      </section>
      {rows.length > shown && (
        <button type="button" class="more" onClick={() => setShown(shown + 300)}>
          {count(rows.length - shown)} more
        </button>
      )}
    </>
  );
};

const Traces = ({ rows, empty }: { rows: readonly TraceRow[]; empty: string }) => {
  const [verdict, setVerdict] = useState('');
  const [type, setType] = useState('');
  const [id, setId] = useState('');
  const isAsked = (row: TraceRow) =>
    (verdict === '' || row.verdict === verdict) &&
    (type === '' || (row.type ?? '').toLowerCase().includes(type.toLowerCase())) &&
    (id === '' || row.id.includes(id));
  const found = rows.filter(isAsked);
  return (
    <>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          Verdict
          <select value={verdict} onChange={({ currentTarget }) => setVerdict(currentTarget.value)}>
            <option value="">all</option>
            {verdictNames.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label>
          Type
          <input value={type} onInput={({ currentTarget }) => setType(currentTarget.value)} />
        </label>
        <label>
          Id
          <input value={id} spellcheck={false} onInput={({ currentTarget }) => setId(currentTarget.value)} />
        </label>
        <output>
          {count(found.length)} of {count(rows.length)}
        </output>
      </form>
      <Table
        head={['time', 'job', 'type', 'verdict', 'reason', 'outcome']}
        rows={found}
        empty={rows.length === 0 ? empty : 'None of these. Change the filter.'}
        draw={(row) => (
          <tr key={row.number}>
            <td class="time">{clockTime(row.at)}</td>
            <td class="id">
              {hasPage(row.id) ? (
                <a href={jobAddress(row.id)}>
                  <code>{row.id}</code>
                </a>
              ) : (
                <code>{row.id === '' ? '(empty)' : row.id}</code>
              )}
            </td>
            <td>{row.type ?? <span class="dim">none</span>}</td>
            <td>
              <span class={`verdict ${row.verdict}`}>
                <span class="mark" aria-hidden="true" />
                {row.verdict}
              </span>
            </td>
            <td>
              {row.reason}
              {row.detail !== undefined && <span class="dim"> {row.detail}</span>}
            </td>
            <td class={row.error === undefined ? '' : 'bad'}>
              {row.outcome}
              {row.error !== undefined && `: ${row.error}`}
            </td>
          </tr>
        )}
      />
    </>
  );
};

const Pools = ({ data }: { data: Rings }) => (
  <Table
    head={['time', 'pool', 'outcome', 'evidence', 'walk', 'put back']}
    rows={data.pools}
    empty="No pool was suspected yet."
    draw={({ number, at, pool, outcome, evidence, steps, moved, entries, quarantined, error }) => (
      <tr key={number}>
        <td class="time">{clockTime(at)}</td>
        <td class="id">
          <code>{pool}</code>
        </td>
        <td class={outcome === 'abandoned' ? 'bad' : ''}>
          {outcome}
          {error !== undefined && `: ${error}`}
        </td>
        <td>{evidence}</td>
        <td>{steps.map(({ state }) => stateName(state)).join(' → ')}</td>
        <td>
          {count(entries)}
          <span class="dim">
            {Object.entries(moved)
              .map(([type, moves]) => ` ${type} ${count(moves)}`)
              .join(',')}
            {quarantined > 0 && ` (${count(quarantined)} put in quarantine)`}
          </span>
        </td>
      </tr>
    )}
  />
);

const Faults = ({ data }: { data: Rings }) => (
  <Table
    head={['time', 'where', 'error']}
    rows={data.faults}
    empty="Nothing went wrong."
    draw={({ number, at, where, error }) => (
      <tr key={number}>
        <td class="time">{clockTime(at)}</td>
        <td>{where}</td>
        <td class="bad">{error}</td>
      </tr>
    )}
  />
);
