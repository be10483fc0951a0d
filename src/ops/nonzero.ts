/**
 * Which elements are not zero.
 */
import { bool, int64 } from "../base/dtype.ts";
import { ArgumentTypeError, TorchError, ValueError } from "../base/errors.ts";
import { Reduction } from "../dispatch/family/reduction.ts";
import { nonzeroRaw } from "../dispatch/family/masks.ts";
import { type OutOption } from "../dispatch/out.ts";
import { operator } from "../dispatch/op.ts";
import { contiguousStrides, wrapDims } from "../base/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Dims } from "./reduce.ts";
import type { Op } from "./view.ts";
import { unbind } from "./split.ts";

/** What {@link nonzero} gives: one tensor, or with `as_tuple` one for each dimension. */
export interface Nonzero {
  (input: Tensor, options: { as_tuple: true }): Tensor[];
  (input: Tensor, options?: OutOption & { as_tuple?: false }): Tensor;
}

/**
 * The indices of the elements that are not zero, one row for each; with `as_tuple` as one tensor for each dimension, as indices
 * are passed.
 */
export const nonzero: Op<Nonzero> = operator(
  "nonzero(Tensor input, *, bool as_tuple=False)",
  (x: Tensor, asTuple: boolean) => {
    if (!asTuple) return nonzeroRaw(x);
    return unbind(nonzeroRaw(x.ndim === 0 ? x.detach().unsqueeze(0) : x), 1);
  },
);

/** {@link nonzero} with a fixed number of rows: cut off, or filled up with `fill_value`. */
export const nonzero_static: Op<(input: Tensor, options: OutOption & { size: number; fill_value?: number }) => Tensor> =
  operator("nonzero_static(Tensor input, *, int size, int fill_value=-1)", (x: Tensor, size: number, fill: number) => {
    if (size < 0) throw new TorchError("nonzero_static: 'size' must be an non-negative integer");
    const found = nonzeroRaw(x);
    const out = found.new_full([size, x.ndim], fill);
    const n = Math.min(size, found.shape[0] as number);
    out.narrow(0, 0, n).copy_(found.narrow(0, 0, n));
    return out;
  });

/** The indices of the elements that are not zero, one row for each. */
export const argwhere: Op<(input: Tensor) => Tensor> = operator("argwhere(Tensor input)", (x: Tensor) => nonzeroRaw(x));

const countOf = new Reduction("count_nonzero", (r) => r.sum((x) => x));

/** How many elements are not zero, over all dims or the given ones. */
export const count_nonzero: Op<(input: Tensor, dim?: Dims | OutOption) => Tensor> = operator(
  "count_nonzero(Tensor input, int[]? dim=None)",
  (x: Tensor, dim: number[] | null) => {
    const truth = x.dtype === bool ? x : x.detach().to(bool);
    return countOf.run(truth, wrapDims(dim, x.ndim), false, int64, int64);
  },
);

/** The indices, one tensor for each dimension, of positions counted in row-major order of a shape. */
export const unravel_index: Op<(indices: Tensor, shape: number | readonly number[]) => Tensor[]> = operator(
  "unravel_index(Tensor indices, int[] shape)",
  (indices: Tensor, shape: number[]) => {
    if (indices.dtype.category !== 1) {
      throw new ArgumentTypeError(`expected 'indices' to be integer dtype, but got ${String(indices.dtype)}`);
    }
    if (shape.some((n) => n < 0)) {
      throw new ValueError(`'shape' cannot have negative values, but got (${shape.join(", ")})`);
    }
    const like = { dtype: int64 };
    const places = indices.unsqueeze(-1).to(int64);
    const steps = contiguousStrides(shape);
    const out = places
      .floor_divide(indices.new_tensor(steps.map(BigInt), like))
      .remainder(indices.new_tensor(shape.map(BigInt), like));
    return unbind(out, -1);
  },
  { method: false },
);
