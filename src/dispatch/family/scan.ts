/**
 * Scans: each result along a dimension is combined from the elements up to its own. Floating point sums are kept in float64, as
 * PyTorch keeps them.
 *
 * A tensor is seen as [outer, n, inner]. Along the innermost dimension (inner = 1) a scan is a chain of dependent steps; else
 * neighbours along `inner` are independent, and run in vector lanes.
 */
import type { Backend, Program } from "../../backend/backend.ts";
import { type DType, toReal } from "../../base/dtype.ts";
import { E, type Expr, type Type } from "../../ir/expr.ts";
import { computeType, type Kernel, type Stmt, type Uniform } from "../../ir/kernel.ts";
import { allocate, type Tensor } from "../../tensor/tensor.ts";
import { castExpr, contiguousRaw } from "../elementwise.ts";

/** What a scan carries from element to element: values it starts with, and how they change. */
export interface ScanRule {
  readonly name: string;
  /** The carried values before the first element. */
  readonly start: (type: Type) => readonly Expr[];
  /** The carried values after the elements `xs` of the inputs at step `i` (an i32). */
  readonly step: (carried: readonly Expr[], xs: readonly Expr[], i: Expr) => readonly Expr[];
  /** The results from the carried values; default the first. */
  readonly results?: (carried: readonly Expr[]) => readonly Expr[];
  /** Whether it starts at the end. */
  readonly reverse?: boolean;
}

/** The sizes before, along and after a dimension. */
export function aroundDim(shape: readonly number[], dim: number): { outer: number; n: number; inner: number } {
  let outer = 1;
  let inner = 1;
  shape.forEach((size, d) => {
    if (d < dim) outer *= size;
    else if (d > dim) inner *= size;
  });
  return { outer, n: shape[dim] ?? 1, inner };
}

/** A scan, compiled per dtype and layout. */
export class Scan {
  readonly #rule: ScanRule;
  readonly #programs = new WeakMap<Backend, Map<string, Program>>();

  constructor(rule: ScanRule) {
    this.#rule = rule;
  }

  /** Scans inputs of one shape along `dim`; `outs` are the dtypes of the results. `wide`: whether floats are carried as float64. */
  run(inputs: readonly Tensor[], dim: number, outs: readonly DType[], wide: boolean): Tensor[] {
    const x = inputs[0] as Tensor;
    const sources = inputs.map((t) => contiguousRaw(t));
    const results = outs.map((dtype) => allocate(x.shape, dtype, x._backend));
    if (x._numel === 0) return results;
    const around = aroundDim(x.shape, dim);
    const { outer, n } = around;
    // The parts of complex numbers are independent neighbours.
    const inner = x.dtype.is_complex ? 2 * around.inner : around.inner;
    const key = `${inner === 1 ? "row" : "columns"}:${sources.map((t) => t.dtype.name).join(",")}>${outs.map((d) => d.name).join(",")}`;
    let table = this.#programs.get(x._backend);
    if (table === undefined) {
      table = new Map();
      this.#programs.set(x._backend, table);
    }
    let program = table.get(key);
    if (program === undefined) {
      program = x._backend.compile(
        this.#kernel(
          key,
          sources.map((t) => toReal(t.dtype)),
          outs.map(toReal),
          wide,
          inner === 1,
        ),
      );
      table.set(key, program);
    }
    program.run(...results.map((t) => t._ptr), ...sources.map((t) => t._ptr), outer, n, inner);
    return results;
  }

  #kernel(key: string, sources: readonly DType[], outs: readonly DType[], wide: boolean, row: boolean): Kernel {
    const scalars: Uniform[] = [
      { name: "outer", type: "i32" },
      { name: "n", type: "i32" },
      { name: "inner", type: "i32" },
    ];
    const [outer, n, inner] = [0, 1, 2].map((i) => E.scalar("i32", i)) as [Expr, Expr, Expr];
    const value = outs[0] as DType;
    const natural = computeType(value);
    const type: Type = wide && natural === "f32" ? "f64" : natural === "bool" ? "i32" : natural;
    const from = outs.length;
    const step = this.#rule.reverse === true ? E.sub(E.sub(n, 1), E.index(2)) : E.index(2);
    const at = row
      ? E.add(E.mul(E.index(0), n), step)
      : E.add(E.add(E.mul(E.mul(E.index(0), n), inner), E.mul(step, inner)), E.index(1));
    const start = this.#rule.start(type);
    const carried = start.map((e, k) => E.var(e.type, k));
    const loaded = sources.map((dtype, k) => E.cast(type, castExpr(E.load(computeType(dtype), from + k, at), value)));
    const next = this.#rule.step(carried, loaded, E.index(2));
    const fresh = next.map((e, k) => E.var(e.type, 10 + k));
    const results = this.#rule.results?.(fresh) ?? [fresh[0] as Expr];
    const body: Stmt[] = [
      ...start.map((e, k): Stmt => ({ kind: "var", id: k, value: e })),
      {
        kind: "loop",
        loop: 2,
        mode: "serial",
        extent: n,
        body: [
          ...next.map((e, k): Stmt => ({ kind: "let", id: 10 + k, value: e })),
          ...fresh.map((e, k): Stmt => ({ kind: "assign", id: k, value: e })),
          ...results.map((e, k): Stmt => {
            const dtype = outs[k] as DType;
            return { kind: "store", buffer: k, index: at, value: E.cast(computeType(dtype), e) };
          }),
        ],
      },
    ];
    const columns: Stmt[] = row ? body : [{ kind: "loop", loop: 1, mode: "vector", extent: inner, body }];
    return {
      name: this.#rule.name,
      key: `${this.#rule.name}/${key}`,
      buffers: [
        ...outs.map((dtype, k) => ({ name: `out${k}`, dtype, access: "write" as const })),
        ...sources.map((dtype, k) => ({ name: `in${k}`, dtype, access: "read" as const })),
      ],
      scalars,
      body: [{ kind: "loop", loop: 0, mode: "parallel", extent: outer, body: columns }],
    };
  }
}
