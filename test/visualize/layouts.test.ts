/** Charts of machines that are larger than those of the reaper: each fits into 1,000 px or is refused. */
import { describe, expect, test } from 'vitest';
import { createMachine } from 'xstate';
import type { Drawing } from '../../visualize/charts/drawing.ts';
import { graphOf } from '../../visualize/charts/graph.ts';
import { layOut } from '../../visualize/charts/layout.ts';
import { partsOf } from '../../visualize/charts/parts.ts';
import { svgOf } from '../../visualize/charts/svg.ts';
import { createChartTally } from '../../visualize/chartTally.ts';
import { faultsOf } from './geometry.ts';

type Config = Parameters<typeof createMachine>[0];
const draw = (config: Config): Promise<Drawing> => layOut(graphOf(createMachine(config)));
/** A chart of states that are all joined, drawn once: it takes seconds. */
const drawDense = () => {
  denseDrawing ??= draw({ id: 'dense', ...everyPair(5) });
  return denseDrawing;
};
let denseDrawing: Promise<Drawing> | undefined;

/** A machine with this many states, and a guarded transition for each pair that `isJoined` accepts. */
const network = (size: number, isJoined: (from: number, to: number) => boolean) => {
  const numbers = Array.from({ length: size }, (_, i) => i);
  const transitionsFrom = (from: number) =>
    numbers
      .filter((to) => isJoined(from, to))
      .map((to) => [`event.of.number.${to}`, { target: `state ${to}`, guard: 'isAsLongAsGuardsAre' }]);
  const states = numbers.map((i) => [`state ${i}`, { on: Object.fromEntries(transitionsFrom(i)) }]);
  return { initial: 'state 0', states: Object.fromEntries(states) };
};
const chain = (size: number) => network(size, (from, to) => to === (from + 1) % size);
const fan = (size: number) => network(size, (from) => from === 0);
const everyPair = (size: number) => network(size, (from, to) => from !== to);
const regions = { one: chain(3), two: fan(6), three: everyPair(3), four: chain(12) };

describe('a chart is at most 1,000 px wide, and nothing in it overlaps:', () => {
  const expectSound = (drawing: Drawing) => {
    expect(drawing.width).toBeLessThanOrEqual(1_000);
    expect(faultsOf(drawing)).toEqual([]);
  };
  test('states that are all joined', async () => expectSound(await drawDense()));
  test.each<[string, Config]>([
    ['a long chain', { id: 'chain', ...chain(20) }],
    ['one state with transitions to many states', { id: 'fan', ...fan(14) }],
    ['many regions', { id: 'regions', type: 'parallel', states: { ...regions, five: chain(2), six: chain(2) } }],
    [
      'regions within a state',
      { id: 'deep', initial: 'off', states: { off: { on: { go: 'on' } }, on: { type: 'parallel', states: regions } } },
    ],
    [
      'a state with many transitions without a target',
      {
        id: 'inner',
        on: Object.fromEntries(
          Array.from({ length: 40 }, (_, i) => [`a.rather.long.event.${i}`, { actions: () => undefined }]),
        ),
        ...chain(2),
      },
    ],
  ])('%s', async (_, config) => expectSound(await draw(config)));
});

test('regions are stacked, side by side if there is room', async () => {
  const single = { initial: 'only', states: { only: {} } };
  const drawing = await draw({
    id: 'root',
    type: 'parallel',
    states: { one: single, two: single, three: fan(6), four: single },
  });
  const top = (id: string) => drawing.nodes.find((node) => node.id === `root.${id}`)?.box.y as number;
  expect(top('two')).toBe(top('one'));
  expect(top('three')).toBeGreaterThan(top('one'));
  expect(top('four')).toBeGreaterThan(top('three'));
});

test('a label shows event and guard if there is room; otherwise a number, explained in a list below the chart', async () => {
  const wide = await draw({ id: 'few', ...fan(3) });
  expect(wide.legend).toEqual([]);
  expect(wide.edges[0]?.label.lines.map(({ text }) => text)).toEqual(['event.of.number.0', '[isAsLongAsGuardsAre]']);
  const { edges, legend } = await drawDense();
  expect(edges.map(({ label }) => label.lines.map(({ text }) => text))).toEqual(edges.map((_, i) => [String(i + 1)]));
  expect(legend[1]?.line.text).toBe('2 state 0 → state 2: event.of.number.2 [isAsLongAsGuardsAre]');
});

describe('a machine of more than twelve states', () => {
  const inner = {
    initial: 'a',
    on: { stay: { actions: () => undefined } },
    states: {
      a: { on: { next: 'b', leave: '#large.after', again: '#large.within' } },
      b: { on: { leave: '#large.after', stay: { actions: () => undefined } } },
    },
  };
  const large = createMachine({
    id: 'large',
    initial: 'within',
    states: {
      within: inner,
      after: { on: { back: 'within.b' } },
      ...Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`other ${i}`, {}])),
    },
  });
  const [overview, detail, ...rest] = partsOf(large);
  const ends = (part: typeof overview) =>
    part?.edges.map(({ from, to = 'stays', label }) => `${from} → ${to}: ${label}`).sort();

  test('has an overview in which its compound states are collapsed, and a chart for each of these', () => {
    expect(rest).toEqual([]);
    expect(overview?.nodes.map(({ id }) => id)).toEqual([
      'large',
      'large.within',
      'large.after',
      ...Array.from({ length: 9 }, (_, i) => `large.other ${i}`),
    ]);
    expect(overview?.nodes[1]).toMatchObject({ kind: 'compound', collapsed: 2 });
    expect(detail?.nodes.map(({ id, kind }) => [id, kind])).toEqual([
      ['large.within', 'compound'],
      ['large.within.a', 'atomic'],
      ['large.within.b', 'atomic'],
      ['large.after', 'outside'],
    ]);
  });

  test('the overview shows transitions from and to inner states at the state around them, equal ones as one', () => {
    expect(ends(overview)).toEqual(['large.after → large.within: back', 'large.within → large.after: leave']);
    const [leaving] = overview?.edges.filter(({ label }) => label === 'leave') ?? [];
    const indices = graphOf(large).edges.filter(({ label }) => label === 'leave');
    expect([leaving?.index, ...(leaving?.also ?? [])]).toEqual(indices.map(({ index }) => index));
  });

  test('the chart of a compound state shows all its transitions, with the states outside at their other ends', async () => {
    expect(ends(detail)).toEqual([
      'large.after → large.within.b: back',
      'large.within → stays: stay',
      'large.within.a → large.after: leave',
      'large.within.a → large.within.b: next',
      'large.within.a → large.within: again',
      'large.within.b → large.after: leave',
      'large.within.b → stays: stay',
    ]);
    const drawing = await layOut(detail as NonNullable<typeof detail>);
    expect(faultsOf(drawing)).toEqual([]);
    // A state outside is not marked by the page: the overview shows where actors are.
    expect(svgOf(drawing)).not.toContain('data-state="large.after"');
  });

  test('without compound states is one chart', () => {
    expect(partsOf(createMachine({ id: 'flat', ...chain(20) }))).toHaveLength(1);
  });
});

const long = 'a name that is much too long for a state of a chart to have '.repeat(3);
test.each<[string, string, Config]>([
  ['a state', 'root', { id: 'root', initial: long, states: { [long]: {} } }],
  ['a region', `root.${long}`, { id: 'root', type: 'parallel', states: { [long]: {} } }],
  ['a machine with regions', long, { id: long, type: 'parallel', states: { one: {} } }],
])('a chart that is too wide because of the name of %s is refused with advice', async (_, name, config) => {
  const refusal = await draw(config).catch(({ message }: Error) => message);
  expect(refusal).toMatch(/ needs 1\d{3} px, the maximum is \d+: split the machine, or shorten its names$/);
  expect(refusal).toContain(`the chart of ${name} `);
});

describe('the description of a state', () => {
  const sentence = 'Asks Redis again whether the pool is dead & gone, <before> anything of it is moved anywhere else.';
  const machine = createMachine({
    id: 'root',
    description: 'The purpose of the machine, in one sentence.',
    initial: 'first',
    states: { first: { description: sentence, on: { go: 'second' } }, second: { description: 'Short.' }, third: {} },
  });
  const drawn = layOut(graphOf(machine));
  const linesOf = ({ nodes }: Drawing, id: string) =>
    nodes.find((node) => node.id === id)?.description?.lines.map(({ text }) => text);

  test('is shown in the box of its state, cut if it is long', async () => {
    expect(linesOf(await drawn, 'root')).toEqual(['The purpose of the machine, in one sentence.']);
    expect(linesOf(await drawn, 'root.second')).toEqual(['Short.']);
    expect(linesOf(await drawn, 'root.third')).toBeUndefined();
    const lines = linesOf(await drawn, 'root.first') as string[];
    expect(lines).toHaveLength(4);
    expect(sentence.startsWith(lines.join(' ').replace(/…$/, ''))).toBe(true);
    expect(lines.at(-1)).toMatch(/…$/);
    expect(faultsOf(await drawn)).toEqual([]);
  });

  test('is shown completely on hover and to screen readers', async () => {
    const svg = svgOf(await drawn);
    const escaped = sentence.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;');
    expect(svg).toContain(`data-state="root.first"><title>${escaped}</title>`);
    expect(svg).toContain(`root.first: ${escaped}`);
    expect(svg).toContain('data-state="root.second"><title>Short.</title>');
    expect(svg).toMatch(/data-state="root\.third"><rect/);
  });

  test('is part of the chart index that the page gets', () => {
    const { states, descriptions } = createChartTally(machine).index;
    expect(states).toEqual(['root', 'root.first', 'root.second', 'root.third']);
    expect(descriptions).toEqual(['The purpose of the machine, in one sentence.', sentence, 'Short.', '']);
  });
});
