/**
 * Resampling on raw memory: each output is a weighted sum of a few elements of the input, and the weights are products of one
 * factor for each spatial dimension. Padding by reflection and interpolation of all kinds are tables for the same two kernels:
 * one that reads, and its transpose, which writes.
 */
import type { Backend, Program } from "../../backend/backend.ts";
import { type DType, float32, float64, int32 } from "../../base/dtype.ts";
import { E, type Expr, type Type } from "../../ir/expr.ts";
import { type Buffer, computeType, type Kernel, type Stmt, type Uniform } from "../../ir/kernel.ts";
import { allocate, type Tensor } from "../../tensor/tensor.ts";
import { castExpr, castRaw, contiguousRaw, fillRaw } from "../elementwise.ts";

/** What the outputs along one dimension are made of: `taps` elements each, with their weights (null: 1). */
export interface Taps {
  /** Size of the input. */
  readonly size: number;
  /** Size of the output. */
  readonly out: number;
  readonly taps: number;
  /** [out, taps] */
  readonly index: readonly number[];
  readonly weight: readonly number[] | null;
}

/** The taps of all three spatial dimensions, and how many planes there are. */
export interface Sampling {
  readonly planes: number;
  readonly dims: readonly [Taps, Taps, Taps];
}

/** A dimension that stays as it is. */
export const keep = (size: number): Taps => ({
  size,
  out: size,
  taps: 1,
  index: Array.from({ length: size }, (_, i) => i),
  weight: null,
});

const programs = new Map<Backend, Map<string, Program>>();

const scalars: readonly Uniform[] = ["planes", "iD", "iH", "iW", "oD", "oH", "oW", "tD", "tH", "tW"].map(
  (name): Uniform => ({ name, type: "i32" }),
);
const uniform = (i: number): Expr => E.scalar("i32", i);
const [planes, iD, iH, iW, oD, oH, oW, tD, tH, tW] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(uniform) as [
  Expr,
  Expr,
  Expr,
  Expr,
  Expr,
  Expr,
  Expr,
  Expr,
  Expr,
  Expr,
];

const weighted = (s: Sampling): boolean => s.dims.some((d) => d.weight !== null);

/** The tables: indices, and weights where there are any. */
function tablesOf(s: Sampling, type: Type, backend: Backend): Tensor[] {
  const indices = s.dims.flatMap((d) => [...d.index]);
  const out = [allocate([indices.length], int32, backend)];
  if (weighted(s)) {
    const values = s.dims.flatMap((d) => [...(d.weight ?? d.index.map(() => 1))]);
    out.push(allocate([values.length], type === "f64" ? float64 : float32, backend));
    const [, weights] = out as [Tensor, Tensor];
    if (type === "f64") backend.host?.f64.set(values, weights._ptr / 8);
    else backend.host?.f32.set(values, weights._ptr / 4);
  }
  backend.host?.i32.set(indices, (out[0] as Tensor)._ptr / 4);
  return out;
}

const argumentsOf = (s: Sampling): number[] => [
  s.planes,
  ...s.dims.map((d) => d.size),
  ...s.dims.map((d) => d.out),
  ...s.dims.map((d) => d.taps),
];

const buffer = (name: string, dtype: DType, access: Buffer["access"]): Buffer => ({ name, dtype, access });
const serial = (loop: number, extent: Expr, body: readonly Stmt[]): Stmt => ({
  kind: "loop",
  loop,
  mode: "serial",
  extent,
  body,
});

/**
 * Loops over planes (0), outputs (1, 2, 3) and taps (4, 5, 6). `inside` gets the place in the input, the place in the output, and
 * the weight. `outside` wraps what is done for each output.
 */
function nest(
  type: Type,
  hasWeights: boolean,
  tables: number,
  inside: (from: Expr, to: Expr, weight: Expr | null) => Stmt[],
  outside: (to: Expr, taps: Stmt) => Stmt[],
): Stmt[] {
  const [od, oh, ow] = [E.index(1), E.index(2), E.index(3)];
  const bind = (id: number, value: Expr): Stmt => ({ kind: "let", id, value });
  const v = (id: number): Expr => E.var("i32", id);
  const w = (id: number): Expr => E.var(type, id);
  // Tables follow one another: D, then H from baseH, then W from baseW.
  const baseH = E.mul(oD, tD);
  const baseW = E.add(baseH, E.mul(oH, tH));
  const atD = E.add(E.mul(od, tD), E.index(4));
  const atH = E.add(baseH, E.add(E.mul(oh, tH), E.index(5)));
  const atW = E.add(baseW, E.add(E.mul(ow, tW), E.index(6)));
  const index = (at: Expr): Expr => E.load("i32", tables, at);
  const weight = (at: Expr): Expr => E.load(type, tables + 1, at);
  const to = E.add(E.mul(E.add(E.mul(E.add(E.mul(E.index(0), oD), od), oH), oh), oW), ow);
  const from = E.add(v(12), index(atW));
  const innermost = serial(6, tW, inside(from, v(10), hasWeights ? E.mul(w(14), weight(atW)) : null));
  const overH = serial(5, tH, [
    bind(12, E.mul(E.add(v(11), index(atH)), iW)),
    ...(hasWeights ? [bind(14, E.mul(w(13), weight(atH)))] : []),
    innermost,
  ]);
  const overD = serial(4, tD, [
    bind(11, E.mul(E.add(E.mul(E.index(0), iD), index(atD)), iH)),
    ...(hasWeights ? [bind(13, weight(atD))] : []),
    overH,
  ]);
  const each = [bind(10, to), ...outside(v(10), overD)];
  return [
    {
      kind: "loop",
      loop: 0,
      mode: "parallel",
      extent: planes,
      body: [serial(1, oD, [serial(2, oH, [serial(3, oW, each)])])],
    },
  ];
}

/** Up to how many taps an output is written out without loops. */
const unrolled = 16;

/**
 * The same without loops over taps. What belongs to a row of outputs is computed once: where the rows of the input begin, and
 * their weights.
 */
function flatNest(
  type: Type,
  hasWeights: boolean,
  tables: number,
  taps: readonly number[],
  each: (
    rows: readonly { base: Expr; weight: Expr | null }[],
    columns: readonly { at: Expr; weight: Expr | null }[],
    to: Expr,
  ) => Stmt[],
): Stmt[] {
  const [nD, nH, nW] = taps as [number, number, number];
  let id = 20;
  const binder =
    (list: Stmt[]) =>
    (value: Expr): Expr => {
      list.push({ kind: "let", id, value });
      return E.var(value.type, id++);
    };
  const rowLets: Stmt[] = [];
  const row = binder(rowLets);
  const index = (at: Expr): Expr => E.load("i32", tables, at);
  const weight = (at: Expr): Expr | null => (hasWeights ? E.load(type, tables + 1, at) : null);
  const product = (a: Expr | null, b: Expr | null): Expr | null => (a === null || b === null ? null : E.mul(a, b));
  const baseH = row(E.mul(oD, nD));
  const baseW = row(E.add(baseH, E.mul(oH, nH)));
  const rows: { base: Expr; weight: Expr | null }[] = [];
  for (let d = 0; d < nD; d++) {
    const atD = E.add(E.mul(E.index(1), nD), d);
    const depth = row(E.mul(E.add(E.mul(E.index(0), iD), index(atD)), iH));
    for (let h = 0; h < nH; h++) {
      const atH = E.add(baseH, E.add(E.mul(E.index(2), nH), h));
      const both = product(weight(atD), weight(atH));
      rows.push({ base: row(E.mul(E.add(depth, index(atH)), iW)), weight: both === null ? null : row(both) });
    }
  }
  const start = row(E.mul(E.add(E.mul(E.add(E.mul(E.index(0), oD), E.index(1)), oH), E.index(2)), oW));
  const inner: Stmt[] = [];
  const column = binder(inner);
  const columns = Array.from({ length: nW }, (_, w) => {
    const atW = E.add(baseW, E.add(E.mul(E.index(3), nW), w));
    const factor = weight(atW);
    return { at: column(index(atW)), weight: factor === null ? null : column(factor) };
  });
  inner.push(...each(rows, columns, E.add(start, E.index(3))));
  return [
    {
      kind: "loop",
      loop: 0,
      mode: "parallel",
      extent: planes,
      body: [serial(1, oD, [serial(2, oH, [...rowLets, serial(3, oW, inner)])])],
    },
  ];
}

function flatBody(kind: "read" | "write", dtype: DType, hasWeights: boolean, taps: readonly number[]): Stmt[] {
  const type = computeType(dtype);
  return flatNest(type, hasWeights, 2, taps, (rows, columns, to) => {
    if (kind === "read") {
      let total: Expr | null = null;
      for (const { base, weight } of rows) {
        let sum: Expr | null = null;
        for (const c of columns) {
          const x = E.load(type, 1, E.add(base, c.at));
          const term = c.weight === null ? x : E.mul(x, c.weight);
          sum = sum === null ? term : E.add(sum, term);
        }
        const part = weight === null ? (sum as Expr) : E.mul(sum as Expr, weight);
        total = total === null ? part : E.add(total, part);
      }
      return [{ kind: "store", buffer: 0, index: to, value: castExpr(total as Expr, dtype) }];
    }
    const g = E.var(type, 10);
    const out: Stmt[] = [{ kind: "let", id: 10, value: E.load(type, 1, to) }];
    for (const { base, weight } of rows) {
      for (const c of columns) {
        const at = E.add(base, c.at);
        const share = weight === null || c.weight === null ? g : E.mul(g, E.mul(weight, c.weight));
        out.push({ kind: "store", buffer: 0, index: at, value: castExpr(E.add(E.load(type, 0, at), share), dtype) });
      }
    }
    return out;
  });
}

function run(kind: "read" | "write", target: Tensor, source: Tensor, s: Sampling): void {
  const { _backend: backend, dtype } = target;
  const type = computeType(dtype);
  const hasWeights = weighted(s);
  const tables = tablesOf(s, type, backend);
  let known = programs.get(backend);
  if (known === undefined) {
    known = new Map();
    programs.set(backend, known);
  }
  const taps = s.dims.map((d) => d.taps);
  const flat = taps.reduce((a, b) => a * b, 1) <= unrolled;
  const key = `resample/${kind}/${dtype.name}/${hasWeights}${flat ? `/${taps.join(",")}` : ""}`;
  let program = known.get(key);
  if (program === undefined) {
    const sum = E.var(type, 1);
    const load = (k: number, at: Expr): Expr => E.load(type, k, at);
    const body = flat
      ? flatBody(kind, dtype, hasWeights, taps)
      : kind === "read"
        ? nest(
            type,
            hasWeights,
            2,
            (from, _to, w) => {
              const x = load(1, from);
              return [{ kind: "assign", id: 1, value: w === null ? x : E.add(sum, E.mul(x, w)) }];
            },
            (to, taps) => [
              { kind: "var", id: 1, value: E.const(type, type === "bool" ? false : 0) },
              taps,
              { kind: "store", buffer: 0, index: to, value: castExpr(sum, dtype) },
            ],
          )
        : nest(
            type,
            hasWeights,
            2,
            (from, to, w) => {
              const g = load(1, to);
              const value = E.add(load(0, from), w === null ? g : E.mul(g, w));
              return [{ kind: "store", buffer: 0, index: from, value: castExpr(value, dtype) }];
            },
            (_to, taps) => [taps],
          );
    const kernel: Kernel = {
      name: `resample_${kind}`,
      key,
      buffers: [
        buffer("out", dtype, kind === "read" ? "write" : "readwrite"),
        buffer("in", dtype, "read"),
        buffer("index", int32, "read"),
        ...(hasWeights ? [buffer("weight", type === "f64" ? float64 : float32, "read")] : []),
      ],
      scalars,
      body,
    };
    program = backend.compile(kernel);
    known.set(key, program);
  }
  program.run(target._ptr, source._ptr, ...tables.map((t) => t._ptr), ...argumentsOf(s));
}

/** The outputs from the input. */
export function resampleRaw(x: Tensor, s: Sampling, shape: readonly number[]): Tensor {
  const source = contiguousRaw(x);
  const out = allocate(shape, x.dtype, x._backend);
  if (out._numel > 0) run("read", out, source, s);
  return out;
}

/** The transpose: each output is spread over what it was made of. */
export function resampleTransposedRaw(g: Tensor, s: Sampling, shape: readonly number[]): Tensor {
  const { dtype } = g;
  // Sums of 16-bit numbers are kept in float32.
  const work = dtype.category === 2 && dtype.itemsize < 4 ? float32 : dtype;
  const source = contiguousRaw(castRaw(g, work));
  const out = allocate(shape, work, g._backend);
  fillRaw(out, 0);
  if (out._numel > 0 && source._numel > 0) run("write", out, source, s);
  return castRaw(out, dtype);
}
