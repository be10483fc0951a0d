/**
 * Operators that PyTorch keeps under `torch.ops.aten`: parts of others, for those who build on them.
 */
import type { DType } from "../base/dtype.ts";
import { wrapDim } from "../base/shape.ts";
import { operator, resize } from "../dispatch/op.ts";
import { apply1, primitive, untracked } from "../dispatch/primitive.ts";
import { pyfloat } from "../dispatch/signature.ts";
import { modes } from "../autograd/modes.ts";
import { requiresGrad } from "../autograd/views.ts";
import { TorchError } from "../base/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { cat } from "./join.ts";
import { softmax } from "./softmax.ts";
import { sliceDim } from "./slice.ts";
import type { Op } from "./view.ts";

/** `x[start:end:step]` along a dimension. */
export const slice: Op<
  (input: Tensor, dim?: number, start?: number | null, end?: number | null, step?: number) => Tensor
> = operator(
  "slice(Tensor input, int dim=0, int? start=None, int? end=None, int step=1)",
  (x: Tensor, dim: number, start: number | null, end: number | null, step: number) =>
    sliceDim(x, dim, start, end, step),
  { method: false },
);

const safeSoftmaxPrimitive = primitive<{ dim: number; dtype: DType | null }>({
  name: "_safe_softmax",
  forward: ([x], { dim, dtype }) => {
    const out = softmax(untracked(x as Tensor), dim, dtype);
    return out.masked_fill((x as Tensor).detach().eq(-Infinity).all(dim, true), 0);
  },
  grads: [
    {
      uses: ["out"],
      vjp: (g, ctx) => {
        const gy = g.mul(ctx.output());
        const { dim } = ctx.params;
        return gy.sub(ctx.output().mul(gy.ndim === 0 ? gy : gy.sum(dim, true)));
      },
    },
  ],
});

/** {@link softmax} that is zero, not NaN, where all inputs are minus infinity. */
export const _safe_softmax: Op<(input: Tensor, dim: number, dtype?: DType | null) => Tensor> = operator(
  "_safe_softmax(Tensor input, int dim, dtype? dtype=None)",
  (x: Tensor, dim: number, dtype: DType | null) =>
    apply1(safeSoftmaxPrimitive, [x], { dim: wrapDim(dim, x.ndim), dtype }),
  { method: false },
);

const softmaxBackwardData = primitive<{ dim: number }>({
  name: "_softmax_backward_data",
  forward: ([g, y], { dim }) => {
    // In float32 for the 16-bit types, and rounded once.
    const wide = (t: Tensor): Tensor => (t.dtype.itemsize === 2 ? untracked(t).float() : untracked(t));
    const [gw, yw] = [wide(g as Tensor), wide(y as Tensor)];
    const gy = gw.mul(yw);
    return gy.sub(yw.mul(gy.ndim === 0 ? gy : gy.sum(dim, true))).to((g as Tensor).dtype);
  },
  grads: [
    {
      uses: [1],
      vjp: (h, ctx) => {
        const y = ctx.input(1);
        const hy = h.mul(y);
        return hy.sub(y.mul(hy.ndim === 0 ? hy : hy.sum(ctx.params.dim, true)));
      },
    },
    {
      uses: [0, 1],
      vjp: (h, ctx) => {
        const [g, y] = [ctx.input(0), ctx.input(1)];
        const along = (t: Tensor): Tensor => (t.ndim === 0 ? t : t.sum(ctx.params.dim, true));
        return h
          .mul(g)
          .sub(h.mul(along(g.mul(y))))
          .sub(g.mul(along(h.mul(y))));
      },
    },
  ],
});

/** The gradient that {@link softmax} passes on, from that of its result and the result. */
export const _softmax_backward_data: Op<
  (grad_output: Tensor, output: Tensor, dim: number, input_dtype: DType) => Tensor
> = operator(
  "_softmax_backward_data(Tensor grad_output, Tensor output, int dim, dtype input_dtype)",
  (g: Tensor, y: Tensor, dim: number, dtype: DType) =>
    apply1(softmaxBackwardData, [g, y], { dim: wrapDim(dim, g.ndim) }).to(dtype),
  { method: false },
);

const dropoutBackward = primitive<number>({
  name: "native_dropout_backward",
  forward: ([g, mask], scale) =>
    untracked(g as Tensor)
      .mul(mask as Tensor)
      .mul(pyfloat(scale)),
  grads: [{ uses: [1], vjp: (h, ctx) => h.mul(ctx.input(1)).mul(ctx.params) }, null],
});

/** The gradient that dropout passes on: of the kept elements, scaled. */
export const native_dropout_backward: Op<(grad_output: Tensor, mask: Tensor, scale: number) => Tensor> = operator(
  "native_dropout_backward(Tensor grad_output, Tensor mask, float scale)",
  (g: Tensor, mask: Tensor, scale: number) => apply1(dropoutBackward, [g, mask], scale),
  { method: false },
);

/** Chunks of each tensor along a dim, padded to equal size, laid one after another. */
export const _chunk_cat: Op<(tensors: readonly Tensor[], dim: number, num_chunks: number) => Tensor> = operator(
  "_chunk_cat(Tensor[] tensors, int dim, int num_chunks)",
  (tensors: Tensor[], dim: number, chunks: number) => {
    const first = tensors[0];
    if (first === undefined) throw new TorchError("_chunk_cat expects a non-empty input tensor list");
    const d = wrapDim(dim, first.ndim);
    const parts = tensors.map((t) => {
      const n = t.shape[d] as number;
      const size = Math.ceil(n / chunks);
      const pad = size * chunks - n;
      const shape = t.shape.map((m, k) => (k === d ? pad : m));
      const padded = pad === 0 ? t : cat([t, t.new_zeros(shape)], d);
      return padded.reshape([...t.shape.slice(0, d), chunks, -1]);
    });
    return cat(parts, d + 1);
  },
  { method: false },
);

/** Gives the tensor another shape, with more memory if it needs that; elements that are new are undefined. */
export const resize_: Op<(input: Tensor, ...size: (number | readonly number[])[]) => Tensor> = operator(
  "resize_(Tensor input, int[]... size, *, str? memory_format=None)",
  (x: Tensor, list: (number | number[])[]) => {
    if (modes.grad && requiresGrad(x)) throw new TorchError("cannot resize variables that require grad");
    const size = (list.length === 1 && Array.isArray(list[0]) ? list[0] : list) as number[];
    resize(x, size);
    return x;
  },
);

/** {@link resize_} to the shape of another tensor. */
export const resize_as_: Op<(input: Tensor, the_template: Tensor) => Tensor> = operator(
  "resize_as_(Tensor input, Tensor the_template, *, str? memory_format=None)",
  (x: Tensor, template: Tensor) => resize_(x, template.shape),
);
