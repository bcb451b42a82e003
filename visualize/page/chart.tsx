import { useEffect, useRef, useState } from 'preact/hooks';
import type { ChartCounts, ChartIndex, ChartName } from '../protocol.ts';
import { count } from './format.ts';

/** What a chart shows: counts over all actors, or the trace of one job. */
export type Marks =
  | { readonly kind: 'counts'; readonly counts: ChartCounts; readonly index: ChartIndex }
  | {
      readonly kind: 'trace';
      readonly states: ReadonlySet<string>;
      readonly transitions: ReadonlySet<number>;
      /** The state of the current step, and the transition that led to it. */
      readonly here: string;
      readonly by: number | undefined;
    };

const drawings = new Map<string, Promise<SVGElement>>();
/** Fetches an SVG, once. Each place on the page gets a copy. */
const drawingOf = (name: string): Promise<SVGElement> => {
  const known = drawings.get(name);
  if (known !== undefined) return known;
  const fetched = fetch(`charts/${name}.svg`).then(async (answer) => {
    if (!answer.ok) throw new Error(`the chart could not be loaded (HTTP ${answer.status})`);
    const parsed = new DOMParser().parseFromString(await answer.text(), 'image/svg+xml');
    return parsed.documentElement as unknown as SVGElement;
  });
  fetched.catch(() => drawings.delete(name));
  drawings.set(name, fetched);
  return fetched;
};

/** A chart: one drawing, or an overview and a drawing for each state that is collapsed in it. */
export const Chart = ({ name, index, marks }: { name: ChartName; index: ChartIndex; marks: Marks }) => (
  <div class="chart" data-chart={name}>
    {index.drawings.map((drawing) => (
      <ChartDrawing key={drawing} name={drawing} marks={marks} />
    ))}
  </div>
);

const ChartDrawing = ({ name, marks }: { name: string; marks: Marks }) => {
  const container = useRef<HTMLElement>(null);
  const [drawing, setDrawing] = useState<SVGElement>();
  const [fault, setFault] = useState('');
  const [attempt, setAttempt] = useState(1);

  useEffect(() => {
    let isGone = false;
    setFault('');
    drawingOf(name).then(
      (original) => {
        if (isGone) return;
        const copy = original.cloneNode(true) as SVGElement;
        container.current?.replaceChildren(copy);
        setDrawing(copy);
      },
      (error) => !isGone && setFault(error.message),
    );
    return () => {
      isGone = true;
      setDrawing(undefined);
    };
  }, [name, attempt]);

  useEffect(() => {
    if (drawing !== undefined) mark(drawing, marks);
  }, [drawing, marks]);

  return (
    <>
      {fault !== '' && (
        <p class="hint">
          {fault}{' '}
          <button type="button" onClick={() => setAttempt(attempt + 1)}>
            Try again
          </button>
        </p>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: scrolled by keyboard */}
      <section class="drawing" ref={container} tabIndex={0} aria-label={`Chart: ${name}`} />
    </>
  );
};

const mark = (drawing: SVGElement, marks: Marks) => {
  const nameOf = (element: Element) => element.getAttribute('data-state') ?? '';
  /** An overview shows transitions that look the same as one. */
  const edgesOf = ({ dataset }: SVGElement) =>
    (dataset.edge ?? dataset.line ?? dataset.legend ?? '').split(' ').map(Number);
  const states = drawing.querySelectorAll<SVGElement>('[data-state]');
  const edges = drawing.querySelectorAll<SVGElement>('[data-edge], [data-line], [data-legend]');
  if (marks.kind === 'trace') {
    for (const state of states) {
      /** A collapsed state stands for the states in it. */
      const isShownBy = (id: string) =>
        id === nameOf(state) || (state.classList.contains('collapsed') && id.startsWith(`${nameOf(state)}.`));
      state.classList.toggle('passed', [...marks.states].some(isShownBy));
      state.classList.toggle('here', isShownBy(marks.here));
    }
    for (const edge of edges) {
      const shown = edgesOf(edge);
      edge.classList.toggle(
        'passed',
        shown.some((at) => marks.transitions.has(at)),
      );
      edge.classList.toggle('last', marks.by !== undefined && shown.includes(marks.by));
    }
    return;
  }
  const { counts, index } = marks;
  const most = Math.max(1, ...counts.entered);
  for (const state of states) {
    const at = index.states.indexOf(nameOf(state));
    const entered = counts.entered[at] ?? 0;
    // Logarithmic: a hundred thousand jobs enter `compare`, and the three in `fail` must still be visible.
    // Rounded: an equal value is not painted again.
    state.style.setProperty('--heat', (Math.log1p(entered) / Math.log1p(most)).toFixed(2));
    state.classList.toggle('active', (counts.active[at] ?? 0) > 0);
    const label = drawing.querySelector(`[data-count="${CSS.escape(nameOf(state))}"]`);
    const text = entered === 0 ? '' : count(entered);
    if (label !== null && label.textContent !== text) label.textContent = text;
  }
  for (const edge of edges) {
    const shown = edgesOf(edge);
    edge.classList.toggle(
      'taken',
      shown.some((at) => (counts.taken[at] ?? 0) > 0),
    );
    edge.classList.toggle('last', counts.last !== undefined && shown.includes(counts.last));
  }
};
