/**
 * Views: tensors over the same memory with another geometry.
 */
import { TorchError } from "../base/errors.ts";
import { formatShape, inferSize, type Shape, viewStrides, wrapDim, wrapDims } from "../base/shape.ts";
import { cloneRaw, contiguousRaw } from "../dispatch/elementwise.ts";
import { viewOf } from "../dispatch/family/view.ts";
import { type OpInfo, operator } from "../dispatch/op.ts";
import { apply1, primitive } from "../dispatch/primitive.ts";
import { alias, allocateStrided, type Tensor } from "../tensor/tensor.ts";

/** An operator's function with what it knows of itself. */
export type Op<F> = F & { readonly op: OpInfo };

/** @internal Sizes given one by one, or as one array. */
export const sizeOf = (shape: readonly (number | readonly number[])[]): readonly number[] =>
  shape.length === 1 && Array.isArray(shape[0]) ? (shape[0] as readonly number[]) : (shape as readonly number[]);

// --- shape -----------------------------------------------------------------------------------------------------------

const viewPrimitive = viewOf<readonly number[]>({
  name: "view",
  geometry: (x, shape) => {
    const strides = viewStrides(x.shape, x._strides, shape);
    if (strides === null) {
      throw new TorchError(
        "view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead.",
      );
    }
    return { shape, strides, offset: x._offset };
  },
  vjp: (g, ctx) => reshape(g, ctx.shape(0)),
});

/** What `reshape` records for a tensor that is not contiguous but can be viewed. */
const reshapeAlias = viewOf<readonly number[]>({
  name: "_reshape_alias",
  gradName: "ReshapeAliasBackward0",
  geometry: (x, shape) => ({
    shape,
    strides: viewStrides(x.shape, x._strides, shape) as number[],
    offset: x._offset,
  }),
  vjp: (g, ctx) => reshape(g, ctx.shape(0)),
});

/** The same elements in another shape, without a copy; one size may be -1. Throws where only a copy could do it. */
export const view: Op<(input: Tensor, ...shape: (number | readonly number[])[]) => Tensor> = operator(
  "view(Tensor input, int[]... shape)",
  (x: Tensor, shape: number[]) => viewPrimitive(x, inferSize(sizeOf(shape), x._numel)),
  { namespace: false },
);

const unsafeView = primitive<readonly number[]>({
  name: "_unsafe_view",
  gradName: "UnsafeViewBackward0",
  forward: ([x], shape) => {
    const copy = contiguousRaw(x as Tensor);
    return alias(copy, shape, viewStrides(copy.shape, copy._strides, shape) as number[], copy._offset);
  },
  grads: [{ vjp: (g, ctx) => reshape(g, ctx.shape(0)) }],
});

/** The same elements in another shape: a view where possible, else a copy. One size may be -1. */
export const reshape: Op<(input: Tensor, ...shape: (number | readonly number[])[]) => Tensor> = operator(
  "reshape(Tensor input, int[]... shape)",
  (x: Tensor, sizes: number[]) => {
    const shape = inferSize(sizeOf(sizes), x._numel);
    if (viewStrides(x.shape, x._strides, shape) !== null) {
      return (x._isContiguous ? viewPrimitive : reshapeAlias)(x, shape);
    }
    return apply1(unsafeView, [contiguousClone(x)], shape);
  },
);

const clonePrimitive = primitive<"preserve" | "contiguous">({
  name: "clone",
  forward: ([x], format) => {
    if (format === "preserve") return cloneRaw(x as Tensor);
    const copy = contiguousRaw(x as Tensor);
    return copy === x ? cloneRaw(x) : copy;
  },
  grads: [{ vjp: (g) => g }],
});

function contiguousClone(x: Tensor): Tensor {
  return apply1(clonePrimitive, [x], "contiguous");
}

/** The memory layouts that {@link clone} and {@link contiguous} know. */
export type MemoryFormat =
  | "torch.preserve_format"
  | "torch.contiguous_format"
  | "torch.channels_last"
  | "torch.channels_last_3d";

/** @internal The strides of a shape in a channels-last format. */
export function formatStrides(shape: Shape, format: MemoryFormat): number[] {
  const order = format === "torch.channels_last" ? [1, 3, 2, 0] : [1, 4, 3, 2, 0];
  if (shape.length !== order.length) {
    throw new TorchError(`required rank ${order.length} tensor to use ${format.replace("torch.", "")} format`);
  }
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (const d of order) {
    strides[d] = step;
    step *= Math.max(shape[d] as number, 1);
  }
  return strides;
}

const cloneAs = primitive<MemoryFormat>({
  name: "clone",
  forward: ([input], format) => {
    const x = input as Tensor;
    const out = allocateStrided(x.shape, formatStrides(x.shape, format), x.dtype, x._backend);
    return out.copy_(x.detach());
  },
  grads: [{ vjp: (g) => g }],
});

/** A copy that gradients flow through. */
export const clone: Op<(input: Tensor, options?: { memory_format?: MemoryFormat | null }) => Tensor> = operator(
  "clone(Tensor input, *, str? memory_format=None)",
  (x: Tensor, format: MemoryFormat | null) => {
    if (format === "torch.channels_last" || format === "torch.channels_last_3d") return apply1(cloneAs, [x], format);
    return apply1(clonePrimitive, [x], format === "torch.contiguous_format" ? "contiguous" : "preserve");
  },
);

/** The tensor itself if its elements lie in row-major order, else a copy in which they do. */
export const contiguous: Op<(input: Tensor, options?: { memory_format?: MemoryFormat }) => Tensor> = operator(
  "contiguous(Tensor input, *, str? memory_format=None)",
  (x: Tensor, format: MemoryFormat | null) => {
    if (format === "torch.channels_last" || format === "torch.channels_last_3d") {
      const strides = formatStrides(x.shape, format);
      return x.shape.every((n, d) => n === 1 || x._strides[d] === strides[d]) ? x : apply1(cloneAs, [x], format);
    }
    return x._isContiguous ? x : contiguousClone(x);
  },
  { namespace: false },
);

/** One dimension for those from `start_dim` to `end_dim`. */
export const flatten: Op<(input: Tensor, start_dim?: number, end_dim?: number) => Tensor> = operator(
  "flatten(Tensor input, int start_dim=0, int end_dim=-1)",
  (x: Tensor, start: number, end: number) => {
    const a = wrapDim(start, x.ndim);
    const b = wrapDim(end, x.ndim);
    if (a > b) throw new TorchError("flatten() has invalid args: start_dim cannot come after end_dim");
    if (x.ndim === 0) return reshape(x, [1]);
    if (a === b) return x;
    const size = x.shape.slice(a, b + 1).reduce((p, n) => p * n, 1);
    return reshape(x, [...x.shape.slice(0, a), size, ...x.shape.slice(b + 1)]);
  },
);

/** One dimension. */
export const ravel: Op<(input: Tensor) => Tensor> = operator("ravel(Tensor input)", (x: Tensor) =>
  reshape(contiguous(x), [-1]),
);

/** Several dimensions for one. */
export const unflatten: Op<(input: Tensor, dim: number, sizes: readonly number[]) => Tensor> = operator(
  "unflatten(Tensor input, int dim, int[] sizes)",
  (x: Tensor, dim: number, sizes: number[]) => {
    const d = wrapDim(dim, x.ndim);
    if (sizes.length === 0) throw new TorchError("unflatten: sizes must be non-empty");
    let inner: number[];
    try {
      inner = inferSize(sizes, x.shape[d] as number);
    } catch {
      throw new TorchError(
        `unflatten: Provided sizes ${formatShape(sizes)} don't multiply up to the size of dim ${d} (${x.shape[d]}) in the input tensor`,
      );
    }
    return viewPrimitive(x, [...x.shape.slice(0, d), ...inner, ...x.shape.slice(d + 1)]);
  },
);

/** The same elements in the shape of another tensor, as a view. */
export const view_as: Op<(input: Tensor, other: Tensor) => Tensor> = operator(
  "view_as(Tensor input, Tensor other)",
  (x: Tensor, other: Tensor) => viewPrimitive(x, inferSize(other.shape, x._numel)),
  { namespace: false },
);

/** The same elements in the shape of another tensor. */
export const reshape_as: Op<(input: Tensor, other: Tensor) => Tensor> = operator(
  "reshape_as(Tensor input, Tensor other)",
  (x: Tensor, other: Tensor) => reshape(x, other.shape),
  { namespace: false },
);

const squeezePrimitive = (gradName: string): ((x: Tensor, dims: readonly number[]) => Tensor) =>
  viewOf<readonly number[]>({
    name: "squeeze",
    gradName,
    geometry: (x, dims) => {
      const keep = x.shape.map((_, d) => d).filter((d) => !(dims.includes(d) && x.shape[d] === 1));
      return {
        shape: keep.map((d) => x.shape[d] as number),
        strides: keep.map((d) => x._strides[d] as number),
        offset: x._offset,
      };
    },
    vjp: (g, ctx) => viewPrimitive(g, ctx.shape(0)),
  });
const squeezeAll = squeezePrimitive("SqueezeBackward0");
const squeezeOne = squeezePrimitive("SqueezeBackward1");
const squeezeMany = squeezePrimitive("SqueezeBackward2");
const squeezeOwn = squeezePrimitive("SqueezeBackward4");

/** @internal Without dim 0, of a result that nobody else has seen; PyTorch squeezes it in place. */
export function dropFirstDim(x: Tensor): Tensor {
  const out = squeezeOwn(x, [0]);
  out._view = null;
  return out;
}

/** Without dimensions of size 1: all of them, or the given ones. */
export const squeeze: Op<(input: Tensor, dim?: number | readonly number[] | null) => Tensor> = operator(
  "squeeze(Tensor input, int|int[]? dim=None)",
  (x: Tensor, dim: number | number[] | null) => {
    if (dim === null) return squeezeAll(x, wrapDims(null, x.ndim));
    if (typeof dim === "number") return squeezeOne(x, [wrapDim(dim, x.ndim)]);
    return squeezeMany(x, wrapDims(dim, x.ndim, false));
  },
);

const unsqueezePrimitive = viewOf<number>({
  name: "unsqueeze",
  geometry: (x, d) => {
    const step = d < x.ndim ? (x.shape[d] as number) * (x._strides[d] as number) : 1;
    return {
      shape: [...x.shape.slice(0, d), 1, ...x.shape.slice(d)],
      strides: [...x._strides.slice(0, d), step, ...x._strides.slice(d)],
      offset: x._offset,
    };
  },
  vjp: (g, ctx) => squeezeOne(g, [ctx.params]),
});

/** @internal {@link unsqueeze} at a dim known to be in range. */
export function insertDim(x: Tensor, dim: number): Tensor {
  return unsqueezePrimitive(x, dim);
}

/** With a new dimension of size 1 at `dim`. */
export const unsqueeze: Op<(input: Tensor, dim: number) => Tensor> = operator(
  "unsqueeze(Tensor input, int dim)",
  (x: Tensor, dim: number) => unsqueezePrimitive(x, wrapDim(dim, x.ndim + 1)),
);

// --- aliases ---------------------------------------------------------------------------------------------------------

const detachPrimitive = primitive<null>({
  name: "detach",
  view: "view",
  forward: ([x]) => alias(x as Tensor, (x as Tensor).shape, (x as Tensor)._strides, (x as Tensor)._offset),
});

/** The same values, cut off from the graph. It shares memory and version counter. */
export const detach: Op<(input: Tensor) => Tensor> = operator("detach(Tensor input)", (x: Tensor) => {
  const out = apply1(detachPrimitive, [x], null);
  // A detached tensor is not a differentiable view: it does not get the history of its base.
  out._view = null;
  return out;
});

const aliasPrimitive = viewOf<null>({
  name: "alias",
  geometry: (x) => ({ shape: x.shape, strides: x._strides, offset: x._offset }),
  vjp: (g) => g,
});

/** @internal Another tensor object over the same elements, through which gradients flow. */
export function aliasOf(x: Tensor): Tensor {
  return aliasPrimitive(x, null);
}
