/**
 * Reductions: many elements to one, along some dimensions. A reduction states what it computes of a row, in passes over its
 * elements (`r.sum((x) => x)`); the family supplies dimensions, layouts and accurate schedules.
 *
 * See also Note [Accuracy of sums] in reduction-passes.ts.
 */
import type { Backend, Program } from "../../backend/backend.ts";
import type { DType } from "../../base/dtype.ts";
import { numel } from "../../base/shape.ts";
import { E, type Expr, rewrite, type Type } from "../../ir/expr.ts";
import { computeType, type Kernel, type Stmt, type Uniform } from "../../ir/kernel.ts";
import { alias, allocate, type Tensor } from "../../tensor/tensor.ts";
import { castExpr, contiguousRaw, iterate } from "../elementwise.ts";
import { combined, neutral, type Pass, passesOf, passStatements, type RowFormula } from "./reduction-passes.ts";
import { stagedElements, StagedReduction } from "./reduction-stages.ts";

export { combined, neutral, type Pass, passStatements, type Row, type RowFormula } from "./reduction-passes.ts";

type Layout = "rows" | "columns";

/** A reduction of one tensor, compiled per dtype and layout. */
export class Reduction {
  readonly name: string;
  readonly #formula: RowFormula;
  readonly #params: number;
  readonly #programs: Map<Backend, Map<string, Program>> = new Map();
  readonly #stagedBy: Map<Backend, Map<string, StagedReduction>> = new Map();
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
    if (x._numel >= stagedElements && x._isContiguous && numel(shape) === 1) {
      return this.#staged(x, compute, out).run(x, shape, params);
    }
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
        // Sums grow in the result itself.
        (out.itemsize >= 4 || out.category < 2) &&
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
    if (layout === "columns") args.push(...stripsOf(keptLoops.sizes.at(-1) as number));
    program.run(...args);
    return result;
  }

  /** The fast path: one row, contiguous. */
  #runWhole(x: Tensor, keepdim: boolean, compute: DType, out: DType, params: readonly (number | bigint)[]): Tensor {
    const shape = keepdim ? x.shape.map(() => 1) : [];
    if (x._numel >= stagedElements) return this.#staged(x, compute, out).run(x, shape, params);
    const result = allocate(shape, out, x._backend);
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

  #staged(x: Tensor, compute: DType, out: DType): StagedReduction {
    const backend = x._backend;
    let all = this.#stagedBy.get(backend);
    if (all === undefined) {
      all = new Map();
      this.#stagedBy.set(backend, all);
    }
    const key = `${x.dtype.name}>${compute.name}>${out.name}`;
    let staged = all.get(key);
    if (staged === undefined) {
      staged = new StagedReduction(backend, this.name, this.#formula, this.#params, x.dtype, compute, out);
      all.set(key, staged);
    }
    return staged;
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

  /**
   * The innermost kept dimension is contiguous: rows of results are combined with rows of elements, a strip of columns at a
   * time, as a strip of results stays in the cache and strips go to different threads.
   */
  #columnsKernel(key: string, keptRank: number, rowRank: number, source: DType, compute: DType, out: DType): Kernel {
    const f = this.#frame(keptRank, rowRank, compute);
    const type = computeType(compute);
    const { passes, result } = passesOf(this.#formula, type, E.cast(type, f.count), f.params);
    const pass = passes[0] as Pass;
    const last = keptRank - 1;
    f.scalars.push({ name: "strips", type: "i32" }, { name: "strip", type: "i32" });
    const strips = E.scalar("i32", f.scalars.length - 2);
    const strip = E.scalar("i32", f.scalars.length - 1);
    const start = E.mul(E.index(last), strip);
    const width = E.min(E.sub(f.keptSizes[last] as Expr, start), strip);
    const outBase = E.add(affine(f.outStrides.slice(0, last), 0), start);
    const inBase = E.add(affine(f.inStrides.slice(0, last), 0), start);
    const outer = Array.from({ length: rowRank - 1 }, (_, d) => 40 + d);
    const step = f.rowStrides[rowRank - 1] as Expr;
    const rowBase = outer.reduce((at, loop, d) => E.add(at, E.mul(E.index(loop), f.rowStrides[d] as Expr)), inBase);
    const acc = (loop: number): Expr => E.load(computeType(out), 0, E.add(outBase, E.index(loop)));
    const store = (loop: number, value: Expr): Stmt => ({
      kind: "store",
      buffer: 0,
      index: E.add(outBase, E.index(loop)),
      value,
    });
    const vector = (loop: number, body: Stmt[]): Stmt => ({ kind: "loop", loop, mode: "vector", extent: width, body });
    const element = (row: Expr, column: Expr): Expr =>
      pass.value(castExpr(E.load(computeType(source), 1, E.add(E.add(rowBase, E.mul(row, step)), column)), compute));
    // Several rows for each visit to the results, one after the other as if they came singly.
    const rows = f.rowSizes[rowRank - 1] as Expr;
    const groups = E.shr(rows, 2);
    const firstOf = (group: Expr): Expr => E.shl(group, 2);
    let several = acc(60);
    for (let r = 0; r < 4; r++) {
      several = combined(pass.combine, several, element(E.add(firstOf(E.index(50)), r), E.index(60)));
    }
    const single = combined(pass.combine, acc(61), element(E.add(firstOf(groups), E.index(51)), E.index(61)));
    let nest: Stmt[] = [
      { kind: "loop", loop: 50, mode: "serial", extent: groups, body: [vector(60, [store(60, several)])] },
      {
        kind: "loop",
        loop: 51,
        mode: "serial",
        extent: E.sub(rows, firstOf(groups)),
        body: [vector(61, [store(61, single)])],
      },
    ];
    for (let d = rowRank - 2; d >= 0; d--) {
      nest = [{ kind: "loop", loop: outer[d] as number, mode: "serial", extent: f.rowSizes[d] as Expr, body: nest }];
    }
    const body: Stmt[] = [vector(59, [store(59, neutral(pass.combine, pass.type))]), ...nest];
    if (!(result.kind === "var" && result.id === pass.id)) {
      const finished = rewrite(result, (e) => (e.kind === "var" && e.id === pass.id ? acc(62) : e));
      body.push(vector(62, [store(62, finished)]));
    }
    return this.#kernel(key, f, source, out, wrapKept(body, [...f.keptSizes.slice(0, last), strips], keptRank));
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

/** How many strips of columns there are, and of which width: a few cache lines at least, some kilobytes at most. */
function stripsOf(columns: number): [count: number, width: number] {
  const width = Math.min(Math.max(Math.ceil(columns / 8 / 32) * 32, 64), 1024);
  return [Math.ceil(columns / width), width];
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
