/**
 * Row kernels: several passes over the rows of contiguous matrices, ending in a value per row or per element. Softmax, layer
 * norm, losses and their backward formulas are each one such kernel.
 *
 * Operands are of three kinds: `element` [rows, n], `row` [rows] and `column` [n]. A definition writes what it computes in
 * terms of passes (`r.sum((j) => …)`) and returns, for each output, an expression of the row or a function of the column.
 */
import type { Backend, Program } from "../../backend/backend.ts";
import type { DType } from "../../base/dtype.ts";
import { E, type Expr, type Type } from "../../ir/expr.ts";
import { type Combine, computeType, type Kernel, type Stmt, type Uniform } from "../../ir/kernel.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { castExpr } from "../elementwise.ts";
import { passStatements } from "./reduction.ts";

/** How an operand is indexed. */
export type OperandKind = "element" | "row" | "column";

/** What a definition sees. */
export interface RowContext {
  /** The type of computation. */
  readonly type: Type;
  /** The number of columns, in the compute type. */
  readonly n: Expr;
  readonly params: readonly Expr[];
  /** An element, row or column operand, by number; `j` is the column (i32). */
  at(operand: number, j?: Expr): Expr;
  /** An integer operand as it is. */
  integer(operand: number, j?: Expr): Expr;
  /** Element `column` (i32) of this row of an element operand. */
  pick(operand: number, column: Expr): Expr;
  sum(f: (j: Expr) => Expr): Expr;
  max(f: (j: Expr) => Expr): Expr;
  /** Evaluates once per row. */
  let(value: Expr): Expr;
  /** Stops with the status unless the condition holds. */
  guard(cond: Expr, status: Expr): void;
}

/** The value of an output: of a row, or of a column. */
export type RowOutput = Expr | ((j: Expr) => Expr);

export interface RowsDefinition {
  readonly name: string;
  readonly ins: readonly OperandKind[];
  readonly outs: readonly ("element" | "row")[];
  readonly params?: number;
  readonly build: (r: RowContext) => readonly RowOutput[];
}

/** A row kernel, compiled per dtypes. */
export class RowsKernel {
  readonly #definition: RowsDefinition;
  readonly #programs: Map<Backend, Map<string, Program>> = new Map();

  constructor(definition: RowsDefinition) {
    this.#definition = definition;
  }

  /**
   * Runs over `rows` × `n`. All tensors are contiguous. Computes in the type of `compute`. Returns the status of a failed
   * guard, or 0.
   */
  run(
    outs: readonly Tensor[],
    ins: readonly Tensor[],
    rows: number,
    n: number,
    compute: DType,
    params: readonly number[] = [],
  ): number {
    const backend = (outs[0] as Tensor)._backend;
    let programs = this.#programs.get(backend);
    if (programs === undefined) {
      programs = new Map();
      this.#programs.set(backend, programs);
    }
    let key = compute.name;
    for (const t of outs) key += `,${t.dtype.name}`;
    for (const t of ins) key += `,${t.dtype.name}`;
    let program = programs.get(key);
    if (program === undefined) {
      program = backend.compile(this.#build(key, outs, ins, compute));
      programs.set(key, program);
    }
    return program.run(...outs.map((t) => t._ptr), ...ins.map((t) => t._ptr), rows, n, ...params);
  }

  #build(key: string, outs: readonly Tensor[], ins: readonly Tensor[], compute: DType): Kernel {
    const d = this.#definition;
    const type = computeType(compute);
    const scalars: Uniform[] = [
      { name: "rows", type: "i32" },
      { name: "n", type: "i32" },
      ...Array.from({ length: d.params ?? 0 }, (_, i) => ({ name: `p${i}`, type })),
    ];
    const n = E.scalar("i32", 1);
    const row = E.index(0);
    const body: Stmt[] = [];
    const loops = { next: 1 };
    let ids = 0;
    const load = (k: number, j: Expr | undefined): Expr => {
      const { dtype } = ins[k] as Tensor;
      const kind = d.ins[k];
      const at = kind === "row" ? row : kind === "column" ? (j as Expr) : E.add(E.mul(row, n), j as Expr);
      return E.load(computeType(dtype), outs.length + k, at);
    };
    const pass =
      (combine: Combine) =>
      (f: (j: Expr) => Expr): Expr => {
        const id = ids++;
        const probe = f(E.const("i32", 0));
        body.push(...passStatements({ id, combine, type: probe.type }, n, f, loops));
        return E.var(probe.type, id);
      };
    const values = d.build({
      type,
      n: E.cast(type, n),
      params: Array.from({ length: d.params ?? 0 }, (_, i) => E.scalar(type, 2 + i)),
      at: (k, j) => E.cast(type, load(k, j)),
      integer: (k, j) => load(k, j),
      pick: (k, column) => E.cast(type, load(k, column)),
      sum: pass("add"),
      max: pass("max"),
      let: (value) => {
        const id = ids++;
        body.push({ kind: "let", id, value });
        return E.var(value.type, id);
      },
      guard: (cond, status) => body.push({ kind: "guard", cond, status }),
    });
    const loop = loops.next++;
    const stores: Stmt[] = [];
    values.forEach((value, k) => {
      const { dtype } = outs[k] as Tensor;
      if (typeof value === "function") {
        const j = E.index(loop);
        stores.push({ kind: "store", buffer: k, index: E.add(E.mul(row, n), j), value: castExpr(value(j), dtype) });
      } else body.push({ kind: "store", buffer: k, index: row, value: castExpr(value, dtype) });
    });
    if (stores.length > 0) body.push({ kind: "loop", loop, mode: "vector", extent: n, body: stores });
    return {
      name: d.name,
      key: `${d.name}/${key}`,
      buffers: [
        ...outs.map((t, k) => ({ name: `out${k}`, dtype: t.dtype, access: "write" as const })),
        ...ins.map((t, k) => ({ name: `in${k}`, dtype: t.dtype, access: "read" as const })),
      ],
      scalars,
      body: [{ kind: "loop", loop: 0, mode: "parallel", extent: E.scalar("i32", 0), body }],
    };
  }
}
