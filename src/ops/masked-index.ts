/**
 * Indexing where a mask says so: the indices count nowhere else, and may be anything there.
 */
import { NotImplementedError } from "../base/errors.ts";
import type { Indices } from "../dispatch/family/index-plan.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, type Primitive, primitive, untracked } from "../dispatch/primitive.ts";
import type { ScalarLike } from "../dispatch/signature.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { indexPut, indexTensors } from "./index-put.ts";
import type { Op } from "./view.ts";

/** Indices that are all within the tensor. */
function within(x: Tensor, indices: Indices): (Tensor | null)[] {
  return indices.map((t, d) => {
    if (t === null) return null;
    if (t.dtype.category !== 1 || t.dtype.itemsize < 4) {
      throw new NotImplementedError(`_unsafe_masked_index does not take indices of ${t.dtype.scalarName}`);
    }
    return t.clamp(0, (x.shape[d] as number) - 1);
  });
}

interface ReadParams {
  readonly indices: Indices;
  readonly fill: ScalarLike;
}

const read: Primitive<ReadParams> = primitive<ReadParams>({
  name: "_unsafe_masked_index",
  forward: ([input, mask], { indices, fill }) => {
    const x = untracked(input as Tensor);
    const outside = untracked(mask as Tensor).logical_not();
    if (x._numel === 0) return x.new_full(outside.shape, fill);
    return indexTensors(x, within(x, indices)).masked_fill(outside, fill);
  },
  grads: [
    {
      uses: [1],
      vjp: (g, ctx) => apply1(put, [g.new_zeros(ctx.shape(0)), ctx.input(1), g], { indices: ctx.params.indices }),
    },
    null,
  ],
});

const put: Primitive<{ readonly indices: Indices }> = primitive<{ readonly indices: Indices }>({
  name: "_unsafe_masked_index_put_accumulate",
  forward: ([input, mask, values], { indices }) => {
    const x = untracked(input as Tensor);
    if (x._numel === 0) return x.clone();
    const kept = untracked(values as Tensor).masked_fill(untracked(mask as Tensor).logical_not(), 0);
    return indexPut(x, within(x, indices), kept, true, false);
  },
  grads: [
    { vjp: (g) => g },
    null,
    { uses: [1], vjp: (g, ctx) => apply1(read, [g, ctx.input(1)], { indices: ctx.params.indices, fill: 0 }) },
  ],
});

/** `input[indices]` where `mask` holds, else `fill`. */
export const _unsafe_masked_index: Op<
  (input: Tensor, mask: Tensor, indices: readonly (Tensor | null)[], fill: ScalarLike) => Tensor
> = operator(
  "_unsafe_masked_index(Tensor input, Tensor mask, Tensor?[] indices, Scalar fill)",
  (x: Tensor, mask: Tensor, indices: Indices, fill: ScalarLike) => apply1(read, [x, mask], { indices, fill }),
  { method: false },
);

/** A copy of `input` with `values` added at `indices` where `mask` holds. */
export const _unsafe_masked_index_put_accumulate: Op<
  (input: Tensor, mask: Tensor, indices: readonly (Tensor | null)[], values: Tensor) => Tensor
> = operator(
  "_unsafe_masked_index_put_accumulate(Tensor input, Tensor mask, Tensor?[] indices, Tensor values)",
  (x: Tensor, mask: Tensor, indices: Indices, values: Tensor) => apply1(put, [x, mask, values], { indices }),
  { method: false },
);
