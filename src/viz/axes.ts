/** The frame of a chart with two axes: title, legend, grid, ticks, axis names. */

import type { Scale } from "./scale.ts";
import { coordinate, element, label, shorten, textWidth } from "./svg.ts";

/** The rectangle in which the data are drawn. */
export interface Plot {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** One entry of a legend: markup of a sample about 16 pixels wide, drawn around (0, 0), and its name. */
export interface LegendEntry {
  readonly sample: string;
  readonly name: string;
}

const LEGEND_ROW = 20;

/** The rows of a legend that is `width` wide; each row is a list of [entry, x]. */
function legendRows(entries: readonly LegendEntry[], width: number): [LegendEntry, number][][] {
  const rows: [LegendEntry, number][][] = [];
  let row: [LegendEntry, number][] = [];
  let x = 0;
  for (const entry of entries) {
    const needed = 24 + textWidth(shorten(entry.name, 40), 12) + 18;
    if (row.length > 0 && x + needed > width) {
      rows.push(row);
      row = [];
      x = 0;
    }
    row.push([entry, x]);
    x += needed;
  }
  if (row.length > 0) rows.push(row);
  return rows;
}

/** The title and legend above a chart, and the height they take. */
export function heading(
  title: string,
  entries: readonly LegendEntry[],
  left: number,
  width: number,
): { markup: string; height: number } {
  const parts: string[] = [];
  let y = 8;
  if (title !== "") {
    parts.push(label(left, y + 14, shorten(title, Math.max(8, Math.floor(width / 8))), { class: "viz-title viz-ink" }));
    y += 26;
  }
  for (const row of legendRows(entries, width)) {
    for (const [entry, x] of row) {
      const at = `translate(${coordinate(left + x + 8)} ${coordinate(y + 9)})`;
      parts.push(element("g", { transform: at }, entry.sample));
      parts.push(label(left + x + 24, y + 13, shorten(entry.name, 40), { class: "viz-soft" }));
    }
    y += LEGEND_ROW;
  }
  return { markup: parts.join(""), height: y + 8 };
}

/** The background, the grid lines, the ticks with their numbers and the names of both axes. */
export function axes(plot: Plot, x: Scale, y: Scale, xLabel: string, yLabel: string): string {
  const parts = [
    element("rect", {
      x: plot.left,
      y: plot.top,
      width: plot.right - plot.left,
      height: plot.bottom - plot.top,
      class: "viz-plot",
    }),
  ];
  for (const tick of y.ticks) {
    const at = y.at(tick.value);
    parts.push(
      element("path", {
        d: `M${coordinate(plot.left)} ${coordinate(at)}H${coordinate(plot.right)}`,
        class: "viz-grid",
      }),
    );
    parts.push(label(plot.left - 8, at + 4, tick.text, { class: "viz-soft", "text-anchor": "end" }));
  }
  for (const tick of x.ticks) {
    const at = x.at(tick.value);
    parts.push(element("path", { d: `M${coordinate(at)} ${coordinate(plot.bottom)}v5`, class: "viz-axis" }));
    parts.push(label(at, plot.bottom + 19, tick.text, { class: "viz-soft", "text-anchor": "middle" }));
  }
  parts.push(
    element("path", {
      d: `M${coordinate(plot.left)} ${coordinate(plot.bottom)}H${coordinate(plot.right)}`,
      class: "viz-axis",
    }),
  );
  if (xLabel !== "") {
    const middle = (plot.left + plot.right) / 2;
    parts.push(label(middle, plot.bottom + 38, shorten(xLabel, 60), { class: "viz-soft", "text-anchor": "middle" }));
  }
  if (yLabel !== "") {
    const middle = coordinate((plot.top + plot.bottom) / 2);
    const turned = `translate(14 ${middle}) rotate(-90)`;
    parts.push(label(0, 0, shorten(yLabel, 40), { class: "viz-soft", "text-anchor": "middle", transform: turned }));
  }
  return parts.join("");
}

/** The space left of the plot that the numbers and the name of the y axis need. */
export function leftMargin(y: Scale, yLabel: string): number {
  const widest = Math.max(0, ...y.ticks.map((tick) => textWidth(tick.text, 12)));
  return Math.ceil(widest) + 14 + (yLabel === "" ? 4 : 22);
}
