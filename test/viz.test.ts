import { describe, expect, it } from "vitest";
import { confusionMatrix, decision, escapeText, graph, lineChart, scatter } from "flambeau/viz";
import type { GraphNode, GraphTensor, Point } from "flambeau/viz";

/** A node of the small XML reader below. */
interface XmlElement {
  name: string;
  attributes: Record<string, string>;
  children: XmlElement[];
  text: string;
}

/** Reads an SVG strictly: every tag must be closed, every attribute quoted, every entity known. */
function parseXml(source: string): XmlElement {
  const top: XmlElement = { name: "", attributes: {}, children: [], text: "" };
  const open = [top];
  const token = /<(\/?)([a-zA-Z]+)((?:\s+[a-zA-Z:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gy;
  for (let at = 0; at < source.length; at = token.lastIndex) {
    token.lastIndex = at;
    const match = token.exec(source);
    if (match === null) throw new Error(`not XML at ${at}: ${source.slice(at, at + 60)}`);
    const current = open[open.length - 1] as XmlElement;
    const [, closing, name = "", attributes = "", empty, text] = match;
    if (text !== undefined) {
      current.text += unescape(text);
    } else if (closing === "/") {
      if (open.pop()?.name !== name) throw new Error(`</${name}> closes nothing`);
    } else {
      const found = Array.from(attributes.matchAll(/([a-zA-Z:-]+)="([^"]*)"/g), ([, key = "", value = ""]) => [
        key,
        unescape(value),
      ]);
      const element = { name, attributes: Object.fromEntries(found), children: [], text: "" };
      current.children.push(element);
      if (empty !== "/") open.push(element);
    }
  }
  if (open.length !== 1 || top.children.length !== 1) throw new Error("unbalanced tags");
  return top.children[0] as XmlElement;
}

function unescape(text: string): string {
  const known: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
  return text.replaceAll(/&([^;]*);?/g, (_, name: string) => {
    const character = known[name];
    if (character === undefined) throw new Error(`unknown entity ${name}`);
    return character;
  });
}

function* all(element: XmlElement): Iterable<XmlElement> {
  yield element;
  for (const child of element.children) yield* all(child);
}

const GEOMETRY = [
  "x",
  "y",
  "width",
  "height",
  "rx",
  "d",
  "transform",
  "viewBox",
  "opacity",
  "font-size",
  "stroke-width",
];

/** The picture, after checks that hold for every one: XML, a name and a description, finite coordinates, no scripts. */
function check(svg: string): XmlElement {
  const root = parseXml(svg);
  expect(root.name).toBe("svg");
  expect(root.attributes).toMatchObject({ xmlns: "http://www.w3.org/2000/svg", role: "img" });
  expect(root.attributes["aria-label"]).toMatch(/\S/);
  expect(root.children.map((child) => child.name).slice(0, 3)).toEqual(["title", "desc", "style"]);
  expect(root.children[0]?.text).toMatch(/\S/);
  expect(root.children[2]?.text).toContain("prefers-color-scheme:dark");
  for (const element of all(root)) {
    expect(["script", "image", "foreignObject"]).not.toContain(element.name);
    for (const name of GEOMETRY) {
      const value = element.attributes[name];
      if (value === undefined) continue;
      expect(value).not.toMatch(/NaN|Infinity|undefined|null/);
      for (const number of value.match(/-?\d+(\.\d+)?(e[+-]?\d+)?/g) ?? []) {
        expect(Math.abs(Number(number))).toBeLessThan(20_000);
      }
    }
  }
  return root;
}

function byClass(root: XmlElement, name: string): XmlElement[] {
  return Array.from(all(root)).filter((element) => (element.attributes["class"] ?? "").split(" ").includes(name));
}

function texts(root: XmlElement): string[] {
  return Array.from(all(root))
    .filter((element) => element.name === "text")
    .map((element) => element.text);
}

/** The pen positions of a path of absolute M and L commands. */
function positions(path: string): [number, number][] {
  return Array.from(path.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g), ([, x, y]) => [Number(x), Number(y)]);
}

describe("lineChart", () => {
  it("draws each series in its colour, with axes, ticks, a legend, names and a spoken description", () => {
    const svg = lineChart(
      [
        { name: "train", y: [4, 3, 2, 1] },
        { name: "test", x: [2, 4], y: [3, 2] },
      ],
      { title: "Loss", xLabel: "epoch", yLabel: "cross-entropy", width: 500, height: 300 },
    );
    const root = check(svg);
    expect(root.attributes).toMatchObject({ width: "500", height: "300", viewBox: "0 0 500 300" });
    expect(root.children[1]?.text).toBe(
      "Line chart of cross-entropy by epoch: train goes from 4 to 1; test goes from 3 to 2.",
    );
    for (const text of ["Loss", "train", "test", "epoch", "cross-entropy", "0", "1", "4"]) {
      expect(texts(root)).toContain(text);
    }
    const lines = byClass(root, "viz-line").filter((line) => line.attributes["d"] !== "M-8 0H8");
    expect(lines.map((line) => line.attributes["class"])).toEqual(["viz-line viz-s0", "viz-line viz-s1"]);
    const [train, test] = lines.map((line) => positions(line.attributes["d"] ?? ""));
    expect(train).toHaveLength(4);
    // Downhill: y grows on the page; and the second series starts at the second point of the first, one value higher.
    expect(train?.map(([, y]) => y)).toEqual(train?.map(([, y]) => y).toSorted((a, b) => a - b));
    expect(test?.[0]).toEqual(train?.[1]);
    expect(test?.[1]?.[0]).toBe(train?.[3]?.[0]);
  });

  it("leaves gaps for NaN and infinities and places what remains", () => {
    const root = check(lineChart([{ name: "a", y: [1, NaN, 3, 4, -Infinity, 2] }]));
    const line = byClass(root, "viz-line").at(-1)?.attributes["d"] ?? "";
    expect(line.match(/M/g)).toHaveLength(3);
    expect(positions(line)).toHaveLength(4);
  });

  it("survives constants, nothing at all, one point, and numbers at the ends of the range", () => {
    const cases: number[][] = [
      [5, 5, 5],
      [0, 0],
      [],
      [NaN],
      [7],
      [1e308, -1e308],
      [Number.MAX_VALUE, 0],
      [5e-324, 0],
      [1, 1 + 1e-16],
      [1e-12, 2e-12],
    ];
    for (const y of cases) {
      for (const yScale of ["linear", "log"] as const) {
        const root = check(lineChart([{ name: "a", y }], { yScale }));
        const seen = y.some((value) => Number.isFinite(value) && (yScale === "linear" || value > 0));
        expect(texts(root).includes("no finite values")).toBe(!seen);
      }
    }
    check(lineChart([]));
  });

  it("has a logarithmic axis, on which equal factors are equal steps", () => {
    const root = check(lineChart([{ name: "a", y: [1000, 100, 10, 1, 0, -1] }], { yScale: "log" }));
    const points = positions(byClass(root, "viz-line").at(-1)?.attributes["d"] ?? "");
    expect(points).toHaveLength(4);
    const steps = points.slice(1).map(([, y], i) => y - (points[i]?.[1] ?? 0));
    for (const step of steps) expect(step).toBeCloseTo(steps[0] ?? 0, 1);
    expect(texts(root)).toEqual(expect.arrayContaining(["1", "10", "100", "1000"]));
  });

  it("thins out what is denser than pixels, but keeps the extremes", () => {
    const y = Float32Array.from({ length: 200_000 }, (_, i) => Math.sin(i / 1000));
    y[123_456] = 50;
    const svg = lineChart([{ name: "long", y }]);
    const root = check(svg);
    expect(svg.length).toBeLessThan(40_000);
    const heights = positions(byClass(root, "viz-line").at(-1)?.attributes["d"] ?? "").map(([, at]) => at);
    const sorted = heights.toSorted((a, b) => a - b);
    expect((sorted[5] ?? 0) - (sorted[0] ?? 0)).toBeGreaterThan(100);
  });

  it("escapes names and replaces what XML forbids", () => {
    const nasty = `<script>&"'\u0000\ud800</script>`;
    const root = check(lineChart([{ name: nasty, y: [1] }], { title: nasty, xLabel: nasty, yLabel: nasty }));
    expect(texts(root)).toContain(`<script>&"'\ufffd\ufffd</script>`);
    expect(escapeText(nasty)).toBe("&lt;script&gt;&amp;&quot;&#39;\ufffd\ufffd&lt;/script&gt;");
  });
});

function zero(places: readonly unknown[]): number[] {
  return places.map(() => 0);
}

describe("scatter and decision", () => {
  const points: Point[] = [
    { x: -1, y: -1, label: 0 },
    { x: 1, y: 1, label: 1, strong: true },
    { x: NaN, y: 0, label: 2 },
  ];

  it("draws finite points by class and lists the classes", () => {
    const root = check(scatter(points, { labels: ["red", "blue", "never"] }));
    expect(texts(root)).toEqual(expect.arrayContaining(["red", "blue"]));
    expect(texts(root)).not.toContain("never");
    expect(byClass(root, "viz-ring")).toHaveLength(1);
    expect(root.children[1]?.text).toBe("2 points of 2 classes: red, blue.");
  });

  it("fills the plane with the classes that the classifier names, each at its place", () => {
    let asked = 0;
    const svg = decision(
      (places) => {
        asked = places.length;
        return places.map(([x]) => (x < 0 ? 0 : 3));
      },
      points,
      { resolution: 20, width: 400, height: 400 },
    );
    const root = check(svg);
    expect(asked).toBeGreaterThan(300);
    const plot = byClass(root, "viz-plot")[0]?.attributes ?? {};
    const regions = Array.from(all(root)).filter((element) => element.attributes["shape-rendering"] === "crispEdges");
    expect(regions.map((region) => region.attributes["class"])).toEqual(["viz-f0", "viz-f3"]);
    const starts = regions.map((region) => positions(region.attributes["d"] ?? "").map(([x]) => x));
    // The points span -1 to 1, so that 0 is in the middle: class 0 begins at the left edge, class 3 half way.
    const [left, width] = [Number(plot["x"]), Number(plot["width"])];
    for (const x of starts[0] ?? []) expect(x).toBeCloseTo(left, 0);
    for (const x of starts[1] ?? []) expect(x).toBeCloseTo(left + width / 2, 0);
    expect(starts[0]?.length).toBe(asked / 20);
  });

  it("survives no points, one point, equal points and huge ones", () => {
    for (const some of [
      [],
      points.slice(0, 1),
      [points[0], points[0]],
      [{ x: 1e308, y: -1e308, label: 40 }, points[0]],
    ]) {
      check(decision(zero, some as Point[], { resolution: 5 }));
    }
    check(decision(() => [], points, { resolution: 5 }));
  });
});

describe("confusionMatrix", () => {
  it("shows counts, names and the share that is right, by row", () => {
    const root = check(
      confusionMatrix(
        [
          [8, 2],
          [0, 5],
        ],
        { labels: ["cat", "<dog>"], title: "Result" },
      ),
    );
    const shown = texts(root);
    expect(shown).toEqual(expect.arrayContaining(["8", "2", "5", "cat", "<dog>", "80.0 %", "100.0 %", "Result"]));
    expect(shown).not.toContain("0");
    expect(byClass(root, "viz-right")).toHaveLength(2);
    const wrong = byClass(root, "viz-wrong");
    expect(wrong).toHaveLength(1);
    expect(wrong[0]?.children[0]?.text).toBe("2 of class cat taken for <dog>");
    const right = byClass(root, "viz-right")[0]?.attributes ?? {};
    // The mistake stands to the right of the first count, in the same row.
    expect(Number(wrong[0]?.attributes["x"])).toBe(Number(right["x"]) + Number(right["width"]));
    expect(wrong[0]?.attributes["y"]).toBe(right["y"]);
    expect(root.children[1]?.text).toBe(
      "Confusion matrix of 2 classes: 13 of 15 samples on the diagonal, that is, correct.",
    );
  });

  it("survives empty rows, NaN, no classes, and very many classes", () => {
    check(
      confusionMatrix([
        [0, 0],
        [NaN, 1],
      ]),
    );
    check(confusionMatrix([]));
    const n = 300;
    const many = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 3 : 0)));
    const svg = confusionMatrix(many);
    check(svg);
    expect(svg.length).toBeLessThan(100_000);
  });
});

function op(name: string, ...next: (GraphNode | null)[]): GraphNode {
  return { name: () => name, next_functions: next.map((node) => [node, 0] as const) };
}

function leaf(...shape: number[]): GraphNode & { variable: GraphTensor } {
  return { name: () => "AccumulateGrad", next_functions: [], variable: { shape } };
}

interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The boxes of a graph by their first line of text. */
function boxes(root: XmlElement): Map<string, Rectangle> {
  const found = new Map<string, Rectangle>();
  for (const group of all(root)) {
    const [hint, frame, text] = group.children;
    if (group.name !== "g" || hint?.name !== "title" || frame?.name !== "rect" || text === undefined) continue;
    const [x = NaN, y = NaN, width = NaN, height = NaN] = ["x", "y", "width", "height"].map((name) =>
      Number(frame.attributes[name]),
    );
    found.set(text.text, { x, y, width, height });
  }
  return found;
}

function edges(root: XmlElement): number {
  return byClass(root, "viz-edge").length;
}

describe("graph", () => {
  it("draws every node once, leaves by name and shape above, the root below, and an arrow for each edge", () => {
    const weight = leaf(2, 3);
    const bias = leaf(2);
    const shared = op("MulBackward0", weight, weight, null);
    const loss = { shape: [], grad_fn: op("AddBackward0", shared, op("ExpBackward0", shared), bias) };
    const params = { "fc.weight": weight.variable, "fc.bias": bias.variable };
    for (const named of [params, new Map(Object.entries(params))]) {
      const root = check(graph(loss, { name: "loss", params: named, title: "Graph" }));
      const placed = boxes(root);
      expect([...placed.keys()].toSorted()).toEqual([
        "AddBackward0",
        "ExpBackward0",
        "MulBackward0",
        "fc.bias (2,)",
        "fc.weight (2, 3)",
        "loss ()",
      ]);
      expect(edges(root)).toBe(7);
      const y = (name: string): number => placed.get(name)?.y ?? Number.NaN;
      expect(y("fc.weight (2, 3)")).toBeLessThan(y("MulBackward0"));
      expect(y("MulBackward0")).toBeLessThan(y("ExpBackward0"));
      expect(y("ExpBackward0")).toBeLessThan(y("AddBackward0"));
      expect(y("AddBackward0")).toBeLessThan(y("loss ()"));
      expect(texts(root).filter((text) => text === "AccumulateGrad")).toHaveLength(2);
      expect(root.children[1]?.text).toBe(
        "Autograd graph with 3 operations and 2 leaves: fc.bias (2,), fc.weight (2, 3).",
      );
    }
  });

  it("keeps boxes apart and inside the picture", () => {
    let node = op("TanhBackward0", leaf(99));
    for (let i = 0; i < 12; i++)
      node = op(`Layer${i}Backward0`, leaf(i + 1), node, op(`Side${i}Backward0`, leaf(i, i)));
    const root = check(graph(node));
    const placed = [...boxes(root).values()];
    expect(placed.length).toBe(12 * 2 + 1 + 25);
    const [width, height] = [Number(root.attributes["width"]), Number(root.attributes["height"])];
    placed.forEach((a, i) => {
      expect(a.x).toBeGreaterThanOrEqual(0);
      expect(a.y).toBeGreaterThanOrEqual(0);
      expect(a.x + a.width).toBeLessThanOrEqual(width);
      expect(a.y + a.height).toBeLessThanOrEqual(height);
      for (const b of placed.slice(i + 1)) {
        const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
        expect(apart).toBe(true);
      }
    });
  });

  it("marks outputs other than the first, and unnamed leaves by their shape", () => {
    const unbind = op("UnbindBackward0", leaf(2, 2));
    const root = check(
      graph({
        name: () => "AddBackward0",
        next_functions: [
          [unbind, 0],
          [unbind, 1],
        ],
      }),
    );
    expect(texts(root)).toEqual(expect.arrayContaining(["1", "(2, 2)"]));
    expect(edges(root)).toBe(3);
  });

  it("draws a tensor without a graph, and stops at the limit in a graph that is deep", () => {
    expect([...boxes(check(graph({ shape: [4], grad_fn: null }, { name: "<x>" }))).keys()]).toEqual(["<x> (4,)"]);
    let deep: GraphNode = leaf(1);
    for (let i = 0; i < 100_000; i++) deep = op("AddBackward0", deep);
    const root = check(graph(deep, { limit: 20 }));
    expect(byClass(root, "viz-op")).toHaveLength(20);
    expect(texts(root)).toContain("only the first 20 nodes are shown");
  });
});
