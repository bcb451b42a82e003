import {
  type Box,
  type Drawing,
  type DrawnEdge,
  type DrawnInitial,
  type DrawnNode,
  initialRadius,
  type Line,
  type Point,
} from './drawing.ts';
import { style } from './style.ts';
import { fontSize, lineHeight, round } from './text.ts';

const fonts = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
/** Radius of the corners of states, labels and bends, px. */
const corners = { state: 7, label: 4, bend: 6 };
/** Distance between the two borders of a final state, px. */
const rim = 3;

/**
 * Turns a drawing into SVG with a style for light and dark. It has no scripts and no inline styles, so a page with a strict
 * policy can contain it without the `<style>` element, and style the classes itself.
 */
export const svgOf = (drawing: Drawing): string => {
  const { name, width, height, nodes, edges, initials, legend } = drawing;
  const suffix = name.replace(/[^\w-]/g, '_');
  const arrow = `arrow-${suffix}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="${fonts}" font-size="${fontSize}" role="img" aria-labelledby="title-${suffix}" aria-describedby="desc-${suffix}">`,
    `<title id="title-${suffix}">Statechart: ${text(name)}</title>`,
    `<desc id="desc-${suffix}">${text(descriptionOf(drawing))}</desc>`,
    `<style>${style}</style>`,
    `<defs><marker id="${arrow}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path class="arrow" d="M0 0.5L8 4L0 7.5Z" fill="context-stroke"/></marker></defs>`,
    ...nodes.map(stateOf),
    ...initials.map((initial) => initialOf(initial, arrow)),
    // All lines before all labels: transitions between the same states share a line, which must not cross their labels.
    ...edges.map(({ index, also, points, isShared }) =>
      pathOf(points, arrow, isShared ? 'line shared' : 'line', ` data-line="${[index, ...also].join(' ')}"`),
    ),
    ...edges.map(labelOf),
    ...legend.map(({ index, line }) => lineOf('legend', line, ` data-legend="${index}"`)),
    '</svg>',
    '',
  ].join('\n');
};

/** The chart in words, for screen readers. */
const descriptionOf = ({ nodes: drawn, edges, initials }: Drawing): string => {
  const nodes = drawn.filter(({ kind }) => kind !== 'outside');
  return [
    `${nodes.length} states: ${nodes.map(({ id }) => id).join(', ')}.`,
    ...nodes.flatMap(({ id, description }) => (description === undefined ? [] : [`${id}: ${description.text}`])),
    `Initial: ${initials.map(({ of }) => of).join(', ')}.`,
    ...edges.map(({ from, to, text: label }) => `${from} to ${to}: ${label}.`),
    ...nodes.flatMap(({ id, inner }) => inner.map(({ line }) => `${id} stays: ${line.text}.`)),
  ].join(' ');
};

const stateOf = (node: DrawnNode): string => {
  const { id, kind, isRegion, box, name, count, notes, description, inner } = node;
  return [
    kind === 'outside' ? '<g class="outside">' : `<g class="${classesOf(node)}" data-state="${attr(id)}">`,
    ...(description === undefined ? [] : [`<title>${text(description.text)}</title>`]),
    rect('box', box, corners.state, isRegion ? ' stroke-dasharray="5 4"' : ''),
    ...(kind === 'final' ? [rect('rim', inset(box, rim), corners.state - rim)] : []),
    lineOf('name', name),
    ...(kind === 'outside' ? [] : [countOf(id, count)]),
    ...notes.map((note) => lineOf('note', note)),
    ...(description?.lines ?? []).map((line) => lineOf('description', line)),
    ...inner.map(({ index, line }) => lineOf('inner', line, ` data-edge="${index}"`)),
    '</g>',
  ].join('');
};

const classesOf = ({ kind, isRegion, isCollapsed }: DrawnNode): string =>
  ['state', kind, ...(isRegion ? ['region'] : []), ...(isCollapsed ? ['collapsed'] : [])].join(' ');

/** The page writes how often the state was entered. */
const countOf = (id: string, box: Box): string =>
  `<text class="count" data-count="${attr(id)}" x="${round(box.x + box.width)}" y="${baselineOf(box)}" text-anchor="end"></text>`;

const labelOf = ({ index, also, text: all, label }: DrawnEdge): string =>
  [
    `<g class="edge" data-edge="${[index, ...also].join(' ')}">`,
    `<title>${text(all)}</title>`,
    rect('label-box', label.box, corners.label),
    ...label.lines.map((line) => lineOf(line.text.startsWith('[') ? 'label guard' : 'label', line)),
    '</g>',
  ].join('');

const initialOf = ({ of, centre, points }: DrawnInitial, arrow: string): string =>
  `<g class="initial" data-initial="${attr(of)}"><circle class="dot" cx="${centre.x}" cy="${centre.y}" r="${initialRadius}"/>${pathOf(points, arrow, 'line')}</g>`;

const pathOf = (points: readonly Point[], arrow: string, name: string, more = ''): string =>
  `<path class="${name}"${more} fill="none" d="${roundedPathOf(points)}" marker-end="url(#${arrow})"/>`;

/** Straight lines with rounded bends. */
const roundedPathOf = (points: readonly Point[]): string =>
  points
    .map((point, i) => {
      const before = points[i - 1];
      const after = points[i + 1];
      if (before === undefined) return `M${point.x} ${point.y}`;
      if (after === undefined) return `L${point.x} ${point.y}`;
      const start = towards(point, before);
      const end = towards(point, after);
      return `L${start.x} ${start.y}Q${point.x} ${point.y} ${end.x} ${end.y}`;
    })
    .join('');

/** The point on the way from `from` to `to` where the bend ends: at most half-way, so that two bends never overlap. */
const towards = (from: Point, to: Point): Point => {
  const distance = Math.hypot(to.x - from.x, to.y - from.y);
  if (distance === 0) return from;
  const part = Math.min(corners.bend, distance / 2) / distance;
  return { x: round(from.x + (to.x - from.x) * part), y: round(from.y + (to.y - from.y) * part) };
};

const rect = (name: string, { x, y, width, height }: Box, radius: number, more = ''): string =>
  `<rect class="${name}" x="${x}" y="${y}" width="${width}" height="${height}" rx="${radius}"${more}/>`;

const inset = ({ x, y, width, height }: Box, by: number): Box => ({
  x: round(x + by),
  y: round(y + by),
  width: round(width - 2 * by),
  height: round(height - 2 * by),
});

const lineOf = (name: string, line: Line, more = ''): string =>
  `<text class="${name}"${more} x="${line.box.x}" y="${baselineOf(line.box)}" textLength="${line.box.width}" lengthAdjust="spacingAndGlyphs">${text(line.text)}</text>`;

/** The baseline of a font is about a quarter of its size above the lower edge of the line. */
const baselineOf = ({ y }: Box): number => round(y + lineHeight / 2 + fontSize * 0.35);

/** Escapes a text, and replaces what XML cannot contain in any form: control characters and lone surrogates. */
const text = (value: string): string =>
  value.replace(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, '\ufffd').replace(/[&<>]/g, escapeOf);
const attr = (value: string): string => text(value).replace(/["']/g, escapeOf);

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escapeOf = (character: string): string => escapes[character] ?? character;
