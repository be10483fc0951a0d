/**
 * The structure of the source: floors, cycles, sizes, names, state. `docs/architecture.md` says what the floors are for.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");
const sourceRoot = join(root, "src");

/** The floor of each folder of src/, and of the files beside them. */
const floors: Readonly<Record<string, number>> = {
  base: 0,
  ir: 1,
  backend: 2,
  tensor: 3,
  autograd: 4,
  dispatch: 5,
  ops: 6,
  data: 7,
  func: 7,
  nn: 7,
  optim: 7,
  torch: 7,
  viz: 7,
  "linalg.ts": 7,
  "index.ts": 8,
  "install.ts": 8,
  "methods.ts": 8,
};

/** The file that lower floors may look up to, for types only. */
const lookedUpTo = "methods.ts";

/**
 * Variables of modules: what may change while a program runs, besides caches. Each is there for a reason.
 */
const state: Readonly<Record<string, string>> = {
  "autograd/backward.ts warnedCreateGraph": "the warning about create_graph is given once",
  "autograd/node.ts sequence": "the sequence number that orders nodes in backward",
  "backend/native/ffi.ts koffi": "the package for native calls, looked for once",
  "backend/native/ffi.ts koffiFile": "where that package is, for worker threads",
  "backend/wasm/collector.ts visited": "where the keys of a WeakMap go while they are listed",
  "backend/wasm/features.ts known": "what the engine can do, found out once",
  "backend/wasm/index.ts compiled": "the compiled kernels, for torch.debug",
  "backend/wasm/index.ts pruneAt": "when to look through the compiled kernels next",
  "base/dtype.ts defaultDType": "torch.set_default_dtype",
  "nn/parametrize.ts cache": "values inside torch.nn.utils.parametrize.cached",
  "tensor/format.ts current": "torch.set_printoptions",
};

/** Files of src/ that may import Node's modules statically. None: the package runs in browsers. */
const nodeImporters: readonly string[] = [];

const longestFile = 550;
/** Folders whose files are held to {@link longestFile}. */
const measured = ["src", "test", "examples", "tools", "bench"];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" || entry.name === "fixtures" ? [] : filesBelow(path);
    return entry.name.endsWith(".ts") ? [path] : [];
  });
}

/** A file's text without comments, so that words in them are not taken for code. */
function codeOf(path: string): string {
  return readFileSync(path, "utf8")
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*\/\/.*$/gm, "");
}

const importPattern = /^(import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm;

function importsOf(path: string): Import[] {
  const from = relative(sourceRoot, path);
  return [...codeOf(path).matchAll(importPattern)].map(([, , type, to]) => ({
    from,
    to: (to as string).startsWith(".") ? relative(sourceRoot, resolve(dirname(path), to as string)) : (to as string),
    typeOnly: type !== undefined,
  }));
}

const sources = filesBelow(sourceRoot);
const imports = sources.flatMap(importsOf);
const inside = imports.filter(({ to }) => to.endsWith(".ts"));

function floorOf(file: string): number | undefined {
  return floors[file.includes("/") ? file.slice(0, file.indexOf("/")) : file];
}

const show = ({ from, to }: Import): string => `${from} -> ${to}`;

describe("floors", () => {
  it("finds the imports", () => {
    expect(sources.length).toBeGreaterThan(80);
    expect(inside.length).toBeGreaterThan(300);
    expect(inside.some(({ from, to, typeOnly }) => from === "tensor/tensor.ts" && to === lookedUpTo && typeOnly)).toBe(
      true,
    );
  });

  it("has a floor for every file", () => {
    expect(sources.map((path) => relative(sourceRoot, path)).filter((file) => floorOf(file) === undefined)).toEqual([]);
  });

  it("imports values from the same or a lower floor only", () => {
    const upward = inside.filter(
      ({ from, to, typeOnly }) => !typeOnly && (floorOf(from) ?? -1) < (floorOf(to) ?? Infinity),
    );
    expect(upward.map(show)).toEqual([]);
  });

  it("looks up for types in one place only", () => {
    const upward = inside.filter(
      ({ from, to, typeOnly }) => typeOnly && to !== lookedUpTo && (floorOf(from) ?? -1) < (floorOf(to) ?? Infinity),
    );
    expect(upward.map(show)).toEqual([]);
  });

  it("imports types alone from the file that is looked up to", () => {
    expect(inside.filter(({ to, typeOnly }) => to === lookedUpTo && !typeOnly).map(show)).toEqual([]);
  });

  it("has no cycles among imports of values", () => {
    const edges = new Map<string, string[]>();
    for (const { from, to, typeOnly } of inside) {
      if (!typeOnly) edges.set(from, [...(edges.get(from) ?? []), to]);
    }
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      const at = path.indexOf(file);
      if (at >= 0) cycles.push([...path.slice(at), file].join(" -> "));
      if (at >= 0 || done.has(file)) return;
      for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of edges.keys()) visit(file, []);
    expect(cycles).toEqual([]);
  });
});

describe("files", () => {
  const all = measured.flatMap((folder) => filesBelow(join(root, folder)));

  it(`have at most ${longestFile} lines`, () => {
    const lines = (path: string): number => readFileSync(path, "utf8").split("\n").length - 1;
    const long = all.map((path) => [relative(root, path), lines(path)] as const).filter(([, n]) => n > longestFile);
    expect(long).toEqual([]);
  });

  it("are named for an idea", () => {
    // PyTorch's own namespaces keep their names.
    const given = ["src/nn/utils.ts"];
    const vague = all
      .map((path) => relative(root, path))
      .filter((path) => /(^|[/.-])(utils?|helpers?|misc|common)([/.-]|$)/i.test(path));
    expect(vague.filter((path) => !given.includes(path))).toEqual([]);
  });

  it("of the package import nothing of Node statically", () => {
    const found = imports.filter(({ from, to }) => to.startsWith("node:") && !nodeImporters.includes(from));
    expect(found.map(show)).toEqual([]);
  });

  it("of the package import few packages, each where it belongs", () => {
    const found = imports.filter(({ to }) => !to.endsWith(".ts") && !to.startsWith("node:"));
    expect(new Set(found.map(show))).toEqual(new Set(["viz/graph.ts -> @dagrejs/dagre"]));
  });

  it("keep their variables to those that are named here", () => {
    const found = sources.flatMap((path) =>
      [...codeOf(path).matchAll(/^(?:export )?let (\w+)/gm)].map(([, name]) => `${relative(sourceRoot, path)} ${name}`),
    );
    expect(found.toSorted()).toEqual(Object.keys(state).toSorted());
  });
});
