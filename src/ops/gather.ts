/**
 * Reading elements that an index tensor names.
 */
import { int64 } from "../base/dtype.ts";
import { IndexError, TorchError } from "../base/errors.ts";
import { broadcastAll, numel, type Shape, wrapDim } from "../base/shape.ts";
import { gatherRaw, placesOf, selectRaw, takeRaw } from "../dispatch/family/indexing.ts";
import { type OutOption, refuseSharedOut } from "../dispatch/out.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, primitive } from "../dispatch/primitive.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { where } from "./clamp.ts";
import { checkIndexShape, checkIndexType, dimSize, exactPlaces, flatPlaces, inSelf } from "./index-checks.ts";
import { type Op, reshape } from "./view.ts";

const gatherPrimitive = primitive<number>({
  name: "gather",
  forward: ([x, index], dim) => {
    const size = dimSize(x as Tensor, dim);
    return gatherRaw(x as Tensor, dim, placesOf(index as Tensor, size, exactPlaces(dim, size)));
  },
  grads: [
    {
      uses: [1],
      vjp: (g, ctx) => g.new_zeros(ctx.shape(0)).scatter_add(ctx.params, ctx.input(1), g),
    },
  ],
});

type GatherOptions = OutOption & { sparse_grad?: boolean };

/** The elements of `input` that `index` names along `dim`: for `dim` 0, `out[i][j] = input[index[i][j]][j]`. */
export const gather: Op<(input: Tensor, dim: number, index: Tensor, options?: GatherOptions) => Tensor> = operator(
  "gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False)",
  (x: Tensor, dim: number, index: Tensor) => {
    const d = wrapDim(dim, x.ndim);
    checkIndexShape("gather", x, d, index, null);
    return apply1(gatherPrimitive, [x, index], d);
  },
  { checkOut: (out, [x, , index]) => refuseSharedOut(out, [x, index], (x as Tensor).dtype) },
);

/** @internal `sizes` of both broadcast against each other, apart from `dim`. */
function broadcastApart(x: Tensor, index: Tensor, dim: number): [Shape, Shape] {
  const free = (t: Tensor): number[] => t.shape.map((n, d) => (d === dim ? 1 : n));
  const both = broadcastAll([free(x), free(index)]);
  const withDim = (t: Tensor): number[] => both.map((n, d) => (d === dim ? (t.shape[d] as number) : n));
  return [withDim(x), withDim(index)];
}

/** {@link gather} with broadcasting of both along the other dims; without `dim`, of the flattened tensors. */
export const take_along_dim: Op<(input: Tensor, indices: Tensor, dim?: number | null, options?: OutOption) => Tensor> =
  operator(
    "take_along_dim(Tensor input, Tensor indices, int? dim=None)",
    (x: Tensor, indices: Tensor, dim: number | null) => {
      if (indices.dtype !== int64) {
        throw new TorchError(
          `torch.take_along_dim(): dtype of indices should be Long but got ${indices.dtype.scalarName}`,
        );
      }
      if (dim === null) return take_along_dim(reshape(x, [-1]), reshape(indices, [-1]), 0);
      if (x.ndim !== indices.ndim) {
        throw new TorchError(
          `torch.take_along_dim(): input and indices should have the same number of dimensions, but got ${x.ndim} dimensions for input, and ${indices.ndim} dimensions for indices`,
        );
      }
      const d = wrapDim(dim, x.ndim);
      const [xShape, indexShape] = broadcastApart(x, indices, d);
      const wrapped = where(indices.lt(0), indices.add(x.shape[d] as number), indices);
      const index = wrapped.expand(indexShape);
      return gather(x.expand(xShape), d, index);
    },
  );

const indexSelectPrimitive = primitive<number>({
  name: "index_select",
  forward: ([x, index], dim) =>
    selectRaw(x as Tensor, dim, placesOf(index as Tensor, dimSize(x as Tensor, dim), inSelf)),
  grads: [
    {
      uses: [1],
      vjp: (g, ctx) => g.new_zeros(ctx.shape(0)).index_add(ctx.params, ctx.input(1), g),
    },
  ],
});

/** The slices of `input` along `dim` that the one-dimensional `index` names. */
export const index_select: Op<(input: Tensor, dim: number, index: Tensor, options?: OutOption) => Tensor> = operator(
  "index_select(Tensor input, int dim, Tensor index)",
  (x: Tensor, dim: number, index: Tensor) => {
    const d = wrapDim(dim, x.ndim);
    if (index.ndim > 1) throw new IndexError("index_select(): Index is supposed to be a vector");
    checkIndexType(index, "index_select(): Expected dtype int32 or int64 for index");
    if (x.ndim === 0 && index._numel !== 1) {
      throw new TorchError(`index_select(): Index to scalar can have only 1 value, got ${index._numel} value(s)`);
    }
    return apply1(indexSelectPrimitive, [x, index], d);
  },
  { checkOut: (out, [x, , index]) => refuseSharedOut(out, [x, index], (x as Tensor).dtype) },
);

const takePrimitive = primitive({
  name: "take",
  forward: ([x, index]) => {
    const total = (x as Tensor)._numel;
    return takeRaw(x as Tensor, placesOf(index as Tensor, total, flatPlaces(total)));
  },
  grads: [
    {
      uses: [1],
      vjp: (g, ctx) => g.new_zeros(ctx.shape(0)).put(ctx.input(1), g, true),
    },
  ],
});

/** The elements of `input` at positions counted in row-major order; the result has the shape of `index`. */
export const take: Op<(input: Tensor, index: Tensor, options?: OutOption) => Tensor> = operator(
  "take(Tensor input, Tensor index)",
  (x: Tensor, index: Tensor) => {
    if (index.dtype !== int64) {
      throw new TorchError(`take(): Expected a long tensor for index, but got ${index.dtype.scalarName}`);
    }
    if (numel(x.shape) === 0 && index._numel !== 0) {
      throw new IndexError("take(): tried to take from an empty tensor");
    }
    return apply1(takePrimitive, [x, index], undefined);
  },
  { checkOut: (out, [x, index]) => refuseSharedOut(out, [x, index], (x as Tensor).dtype) },
);
