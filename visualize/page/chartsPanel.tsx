import { useMemo, useState } from 'preact/hooks';
import { type ChartCounts, type ChartIndex, type ChartName, chartNames } from '../protocol.ts';
import { Chart } from './chart.tsx';
import type { Data } from './connection.ts';
import { count, stateName } from './format.ts';
import { Tabs } from './tabs.tsx';

const opened = 'Counts are since the inspector opened.';
const titles: Readonly<Record<ChartName, string>> = {
  supervisor: `Starts, restarts and stops the other actors. ${opened}`,
  leader: `Decides whether this host does the scheduled passes. ${opened}`,
  sweep: `Sweeps over all tracked jobs. ${opened}`,
  lane: 'A place in which one job acts at a time. Counts are of this sweep.',
  job: 'Each tracked job: its facts are judged, and it acts if it must. Counts are of this sweep.',
  rescue: `Looks for dead pools and orphaned entries. ${opened}`,
  rescuePass: `One rescue pass: adds up what its steps report. ${opened}`,
  pools: `Supervises the suspected pools of all rescue passes. ${opened}`,
  pool: `One suspected pool. ${opened}`,
  dispatcher: `Dispatches hooks to their endpoints. ${opened}`,
  endpoint: `Sends to one endpoint, as long as there is something to send. ${opened}`,
};

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
          tabs={chartNames.map((chart) => ({ id: chart, title: chart }))}
          chosen={name}
          choose={(id) => setName(id)}
        />
      </header>
      <div role="tabpanel" id={`panel-${name}`} aria-labelledby={`tab-${name}`}>
        <p class="hint">{titles[name]}</p>
        <Chart key={name} name={name} index={index} marks={marks} />
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
