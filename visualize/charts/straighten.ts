import type { Box, Point } from './drawing.ts';

/** The line of a transition from one box to another, with its label. */
export interface Route {
  readonly id: string;
  readonly points: readonly Point[];
  readonly from: Box;
  readonly to: Box;
  readonly label: Box | undefined;
}

/** A longer shift to the side stays, px. */
const maxJog = 16;
/** Distance of a moved line to everything else, and to the corners of its state, px. */
const clearance = 7;

/**
 * Removes small shifts to the side at both ends of a line. elk spreads the ends of lines evenly along the border of a
 * state, often a few px beside the rest of the line. The end is moved along the border instead, if nothing is in the way.
 */
export const straighten = (routes: readonly Route[]): Route[] => {
  const result = [...routes];
  for (const [i, route] of routes.entries()) {
    const others = result.filter((_, other) => other !== i);
    const obstacles = [
      ...others.flatMap(({ points }) => segmentsOf(points)),
      ...result.flatMap(({ label }) => (label === undefined ? [] : [label])),
    ];
    const forward = withoutFirstJog(route.points, route.from, obstacles);
    const backward = withoutFirstJog(forward.toReversed(), route.to, obstacles);
    result[i] = { ...route, points: backward.toReversed() };
  }
  return result;
};

const withoutFirstJog = (points: readonly Point[], state: Box, obstacles: readonly Box[]): readonly Point[] => {
  const [start, bend, end, next, ...rest] = points;
  if (start === undefined || bend === undefined || end === undefined || next === undefined) return points;
  const isDown = start.x === bend.x;
  // A loop turns back, which is not a shift to the side.
  const goesOn = isDown ? (bend.y - start.y) * (next.y - end.y) > 0 : (bend.x - start.x) * (next.x - end.x) > 0;
  const jog = isDown ? Math.abs(end.x - bend.x) : Math.abs(end.y - bend.y);
  const moved = isDown ? { x: end.x, y: start.y } : { x: start.x, y: end.y };
  const isOnSide = isDown
    ? isAmong(moved.x, state.x + clearance, state.width - 2 * clearance)
    : isAmong(moved.y, state.y + clearance, state.height - 2 * clearance);
  if (!goesOn || jog > maxJog || !isOnSide) return points;
  const swept = grown(boxOf(start, end), isDown ? { x: clearance, y: 0 } : { x: 0, y: clearance });
  return obstacles.some((obstacle) => doMeet(swept, obstacle)) ? points : [moved, next, ...rest];
};

const isAmong = (value: number, start: number, size: number): boolean => value >= start && value <= start + size;

/** The straight segments of a line, each as a box without width. */
const segmentsOf = (points: readonly Point[]): Box[] =>
  points.flatMap((point, i) => {
    const before = points[i - 1];
    return before === undefined ? [] : [boxOf(before, point)];
  });

const boxOf = (a: Point, b: Point): Box => ({
  x: Math.min(a.x, b.x),
  y: Math.min(a.y, b.y),
  width: Math.abs(a.x - b.x),
  height: Math.abs(a.y - b.y),
});

const grown = ({ x, y, width, height }: Box, by: Point): Box => ({
  x: x - by.x,
  y: y - by.y,
  width: width + 2 * by.x,
  height: height + 2 * by.y,
});

const doMeet = (a: Box, b: Box): boolean =>
  a.x <= b.x + b.width && b.x <= a.x + a.width && a.y <= b.y + b.height && b.y <= a.y + a.height;
