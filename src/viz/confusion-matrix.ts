/** The confusion matrix of a classifier. */

import type { PictureOptions } from "./svg.ts";
import { coordinate, element, escapeText, label, picture, shorten, textWidth } from "./svg.ts";

/** The options of {@link confusionMatrix}. */
export interface ConfusionMatrixOptions extends PictureOptions {
  /** The names of the classes, by index. */
  labels?: readonly string[];
}

/** From this many classes on cells are too small for a count and every class for a name. */
const TEXT_LIMIT = 32;

/**
 * A picture of `counts`, where `counts[i][j]` is how many samples of class i were taken for class j, as SVG text: true
 * classes downwards, predictions to the right, and the share that is correct at the end of each row.
 */
export function confusionMatrix(counts: readonly (readonly number[])[], options: ConfusionMatrixOptions = {}): string {
  const { title = "", labels = [] } = options;
  const n = counts.length;
  const names = counts.map((_, i) => shorten(labels[i] ?? String(i), 16));
  const detailed = n <= TEXT_LIMIT;
  const widest = Math.max(20, ...(detailed ? names.map((name) => textWidth(name, 12)) : []));
  const left = Math.ceil(widest) + 36;
  const cell = Math.max(2, Math.min(46, Math.floor(((options.width ?? 640) - left - 70) / Math.max(1, n))));
  // Names that are wider than a cell stand upright under the matrix.
  const upright = widest > cell - 4;
  const top = title === "" ? 28 : 54;
  const side = cell * n;
  const bottom = top + side + (detailed ? (upright ? widest + 14 : 20) : 6);
  const width = Math.max(options.width ?? 0, left + side + 70);
  const height = options.height ?? bottom + 26;
  const parts = [element("rect", { x: left, y: top, width: side, height: side, class: "viz-plot" })];
  if (title !== "") parts.push(label(left, 22, title, { class: "viz-title viz-ink" }));
  let correct = 0;
  let all = 0;
  counts.forEach((row, i) => {
    const total = row.reduce((sum, count) => sum + finite(count), 0);
    const y = top + i * cell;
    row.forEach((raw, j) => {
      const count = finite(raw);
      if (i === j) correct += count;
      all += count;
      if (count <= 0 || j >= n) return;
      const share = count / total;
      const x = left + j * cell;
      // A single mistake among hundreds must still be seen.
      const opacity = 0.14 + 0.86 * Math.sqrt(share);
      const hint = `${count} of class ${names[i]} taken for ${names[j]}`;
      const box = { x, y, width: cell, height: cell, class: i === j ? "viz-right" : "viz-wrong", opacity };
      parts.push(element("rect", box, element("title", {}, escapeText(hint))));
      if (!detailed) return;
      const size = Math.min(12, (cell - 4) / (0.6 * String(count).length));
      const ink = { class: opacity > 0.6 ? "viz-oncell" : "viz-ink", "text-anchor": "middle", "font-size": size };
      parts.push(label(x + cell / 2, y + cell / 2 + size * 0.36, String(count), ink));
    });
    if (!detailed) return;
    const middle = y + cell / 2 + 4;
    parts.push(label(left - 8, middle, names[i] ?? "", { class: "viz-ink", "text-anchor": "end" }));
    const accuracy = total === 0 ? "–" : `${(((row[i] ?? 0) / total) * 100).toFixed(1)} %`;
    parts.push(label(left + side + 10, middle, accuracy, { class: "viz-soft" }));
    const x = left + i * cell + cell / 2;
    const turned = {
      transform: `translate(${coordinate(x + 4)} ${coordinate(top + side + 8)}) rotate(-90)`,
      "text-anchor": "end",
    };
    parts.push(
      upright
        ? label(0, 0, names[i] ?? "", { class: "viz-ink", ...turned })
        : label(x, top + side + 16, names[i] ?? "", { class: "viz-ink", "text-anchor": "middle" }),
    );
  });
  parts.push(grid(left, top, cell, detailed ? n : 1, side));
  const soft = { class: "viz-soft", "text-anchor": "middle" };
  parts.push(label(left + side / 2, bottom + 14, "predicted class", soft));
  parts.push(
    label(0, 0, "true class", { ...soft, transform: `translate(16 ${coordinate(top + side / 2)}) rotate(-90)` }),
  );
  if (detailed && n > 0) parts.push(label(left + side + 10, top - 8, "correct", { class: "viz-soft" }));
  const description =
    options.description ??
    `Confusion matrix of ${n} classes: ${correct} of ${all} samples on the diagonal, that is, correct.`;
  return picture(width, height, title, description, ...parts);
}

function grid(left: number, top: number, cell: number, lines: number, side: number): string {
  const step = lines === 1 ? side : cell;
  let path = "";
  for (let i = 0; i <= lines; i++) {
    path += `M${coordinate(left)} ${coordinate(top + i * step)}h${coordinate(side)}`;
    path += `M${coordinate(left + i * step)} ${coordinate(top)}v${coordinate(side)}`;
  }
  return element("path", { d: path, class: "viz-grid" });
}

function finite(count: number): number {
  return Number.isFinite(count) ? count : 0;
}
