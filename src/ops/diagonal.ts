/**
 * Matrices from diagonals, and diagonals from matrices.
 */
import { TorchError } from "../base/errors.ts";
import { resultTypeOf } from "../base/promote.ts";
import { formatShape, type Shape, wrapDim } from "../base/shape.ts";
import { contiguousRaw, copyRaw } from "../dispatch/elementwise.ts";
import { zerosOf } from "../dispatch/family/indexing.ts";
import { describe, operator } from "../dispatch/op.ts";
import { apply1, primitive, untracked } from "../dispatch/primitive.ts";
import { Signature } from "../dispatch/signature.ts";
import { alias, allocate, type Tensor } from "../tensor/tensor.ts";
import { fillRaw } from "../dispatch/elementwise.ts";
import { sum } from "./reduce.ts";
import type { VariadicOperator } from "./repeat.ts";
import { diagonal, narrow } from "./slice.ts";
import type { Op } from "./view.ts";
import { diagonal_scatter } from "./view-scatter.ts";

type DiagonalParams = readonly [offset: number, dim1: number, dim2: number];

const diagEmbed = primitive<DiagonalParams>({
  name: "diag_embed",
  forward: ([input], [offset, a, b]) => {
    const x = input as Tensor;
    const n = (x.shape.at(-1) as number) + Math.abs(offset);
    const rest = x.shape.slice(0, -1);
    const shape = Array.from({ length: x.ndim + 1 }, (_, d) => (d === a || d === b ? n : (rest.shift() as number)));
    const out = zerosOf(shape, x);
    if (x._numel > 0) copyRaw(diagonal(out, offset, a, b), untracked(x));
    return out;
  },
  grads: [{ vjp: (g, ctx) => diagonal(g, ...ctx.params) }],
});

/** Matrices, in two new dims, with the last dim of `input` on a diagonal. */
export const diag_embed: Op<(input: Tensor, offset?: number, dim1?: number, dim2?: number) => Tensor> = operator(
  "diag_embed(Tensor input, int offset=0, int dim1=-2, int dim2=-1)",
  (x: Tensor, offset: number, dim1: number, dim2: number) => {
    const a = wrapDim(dim1, x.ndim + 1);
    const b = wrapDim(dim2, x.ndim + 1);
    if (a === b) throw new TorchError(`diagonal dimensions cannot be identical ${dim1}, ${dim2}`);
    return apply1(diagEmbed, [x], [offset, a, b]);
  },
);

const diagonalCopy = primitive<DiagonalParams>({
  name: "diagonal_copy",
  gradName: "DiagonalBackward0_copy",
  forward: ([x], params) => {
    const view = diagonal(untracked(x as Tensor), ...params);
    const out = allocate(view.shape, view.dtype, view._backend);
    copyRaw(out, view);
    return out;
  },
  grads: [
    {
      vjp: (g, ctx) => diagonal_scatter(g.new_zeros(ctx.shape(0)), g, ...ctx.params),
    },
  ],
});

/** The matrix with the given diagonal; or the diagonal, copied, of a matrix. */
export const diag: Op<(input: Tensor, diagonal?: number) => Tensor> = operator(
  "diag(Tensor input, int diagonal=0)",
  (x: Tensor, offset: number) => {
    if (x.ndim === 1) return diag_embed(x, offset);
    if (x.ndim === 2) return apply1(diagonalCopy, [x], [offset, 0, 1]);
    throw new TorchError(`diag(): Supports 1D or 2D tensors. Got ${x.ndim}D`);
  },
);

/** The matrix with all elements of `input`, in row-major order, on a diagonal. */
export const diagflat: Op<(input: Tensor, offset?: number) => Tensor> = operator(
  "diagflat(Tensor input, int offset=0)",
  (x: Tensor, offset: number) => diag_embed(x.contiguous().view(-1), offset),
);

const tracePrimitive = primitive({
  name: "trace",
  forward: ([x]) => sum(diagonal(untracked(x as Tensor))),
  grads: [
    {
      vjp: (g, ctx) => {
        const shape = ctx.shape(0) as readonly [number, number];
        return diagonal_scatter(g.new_zeros(shape), g.expand([Math.min(...shape)]));
      },
    },
  ],
});

/** The sum of the diagonal of a matrix. */
export const trace: Op<(input: Tensor) => Tensor> = operator("trace(Tensor input)", (x: Tensor) => {
  if (x.ndim !== 2) throw new TorchError(`trace: expected a matrix, but got tensor with dim ${x.ndim}`);
  return apply1(tracePrimitive, [x], undefined);
});

// --- blocks ----------------------------------------------------------------------------------------------------------

const asMatrix = (shape: Shape): [number, number] =>
  shape.length === 2 ? (shape as [number, number]) : [1, shape.length === 1 ? (shape[0] as number) : 1];

const blockDiag = primitive<readonly Shape[]>({
  name: "block_diag",
  forward: (inputs, shapes) => {
    const blocks = shapes.map(asMatrix);
    const total = blocks.reduce(([r, c], [rows, cols]) => [r + rows, c + cols] as [number, number], [0, 0]);
    const first = inputs[0] as Tensor;
    const out = allocate(total, resultTypeOf(inputs), first._backend);
    fillRaw(out, 0);
    let row = 0;
    let col = 0;
    inputs.forEach((x, k) => {
      const [rows, cols] = blocks[k] as [number, number];
      const dense = contiguousRaw(x);
      if (rows * cols > 0) {
        const to = alias(out, [rows, cols], out._strides, row * total[1] + col);
        copyRaw(to, alias(dense, [rows, cols], [cols, 1], dense._offset));
      }
      row += rows;
      col += cols;
    });
    return out;
  },
  joint: {
    uses: () => [],
    vjp: ([g], ctx) => {
      let row = 0;
      let col = 0;
      return ctx.params.map((shape, k) => {
        const [rows, cols] = asMatrix(shape);
        const part = g != null && ctx.needs(k) ? narrow(narrow(g, 0, row, rows), 1, col, cols).reshape(shape) : null;
        row += rows;
        col += cols;
        return part;
      });
    },
  },
});

/** The matrix with the given matrices along its diagonal and zeros elsewhere; other tensors count as rows. */
export const block_diag: VariadicOperator<Tensor> = describe(
  ((...args: unknown[]): Tensor => {
    const tensors = (args.length === 1 && Array.isArray(args[0]) ? args[0] : args) as Tensor[];
    tensors.forEach((t, i) => {
      if (t.ndim > 2) {
        throw new TorchError(
          `torch.block_diag: Input tensors must have 2 or fewer dimensions. Input ${i} has ${t.ndim} dimensions`,
        );
      }
    });
    if (tensors.length === 0)
      throw new TorchError(`torch.block_diag: expected at least one tensor, but got ${formatShape([])}`);
    return apply1(
      blockDiag,
      tensors,
      tensors.map((t) => t.shape),
    );
  }) as unknown as VariadicOperator<Tensor>,
  new Signature("block_diag(Tensor[]... tensors)"),
  { method: false },
);
