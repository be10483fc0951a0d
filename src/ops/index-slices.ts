/**
 * Writing whole slices to places along one dimension.
 */
import { int32, int64 } from "../base/dtype.ts";
import { IndexError, TorchError } from "../base/errors.ts";
import type { Scalar } from "../base/promote.ts";
import { formatShape, wrapDim } from "../base/shape.ts";
import { atLeast1d, type IndexMode, placesOf, writeSlices } from "../dispatch/family/indexing.ts";
import { type InplaceOp, Modify, modifying } from "../dispatch/modify.ts";
import type { OutOption } from "../dispatch/out.ts";
import { PyFloat, type ScalarLike } from "../dispatch/signature.ts";
import { Tensor } from "../tensor/tensor.ts";
import { index_select } from "./gather.ts";
import { dimSize, inSelf } from "./index-checks.ts";
import {
  divideBy,
  extreme,
  filled,
  identityOf,
  numberLike,
  productGradients,
  type ReduceName,
} from "./scatter-reduction.ts";

/** The slices of a gradient that were read from the source. */
function slicesOf(g: Tensor, dim: number, index: Tensor, shape: readonly number[]): Tensor {
  const at = index_select(g, dim, index);
  return shape.length > 0 ? at.expand(shape) : at.reshape(shape);
}

// --- adding ----------------------------------------------------------------------------------------------------------

interface AddParams {
  readonly dim: number;
  readonly alpha: ScalarLike;
}

const isOne = (alpha: ScalarLike): boolean => Number(alpha) === 1;

const indexAdd = new Modify<AddParams>({
  name: "index_add",
  layout: "contiguous",
  write: (target, [, index, source], { dim, alpha }) => {
    const places = placesOf(index as Tensor, dimSize(target, dim), inSelf);
    const scaled = isOne(alpha) ? (source as Tensor) : (source as Tensor).detach().mul(alpha).to(target.dtype);
    writeSlices(target, dim, places, scaled, "add");
  },
  grads: [
    { vjp: (g) => g },
    null,
    {
      uses: [1],
      vjp: (g, ctx) => {
        const { dim, alpha } = ctx.params;
        const slices = slicesOf(g, dim, ctx.input(1), ctx.shape(2));
        return isOne(alpha) ? slices : slices.mul(alpha);
      },
    },
  ],
});

/** The conditions that the functions which add or reduce slices share. */
function checkSlices(name: string, x: Tensor, dim: number, index: Tensor, source: Tensor): void {
  if (index.ndim > 1) {
    throw new IndexError(
      `${name}(): Index is supposed to be a vector, but got dim: ${index.ndim} with type: ${index.dtype.scalarName} and size: ${formatShape(index.shape)}`,
    );
  }
  if (index.dtype !== int64 && index.dtype !== int32) {
    throw new TorchError(`${name}(): Expected dtype int32/int64 for index but got: ${index.dtype.scalarName}`);
  }
  if (x.dtype !== source.dtype) {
    throw new TorchError(
      `${name}(): self (${x.dtype.scalarName}) and source (${source.dtype.scalarName}) must have the same scalar type`,
    );
  }
  if (index._numel !== dimSize(source, dim)) {
    throw new TorchError(
      `${name}(): Number of indices (${index._numel}) should be equal to source.size(dim): (${dimSize(source, dim)}), for dim: ${dim}`,
    );
  }
  const rest = (t: Tensor): string => t.shape.filter((_, d) => d !== dim).join();
  if (x.ndim > 0 && source.ndim > 0 && (x.ndim !== source.ndim || rest(x) !== rest(source))) {
    throw new TorchError(
      `source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = ${formatShape(x.shape)} source.shape = ${formatShape(source.shape)}`,
    );
  }
}

type IndexAdd = (
  input: Tensor,
  dim: number,
  index: Tensor,
  source: Tensor,
  options?: OutOption & { alpha?: ScalarLike },
) => Tensor;

/** A copy of `input` with the slices of `source`, times `alpha`, added to those that `index` names along `dim`. */
export const index_add: InplaceOp<IndexAdd> = modifying(
  "index_add(Tensor input, int dim, Tensor index, Tensor source, *, Scalar alpha=1)",
  (inplace, x: Tensor, dim: number, index: Tensor, source: Tensor, alpha: ScalarLike) => {
    const d = wrapDim(dim, x.ndim);
    checkSlices(inplace ? "index_add_" : "index_add", x, d, index, source);
    return indexAdd.run([x, index, source], { dim: d, alpha }, inplace);
  },
);

// --- copying ---------------------------------------------------------------------------------------------------------

const indexCopy = new Modify<number>({
  name: "index_copy",
  layout: "contiguous",
  write: (target, [, index, source], dim) => {
    const size = dimSize(target, dim);
    const places = placesOf(index as Tensor, size, {
      wrap: false,
      error: (i) => new IndexError(`index_copy_(): index ${i} is out of bounds for dimension ${dim} with size ${size}`),
    });
    writeSlices(target, dim, places, source as Tensor, "set");
  },
  grads: [
    { uses: [1], vjp: (g, ctx) => g.index_fill(ctx.params, ctx.input(1), 0) },
    null,
    { uses: [1], vjp: (g, ctx) => slicesOf(g, ctx.params, ctx.input(1), ctx.shape(2)) },
  ],
});

type IndexCopy = (input: Tensor, dim: number, index: Tensor, source: Tensor, options?: OutOption) => Tensor;

/** A copy of `input` with the slices of `source` written to those that `index` names along `dim`. */
export const index_copy: InplaceOp<IndexCopy> = modifying(
  "index_copy(Tensor input, int dim, Tensor index, Tensor source)",
  (inplace, x: Tensor, dim: number, index: Tensor, source: Tensor) => {
    const d = wrapDim(dim, x.ndim);
    if (index.ndim >= 2) {
      throw new IndexError(`index_copy_(): Index should have dimension 1 or 0 (got ${index.ndim})`);
    }
    if (source.ndim === 0 && index._numel !== 1) {
      throw new IndexError(`index_copy_(): When source is scalar, index should have one element (got ${index._numel})`);
    }
    if (source.ndim !== x.ndim && source.ndim !== 0 && x.ndim !== 0) {
      throw new IndexError(
        `index_copy_(): When source and destination are not scalars, their dimensionality must match. Source dimensionality (${source.ndim}), destination dimensionality (${x.ndim})`,
      );
    }
    if (index.dtype !== int64) {
      throw new TorchError(`index_copy_(): Expected a long tensor for index, but got ${index.dtype.scalarName}`);
    }
    if (x.dtype !== source.dtype) {
      throw new TorchError(
        `index_copy_(): self and source expected to have the same dtype, but got (self) ${x.dtype.scalarName} and (source) ${source.dtype.scalarName}`,
      );
    }
    const rest = (t: Tensor): number[] => t.shape.filter((_, k) => k !== d);
    if (x.ndim > 0 && source.ndim > 0 && rest(x).join() !== rest(source).join()) {
      throw new TorchError(
        `index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: ${formatShape(rest(x))} at dimension ${d} and source slice shape: ${formatShape(rest(source))} at dimension 0.`,
      );
    }
    if (source.ndim > 0 && index._numel !== dimSize(source, d)) {
      throw new IndexError(
        `index_copy_(): Number of indices (${index._numel}) should be equal to source.size(dim) (${dimSize(source, d)})`,
      );
    }
    return indexCopy.run([x, index, source], d, inplace);
  },
);

// --- filling ---------------------------------------------------------------------------------------------------------

function fillSlices(target: Tensor, dim: number, index: Tensor, value: Tensor): void {
  const size = dimSize(target, dim);
  const places = placesOf(index, size, {
    wrap: true,
    error: (i) => new IndexError(`index ${i} is out of bounds for dimension ${dim} with size ${size}`),
  });
  writeSlices(target, dim, places, value, "set");
}

const indexFill = new Modify<{ readonly dim: number; readonly value: Scalar }>({
  name: "index_fill",
  write: (target, [, index], { dim, value }) => fillSlices(target, dim, index as Tensor, numberLike(target, value)),
  grads: [{ uses: [1], vjp: (g, ctx) => g.index_fill(ctx.params.dim, ctx.input(1), 0) }],
});

const indexFillTensor = new Modify<number>({
  name: "index_fill",
  gradName: "IndexFillBackward1",
  write: (target, [, index, value], dim) =>
    fillSlices(target, dim, index as Tensor, (value as Tensor).detach().to(target.dtype)),
  grads: [
    { uses: [1], vjp: (g, ctx) => g.index_fill(ctx.params, ctx.input(1), 0) },
    null,
    {
      uses: [1],
      vjp: (g, ctx) => {
        // Each slice counts once, however often it is named.
        const size = dimSize(g, ctx.params);
        const named = ctx.input(1).new_zeros([size]).index_fill(0, ctx.input(1), 1).nonzero().reshape(-1);
        return index_select(g, ctx.params, named).sum();
      },
    },
  ],
});

type IndexFill = (input: Tensor, dim: number, index: Tensor, value: ScalarLike | Tensor) => Tensor;

/** A copy of `input` with the slices that `index` names along `dim` filled with one number. */
export const index_fill: InplaceOp<IndexFill> = modifying(
  "index_fill(Tensor input, int dim, Tensor index, Tensor|Scalar value)",
  (inplace, x: Tensor, dim: number, index: Tensor, value: Tensor | ScalarLike) => {
    const d = wrapDim(dim, x.ndim);
    if (index.dtype !== int64) throw new TorchError("index_fill_(): Expected dtype int64 for index.");
    if (index.ndim > 1) throw new TorchError("Index has to be a vector/scalar");
    if (value instanceof Tensor) {
      if (value.ndim > 0) {
        throw new TorchError(
          `Only supports 0-dimensional value tensor, but got tensor with ${value.ndim} dimension(s).`,
        );
      }
      return indexFillTensor.run([x, index, value], d, inplace);
    }
    return indexFill.run([x, index], { dim: d, value: value instanceof PyFloat ? value.value : value }, inplace);
  },
);

// --- reducing --------------------------------------------------------------------------------------------------------

interface ReduceParams {
  readonly dim: number;
  readonly reduce: Exclude<ReduceName, "sum">;
  readonly include_self: boolean;
}

const modes: Readonly<Record<ReduceParams["reduce"], IndexMode>> = {
  mean: "add",
  prod: "mul",
  amin: "min",
  amax: "max",
};

const indexReduce = new Modify<ReduceParams>({
  name: "index_reduce",
  layout: "contiguous",
  write: (target, [, index, source], { dim, reduce, include_self }) => {
    const places = placesOf(index as Tensor, dimSize(target, dim), inSelf);
    if (!include_self) writeSlices(target, dim, places, numberLike(target, identityOf(reduce, target.dtype)), "set");
    writeSlices(target, dim, places, atLeast1d(source as Tensor), modes[reduce]);
    if (reduce !== "mean") return;
    const count = filled(target, include_self ? 1 : 0);
    writeSlices(count, dim, places, numberLike(target, 1), "add");
    divideBy(target, count);
  },
  joint: {
    uses: () => [0, 1, 2, "out"],
    vjp: ([g], ctx) => {
      if (g == null) return [null, null, null];
      const { dim, reduce, include_self } = ctx.params;
      const [x, index, source, result] = [ctx.input(0), ctx.input(1), ctx.input(2), ctx.output()];
      const at = (t: Tensor): Tensor => index_select(t, dim, index).reshape(source.shape);
      const add = (a: Tensor, b: Tensor): Tensor => a.index_add(dim, index, b);
      const again = (a: Tensor, b: Tensor): Tensor => a.index_reduce(dim, index, b, reduce, { include_self });
      let gx: Tensor;
      let gs: Tensor;
      if (reduce === "prod") {
        const zeros = add(filled(x, 0), source.detach().eq(0).to(x.dtype));
        [gx, gs] = productGradients(g, x, source, result, again, at, zeros);
      } else if (reduce === "mean") {
        const n = add(filled(x, include_self ? 1 : 0), filled(source, 1));
        const counts = n.masked_fill(n.eq(0), 1);
        [gx, gs] = [g.div(counts), at(g).div(at(counts))];
      } else [gx, gs] = extreme(g, x, source, result, at, add);
      return [include_self ? gx : gx.index_fill(dim, index.to(int64), 0), null, gs];
    },
  },
});

type IndexReduce = (
  input: Tensor,
  dim: number,
  index: Tensor,
  source: Tensor,
  reduce: ReduceParams["reduce"],
  options?: OutOption & { include_self?: boolean },
) => Tensor;

/**
 * A copy of `input` in which slices of `source` are reduced (`"prod"`, `"mean"`, `"amax"`, `"amin"`) into those that `index` names
 * along `dim`, together with what is there unless `include_self` is false.
 */
export const index_reduce: InplaceOp<IndexReduce> = modifying(
  "index_reduce(Tensor input, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True)",
  (inplace, x: Tensor, dim: number, index: Tensor, source: Tensor, reduce: string, include_self: boolean) => {
    const d = wrapDim(dim, x.ndim);
    if (!(reduce in modes)) {
      throw new TorchError(`index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got ${reduce}.`);
    }
    checkSlices(inplace ? "index_reduce_" : "index_reduce", x, d, index, source);
    return indexReduce.run(
      [x, index, source],
      { dim: d, reduce: reduce as ReduceParams["reduce"], include_self },
      inplace,
    );
  },
);
