/** A picture of the graph that `backward` walks: what torchviz's `make_dot` draws in Python. */

import { Graph, layout } from "@dagrejs/dagre";
import type { PictureOptions } from "./svg.ts";
import { coordinate, element, escapeText, label, picture, shorten, textWidth } from "./svg.ts";

/** A tensor as far as a picture of its graph needs it. */
export interface GraphTensor {
  readonly shape: readonly number[];
  readonly grad_fn?: GraphNode | null;
}

/** A node of the graph: `tensor.grad_fn` and whatever `next_functions` leads to. */
export interface GraphNode {
  name(): string;
  readonly next_functions: readonly (readonly [GraphNode | null, number])[];
  /** The leaf, on an AccumulateGrad node. */
  readonly variable?: GraphTensor;
}

/** The options of {@link graph}. */
export interface GraphOptions extends Omit<PictureOptions, "width" | "height"> {
  /** Names for the leaves: `model.named_parameters()`, or an object. */
  params?: Iterable<readonly [string, object]> | Readonly<Record<string, object>>;
  /** The name of the tensor at the root. Default `output`. */
  name?: string;
  /** Nodes beyond this many, counted from the root, are left out and marked by a box that says so. Default 400. */
  limit?: number;
}

/** A box to be drawn. */
interface Box {
  readonly kind: "op" | "leaf" | "root" | "more";
  readonly lines: readonly [string, string?];
}

interface Link {
  readonly from: number;
  readonly to: number;
  /** Which output of `from` the gradient belongs to, when that is not the first. */
  readonly output: number;
}

const MARGIN = 12;

/**
 * The graph of `root` (a tensor, or a node such as `loss.grad_fn`) as SVG text. Leaves are at the top, the root is at the
 * bottom: arrows run as the values did, and gradients run against them.
 */
export function graph(root: GraphTensor | GraphNode, options: GraphOptions = {}): string {
  const { title = "" } = options;
  const { boxes, links } = collect(root, options);
  const placed = place(boxes, links);
  const top = title === "" ? 0 : 30;
  const width = Math.max(placed.width, title === "" ? 0 : textWidth(title, 14.5) + 2 * MARGIN);
  const shift = (width - placed.width) / 2;
  const parts: string[] = [];
  if (title !== "") parts.push(label(MARGIN, 20, title, { class: "viz-title viz-ink" }));
  parts.push(
    element(
      "g",
      { transform: `translate(${coordinate(shift)} ${top})` },
      ...placed.edges.map((edge) => drawEdge(edge)),
      ...placed.boxes.map((box) => drawBox(box)),
    ),
  );
  const leaves = boxes.filter((box) => box.kind === "leaf");
  const description =
    options.description ??
    `Autograd graph with ${boxes.filter((box) => box.kind === "op").length} operations and ${leaves.length} ${
      leaves.length === 1 ? "leaf" : "leaves"
    }${leaves.length === 0 ? "" : `: ${shorten(leaves.map((leaf) => leaf.lines[0]).join(", "), 600)}`}.`;
  return picture(width, placed.height + top, title, description, ...parts);
}

/** Walks the graph from the root, breadth first and without recursion: graphs of loops are thousands of nodes deep. */
function collect(root: GraphTensor | GraphNode, options: GraphOptions): { boxes: Box[]; links: Link[] } {
  const names = leafNames(options.params);
  const limit = options.limit ?? 400;
  const boxes: Box[] = [];
  const links: Link[] = [];
  const numbers = new Map<GraphNode, number>();
  const queue: GraphNode[] = [];
  let omitted = 0;
  const visit = (node: GraphNode): number | undefined => {
    const known = numbers.get(node);
    if (known !== undefined) return known;
    if (numbers.size >= limit) return undefined;
    numbers.set(node, boxes.length);
    queue.push(node);
    return boxes.push(boxOf(node, names)) - 1;
  };
  if (isNode(root)) {
    visit(root);
  } else {
    boxes.push({ kind: "root", lines: [`${options.name ?? "output"} ${shapeText(root.shape)}`] });
    const start = root.grad_fn == null ? undefined : visit(root.grad_fn);
    if (start !== undefined) links.push({ from: start, to: 0, output: 0 });
  }
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    const to = numbers.get(node) ?? 0;
    let cut = 0;
    for (const [next, output] of node.next_functions) {
      if (next === null) continue;
      const from = visit(next);
      if (from === undefined) cut++;
      else links.push({ from, to, output });
    }
    if (cut === 0) continue;
    omitted += cut;
    links.push({ from: boxes.push({ kind: "more", lines: ["…"] }) - 1, to, output: 0 });
  }
  if (omitted > 0) boxes.push({ kind: "more", lines: [`only the first ${limit} nodes are shown`] });
  return { boxes, links };
}

function isNode(root: GraphTensor | GraphNode): root is GraphNode {
  return "next_functions" in root;
}

function boxOf(node: GraphNode, names: ReadonlyMap<object, string>): Box {
  const leaf = node.variable;
  if (leaf === undefined) return { kind: "op", lines: [node.name()] };
  const name = names.get(leaf);
  const shape = shapeText(leaf.shape);
  return { kind: "leaf", lines: [name === undefined ? shape : `${shorten(name, 48)} ${shape}`, node.name()] };
}

function leafNames(params: GraphOptions["params"]): Map<object, string> {
  const pairs = params === undefined ? [] : Symbol.iterator in params ? params : Object.entries(params);
  const names = new Map<object, string>();
  for (const [name, tensor] of pairs as Iterable<readonly [string, object]>) names.set(tensor, name);
  return names;
}

function shapeText(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

/** What dagre writes on a node. */
interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What dagre writes on an edge: its bends, ends included. */
interface Route {
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

interface Placed {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly (Place & { readonly box: Box })[];
  readonly edges: readonly { readonly points: readonly (readonly [number, number])[]; readonly output: number }[];
}

/** Layers, order and coordinates, by dagre: the layered method of Sugiyama with a network simplex. */
function place(boxes: readonly Box[], links: readonly Link[]): Placed {
  const plan = new Graph({ multigraph: true });
  plan.setGraph({ rankdir: "TB", nodesep: 22, ranksep: 30, edgesep: 14, marginx: MARGIN, marginy: MARGIN });
  boxes.forEach((box, i) => {
    // The first of two lines is bold, which runs wider.
    const first = textWidth(box.lines[0], box.lines.length > 1 ? 13.4 : 12);
    const widest = Math.max(first, textWidth(box.lines[1] ?? "", 10.5));
    plan.setNode(String(i), { width: Math.ceil(widest) + 26, height: box.lines.length > 1 ? 42 : 28 });
  });
  // Parallel edges (x * x) differ in name only.
  links.forEach((link, i) => plan.setEdge(String(link.from), String(link.to), {}, String(i)));
  layout(plan);
  const size: Partial<Place> = plan.graph();
  return {
    width: size.width ?? 0,
    height: size.height ?? 0,
    boxes: boxes.map((box, i) => {
      const { x, y, width, height }: Place = plan.node(String(i));
      return { box, x, y, width, height };
    }),
    edges: links.map((link, i) => {
      const route: Route = plan.edge(String(link.from), String(link.to), String(i));
      return { points: route.points.map(({ x, y }): [number, number] => [x, y]), output: link.output };
    }),
  };
}

function drawBox({ box, x, y, width, height }: Placed["boxes"][number]): string {
  const [first, second] = box.lines;
  const centre = { "text-anchor": "middle", class: "viz-ink" };
  const frame = element("rect", {
    x: x - width / 2,
    y: y - height / 2,
    width,
    height,
    rx: box.kind === "op" ? 6 : height / 2.8,
    class: `viz-${box.kind}`,
    "stroke-dasharray": box.kind === "more" ? "4 3" : undefined,
  });
  const hint = element("title", {}, escapeText(box.lines.join(", ")));
  if (second === undefined) return element("g", {}, hint, frame, label(x, y + 4, first, centre));
  const name = label(x, y - 2, first, { ...centre, "font-weight": 600 });
  return element(
    "g",
    {},
    hint,
    frame,
    name,
    label(x, y + 13, second, { ...centre, class: "viz-soft", "font-size": 10.5 }),
  );
}

function pair(x: number, y: number): string {
  return `${coordinate(x)} ${coordinate(y)}`;
}

/** A smooth line through the bends that dagre chose, with an arrow head at its end. */
function drawEdge({ points, output }: Placed["edges"][number]): string {
  const end = points[points.length - 1] ?? [0, 0];
  const before = points[points.length - 2] ?? end;
  const length = Math.hypot(end[0] - before[0], end[1] - before[1]) || 1;
  const [ux, uy] = [(end[0] - before[0]) / length, (end[1] - before[1]) / length];
  const neck: [number, number] = [end[0] - ux * 6, end[1] - uy * 6];
  const tip = `M${pair(...end)}L${pair(neck[0] - uy * 3.5 - ux, neck[1] + ux * 3.5 - uy)}L${pair(neck[0] + uy * 3.5 - ux, neck[1] - ux * 3.5 - uy)}z`;
  const parts = [
    element("path", {
      d: basisSpline([...points.slice(0, -1), neck]),
      class: "viz-edge",
      fill: "none",
      "stroke-width": 1.3,
    }),
    element("path", { d: tip, class: "viz-tip" }),
  ];
  if (output > 0) parts.push(label(end[0] + 6, end[1] - 6, String(output), { class: "viz-soft", "font-size": 10 }));
  return parts.join("");
}

/** The cubic B-spline with the given control points, as a path that starts at the first and ends at the last. */
function basisSpline(points: readonly (readonly [number, number])[]): string {
  const [first, second] = points;
  const last = points[points.length - 1];
  if (first === undefined || second === undefined || last === undefined) return "";
  let path = `M${pair(...first)}`;
  if (points.length > 2) path += `L${pair((5 * first[0] + second[0]) / 6, (5 * first[1] + second[1]) / 6)}`;
  for (let i = 2; i <= points.length; i++) {
    const [ax, ay] = points[i - 2] ?? last;
    const [bx, by] = points[i - 1] ?? last;
    const [cx, cy] = points[i] ?? last;
    if (points.length === 2) break;
    path += `C${pair((2 * ax + bx) / 3, (2 * ay + by) / 3)} ${pair((ax + 2 * bx) / 3, (ay + 2 * by) / 3)} ${pair((ax + 4 * bx + cx) / 6, (ay + 4 * by + cy) / 6)}`;
  }
  return `${path}L${pair(...last)}`;
}
