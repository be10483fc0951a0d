/** Points in the plane by class, alone or over the regions that a classifier assigns. */

import { axes, heading, leftMargin } from "./axes.ts";
import type { Plot } from "./axes.ts";
import type { Scale } from "./scale.ts";
import { extent, linearScale } from "./scale.ts";
import type { PictureOptions } from "./svg.ts";
import { coordinate, element, picture } from "./svg.ts";
import { fillClass } from "./theme.ts";

/** One point and the index of its class. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly label: number;
  /** Drawn larger and ringed: a test point among training points, say. */
  readonly strong?: boolean;
}

/** The options of {@link scatter}. */
export interface ScatterOptions extends PictureOptions {
  /** The names of the classes, by index. */
  labels?: readonly string[];
  xLabel?: string;
  yLabel?: string;
}

/** The options of {@link decision}. */
export interface DecisionOptions extends ScatterOptions {
  /** How many cells the plane is cut into from left to right. Default 240. */
  resolution?: number;
}

/** A classifier: for each place of the plane the index of its class. */
export type Classify = (places: readonly (readonly [number, number])[]) => ArrayLike<number>;

/** More classes than this are not listed one by one in the legend. */
const LEGEND_LIMIT = 20;

/** Points of the plane, coloured and shaped by class, as SVG text. Points that are not finite are left out. */
export function scatter(points: readonly Point[], options: ScatterOptions = {}): string {
  return draw(points, options, () => "");
}

/** The regions into which `classify` cuts the plane, and the points over them, as SVG text. */
export function decision(classify: Classify, points: readonly Point[], options: DecisionOptions = {}): string {
  return draw(points, options, (x, y, plot) => regions(classify, x, y, plot, options.resolution ?? 240));
}

function draw(
  points: readonly Point[],
  options: ScatterOptions,
  background: (x: Scale, y: Scale, plot: Plot) => string,
): string {
  const { title = "", width = 640, height = 560, labels = [], xLabel = "", yLabel = "" } = options;
  const shown = points.filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y));
  const classes = Array.from(new Set(shown.map((point) => point.label))).toSorted((a, b) => a - b);
  const entries = classes.slice(0, LEGEND_LIMIT).map((c) => ({
    name: labels[c] ?? `class ${c}`,
    sample: element("path", { d: marker(c, 0, 0, 5), class: fillClass(c) }),
  }));
  if (classes.length > LEGEND_LIMIT) entries.push({ name: `and ${classes.length - LEGEND_LIMIT} more`, sample: "" });
  const xRange = withRoom(extent(shown.map((point) => point.x)));
  const yRange = withRoom(extent(shown.map((point) => point.y)));
  const left = leftMargin(linearScale(yRange, 0, 1), yLabel);
  const head = heading(title, entries, left, width - left - 16);
  const plot = { left, top: head.height, right: width - 16, bottom: height - (xLabel === "" ? 30 : 48) };
  const x = linearScale(xRange, plot.left, plot.right);
  const y = linearScale(yRange, plot.bottom, plot.top);
  const size = shown.length > 600 ? 2.4 : 3.2;
  // Training points first, so that test points lie above them; one path per class and kind keeps the text short.
  const layers = [false, true].flatMap((strong) =>
    classes.map((c) => {
      const group = shown.filter((point) => point.label === c && (point.strong ?? false) === strong);
      if (group.length === 0) return "";
      const path = group.map((point) => marker(c, x.at(point.x), y.at(point.y), strong ? size * 1.5 : size)).join("");
      const ring = strong ? { "stroke-width": 1.2 } : { "stroke-width": 0.6 };
      return element("path", { d: path, class: `${fillClass(c)} ${strong ? "viz-ring" : "viz-halo"}`, ...ring });
    }),
  );
  const description =
    options.description ??
    `${shown.length} points of ${classes.length} ${classes.length === 1 ? "class" : "classes"}: ${classes
      .slice(0, LEGEND_LIMIT)
      .map((c) => labels[c] ?? `class ${c}`)
      .join(", ")}.`;
  return picture(
    width,
    height,
    title,
    description,
    head.markup,
    axes(plot, x, y, xLabel, yLabel),
    background(x, y, plot),
    ...layers,
  );
}

function withRoom(range: [number, number] | undefined): [number, number] {
  if (range === undefined) return [0, 1];
  const room = (range[1] - range[0]) * 0.06;
  return [range[0] - room, range[1] + room];
}

/** The regions, one path per class: every row of cells gives one rectangle per run of the same class. */
function regions(classify: Classify, x: Scale, y: Scale, plot: Plot, resolution: number): string {
  const columns = Math.max(1, Math.round(resolution));
  const cell = (plot.right - plot.left) / columns;
  const rows = Math.max(1, Math.round((plot.bottom - plot.top) / cell));
  const rowHeight = (plot.bottom - plot.top) / rows;
  const places: [number, number][] = [];
  for (let row = 0; row < rows; row++) {
    const vy = y.high + ((y.low - y.high) * (row + 0.5)) / rows;
    for (let column = 0; column < columns; column++) {
      places.push([x.low + ((x.high - x.low) * (column + 0.5)) / columns, vy]);
    }
  }
  const found = classify(places);
  const paths = new Map<number, string[]>();
  for (let row = 0; row < rows; row++) {
    let start = 0;
    for (let column = 1; column <= columns; column++) {
      const c = found[row * columns + start] ?? 0;
      if (column < columns && (found[row * columns + column] ?? 0) === c) continue;
      const from = coordinate(plot.left + start * cell);
      const top = coordinate(plot.top + row * rowHeight);
      const run = `M${from} ${top}h${coordinate((column - start) * cell)}v${coordinate(rowHeight)}H${from}z`;
      const path = paths.get(c);
      if (path === undefined) paths.set(c, [run]);
      else path.push(run);
      start = column;
    }
  }
  // Crisp edges: with smoothing, thin seams would show between the rows.
  return Array.from(paths, ([c, runs]) =>
    element("path", { d: runs.join(""), class: fillClass(c), opacity: 0.24, "shape-rendering": "crispEdges" }),
  ).join("");
}

/** The outline of the marker of class `c`, so that classes differ in shape as well as in colour. */
function marker(c: number, x: number, y: number, r: number): string {
  const at = (dx: number, dy: number): string => `${coordinate(x + dx)} ${coordinate(y + dy)}`;
  const length = coordinate(2 * r);
  switch (c % 5) {
    case 0:
      return `M${at(-r, 0)}a${coordinate(r)} ${coordinate(r)} 0 1 0 ${length} 0a${coordinate(r)} ${coordinate(r)} 0 1 0 -${length} 0z`;
    case 1:
      return `M${at(-0.88 * r, -0.88 * r)}h${coordinate(1.76 * r)}v${coordinate(1.76 * r)}h-${coordinate(1.76 * r)}z`;
    case 2:
      return `M${at(0, -1.15 * r)}L${at(1.1 * r, 0.8 * r)}L${at(-1.1 * r, 0.8 * r)}z`;
    case 3:
      return `M${at(0, -1.25 * r)}L${at(1.25 * r, 0)}L${at(0, 1.25 * r)}L${at(-1.25 * r, 0)}z`;
    default:
      return `M${at(0, 1.15 * r)}L${at(1.1 * r, -0.8 * r)}L${at(-1.1 * r, -0.8 * r)}z`;
  }
}
