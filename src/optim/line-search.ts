/**
 * A line search for the strong Wolfe conditions: enough decrease, and a slope that is flat enough (Nocedal and Wright, 2006).
 */
import type { Tensor } from "../tensor/tensor.ts";

/** Where a search stands on the line: how far, the value there, the gradient and the slope. */
interface Point {
  readonly t: number;
  readonly f: number;
  readonly g: Tensor;
  readonly slope: number;
}

/** The result of a search. */
export interface LineSearchResult {
  readonly t: number;
  readonly f: number;
  readonly g: Tensor;
  /** How often the function was computed. */
  readonly evaluations: number;
}

type Interval = readonly [number, number];

const ordered = (a: number, b: number): Interval => (a <= b ? [a, b] : [b, a]);

/** Where the cubic through two points has its minimum, inside the bounds. */
function cubicMinimum(a: Point, b: Point, [low, high]: Interval = ordered(a.t, b.t)): number {
  const d1 = a.slope + b.slope - (3 * (a.f - b.f)) / (a.t - b.t);
  const square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (low + high) / 2;
  const d2 = Math.sqrt(square);
  const at =
    a.t <= b.t
      ? b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
      : a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2));
  return Math.min(Math.max(at, low), high);
}

const sufficient = 1e-4;
const curvature = 0.9;
const mostIterations = 25;

/** Searches from `t` on along a direction. `evaluate` gives value and gradient at a point of the line. */
export function strongWolfe(
  evaluate: (t: number) => { readonly f: number; readonly g: Tensor },
  t: number,
  direction: Tensor,
  f: number,
  g: Tensor,
  slope: number,
  tolerance: number,
): LineSearchResult {
  const longest = Number(direction.abs().max().item());
  const start: Point = { t: 0, f, g: g.clone(), slope };
  let evaluations = 0;
  const at = (x: number): Point => {
    const { f: value, g: gradient } = evaluate(x);
    evaluations++;
    return { t: x, f: value, g: gradient, slope: Number(gradient.dot(direction).item()) };
  };
  const tooHigh = (p: Point): boolean => p.f > f + sufficient * p.t * slope;
  const flat = (p: Point): boolean => Math.abs(p.slope) <= -curvature * slope;

  let current = at(t);
  let previous = start;
  let bracket: [Point, Point] | null = null;
  let iterations = 0;
  for (; iterations < mostIterations; iterations++) {
    if (tooHigh(current) || (iterations > 1 && current.f >= previous.f)) {
      bracket = [previous, current];
      break;
    }
    if (flat(current)) return { ...current, evaluations };
    if (current.slope >= 0) {
      bracket = [previous, current];
      break;
    }
    const bounds: Interval = [current.t + 0.01 * (current.t - previous.t), current.t * 10];
    const next = cubicMinimum(previous, current, bounds);
    previous = current;
    current = at(next);
  }
  bracket ??= [start, current];

  let stuck = false;
  let low = bracket[0].f <= bracket[1].f ? 0 : 1;
  while (iterations < mostIterations) {
    const [left, right] = ordered(bracket[0].t, bracket[1].t);
    if ((right - left) * longest < tolerance) break;
    let next = cubicMinimum(bracket[0], bracket[1]);
    const margin = 0.1 * (right - left);
    if (Math.min(right - next, next - left) < margin) {
      // Too near to an end. The second time in a row, or at the very end, it is moved inside.
      if (stuck || next >= right || next <= left) {
        next = Math.abs(next - right) < Math.abs(next - left) ? right - margin : left + margin;
        stuck = false;
      } else stuck = true;
    } else stuck = false;
    const point = at(next);
    iterations++;
    const high = 1 - low;
    const best: Point = bracket[low] as Point;
    if (tooHigh(point) || point.f >= best.f) {
      bracket[high] = point;
      low = bracket[0].f <= bracket[1].f ? 0 : 1;
      continue;
    }
    const done = flat(point);
    if (!done && point.slope * ((bracket[high] as Point).t - best.t) >= 0) bracket[high] = best;
    bracket[low] = point;
    if (done) break;
  }
  return { ...(bracket[low] as Point), evaluations };
}
