/**
 * Pictures as SVG text: charts of a training run and the graph of a tensor. They need no browser and no canvas, adapt to
 * light and dark surroundings, and name themselves to assistive technology. Published as `flambeau/viz`.
 */
export { confusionMatrix } from "./confusion-matrix.ts";
export type { ConfusionMatrixOptions } from "./confusion-matrix.ts";
export { decision, scatter } from "./decision.ts";
export type { Classify, DecisionOptions, Point, ScatterOptions } from "./decision.ts";
export { graph } from "./graph.ts";
export type { GraphNode, GraphOptions, GraphTensor } from "./graph.ts";
export { lineChart } from "./line-chart.ts";
export type { LineChartOptions, Series } from "./line-chart.ts";
export { escapeText } from "./svg.ts";
export type { PictureOptions } from "./svg.ts";
