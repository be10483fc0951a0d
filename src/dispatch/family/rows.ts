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
import { combined, neutral, passStatements } from "./reduction.ts";

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
  /**
   * Evaluates once per element: the values wait in an element output, from where they are read again. An output of less than
   * the precision of computation does not keep them; they are then evaluated where they are used.
   */
  keep(output: number, f: (j: Expr) => Expr): (j: Expr) => Expr;
  /** Stops with the status unless the condition holds. */
  guard(cond: Expr, status: Expr): void;
}

/** The value of an output: of a row, or of a column. */
export type RowOutput = Expr | ((j: Expr) => Expr);

export interface RowsDefinition {
  readonly name: string;
  /**
   * The elements of a row lie in several runs, those of all rows interleaved: [runs, rows, n / runs], as the channels of images
   * do. Default: one run.
   */
  readonly interleaved?: boolean;
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
   * guard, or 0. `runs`: of interleaved rows, in how many runs each lies.
   */
  run(
    outs: readonly Tensor[],
    ins: readonly Tensor[],
    rows: number,
    n: number,
    compute: DType,
    params: readonly number[] = [],
    runs = 1,
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
    const sizes = this.#definition.interleaved === true ? [rows, n, runs, n / runs] : [rows, n];
    return program.run(...outs.map((t) => t._ptr), ...ins.map((t) => t._ptr), ...sizes, ...params);
  }

  #build(key: string, outs: readonly Tensor[], ins: readonly Tensor[], compute: DType): Kernel {
    const d = this.#definition;
    const type = computeType(compute);
    const interleaved = d.interleaved === true;
    const sizes = interleaved ? ["rows", "n", "runs", "run"] : ["rows", "n"];
    const scalars: Uniform[] = [
      ...sizes.map((name): Uniform => ({ name, type: "i32" })),
      ...Array.from({ length: d.params ?? 0 }, (_, i) => ({ name: `p${i}`, type })),
    ];
    const n = E.scalar("i32", 1);
    const row = E.index(0);
    /** The elements of one run, and where those of the current run begin. */
    const extent = interleaved ? E.scalar("i32", 3) : n;
    let start = E.mul(row, n);
    const body: Stmt[] = [];
    const loops = { next: 1 };
    let ids = 0;
    const load = (k: number, j: Expr | undefined): Expr => {
      const { dtype } = ins[k] as Tensor;
      const kind = d.ins[k];
      const at = kind === "row" ? row : kind === "column" ? (j as Expr) : E.add(start, j as Expr);
      return E.load(computeType(dtype), outs.length + k, at);
    };
    /** Does something for each run. */
    const forRuns = (inside: () => Stmt[]): Stmt[] => {
      if (!interleaved) return inside();
      const loop = loops.next++;
      const before = start;
      start = E.mul(E.add(E.mul(E.index(loop), E.scalar("i32", 0)), row), extent);
      const stmts = inside();
      start = before;
      return [{ kind: "loop", loop, mode: "serial", extent: E.scalar("i32", 2), body: stmts }];
    };
    const pass =
      (combine: Combine) =>
      (f: (j: Expr) => Expr): Expr => {
        const id = ids++;
        const probe = f(E.const("i32", 0));
        const { type: kept } = probe;
        if (!interleaved) {
          body.push(...passStatements({ id, combine, type: kept }, n, f, loops));
          return E.var(kept, id);
        }
        const part = ids++;
        body.push({ kind: "var", id, value: neutral(combine, kept) });
        body.push(
          ...forRuns(() => [
            ...passStatements({ id: part, combine, type: kept }, extent, f, loops),
            { kind: "assign", id, value: combined(combine, E.var(kept, id), E.var(kept, part)) },
          ]),
        );
        return E.var(kept, id);
      };
    const kept = new Set<number>();
    const keep = (output: number, f: (j: Expr) => Expr): ((j: Expr) => Expr) => {
      const { dtype } = outs[output] as Tensor;
      if (dtype !== compute || dtype.itemsize < 4) return f;
      kept.add(output);
      const loop = loops.next++;
      const j = E.index(loop);
      body.push(
        ...forRuns(() => {
          const store: Stmt = { kind: "store", buffer: output, index: E.add(start, j), value: f(j) };
          return [{ kind: "loop", loop, mode: "vector", extent, body: [store] }];
        }),
      );
      return (i) => E.load(type, output, E.add(start, i));
    };
    const values = d.build({
      type,
      n: E.cast(type, n),
      params: Array.from({ length: d.params ?? 0 }, (_, i) => E.scalar(type, sizes.length + i)),
      at: (k, j) => E.cast(type, load(k, j)),
      integer: (k, j) => load(k, j),
      pick: (k, column) => E.cast(type, load(k, column)),
      sum: pass("add"),
      max: pass("max"),
      keep,
      let: (value) => {
        const id = ids++;
        body.push({ kind: "let", id, value });
        return E.var(value.type, id);
      },
      guard: (cond, status) => body.push({ kind: "guard", cond, status }),
    });
    const loop = loops.next++;
    values.forEach((value, k) => {
      if (typeof value === "function") return;
      body.push({ kind: "store", buffer: k, index: row, value: castExpr(value, (outs[k] as Tensor).dtype) });
    });
    if (values.some((value) => typeof value === "function")) {
      body.push(
        ...forRuns(() => {
          const j = E.index(loop);
          const stores = values.flatMap((value, k): Stmt[] =>
            typeof value !== "function"
              ? []
              : [
                  {
                    kind: "store",
                    buffer: k,
                    index: E.add(start, j),
                    value: castExpr(value(j), (outs[k] as Tensor).dtype),
                  },
                ],
          );
          return [{ kind: "loop", loop, mode: "vector", extent, body: stores }];
        }),
      );
    }
    return {
      name: d.name,
      key: `${d.name}/${key}`,
      buffers: [
        ...outs.map((t, k) => ({
          name: `out${k}`,
          dtype: t.dtype,
          access: kept.has(k) ? ("readwrite" as const) : ("write" as const),
        })),
        ...ins.map((t, k) => ({ name: `in${k}`, dtype: t.dtype, access: "read" as const })),
      ],
      scalars,
      body: [{ kind: "loop", loop: 0, mode: "parallel", extent: E.scalar("i32", 0), body }],
    };
  }
}
