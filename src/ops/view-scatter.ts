/**
 * Copies of a tensor in which the part that a view shows is replaced.
 */
import { TorchError } from "../base/errors.ts";
import { formatShape, isNonOverlappingAndDense, wrapDim } from "../base/shape.ts";
import { cloneRaw, copyRaw } from "../dispatch/elementwise.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, type Primitive, primitive, untracked } from "../dispatch/primitive.ts";
import { allocate, allocateStrided, type Tensor } from "../tensor/tensor.ts";
import { as_strided, diagonal, narrow, select, sliceDim } from "./slice.ts";
import type { Op } from "./view.ts";

/** Shows a part of a tensor. */
type View = (x: Tensor) => Tensor;

/** A copy with the same strides, also where these leave gaps. */
function sameStrides(x: Tensor): Tensor {
  if (isNonOverlappingAndDense(x.shape, x._strides)) return cloneRaw(x);
  if (x._strides.some((s, d) => s === 0 && (x.shape[d] as number) > 1)) return cloneRaw(x);
  const out = allocateStrided(x.shape, x._strides, x.dtype, x._backend);
  copyRaw(out, x);
  return out;
}

function viewScatter(name: string, gradName: string): (x: Tensor, src: Tensor, view: View) => Tensor {
  const prim: Primitive<View> = primitive<View>({
    name,
    gradName,
    forward: ([x, src], view) => {
      const out = sameStrides(x as Tensor);
      const part = view(untracked(out));
      if (part._numel > 0) copyRaw(part, src as Tensor);
      return out;
    },
    grads: [
      { vjp: (g, ctx) => apply1(prim, [g, g.new_zeros(ctx.shape(1))], ctx.params) },
      { vjp: (g, ctx) => ctx.params(g) },
    ],
  });
  return (x, src, view) => {
    const part = view(untracked(x));
    if (part.shape.join() !== src.shape.join()) {
      throw new TorchError(
        `expected src to have a size equal to the slice of self. src size = ${formatShape(src.shape)}, slice size = ${formatShape(part.shape)}`,
      );
    }
    return apply1(prim, [x, src], view);
  };
}

const intoSelected = viewScatter("select_scatter", "SelectScatterBackward0");
const intoSlice = viewScatter("slice_scatter", "SliceScatterBackward0");
const intoDiagonal = viewScatter("diagonal_scatter", "DiagonalScatterBackward0");

/** A copy of `input` with `src` at one index of a dimension. */
export const select_scatter: Op<(input: Tensor, src: Tensor, dim: number, index: number) => Tensor> = operator(
  "select_scatter(Tensor input, Tensor src, int dim, int index)",
  (x: Tensor, src: Tensor, dim: number, index: number) => intoSelected(x, src, (t) => select(t, dim, index)),
);

/** A copy of `input` with `src` at the places `start:end:step` of a dimension. */
export const slice_scatter: Op<
  (input: Tensor, src: Tensor, dim?: number, start?: number | null, end?: number | null, step?: number) => Tensor
> = operator(
  "slice_scatter(Tensor input, Tensor src, int dim=0, int? start=None, int? end=None, int step=1)",
  (x: Tensor, src: Tensor, dim: number, start: number | null, end: number | null, step: number) => {
    const part = sliceDim(untracked(x), dim, start, end, step);
    const whole = src.ndim <= part.ndim && src.shape.join() !== part.shape.join() ? src.expand(part.shape) : src;
    return intoSlice(x, whole, (t) => sliceDim(t, dim, start, end, step));
  },
);

/** A copy of `input` with `src` on a diagonal of two dims. */
export const diagonal_scatter: Op<
  (input: Tensor, src: Tensor, offset?: number, dim1?: number, dim2?: number) => Tensor
> = operator(
  "diagonal_scatter(Tensor input, Tensor src, int offset=0, int dim1=0, int dim2=1)",
  (x: Tensor, src: Tensor, offset: number, dim1: number, dim2: number) =>
    intoDiagonal(x, src, (t) => diagonal(t, offset, dim1, dim2)),
);

interface StridedParams {
  readonly size: readonly number[];
  readonly stride: readonly number[];
  readonly offset: number | null;
}

const asStridedScatter = primitive<StridedParams>({
  name: "as_strided_scatter",
  gradName: "AsStridedScatterBackward0",
  forward: ([x, src], { size, stride, offset }) => {
    const out = sameStrides(x as Tensor);
    const part = as_strided(untracked(out), size, stride, offset);
    if (part._numel > 0) copyRaw(part, src as Tensor);
    return out;
  },
  grads: [
    {
      vjp: (g, ctx) => {
        const { size, stride, offset } = ctx.params;
        return as_strided_scatter(g, g.new_zeros(ctx.shape(1)), size, stride, offset);
      },
    },
    {
      vjp: (g, ctx) => {
        const { size, stride, offset } = ctx.params;
        return as_strided(g.contiguous(), size, stride, offset);
      },
    },
  ],
});

/** A copy of `input` with `src` in the view of any geometry. */
export const as_strided_scatter: Op<
  (
    input: Tensor,
    src: Tensor,
    size: readonly number[],
    stride: readonly number[],
    storage_offset?: number | null,
  ) => Tensor
> = operator(
  "as_strided_scatter(Tensor input, Tensor src, int[] size, int[] stride, int? storage_offset=None)",
  (x: Tensor, src: Tensor, size: number[], stride: number[], offset: number | null) => {
    const part = as_strided(untracked(x), size, stride, offset);
    if (part.shape.join() !== src.shape.join()) {
      throw new TorchError(
        `expected src to have a size equal to the slice of self. src size = ${formatShape(src.shape)}, slice size = ${formatShape(part.shape)}`,
      );
    }
    return apply1(asStridedScatter, [x, src], { size, stride, offset });
  },
);

const narrowCopy = primitive<readonly [dim: number, start: number, length: number]>({
  name: "narrow_copy",
  forward: ([x], [dim, start, length]) => {
    const part = narrow(untracked(x as Tensor), dim, start, length);
    const out = allocate(part.shape, part.dtype, part._backend);
    copyRaw(out, part);
    return out;
  },
  grads: [
    {
      vjp: (g, ctx) => {
        const [dim, start, length] = ctx.params;
        return slice_scatter(g.new_zeros(ctx.shape(0)), g, dim, start, start + length);
      },
    },
  ],
});

/** {@link narrow} as a copy. */
export const narrow_copy: Op<(input: Tensor, dim: number, start: number, length: number) => Tensor> = operator(
  "narrow_copy(Tensor input, int dim, int start, int length)",
  (x: Tensor, dim: number, start: number, length: number) => {
    if (x.ndim === 0) throw new TorchError("narrow() cannot be applied to a 0-dim tensor.");
    const d = wrapDim(dim, x.ndim);
    const n = x.shape[d] as number;
    const from = start < 0 ? start + n : start;
    if (from + length > n || length < 0) {
      throw new TorchError(`start (${from}) + length (${length}) exceeds dimension size (${n}).`);
    }
    return apply1(narrowCopy, [x], [d, from, length]);
  },
);
