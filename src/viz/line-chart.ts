/** Lines over an axis: losses, accuracies, learning rates. */

import { axes, heading, leftMargin } from "./axes.ts";
import type { Scale } from "./scale.ts";
import { extent, linearScale, logScale } from "./scale.ts";
import type { PictureOptions } from "./svg.ts";
import { coordinate, element, label, picture } from "./svg.ts";
import { strokeClass } from "./theme.ts";

/** One line. */
export interface Series {
  /** The name in the legend. */
  readonly name: string;
  /** The values; NaN and infinities leave a gap. */
  readonly y: ArrayLike<number>;
  /** Their places; without it 1, 2, 3, … */
  readonly x?: ArrayLike<number>;
}

/** The options of {@link lineChart}. */
export interface LineChartOptions extends PictureOptions {
  xLabel?: string;
  yLabel?: string;
  /** A logarithmic y axis shows positive values only. Default `linear`. */
  yScale?: "linear" | "log";
}

/** A chart of one or more lines, as SVG text. */
export function lineChart(series: readonly Series[], options: LineChartOptions = {}): string {
  const { title = "", width = 640, height = 320, xLabel = "", yLabel = "", yScale = "linear" } = options;
  const log = yScale === "log";
  const xs = series.map((line) => Array.from(line.x ?? Array.from(line.y, (_, i) => i + 1)));
  const xRange = extent(xs.flat());
  const yRange = extent(
    series.flatMap((line, s) => Array.from(line.y).filter((_, i) => Number.isFinite(xs[s]?.[i]))),
    log,
  );
  const entries = series.map((line, i) => ({
    name: line.name,
    sample: element("path", { d: "M-8 0H8", class: `viz-line ${strokeClass(i)}` }),
  }));
  const makeY = log ? logScale : linearScale;
  const yNumbers = padded(yRange ?? [log ? 0.1 : 0, 1], log);
  const left = leftMargin(makeY(yNumbers, 0, 1), yLabel);
  const head = heading(title, entries, left, width - left - 16);
  const plot = { left, top: head.height, right: width - 16, bottom: height - (xLabel === "" ? 30 : 48) };
  const counts = xs.every((values) => values.every((value) => Number.isInteger(value)));
  const xTicks = Math.max(2, Math.floor((plot.right - left) / 80));
  const x = linearScale(xRange ?? [0, 1], plot.left, plot.right, xTicks, counts ? 1 : 0);
  const y = makeY(yNumbers, plot.bottom, plot.top, Math.max(2, Math.floor((plot.bottom - plot.top) / 40)));
  const lines = series.map((line, i) =>
    element("path", {
      d: linePath(xs[i] ?? [], line.y, x, y, plot.right - plot.left),
      class: `viz-line ${strokeClass(i)}`,
    }),
  );
  if (yRange === undefined) {
    const at = { class: "viz-soft", "text-anchor": "middle" };
    lines.push(label((plot.left + plot.right) / 2, (plot.top + plot.bottom) / 2, "no finite values", at));
  }
  const description = options.description ?? describe(series, xLabel, yLabel);
  return picture(width, height, title, description, head.markup, axes(plot, x, y, xLabel, yLabel), ...lines);
}

/** A little room above and below the lines; an axis whose values are not negative starts at zero when that is near. */
function padded(range: readonly [number, number], log: boolean): [number, number] {
  const [low, high] = range;
  if (log) return [low / 1.1, high * 1.1];
  const room = (high - low) * 0.05;
  return [low >= 0 && low < (high - low) * 0.5 ? 0 : low - room, high + room];
}

/** The path of one line. Where points are denser than pixels, each pixel column keeps its lowest and highest. */
function linePath(xs: ArrayLike<number>, ys: ArrayLike<number>, x: Scale, y: Scale, columns: number): string {
  const dense = ys.length > columns * 4;
  let path = "";
  let pen = false;
  let column = Number.NaN;
  let low = 0;
  let high = 0;
  const draw = (px: number, py: number): void => {
    // A lone point is a line of no length, which the round cap turns into a dot.
    path += pen ? `L${coordinate(px)} ${coordinate(py)}` : `M${coordinate(px)} ${coordinate(py)}h0`;
    pen = true;
  };
  const flush = (): void => {
    if (Number.isNaN(column)) return;
    draw(column, low);
    if (high !== low) draw(column, high);
    column = Number.NaN;
  };
  for (let i = 0; i < ys.length; i++) {
    const vx = xs[i] ?? Number.NaN;
    const vy = ys[i] ?? Number.NaN;
    if (!x.has(vx) || !y.has(vy)) {
      flush();
      pen = false;
      continue;
    }
    const px = x.at(vx);
    const py = y.at(vy);
    if (!dense) {
      draw(px, py);
    } else if (Math.floor(px) === column) {
      low = Math.max(low, py);
      high = Math.min(high, py);
    } else {
      flush();
      column = Math.floor(px);
      low = high = py;
    }
  }
  flush();
  return path;
}

function describe(series: readonly Series[], xLabel: string, yLabel: string): string {
  const parts = series.map((line) => {
    const values = Array.from(line.y).filter((value) => Number.isFinite(value));
    const first = values[0];
    const last = values[values.length - 1];
    if (first === undefined || last === undefined) return `${line.name} has no finite values`;
    return `${line.name} goes from ${Number(first.toPrecision(3))} to ${Number(last.toPrecision(3))}`;
  });
  const what = yLabel === "" ? "Line chart" : `Line chart of ${yLabel}`;
  return `${what}${xLabel === "" ? "" : ` by ${xLabel}`}: ${parts.join("; ")}.`;
}
