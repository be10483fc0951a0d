/**
 * Reductions: many elements to one, along some dimensions. A reduction states what it computes of a row, in passes over its
 * elements (`r.sum((x) => x)`); the family supplies dimensions, layouts and accurate schedules.
 *
 * Note [Accuracy of sums]
 * A sum is taken in blocks of 1024 elements, each over sixteen partial sums (four vectors of four lanes), and the blocks are added
 * up. The error grows with n / 16384 rather than with n, and the order depends on the shape alone.
 */
import type { Backend, Program } from "../../backend/backend.ts";
import type { DType } from "../../base/dtype.ts";
import { numel } from "../../base/shape.ts";
import { E, type Expr, rewrite, type Type } from "../../ir/expr.ts";
import { type Combine, computeType, type Kernel, type Stmt, type Uniform } from "../../ir/kernel.ts";
import { alias, allocate, type Tensor } from "../../tensor/tensor.ts";
import { castExpr, contiguousRaw, iterate } from "../elementwise.ts";

/** Elements that are combined before the result joins the rest. */
const block = 1024;

/** What a definition sees of one row of elements. */
export interface Row {
  /** The number of elements, in the compute type. */
  readonly n: Expr;
  readonly type: Type;
  /** Uniform numbers that the operator takes. */
  readonly params: readonly Expr[];
  sum(f: (x: Expr) => Expr): Expr;
  prod(f: (x: Expr) => Expr): Expr;
  /** The largest; NaN if any is NaN. */
  max(f: (x: Expr) => Expr): Expr;
  min(f: (x: Expr) => Expr): Expr;
  /** Over conditions. */
  all(f: (x: Expr) => Expr): Expr;
  any(f: (x: Expr) => Expr): Expr;
}

export type RowFormula = (row: Row) => Expr;

const extremes: Record<Exclude<Type, "bool">, readonly [number | bigint, number | bigint]> = {
  i32: [-(2 ** 31), 2 ** 31 - 1],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
  f32: [-Infinity, Infinity],
  f64: [-Infinity, Infinity],
};

/** @internal The element that a combination starts from. */
export function neutral(combine: Combine, type: Type): Expr {
  switch (combine) {
    case "add":
      return E.const(type, 0);
    case "mul":
      return E.const(type, 1);
    case "and":
      return E.const(type, type === "bool" ? true : -1);
    case "or":
      return E.const(type, type === "bool" ? false : 0);
    case "max":
    case "pmax":
      return E.const(type, extremes[type as "f32"][0]);
    case "min":
    case "pmin":
      return E.const(type, extremes[type as "f32"][1]);
  }
}

/** @internal One pass over a row: what is combined, and the variable that gets the result. */
export interface Pass {
  readonly id: number;
  readonly combine: Combine;
  readonly type: Type;
  readonly value: (x: Expr) => Expr;
}

/** @internal Records the passes of a formula. */
export function passesOf(
  formula: RowFormula,
  type: Type,
  n: Expr,
  params: readonly Expr[],
): { passes: Pass[]; result: Expr } {
  const passes: Pass[] = [];
  const pass =
    (combine: Combine) =>
    (value: (x: Expr) => Expr): Expr => {
      const probe = value(E.var(type, -1));
      const id = 100 + passes.length;
      passes.push({ id, combine, type: probe.type, value });
      return E.var(probe.type, id);
    };
  const result = formula({
    n,
    type,
    params,
    sum: pass("add"),
    prod: pass("mul"),
    max: pass("max"),
    min: pass("min"),
    all: pass("and"),
    any: pass("or"),
  });
  return { passes, result };
}

/** @internal The combination of two values. */
export function combined(combine: Combine, a: Expr, b: Expr): Expr {
  switch (combine) {
    case "add":
      return E.add(a, b);
    case "mul":
      return E.mul(a, b);
    case "min":
      return E.min(a, b);
    case "max":
      return E.max(a, b);
    case "and":
      return E.and(a, b);
    case "or":
      return E.or(a, b);
    case "pmin":
      return E.pmin(a, b);
    case "pmax":
      return E.pmax(a, b);
  }
}

/** @internal Statements that bind a pass's variable: blocks of a vectorised `reduce`. `load(j)` is element j of the innermost run. */
export function passStatements(
  pass: { readonly id: number; readonly combine: Combine; readonly type: Type },
  extent: Expr,
  value: (j: Expr) => Expr,
  loops: { next: number },
): Stmt[] {
  const start = neutral(pass.combine, pass.type);
  const blockLoop = loops.next++;
  const inner = loops.next++;
  const part = pass.id + 1000;
  const at = E.add(E.mul(E.index(blockLoop), block), E.index(inner));
  const blocks = E.shr(E.add(extent, block - 1), 10);
  return [
    { kind: "var", id: pass.id, value: start },
    {
      kind: "loop",
      loop: blockLoop,
      mode: "serial",
      extent: blocks,
      body: [
        {
          kind: "reduce",
          id: part,
          loop: inner,
          extent: E.min(E.sub(extent, E.mul(E.index(blockLoop), block)), block),
          combine: pass.combine,
          init: start,
          value: value(at),
        },
        {
          kind: "assign",
          id: pass.id,
          value: combined(pass.combine, E.var(pass.type, pass.id), E.var(pass.type, part)),
        },
      ],
    },
  ];
}

type Layout = "rows" | "columns";

/** A reduction of one tensor, compiled per dtype and layout. */
export class Reduction {
  readonly name: string;
  readonly #formula: RowFormula;
  readonly #params: number;
  readonly #programs: Map<Backend, Map<string, Program>> = new Map();
  #whole: (Program | undefined)[] = [];
  #wholeBackend: Backend | null = null;
  /** Whether one pass does, and how: then columns can be reduced without a copy. */
  readonly #single: boolean;

  constructor(name: string, formula: RowFormula, params = 0) {
    this.name = name;
    this.#formula = formula;
    this.#params = params;
    const probe = Array.from({ length: params }, (_, i) => E.var("f64", i));
    this.#single = this.#probePasses(probe) === 1;
  }

  #probePasses(params: readonly Expr[]): number {
    try {
      return passesOf(this.#formula, "f64", E.var("f64", 50), params).passes.length;
    } catch {
      // A formula for booleans only.
      return passesOf(this.#formula, "bool", E.var("f64", 50), params).passes.length;
    }
  }

  /**
   * Reduces the given dims (wrapped, distinct). `compute` is the dtype elements are converted to first, `out` that of the result.
   */
  run(
    x: Tensor,
    dims: readonly number[],
    keepdim: boolean,
    compute: DType,
    out: DType,
    params: readonly (number | bigint)[] = [],
  ): Tensor {
    if (dims.length === x.ndim && x._isContiguous) return this.#runWhole(x, keepdim, compute, out, params);
    const reduced = new Set(dims);
    const keptDims = x.shape.map((_, d) => d).filter((d) => !reduced.has(d));
    const shape = keepdim ? x.shape.map((n, d) => (reduced.has(d) ? 1 : n)) : keptDims.map((d) => x.shape[d] as number);
    const result = allocate(shape, out, x._backend);
    if (result._numel === 0) return result;
    const keptShape = keptDims.map((d) => x.shape[d] as number);
    const rowShape = dims.map((d) => x.shape[d] as number);
    const count = numel(rowShape);
    let kept = alias(
      x,
      keptShape,
      keptDims.map((d) => x._strides[d] as number),
      x._offset,
    );
    let row = alias(
      x,
      rowShape,
      dims.map((d) => x._strides[d] as number),
      x._offset,
    );
    const resultRows = alias(result, keptShape, alias(result, keptShape, contiguousOf(keptShape), 0)._strides, 0);
    let keptLoops = iterate(keptShape, [resultRows, kept]);
    let rowLoops = iterate(rowShape, [row]);
    let layout: Layout = "rows";
    const innerRow = (rowLoops.strides[0] as number[]).at(-1);
    if (count > 1 && innerRow !== 1) {
      const innerKept = (keptLoops.strides[1] as number[]).at(-1);
      const innerOut = (keptLoops.strides[0] as number[]).at(-1);
      if (
        this.#single &&
        innerKept === 1 &&
        innerOut === 1 &&
        computeType(compute) === computeType(out) &&
        (keptLoops.sizes.at(-1) as number) >= 8
      ) {
        layout = "columns";
      } else if (x._numel >= 4096) {
        const order = [...keptDims, ...dims];
        const copy = contiguousRaw(
          alias(
            x,
            order.map((d) => x.shape[d] as number),
            order.map((d) => x._strides[d] as number),
            x._offset,
          ),
        );
        kept = alias(
          copy,
          keptShape,
          contiguousOf(keptShape).map((s) => s * count),
          copy._offset,
        );
        row = alias(copy, rowShape, contiguousOf(rowShape), copy._offset);
        keptLoops = iterate(keptShape, [resultRows, kept]);
        rowLoops = iterate(rowShape, [row]);
      }
    }
    const source = row;
    const key = `${layout}${keptLoops.sizes.length}:${rowLoops.sizes.length}${(rowLoops.strides[0] as number[]).at(-1) === 1 ? "c" : "n"}:${source.dtype.name}>${compute.name}>${out.name}`;
    const program = this.#program(x._backend, key, () =>
      layout === "rows"
        ? this.#rowsKernel(key, keptLoops.sizes.length, rowLoops, source.dtype, compute, out)
        : this.#columnsKernel(key, keptLoops.sizes.length, rowLoops.sizes.length, source.dtype, compute, out),
    );
    const args: (number | bigint)[] = [result._ptr, source._ptr];
    args.push(...keptLoops.sizes, ...(keptLoops.strides[0] as number[]), ...(keptLoops.strides[1] as number[]));
    args.push(...rowLoops.sizes, ...(rowLoops.strides[0] as number[]), count, ...params);
    program.run(...args);
    return result;
  }

  /** The fast path: one row, contiguous. */
  #runWhole(x: Tensor, keepdim: boolean, compute: DType, out: DType, params: readonly (number | bigint)[]): Tensor {
    const result = allocate(keepdim ? x.shape.map(() => 1) : [], out, x._backend);
    const at = (x.dtype.code * 16 + compute.code) * 16 + out.code;
    if (this.#wholeBackend !== x._backend) {
      this.#wholeBackend = x._backend;
      this.#whole = [];
    }
    const program = (this.#whole[at] ??= this.#program(
      x._backend,
      `whole:${x.dtype.name}>${compute.name}>${out.name}`,
      () => this.#rowsKernel(`whole:${at}`, 1, { sizes: [1], strides: [[1]] }, x.dtype, compute, out),
    ));
    const n = x._numel;
    if (params.length === 0) program.run(result._ptr, x._ptr, 1, 1, 1, n, 1, n);
    else program.run(result._ptr, x._ptr, 1, 1, 1, n, 1, n, ...params);
    return result;
  }

  #program(backend: Backend, key: string, build: () => Kernel): Program {
    let programs = this.#programs.get(backend);
    if (programs === undefined) {
      programs = new Map();
      this.#programs.set(backend, programs);
    }
    let program = programs.get(key);
    if (program === undefined) {
      program = backend.compile(build());
      programs.set(key, program);
    }
    return program;
  }

  #frame(keptRank: number, rowRank: number, compute: DType): Frame {
    const scalars: Uniform[] = [];
    const uniform = (name: string, type: Type): Expr => {
      scalars.push({ name, type });
      return E.scalar(type, scalars.length - 1);
    };
    const list = (name: string, n: number): Expr[] =>
      Array.from({ length: n }, (_, i) => uniform(`${name}${i}`, "i32"));
    const keptSizes = list("size", keptRank);
    const outStrides = list("out_stride", keptRank);
    const inStrides = list("in_stride", keptRank);
    const rowSizes = list("row_size", rowRank);
    const rowStrides = list("row_stride", rowRank);
    const count = uniform("count", "i32");
    const type = computeType(compute);
    const params = Array.from({ length: this.#params }, (_, i) => uniform(`p${i}`, type));
    return { scalars, keptSizes, outStrides, inStrides, rowSizes, rowStrides, count, params };
  }

  #rowsKernel(
    key: string,
    keptRank: number,
    rows: { sizes: number[]; strides: number[][] },
    source: DType,
    compute: DType,
    out: DType,
  ): Kernel {
    const rowRank = rows.sizes.length;
    const f = this.#frame(keptRank, rowRank, compute);
    const type = computeType(compute);
    const contiguous = (rows.strides[0] as number[]).at(-1) === 1;
    const inBase = affine(f.inStrides, 0);
    const { passes, result } = passesOf(
      this.#formula,
      type,
      type === "bool" ? f.count : E.cast(type, f.count),
      f.params,
    );
    const loops = { next: 40 };
    const body: Stmt[] = [];
    for (const pass of passes) {
      const outer = Array.from({ length: rowRank - 1 }, () => loops.next++);
      let base = inBase;
      outer.forEach((loop, d) => (base = E.add(base, E.mul(E.index(loop), f.rowStrides[d] as Expr))));
      const innerSize = f.rowSizes[rowRank - 1] as Expr;
      const step = f.rowStrides[rowRank - 1] as Expr;
      const value = (j: Expr): Expr =>
        pass.value(castExpr(E.load(computeType(source), 1, E.add(base, contiguous ? j : E.mul(j, step))), compute));
      if (rowRank === 1) body.push(...passStatements(pass, innerSize, value, loops));
      else {
        const inner = { ...pass, id: pass.id + 500 };
        let nest: Stmt[] = [
          ...passStatements(inner, innerSize, value, loops),
          {
            kind: "assign",
            id: pass.id,
            value: combined(pass.combine, E.var(pass.type, pass.id), E.var(pass.type, inner.id)),
          },
        ];
        for (let d = rowRank - 2; d >= 0; d--) {
          nest = [
            { kind: "loop", loop: outer[d] as number, mode: "serial", extent: f.rowSizes[d] as Expr, body: nest },
          ];
        }
        body.push({ kind: "var", id: pass.id, value: neutral(pass.combine, pass.type) }, ...nest);
      }
    }
    body.push({ kind: "store", buffer: 0, index: affine(f.outStrides, 0), value: castExpr(result, out) });
    return this.#kernel(key, f, source, out, wrapKept(body, f.keptSizes, keptRank));
  }

  /** The innermost kept dimension is contiguous: rows of results are combined with rows of elements, a stretch at a time. */
  #columnsKernel(key: string, keptRank: number, rowRank: number, source: DType, compute: DType, out: DType): Kernel {
    const f = this.#frame(keptRank, rowRank, compute);
    const type = computeType(compute);
    const { passes, result } = passesOf(this.#formula, type, E.cast(type, f.count), f.params);
    const pass = passes[0] as Pass;
    const last = keptRank - 1;
    const width = f.keptSizes[last] as Expr;
    const outBase = affine(f.outStrides.slice(0, last), 0);
    let inBase = affine(f.inStrides.slice(0, last), 0);
    const outer = Array.from({ length: rowRank }, (_, d) => 40 + d);
    outer.forEach((loop, d) => (inBase = E.add(inBase, E.mul(E.index(loop), f.rowStrides[d] as Expr))));
    const acc = (loop: number): Expr => E.load(computeType(out), 0, E.add(outBase, E.index(loop)));
    const store = (loop: number, value: Expr): Stmt => ({
      kind: "store",
      buffer: 0,
      index: E.add(outBase, E.index(loop)),
      value,
    });
    const vector = (loop: number, body: Stmt[]): Stmt => ({ kind: "loop", loop, mode: "vector", extent: width, body });
    const element = pass.value(castExpr(E.load(computeType(source), 1, E.add(inBase, E.index(60))), compute));
    let nest: Stmt[] = [vector(60, [store(60, combined(pass.combine, acc(60), element))])];
    for (let d = rowRank - 1; d >= 0; d--) {
      nest = [{ kind: "loop", loop: outer[d] as number, mode: "serial", extent: f.rowSizes[d] as Expr, body: nest }];
    }
    const body: Stmt[] = [vector(59, [store(59, neutral(pass.combine, pass.type))]), ...nest];
    if (!(result.kind === "var" && result.id === pass.id)) {
      const finished = rewrite(result, (e) => (e.kind === "var" && e.id === pass.id ? acc(61) : e));
      body.push(vector(61, [store(61, finished)]));
    }
    return this.#kernel(key, f, source, out, wrapKept(body, f.keptSizes.slice(0, last), last));
  }

  #kernel(key: string, f: Frame, source: DType, out: DType, body: Stmt[]): Kernel {
    return {
      name: this.name,
      key: `${this.name}/${key}`,
      buffers: [
        { name: "out", dtype: out, access: "readwrite" },
        { name: "in", dtype: source, access: "read" },
      ],
      scalars: f.scalars,
      body,
    };
  }
}

interface Frame {
  readonly scalars: Uniform[];
  readonly keptSizes: Expr[];
  readonly outStrides: Expr[];
  readonly inStrides: Expr[];
  readonly rowSizes: Expr[];
  readonly rowStrides: Expr[];
  readonly count: Expr;
  readonly params: Expr[];
}

function affine(strides: readonly Expr[], firstLoop: number): Expr {
  let at: Expr = E.const("i32", 0);
  strides.forEach((s, d) => (at = E.add(at, E.mul(E.index(firstLoop + d), s))));
  return at;
}

function wrapKept(body: Stmt[], sizes: readonly Expr[], rank: number): Stmt[] {
  let out = body;
  for (let d = rank - 1; d >= 0; d--) {
    out = [{ kind: "loop", loop: d, mode: d === 0 ? "parallel" : "serial", extent: sizes[d] as Expr, body: out }];
  }
  return out;
}

function contiguousOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    strides[d] = step;
    step *= shape[d] as number;
  }
  return strides;
}
