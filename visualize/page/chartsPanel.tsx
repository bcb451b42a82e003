import { useMemo, useState } from 'preact/hooks';
import type { ChartCounts, ChartIndex, ChartName, chartNames } from '../protocol.ts';
import { Chart } from './chart.tsx';
import type { Data } from './connection.ts';
import { count, stateName } from './format.ts';
import { Tabs } from './tabs.tsx';

const titles: Readonly<Record<ChartName, string>> = {
  job: 'One tracked job: its facts are judged, and it acts if the verdict says so. Counts are of this sweep.',
  lane: 'Works on one acting job at a time. Counts are of this sweep.',
  pool: 'A worker pool that is suspected to be dead. Counts are since the inspector opened.',
  supervisor: 'Starts and stops all other actors. Counts are since the inspector opened.',
  endpoint: 'Delivers the hooks of one endpoint while there are any. Counts are since the inspector opened.',
  dispatcher: 'Starts an actor for each endpoint that is owed a hook. Counts are since the inspector opened.',
};
const order = [
  'job',
  'supervisor',
  'pool',
  'lane',
  'endpoint',
  'dispatcher',
] as const satisfies readonly (typeof chartNames)[number][];

export const ChartsPanel = ({ data }: { data: Data }) => {
  const [name, setName] = useState<ChartName>('job');
  const [isTable, setIsTable] = useState(false);
  const index = data.about.charts[name];
  const counts = data.charts[name];
  const marks = useMemo(() => ({ kind: 'counts' as const, counts, index }), [counts, index]);
  return (
    <section class="panel" aria-label="Charts">
      <header class="with-tabs">
        <h2>Charts</h2>
        <Tabs
          label="Charts"
          tabs={order.map((chart) => ({ id: chart, title: chart }))}
          chosen={name}
          choose={(id) => setName(id)}
        />
      </header>
      <div role="tabpanel" id={`panel-${name}`} aria-labelledby={`tab-${name}`}>
        <p class="hint">{titles[name]}</p>
        <Chart key={name} name={name} marks={marks} />
        <details class="as-table" onToggle={({ currentTarget }) => setIsTable(currentTarget.open)}>
          <summary>Show as a table</summary>
          {isTable && <ChartTables counts={counts} index={index} />}
        </details>
      </div>
    </section>
  );
};

const ChartTables = ({ counts, index }: { counts: ChartCounts; index: ChartIndex }) => (
  <div class="scroll">
    <table>
      <thead>
        <tr>
          <th scope="col">from</th>
          <th scope="col">transition</th>
          <th scope="col">to</th>
          <th scope="col" class="number">
            taken
          </th>
          <th scope="col" class="number">
            in state now
          </th>
        </tr>
      </thead>
      <tbody>
        {index.transitions.map(({ from, to, label }, at) => (
          <tr key={at} class={at === counts.last ? 'last' : ''}>
            <td>{stateName(from)}</td>
            <td>{label}</td>
            <td>{to === undefined ? 'stays' : stateName(to)}</td>
            <td class="number">{count(counts.taken[at] ?? 0)}</td>
            <td class="number">{to === undefined ? '' : count(counts.active[index.states.indexOf(to)] ?? 0)}</td>
          </tr>
        ))}
      </tbody>
    </table>
    {index.descriptions.some((text) => text !== '') && (
      <table>
        <thead>
          <tr>
            <th scope="col">state</th>
            <th scope="col">description</th>
          </tr>
        </thead>
        <tbody>
          {index.states.map((state, at) => (
            <tr key={state}>
              <td>{stateName(state)}</td>
              <td>{index.descriptions[at]}</td>
            </tr>
          ))}
        </tbody>
      </table>
    )}
  </div>
);
