import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { TraceRow } from '../protocol.ts';
import type { Data } from './connection.ts';
import { clockTime, count, stateName } from './format.ts';
import { hasPage, jobAddress } from './hooks.ts';
import { verdictNames } from './overview.tsx';
import { Tabs } from './tabs.tsx';

type List = 'acts' | 'pools' | 'faults' | 'healthy';

/** Rows that are drawn at first, and with each click on the button for more. */
const firstRows = 100;
const moreRows = 300;

type Rings = Pick<Data, 'acts' | 'healthy' | 'pools' | 'faults' | 'about'>;

export const Lists = ({ data }: { data: Rings }) => {
  const [list, setList] = useState<List>('acts');
  const tabs = [
    { id: 'acts', title: 'Acts', count: data.acts.length },
    { id: 'pools', title: 'Pools', count: data.pools.length },
    { id: 'faults', title: 'Errors', count: data.faults.length },
    { id: 'healthy', title: 'Healthy (sample)', count: data.healthy.length },
  ] as const;
  return (
    <section class="panel" aria-label="Lists">
      <header class="with-tabs">
        <h2>Recent</h2>
        <Tabs label="Lists" tabs={tabs} chosen={list} choose={(id) => setList(id)} />
      </header>
      <div role="tabpanel" id={`panel-${list}`} aria-labelledby={`tab-${list}`}>
        {list === 'acts' && <Traces rows={data.acts} empty="No job has acted yet." />}
        {list === 'healthy' && (
          <Traces
            rows={data.healthy}
            empty={`Nothing yet. One healthy job in ${data.about.sampleEvery} is recorded with its trace, and each watched job.`}
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
  const [shown, setShown] = useState(firstRows);
  if (rows.length === 0) return <p class="hint empty">{empty}</p>;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: scrolled by keyboard */}
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
        <button type="button" class="more" onClick={() => setShown(shown + moreRows)}>
          {count(rows.length - shown)} more
        </button>
      )}
    </>
  );
};

const Traces = ({ rows, empty }: { rows: readonly TraceRow[]; empty: string }) => {
  const [filter, setFilter] = useState<Filter>({ verdict: '', type: '', id: '' });
  const found = rows.filter((row) => isFound(row, filter));
  return (
    <>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <Filters filter={filter} change={(part) => setFilter({ ...filter, ...part })} />
        <output>
          {count(found.length)} of {count(rows.length)}
        </output>
      </form>
      <Table
        head={['time', 'job', 'type', 'verdict', 'reason', 'outcome']}
        rows={found}
        empty={rows.length === 0 ? empty : 'No row matches the filter.'}
        draw={(row) => <TraceLine key={row.number} row={row} />}
      />
    </>
  );
};

interface Filter {
  readonly verdict: string;
  readonly type: string;
  readonly id: string;
}

const isFound = (row: TraceRow, { verdict, type, id }: Filter): boolean =>
  (verdict === '' || row.verdict === verdict) &&
  (type === '' || (row.type ?? '').toLowerCase().includes(type.toLowerCase())) &&
  (id === '' || row.id.includes(id));

const Filters = ({ filter, change }: { filter: Filter; change(part: Partial<Filter>): void }) => (
  <>
    <label>
      Verdict
      <select value={filter.verdict} onChange={({ currentTarget }) => change({ verdict: currentTarget.value })}>
        <option value="">all</option>
        {verdictNames.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
    <label>
      Type
      <input value={filter.type} onInput={({ currentTarget }) => change({ type: currentTarget.value })} />
    </label>
    <label>
      Id
      <input
        value={filter.id}
        spellcheck={false}
        onInput={({ currentTarget }) => change({ id: currentTarget.value })}
      />
    </label>
  </>
);

const TraceLine = ({ row: { at, id, type, verdict, reason, detail, outcome, error } }: { row: TraceRow }) => (
  <tr>
    <td class="time">{clockTime(at)}</td>
    <td class="id">
      {hasPage(id) ? (
        <a href={jobAddress(id)}>
          <code>{id}</code>
        </a>
      ) : (
        <code>{id === '' ? '(empty)' : id}</code>
      )}
    </td>
    <td>{type ?? <span class="dim">none</span>}</td>
    <td>
      <span class={`verdict ${verdict}`}>
        <span class="mark" aria-hidden="true" />
        {verdict}
      </span>
    </td>
    <td>
      {reason}
      {detail !== undefined && <span class="dim"> {detail}</span>}
    </td>
    <td class={error === undefined ? '' : 'bad'}>
      {outcome}
      {error !== undefined && `: ${error}`}
    </td>
  </tr>
);

const Pools = ({ data }: { data: Rings }) => (
  <Table
    head={['time', 'pool', 'outcome', 'evidence', 'trace', 'requeued']}
    rows={data.pools}
    empty="No pool has been suspected yet."
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
            {quarantined > 0 && ` (${count(quarantined)} in quarantine)`}
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
    empty="There were no errors."
    draw={({ number, at, where, error }) => (
      <tr key={number}>
        <td class="time">{clockTime(at)}</td>
        <td>{where}</td>
        <td class="bad">{error}</td>
      </tr>
    )}
  />
);
