import { readdir, readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { type AnyStateMachine, createMachine } from 'xstate';
import { charts } from '../../src/charts.ts';
import { loadAssets } from '../../visualize/assets.ts';
import type { Drawing } from '../../visualize/charts/drawing.ts';
import { type ChartGraph, graphOf } from '../../visualize/charts/graph.ts';
import { layOut } from '../../visualize/charts/layout.ts';
import { partsOf } from '../../visualize/charts/parts.ts';
import { straighten } from '../../visualize/charts/straighten.ts';
import { svgOf } from '../../visualize/charts/svg.ts';
import { faultsOf } from './geometry.ts';

const machines: [string, AnyStateMachine][] = Object.entries(charts);
/** The output of `npm run charts`. */
const folder = new URL('../../docs/charts/', import.meta.url);

const graphs = new Map<string, ChartGraph>(machines.map(([name, machine]) => [name, graphOf(machine)]));
const parts = machines.flatMap(([, machine]) => partsOf(machine));
const drawings = new Map<string, Drawing>();
beforeAll(async () => {
  for (const part of parts) drawings.set(part.name, await layOut(part));
});

const graphFor = (name: string) => graphs.get(name) as ChartGraph;
const drawingFor = (name: string) => drawings.get(name) as Drawing;
const drawingsOf = (machine: AnyStateMachine) => partsOf(machine).map((part) => drawingFor(part.name));

describe.each(machines)('the charts of a %s', (name, machine) => {
  test('show every state and every transition', () => {
    const { nodes, edges } = graphFor(name);
    const svgs = drawingsOf(machine).map(svgOf);
    const shown = (attribute: string) => new Set(svgs.flatMap((svg) => valuesOf(svg, attribute)));
    expect([...shown('data-state')].sort()).toEqual(nodes.map(({ id }) => id).sort());
    expect([...shown('data-count')].sort()).toEqual(nodes.map(({ id }) => id).sort());
    const indices = new Set([...shown('data-edge')].flatMap((list) => list.split(' ').map(Number)));
    expect([...indices].sort(byNumber)).toEqual(edges.map(({ index }) => index));
  });

  test('describe every state', () => {
    expect(graphFor(name).nodes.filter(({ description = '' }) => description === '')).toEqual([]);
  });

  test('show the source, target, event and guard of every transition', () => {
    const shown = drawingsOf(machine).flatMap(shownIn);
    for (const edge of graphFor(name).edges) expect(shown).toContainEqual(edge);
  });

  test('are the same for copies of the machine made by provide', () => {
    const provided = machine.provide({ actions: { another: () => {} }, guards: { another: () => true } });
    expect(provided).not.toBe(machine);
    expect(graphOf(provided)).toEqual(graphFor(name));
  });
});

describe.each(parts.map((part) => [part.name, part] as const))('the chart %s', (name, part) => {
  test('shows each of its states and transitions once', () => {
    const svg = svgOf(drawingFor(name));
    const ids = part.nodes.filter(({ kind }) => kind !== 'outside').map(({ id }) => id);
    expect(valuesOf(svg, 'data-state')).toEqual(ids);
    expect(valuesOf(svg, 'data-count')).toEqual(ids);
    const lists = part.edges.map(({ index, also = [] }) => [index, ...also].join(' '));
    expect(valuesOf(svg, 'data-edge').sort()).toEqual(lists.sort());
    const ends = part.edges.map(({ index, from, to, label }) => ({ index, from, to, label }));
    expect(shownIn(drawingFor(name))).toEqual(ends);
  });

  test('has no overlapping labels and states, and each line ends at its states', () => {
    expect(faultsOf(drawingFor(name))).toEqual([]);
  });

  test('has an arrow from a dot to every initial state', () => {
    const initial = part.nodes.filter(({ isInitial }) => isInitial);
    expect(initial.length).toBeGreaterThan(0);
    expect(valuesOf(svgOf(drawingFor(name)), 'data-initial')).toEqual(initial.map(({ id }) => id));
    for (const { of, centre, points } of drawingFor(name).initials) {
      const { box } = drawingFor(name).nodes.find(({ id }) => id === of) as Drawing['nodes'][number];
      const end = points.at(-1) as (typeof points)[number];
      expect(end.x === box.x || end.y === box.y).toBe(true);
      expect(Math.hypot(end.x - centre.x, end.y - centre.y)).toBeLessThan(45);
    }
  });

  test('is byte for byte the file in docs/charts (if not, run npm run charts)', async () => {
    const written = await readFile(new URL(`${name}.svg`, folder), 'utf8');
    expect(written === svgOf(drawingFor(name)), `docs/charts/${name}.svg is stale: run npm run charts`).toBe(true);
  });

  test('is at most 1,000 px wide and high at full size, and its text is at least 12 px high', async () => {
    const svg = await readFile(new URL(`${name}.svg`, folder), 'utf8');
    const [, attributes = ''] = /^<svg([^>]*)>/.exec(svg) ?? [];
    const [, width, height] = / width="(\d+)" height="(\d+)"/.exec(attributes) ?? [];
    expect(Number(width)).toBeGreaterThan(0);
    expect(Number(width)).toBeLessThanOrEqual(1_000);
    expect(Number(height)).toBeLessThanOrEqual(1_000);
    // One px of the drawing is one px of the screen.
    expect(attributes).toContain(` viewBox="0 0 ${width} ${height}"`);
    expect(svg).not.toMatch(/transform|scale\(/);
    const sizes = [...svg.matchAll(/font-size[=:]\s*"?([^";]+)/g)].map(([, size]) => Number(size));
    expect(sizes.length).toBeGreaterThan(0);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(12);
  });

  test('is served without scripts, styles and foreign content, as the strict content policy requires', async () => {
    const svg = String((await loadAssets()).get(`/charts/${name}.svg`)?.body);
    expect(svg).toBe(svgOf(drawingFor(name)).replace(/<style>.*<\/style>\n/s, ''));
    expect(svg).not.toMatch(/<style|<script|style=|href=| on\w+=/);
    expect(svg.match(/url\([^)]*\)/g)?.every((url) => url === `url(#arrow-${name.replace('.', '_')})`)).toBe(true);
  });
});

test('regions have a dashed border, final states have two borders, and states name the actors that they invoke', async () => {
  const regions = createMachine({
    id: 'm',
    type: 'parallel',
    states: { left: { initial: 'a', states: { a: {} } }, right: {} },
  });
  const parallel = svgOf(await layOut(graphOf(regions)));
  expect(parallel).toMatch(/data-state="m\.left"><(title>[^<]*<\/title><)?rect class="box"[^>]* stroke-dasharray=/);
  const svg = svgOf(drawingFor('sweep'));
  expect(svgOf(drawingFor('sweep.scanning'))).toMatch(/class="note"[^>]*>invokes readPage</);
  expect(svg).not.toMatch(/stroke-dasharray=/);
  expect(svg).toMatch(
    /class="state final" data-state="sweep\.stopped"><title>[^<]*<\/title><rect class="box"[^>]*><rect class="rim"/,
  );
  expect(svg.match(/class="rim"/g)).toHaveLength(1);
});

test('transitions between the same two states share a line and have separate labels', () => {
  const [first, second] = drawingFor('lane').edges.filter(({ from }) => from === 'lane.working');
  expect([first?.isShared, second?.isShared]).toEqual([false, true]);
  expect(second?.points).toEqual(first?.points);
  expect(second?.label.box).not.toEqual(first?.label.box);
});

test('names with markup are escaped', async () => {
  const key = `</g><img src=x onerror="alert(1)"> & 'q' \u0007\ud800`;
  const machine = createMachine({
    id: `"><script>alert(1)</script>`,
    initial: key,
    states: { [key]: { on: { [`<b>${key}`]: 'b' } }, b: { invoke: { src: '<i>&lt;' } }, 'state b': {} },
  });
  const drawing = await layOut(graphOf(machine));
  expect(faultsOf(drawing)).toEqual([]);
  const svg = svgOf(drawing);
  const tags = [...svg.matchAll(/<\/?([a-z]+)((?: [\w-]+="[^"<>]*")*)\/?>/gi)];
  expect([...new Set(tags.map(([, tag]) => tag))].sort()).toEqual(
    ['svg', 'title', 'desc', 'style', 'defs', 'marker', 'path', 'g', 'rect', 'text', 'circle'].sort(),
  );
  const attributes = tags.flatMap(([, , rest = '']) =>
    [...rest.matchAll(/ ([\w-]+)="[^"]*"/g)].map(([, name]) => name),
  );
  expect(attributes).not.toContain('onerror');
  // There is no other tag.
  expect(tags.reduce((rest, [tag]) => rest.replace(tag, ''), svg)).not.toContain('<');
  expect(svg).not.toMatch(/[^\P{Cc}\n]|\p{Cs}/u);
  expect(valuesOf(svg, 'data-state')).toContain(`${machine.id}.${key.replace(/\p{Cc}|\p{Cs}/gu, '\ufffd')}`);
});

test('loops, transitions into and out of an outer state, and transitions across regions are drawn', async () => {
  const awkward = createMachine({
    id: 'root',
    type: 'parallel',
    states: {
      left: {
        initial: 'a',
        on: { inwards: '.b' },
        states: {
          a: { on: { across: '#root.right.c', self: { target: 'a', reenter: true } } },
          b: { on: { up: '#root.left' } },
        },
      },
      right: { initial: 'c', states: { c: {} } },
    },
  });
  const graph = graphOf(awkward);
  const drawing = await layOut(graph);
  expect(drawing.edges.map(({ from, to }) => ({ from, to }))).toEqual(
    graph.edges.map(({ from, to }) => ({ from, to })),
  );
  expect(faultsOf(drawing).filter((fault) => /begin|end|outside|overlaps/.test(fault))).toEqual([]);
});

test('docs/charts has exactly these charts (if not, run npm run charts)', async () => {
  expect((await readdir(folder)).sort()).toEqual(parts.map(({ name }) => `${name}.svg`).sort());
});

describe('a small shift of a line to the side, next to a state', () => {
  const from = { x: 0, y: 0, width: 100, height: 30 };
  const to = { x: 300, y: 200, width: 100, height: 30 };
  /** From the middle of the upper state, 8 px to the right, then to the lower state. */
  const points = [
    { x: 50, y: 30 },
    { x: 50, y: 40 },
    { x: 58, y: 40 },
    { x: 58, y: 180 },
    { x: 350, y: 180 },
    { x: 350, y: 200 },
  ];
  const route = { id: 'a', points, from, to, label: undefined };

  test('is removed: the start of the line moves, and the rest stays', () => {
    expect(straighten([route])[0]?.points).toEqual([{ x: 58, y: 30 }, ...points.slice(3)]);
    const backwards = { ...route, points: points.toReversed(), from: to, to: from };
    expect(straighten([backwards])[0]?.points).toEqual([...points.slice(3).toReversed(), { x: 58, y: 30 }]);
  });

  test('stays if a line or a label is in the way, or if the state is too narrow', () => {
    const neighbour = {
      ...route,
      id: 'b',
      points: [
        { x: 62, y: 30 },
        { x: 62, y: 200 },
      ],
    };
    expect(straighten([route, neighbour])[0]?.points).toEqual(points);
    const labelled = { ...route, label: { x: 40, y: 32, width: 20, height: 6 } };
    expect(straighten([labelled])[0]?.points).toEqual(points);
    expect(straighten([{ ...route, from: { ...from, width: 60 } }])[0]?.points).toEqual(points);
  });

  test('is not removed from a loop', () => {
    const loop = [points[0], points[1], points[2], { x: 58, y: 30 }] as typeof points;
    expect(straighten([{ ...route, points: loop, to: from }])[0]?.points).toEqual(loop);
  });
});

describe('the test helper faultsOf finds', () => {
  /** The drawing of a job with one thing moved. Edge 2 goes from `loading` to `compare`. */
  const broken = (change: (drawing: Drawing) => Partial<Drawing>): string[] => {
    const drawing = drawingFor('job');
    return faultsOf({ ...drawing, ...change(drawing) });
  };
  const withLabelAt = (index: number, placeOf: (drawing: Drawing) => { x: number; y: number }) =>
    broken((drawing) => ({
      edges: drawing.edges.map((edge) =>
        edge.index === index
          ? { ...edge, label: { lines: [], box: { ...edge.label.box, ...placeOf(drawing) } } }
          : edge,
      ),
    }));
  const withPoints = (
    index: number,
    change: (points: Drawing['edges'][number]['points']) => Drawing['edges'][number]['points'],
  ) =>
    broken((drawing) => ({
      edges: drawing.edges.map((edge) => (edge.index === index ? { ...edge, points: change(edge.points) } : edge)),
    }));
  const placeOf = (drawing: Drawing, id: string) => {
    const { x, y } = (drawing.nodes.find((node) => node.id === id) as Drawing['nodes'][number]).box;
    return { x, y };
  };

  test('a label that overlaps another label', () => {
    const faults = withLabelAt(2, ({ edges }) => {
      const { x, y } = (edges[3] as Drawing['edges'][number]).label.box;
      return { x: x + 8, y: y + 8 };
    });
    expect(faults).toContain('label of 2 overlaps label of 3');
  });

  test('a label that overlaps a state or a name, or is outside the frame', () => {
    const faults = withLabelAt(2, (drawing) => placeOf(drawing, 'job.fenced'));
    expect(faults).toEqual(
      expect.arrayContaining(['label of 2 overlaps name of job.fenced', 'label of 2 overlaps job.fenced']),
    );
    expect(withLabelAt(2, (drawing) => placeOf(drawing, 'job'))).toContain('label of 2 overlaps name of job');
    expect(withLabelAt(2, () => ({ x: -20, y: 300 }))).toContain('label of 2 is outside');
  });

  test('a line that does not begin or end at its state', () => {
    const aside = withPoints(2, (points) => points.map(({ x, y }) => ({ x: x + 3, y: y + 3 })));
    expect(aside).toEqual(
      expect.arrayContaining(['line of 2 does not begin at job.loading', 'line of 2 does not end at job.compare']),
    );
    expect(withPoints(2, () => [])).toContain('line of 2 does not begin at job.loading');
  });

  test('a line that crosses a state or the label of another line', () => {
    const { edges, nodes } = drawingFor('job');
    const { box } = (edges[4] as Drawing['edges'][number]).label;
    const y = box.y + box.height / 2;
    expect(
      withPoints(2, () => [
        { x: 0, y },
        { x: 1400, y },
      ]),
    ).toContain('line of 2 crosses label of 4');
    const fenced = (nodes.find(({ id }) => id === 'job.fenced') as Drawing['nodes'][number]).box;
    expect(
      withPoints(2, () => [
        { x: fenced.x + 20, y: 0 },
        { x: fenced.x + 20, y: drawingFor('job').height },
      ]),
    ).toContain('line of 2 crosses job.fenced');
  });

  test('overlapping states, and a state outside its parent', () => {
    const moved = (x: number, y: number) =>
      broken(({ nodes }) => ({
        nodes: nodes.map((node) => (node.id === 'job.fenced' ? { ...node, box: { ...node.box, x, y } } : node)),
      }));
    const { x, y } = placeOf(drawingFor('job'), 'job.planned');
    expect(moved(x, y).join()).toMatch(/job\.planned overlaps job\.fenced/);
    expect(moved(5000, 20)).toContain('job.fenced is outside');
  });
});

/** The transitions in a drawing, as a reader sees them. */
const shownIn = ({ nodes, edges, legend }: Drawing) => {
  const listed = new Map(legend.map(({ index, line }) => [index, line.text]));
  const labelOf = ({ index, from, to, label }: Drawing['edges'][number]): string => {
    const [text, line] = [joined(label.lines), listed.get(index)];
    if (line === undefined) return text;
    const start = `${text} ${keyOf(from)} → ${keyOf(to)}: `;
    expect(line.startsWith(start), line).toBe(true);
    return line.slice(start.length);
  };
  const shown = [
    ...edges.map((edge) => ({ index: edge.index, from: edge.from, to: edge.to, label: labelOf(edge) })),
    ...nodes.flatMap(({ id, inner }) =>
      inner.map(({ index, line }) => ({ index, from: id, to: undefined, label: line.text })),
    ),
  ];
  return shown.sort((a, b) => a.index - b.index);
};

const byNumber = (a: number, b: number): number => a - b;
const keyOf = (id: string): string => id.slice(id.lastIndexOf('.') + 1);
const joined = (lines: readonly { readonly text: string }[]): string => lines.map(({ text }) => text).join(' ');

/** The values of an attribute in the order of the text, unescaped. */
const valuesOf = (svg: string, attribute: string): string[] =>
  [...svg.matchAll(new RegExp(` ${attribute}="([^"]*)"`, 'g'))].map(([, value = '']) =>
    value
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"')
      .replaceAll('&#39;', "'")
      .replaceAll('&amp;', '&'),
  );
