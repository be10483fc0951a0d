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
/** The length of an arrow head. */
const TIP = 6;

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

/** The name of a node without the namespace that some names have. */
const titleOf = (node: { name(): string }): string => node.name().replace(/^.*::/, "");

function boxOf(node: GraphNode, names: ReadonlyMap<object, string>): Box {
  const leaf = node.variable;
  if (leaf === undefined) return { kind: "op", lines: [titleOf(node)] };
  const name = names.get(leaf);
  const shape = shapeText(leaf.shape);
  return { kind: "leaf", lines: [name === undefined ? shape : `${shorten(name, 48)} ${shape}`, titleOf(node)] };
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
  plan.setGraph({ rankdir: "TB", nodesep: 22, ranksep: 36, edgesep: 14, marginx: MARGIN, marginy: MARGIN });
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
      const source: Place = plan.node(String(link.from));
      const target: Place = plan.node(String(link.to));
      return { points: bends(route, source, target), output: link.output };
    }),
  };
}

/**
 * The points through which an edge runs: from the bottom of its source, past the layers between, to the top of its
 * target. dagre puts a bend on every layer and one half way between each two; only the former are needed.
 */
function bends(route: Route, source: Place, target: Place): [number, number][] {
  const inner = route.points.slice(1, -1);
  const side = (box: Place, towards: { readonly x: number } | undefined): number => {
    const reach = Math.max(0, box.width / 2 - 16);
    return box.x + Math.max(-reach, Math.min(reach, (towards?.x ?? box.x) - box.x));
  };
  return [
    [side(source, inner[0]), source.y + source.height / 2],
    ...inner.filter((_, i) => i % 2 === 1).map(({ x, y }): [number, number] => [x, y]),
    [side(target, inner[inner.length - 1]), target.y - target.height / 2],
  ];
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

/** A smooth line that leaves and reaches its boxes vertically, with an arrow head at its end. */
function drawEdge({ points, output }: Placed["edges"][number]): string {
  const [first, ...rest] = points;
  const end = rest[rest.length - 1];
  if (first === undefined || end === undefined) return "";
  let path = `M${pair(...first)}`;
  let [x, y] = first;
  for (const [nextX, nextY] of rest) {
    // Every bend is passed vertically as well: bends lie in the gaps between the boxes of a layer.
    const bottom = nextY === end[1] ? nextY - TIP : nextY;
    const middle = (y + bottom) / 2;
    path +=
      x === nextX ? `V${coordinate(bottom)}` : `C${pair(x, middle)} ${pair(nextX, middle)} ${pair(nextX, bottom)}`;
    [x, y] = [nextX, nextY];
  }
  const tip = `M${pair(...end)}l-3.5 -${TIP + 1}h7z`;
  const parts = [
    element("path", { d: path, class: "viz-edge", fill: "none", "stroke-width": 1.3 }),
    element("path", { d: tip, class: "viz-tip" }),
  ];
  if (output > 0) parts.push(label(end[0] + 6, end[1] - 6, String(output), { class: "viz-soft", "font-size": 10 }));
  return parts.join("");
}
