/**
 * Column kernels: sums over the rows of contiguous matrices, a value for each column, in one pass. The gradients of weights that
 * belong to columns are such sums.
 */
import type { Backend, Program } from "../../backend/backend.ts";
import type { DType } from "../../base/dtype.ts";
import { E, type Expr, type Type } from "../../ir/expr.ts";
import { computeType, type Kernel, type Stmt, type Uniform } from "../../ir/kernel.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { OperandKind } from "./rows.ts";

/** Rows that are summed up before the result joins the rest: the error grows with the number of such blocks. */
const block = 64;

export interface ColumnsDefinition {
  readonly name: string;
  readonly ins: readonly OperandKind[];
  readonly outs: number;
  /** What is summed, for each output, from the operands of one element. */
  readonly build: (operands: readonly Expr[], type: Type) => readonly Expr[];
}

/** A column kernel, compiled per dtypes. */
export class ColumnsKernel {
  readonly #definition: ColumnsDefinition;
  readonly #programs: Map<Backend, Map<string, Program>> = new Map();

  constructor(definition: ColumnsDefinition) {
    this.#definition = definition;
  }

  /**
   * Sums over `rows` × `n`. All tensors are contiguous; `outs` are [2, n] of the compute dtype: the sums come first, the rest is
   * scratch.
   */
  run(outs: readonly Tensor[], ins: readonly Tensor[], rows: number, n: number, compute: DType): void {
    const backend = (outs[0] as Tensor)._backend;
    let programs = this.#programs.get(backend);
    if (programs === undefined) {
      programs = new Map();
      this.#programs.set(backend, programs);
    }
    const key = `${compute.name},${ins.map((t) => t.dtype.name).join(",")}`;
    let program = programs.get(key);
    if (program === undefined) {
      program = backend.compile(this.#build(key, outs, ins, compute));
      programs.set(key, program);
    }
    program.run(...outs.map((t) => t._ptr), ...ins.map((t) => t._ptr), rows, n, Math.ceil(rows / block));
  }

  #build(key: string, outs: readonly Tensor[], ins: readonly Tensor[], compute: DType): Kernel {
    const d = this.#definition;
    const type = computeType(compute);
    const scalars: Uniform[] = ["rows", "n", "blocks"].map((name): Uniform => ({ name, type: "i32" }));
    const [rows, n, blocks] = [0, 1, 2].map((i) => E.scalar("i32", i)) as [Expr, Expr, Expr];
    const row = E.add(E.mul(E.index(1), block), E.index(2));
    const j = E.index(3);
    const operands = ins.map((t, k) => {
      const kind = d.ins[k];
      const at = kind === "row" ? row : kind === "column" ? j : E.add(E.mul(row, n), j);
      return E.cast(type, E.load(computeType(t.dtype), outs.length + k, at));
    });
    const over = (loop: number, body: Stmt[]): Stmt => ({ kind: "loop", loop, mode: "vector", extent: n, body });
    const sums = outs.map(
      (_, k) =>
        (loop: number): Expr =>
          E.load(type, k, E.index(loop)),
    );
    const parts = outs.map(
      (_, k) =>
        (loop: number): Expr =>
          E.load(type, k, E.add(n, E.index(loop))),
    );
    const zero = E.const(type, 0);
    const clear = (loop: number, at: (loop: number) => Expr): Stmt =>
      over(
        loop,
        outs.map((_, k): Stmt => ({ kind: "store", buffer: k, index: at(loop), value: zero })),
      );
    const part = (loop: number): Expr => E.add(n, E.index(loop));
    const values = d.build(operands, type);
    const body: Stmt[] = [
      clear(4, (loop) => E.index(loop)),
      {
        kind: "loop",
        loop: 1,
        mode: "serial",
        extent: blocks,
        body: [
          clear(5, part),
          {
            kind: "loop",
            loop: 2,
            mode: "serial",
            extent: E.min(E.sub(rows, E.mul(E.index(1), block)), block),
            body: [
              over(
                3,
                values.map((value, k): Stmt => ({
                  kind: "store",
                  buffer: k,
                  index: part(3),
                  value: E.add((parts[k] as (loop: number) => Expr)(3), value),
                })),
              ),
            ],
          },
          over(
            6,
            outs.map((_, k): Stmt => {
              const sum = (sums[k] as (loop: number) => Expr)(6);
              const value = E.add(sum, (parts[k] as (loop: number) => Expr)(6));
              return { kind: "store", buffer: k, index: E.index(6), value };
            }),
          ),
        ],
      },
    ];
    return {
      name: d.name,
      key: `${d.name}/${key}`,
      buffers: [
        ...outs.map((_, k) => ({ name: `out${k}`, dtype: compute, access: "readwrite" as const })),
        ...ins.map((t, k) => ({ name: `in${k}`, dtype: t.dtype, access: "read" as const })),
      ],
      scalars,
      body,
    };
  }
}
