/**
 * Triangles of matrices.
 */
import type { Backend, Program } from "../backend/backend.ts";
import { type DType, int16, int32, int64, uint8 } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { contiguousRaw, copyRaw } from "../dispatch/elementwise.ts";
import { type InplaceOp, modifying } from "../dispatch/modify.ts";
import type { OutOption } from "../dispatch/out.ts";
import { describe } from "../dispatch/op.ts";
import { apply1, applyInplace, type Primitive, primitive } from "../dispatch/primitive.ts";
import { Signature } from "../dispatch/signature.ts";
import { E } from "../ir/expr.ts";
import { computeType, type Kernel } from "../ir/kernel.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";
import { tensor, type TensorOptions } from "./create.ts";
import type { Op } from "./view.ts";

const programs = new WeakMap<Backend, Map<string, Program>>();

/** Elements of equal size are copied alike. */
const carriers: Readonly<Record<number, DType>> = { 1: uint8, 2: int16, 4: int32, 8: int64 };

function triangleKernel(lower: boolean, dtype: DType, pairs: boolean): Kernel {
  const type = computeType(dtype);
  const [rows, cols, diagonal] = [1, 2, 3].map((i) => E.scalar("i32", i)) as [
    ReturnType<typeof E.scalar>,
    ReturnType<typeof E.scalar>,
    ReturnType<typeof E.scalar>,
  ];
  const at = E.add(E.mul(E.add(E.mul(E.index(0), rows), E.index(1)), cols), E.index(2));
  const reach = E.add(E.index(1), diagonal);
  const column = pairs ? E.shr(E.index(2), 1) : E.index(2);
  const inside = lower ? E.le(column, reach) : E.ge(column, reach);
  return {
    name: lower ? "tril" : "triu",
    key: `${lower ? "tril" : "triu"}:${dtype.name}${pairs ? ":pairs" : ""}`,
    buffers: [
      { name: "out", dtype, access: "write" },
      { name: "in", dtype, access: "read" },
    ],
    scalars: ["batch", "rows", "cols", "diagonal"].map((name) => ({ name, type: "i32" })),
    body: [
      {
        kind: "loop",
        loop: 0,
        mode: "parallel",
        extent: E.scalar("i32", 0),
        body: [
          {
            kind: "loop",
            loop: 1,
            mode: "serial",
            extent: rows,
            body: [
              {
                kind: "loop",
                loop: 2,
                mode: "vector",
                extent: cols,
                body: [
                  {
                    kind: "store",
                    buffer: 0,
                    index: at,
                    value: E.select(inside, E.load(type, 1, at), E.const(type, 0)),
                  },
                ],
              },
            ],
          },
        ],
      },
    ],
  };
}

function triangleRaw(x: Tensor, lower: boolean, diagonal: number): Tensor {
  const source = contiguousRaw(x);
  const out = allocate(x.shape, x.dtype, x._backend);
  if (x._numel === 0) return out;
  const rows = x.shape.at(-2) as number;
  const cols = x.shape.at(-1) as number;
  // Elements of 16 bytes are copied as two.
  const pairs = x.dtype.itemsize === 16;
  const dtype = carriers[pairs ? 8 : x.dtype.itemsize] as DType;
  let table = programs.get(x._backend);
  if (table === undefined) {
    table = new Map();
    programs.set(x._backend, table);
  }
  const key = `${lower}:${dtype.name}:${pairs}`;
  let program = table.get(key);
  if (program === undefined) {
    program = x._backend.compile(triangleKernel(lower, dtype, pairs));
    table.set(key, program);
  }
  const reach = Math.min(Math.max(diagonal, -rows), cols);
  program.run(out._ptr, source._ptr, x._numel / (rows * cols), rows, pairs ? 2 * cols : cols, reach);
  return out;
}

type Triangle = (input: Tensor, diagonal?: number | OutOption, options?: OutOption) => Tensor;

function defineTriangle(name: "tril" | "triu"): InplaceOp<Triangle> {
  const lower = name === "tril";
  const prim: Primitive<number> = primitive<number>({
    name,
    forward: ([x], diagonal) => triangleRaw(x as Tensor, lower, diagonal),
    grads: [{ vjp: (g, ctx) => apply1(prim, [g], ctx.params) }],
  });
  return modifying(`${name}(Tensor input, int diagonal=0)`, (inplace, x: Tensor, diagonal: number) => {
    if (x.ndim < 2) throw new TorchError(`${name}: input tensor must have at least 2 dimensions`);
    if (!inplace) return apply1(prim, [x], diagonal);
    return applyInplace(
      prim,
      [x],
      diagonal,
      (t) => copyRaw(t, triangleRaw(t, lower, diagonal)),
      (t) => t,
    );
  });
}

/** A copy with zeros above the diagonal, or the one `diagonal` places above it. */
export const tril: InplaceOp<Triangle> = defineTriangle("tril");
/** A copy with zeros below the diagonal, or the one `diagonal` places above it. */
export const triu: InplaceOp<Triangle> = defineTriangle("triu");

type TriangleIndices = Op<
  (row: number, col: number, offset?: number | TensorOptions, options?: TensorOptions) => Tensor
>;

function defineIndices(name: "tril_indices" | "triu_indices"): TriangleIndices {
  const signature = new Signature(
    `${name}(int row, int col, int offset=0, *, dtype? dtype=None, any layout=None, str? device=None, bool? pin_memory=None)`,
  );
  return describe(
    (...args: unknown[]): Tensor => {
      const [rows, cols, offset, dtype, , device] = signature.bind(args, {}) as [
        number,
        number,
        number,
        DType | null,
        unknown,
        string | null,
      ];
      if (rows < 0) throw new TorchError(`row must be non-negative, got${rows}`);
      if (cols < 0) throw new TorchError(`col must be non-negative, got${cols}`);
      const is: number[] = [];
      const js: number[] = [];
      for (let i = 0; i < rows; i++) {
        const from = name === "tril_indices" ? 0 : Math.max(i + offset, 0);
        const to = name === "tril_indices" ? Math.min(i + offset + 1, cols) : cols;
        for (let j = from; j < to; j++) {
          is.push(i);
          js.push(j);
        }
      }
      return tensor([is, js], { dtype: dtype ?? int64, device });
    },
    signature,
    { method: false },
  );
}

/** The row and column indices of the lower triangle of a matrix, in two rows. */
export const tril_indices: TriangleIndices = defineIndices("tril_indices");
/** The row and column indices of the upper triangle of a matrix, in two rows. */
export const triu_indices: TriangleIndices = defineIndices("triu_indices");
