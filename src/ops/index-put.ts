/**
 * Indexing with several tensors at once: reading (`x[i, j]`) and writing.
 */
import { TorchError } from "../base/errors.ts";
import { formatShape, sameShape, type Shape } from "../base/shape.ts";
import { copyRaw } from "../dispatch/elementwise.ts";
import { type Indices, planOf } from "../dispatch/family/index-plan.ts";
import { flatCopy, indexPutRaw, indexRaw, placesOf, putRaw } from "../dispatch/family/indexing.ts";
import { type InplaceOp, Modify, modifying } from "../dispatch/modify.ts";
import { apply1, type Primitive, primitive } from "../dispatch/primitive.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { flatPlaces } from "./index-checks.ts";
import { take } from "./gather.ts";

/** Which dimensions the index tensors stand for; the tensors are inputs. */
type Slots = readonly boolean[];

function assemble(slots: Slots, tensors: readonly Tensor[]): (Tensor | null)[] {
  let k = 0;
  return slots.map((used) => (used ? (tensors[k++] as Tensor) : null));
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

const readers: (Primitive<Slots> | undefined)[] = [];

/** One for each number of index tensors, which are saved. */
function reader(count: number): Primitive<Slots> {
  return (readers[count] ??= primitive<Slots>({
    name: "index",
    forward: ([x, ...indices], slots) => indexRaw(x as Tensor, planOf((x as Tensor).shape, assemble(slots, indices))),
    grads: [
      {
        uses: range(1, count),
        vjp: (g, ctx) => {
          const indices = assemble(
            ctx.params,
            range(1, count).map((i) => ctx.input(i)),
          );
          return indexPut(g.new_zeros(ctx.shape(0)), indices, g, true, false);
        },
      },
    ],
  }));
}

/** @internal `x[indices]`; at least one index is a tensor. */
export const indexTensors: (x: Tensor, indices: Indices) => Tensor = (x, indices) => {
  const tensors = indices.filter((t) => t !== null);
  return apply1(
    reader(tensors.length),
    [x, ...tensors],
    indices.map((t) => t !== null),
  );
};

interface PutParams {
  readonly slots: Slots;
  readonly accumulate: boolean;
}

const writers: (Modify<PutParams> | undefined)[] = [];

function writer(count: number): Modify<PutParams> {
  const saved = range(2, count);
  return (writers[count] ??= new Modify<PutParams>({
    name: "index_put",
    write: (target, [, values, ...indices], { slots, accumulate }) => {
      const plan = planOf(target.shape, assemble(slots, indices));
      checkValues(values as Tensor, plan.shape);
      indexPutRaw(target, plan, values as Tensor, accumulate);
    },
    grads: [
      {
        uses: saved,
        vjp: (g, ctx) => {
          if (ctx.params.accumulate) return g;
          const indices = assemble(
            ctx.params.slots,
            saved.map((i) => ctx.input(i)),
          );
          return indexPut(g, indices, g.new_zeros([]), false, false);
        },
      },
      {
        uses: saved,
        vjp: (g, ctx) => {
          const indices = assemble(
            ctx.params.slots,
            saved.map((i) => ctx.input(i)),
          );
          const shape = ctx.shape(1);
          const all = indexTensors(g, indices);
          return sameShape(all.shape, shape) ? all : sumTo(all, shape);
        },
      },
    ],
  }));
}

function sumTo(x: Tensor, shape: Shape): Tensor {
  return shape.length > x.ndim
    ? x.sum_to_size(shape.slice(shape.length - x.ndim)).reshape(shape)
    : x.sum_to_size(shape);
}

function checkValues(values: Tensor, shape: Shape): void {
  const lead = shape.length - values.ndim;
  const fits = lead >= 0 && values.shape.every((n, d) => n === 1 || n === shape[lead + d]);
  if (!fits) {
    throw new TorchError(
      `shape mismatch: value tensor of shape ${formatShape(values.shape)} cannot be broadcast to indexing result of shape ${formatShape(shape)}`,
    );
  }
}

/** @internal `x[indices] = values`, or `+=`. */
export const indexPut: (
  x: Tensor,
  indices: Indices,
  values: Tensor,
  accumulate: boolean,
  inplace: boolean,
) => Tensor = (x, indices, values, accumulate, inplace) => {
  if (values.dtype !== x.dtype) {
    throw new TorchError(
      `Index put requires the source and destination dtypes match, got ${x.dtype.scalarName} for the destination and ${values.dtype.scalarName} for the source.`,
    );
  }
  const tensors = indices.filter((t) => t !== null);
  const params = { slots: indices.map((t) => t !== null), accumulate };
  return writer(tensors.length).run([x, values, ...tensors], params, inplace);
};

type IndexPut = (input: Tensor, indices: readonly (Tensor | null)[], values: Tensor, accumulate?: boolean) => Tensor;

/** A copy of `input` with `values` at `input[indices]`, or added to it; one index tensor for each dimension, null for all. */
export const index_put: InplaceOp<IndexPut> = modifying(
  "index_put(Tensor input, Tensor?[] indices, Tensor values, bool accumulate=False)",
  (inplace, x: Tensor, indices: Indices, values: Tensor, accumulate: boolean) =>
    indexPut(x, indices, values, accumulate, inplace),
);

// --- by position -----------------------------------------------------------------------------------------------------

const putModify = new Modify<boolean>({
  name: "put",
  write: (target, [, index, source], accumulate) => {
    const total = target._numel;
    const places = placesOf(index as Tensor, total, flatPlaces(total));
    const mode = accumulate ? "add" : "set";
    if (target._isContiguous) {
      putRaw(target, places, source as Tensor, mode);
      return;
    }
    const dense = flatCopy(target);
    putRaw(dense, places, source as Tensor, mode);
    copyRaw(target, dense);
  },
  grads: [
    {
      uses: [1],
      vjp: (g, ctx) => (ctx.params ? g : g.put(ctx.input(1), g.new_zeros(ctx.shape(2)), false)),
    },
    null,
    { uses: [1], vjp: (g, ctx) => take(g, ctx.input(1)).reshape(ctx.shape(2)) },
  ],
});

type Put = (input: Tensor, index: Tensor, source: Tensor, accumulate?: boolean) => Tensor;

/** A copy of `input` with the elements of `source` at, or added to, positions counted in row-major order. */
export const put: InplaceOp<Put> = modifying(
  "put(Tensor input, Tensor index, Tensor source, bool accumulate=False)",
  (inplace, x: Tensor, index: Tensor, source: Tensor, accumulate: boolean) => {
    if (index.dtype.name !== "int64") {
      throw new TorchError(`put_(): Expected a long tensor for index, but got ${index.dtype.scalarName}`);
    }
    if (x.dtype !== source.dtype) {
      throw new TorchError(
        `put_(): self and source expected to have the same dtype, but got self.dtype = ${x.dtype.scalarName} and source.dtype = ${source.dtype.scalarName}`,
      );
    }
    if (index._numel !== source._numel) {
      throw new TorchError(
        `put_(): Expected source and index to have the same number of elements, but got source.numel() = ${source._numel}, index.numel() = ${index._numel}`,
      );
    }
    if (x._numel === 0 && index._numel !== 0) throw new TorchError("put_(): cannot put into an empty tensor");
    return putModify.run([x, index, source], accumulate, inplace);
  },
);
