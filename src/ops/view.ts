/**
 * Views: tensors over the same memory with another geometry.
 */
import { IndexError, TorchError, ValueError } from "../base/errors.ts";
import { broadcastStrides, formatShape, inferSize, type Shape, viewStrides, wrapDim, wrapDims } from "../base/shape.ts";
import { cloneRaw, contiguousRaw } from "../dispatch/elementwise.ts";
import { type Geometry, viewOf } from "../dispatch/family/view.ts";
import { type OpInfo, operator } from "../dispatch/op.ts";
import { apply1, primitive } from "../dispatch/primitive.ts";
import { alias, allocateStrided, type Tensor } from "../tensor/tensor.ts";

/** An operator's function with what it knows of itself. */
export type Op<F> = F & { readonly op: OpInfo };

const sizeOf = (shape: readonly (number | readonly number[])[]): readonly number[] =>
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

/** With a new dimension of size 1 at `dim`. */
export const unsqueeze: Op<(input: Tensor, dim: number) => Tensor> = operator(
  "unsqueeze(Tensor input, int dim)",
  (x: Tensor, dim: number) => unsqueezePrimitive(x, wrapDim(dim, x.ndim + 1)),
);

// --- order of dimensions ---------------------------------------------------------------------------------------------

function permuted(x: Tensor, dims: readonly number[]): Geometry {
  return {
    shape: dims.map((d) => x.shape[d] as number),
    strides: dims.map((d) => x._strides[d] as number),
    offset: x._offset,
  };
}

const permutePrimitive: (x: Tensor, params: readonly number[]) => Tensor = viewOf<readonly number[]>({
  name: "permute",
  geometry: permuted,
  vjp: (g, ctx) => {
    const inverse: number[] = [];
    ctx.params.forEach((d, i) => (inverse[d] = i));
    return permutePrimitive(g, inverse);
  },
});

/** The dimensions in another order. */
export const permute: Op<(input: Tensor, ...dims: (number | readonly number[])[]) => Tensor> = operator(
  "permute(Tensor input, int[]... dims)",
  (x: Tensor, list: number[]) => {
    const dims = sizeOf(list);
    if (dims.length !== x.ndim) {
      throw new TorchError(
        `permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = ${x.ndim} is not equal to len(dims) = ${dims.length}`,
      );
    }
    const seen = new Set<number>();
    const wrapped = dims.map((d) => {
      const w = wrapDim(d, x.ndim);
      if (seen.has(w)) throw new TorchError("permute(): duplicate dims are not allowed.");
      seen.add(w);
      return w;
    });
    return permutePrimitive(x, wrapped);
  },
);

const swapped = (n: number, a: number, b: number): number[] => {
  const dims = Array.from({ length: n }, (_, i) => i);
  if (n > 0) [dims[a], dims[b]] = [b, a];
  return dims;
};

const transposePrimitive: (x: Tensor, params: readonly [number, number]) => Tensor = viewOf<readonly [number, number]>({
  name: "transpose",
  geometry: (x, [a, b]) => permuted(x, swapped(x.ndim, a, b)),
  vjp: (g, ctx) => transposePrimitive(g, ctx.params),
});

/** With two dimensions swapped. */
export const transpose: Op<(input: Tensor, dim0: number, dim1: number) => Tensor> = operator(
  "transpose(Tensor input, int dim0, int dim1)",
  (x: Tensor, a: number, b: number) => transposePrimitive(x, [wrapDim(a, x.ndim), wrapDim(b, x.ndim)]),
);

const tPrimitive: (x: Tensor, params: null) => Tensor = viewOf<null>({
  name: "t",
  geometry: (x) => permuted(x, swapped(x.ndim, 0, x.ndim === 2 ? 1 : 0)),
  vjp: (g) => tPrimitive(g, null),
});

/** The transpose of a matrix; tensors of fewer dimensions are returned as they are. */
export const t: Op<(input: Tensor) => Tensor> = operator("t(Tensor input)", (x: Tensor) => {
  if (x.ndim > 2) throw new TorchError(`t() expects a tensor with <= 2 dimensions, but self is ${x.ndim}D`);
  return tPrimitive(x, null);
});

/** Moves dimensions to other positions; the rest keep their order. */
export const movedim: Op<
  (input: Tensor, source: number | readonly number[], destination: number | readonly number[]) => Tensor
> = operator(
  "movedim(Tensor input, int[] source, int[] destination)",
  (x: Tensor, source: number[], destination: number[]) => {
    if (source.length !== destination.length) {
      throw new TorchError(
        `movedim: Invalid source or destination dims: source (${formatShape(source)} dims) should contain the same number of dims as destination (${formatShape(destination)} dims)`,
      );
    }
    if (x.ndim === 0) return aliasOf(x);
    const from = wrapDims(source, x.ndim, false);
    const to = wrapDims(destination, x.ndim, false);
    if (x.ndim === 0) return aliasOf(x);
    const order = new Array<number>(x.ndim).fill(-1);
    to.forEach((d, i) => (order[d] = from[i] as number));
    const rest = x.shape.map((_, d) => d).filter((d) => !from.includes(d));
    return permutePrimitive(
      x,
      order.map((d) => (d < 0 ? (rest.shift() as number) : d)),
    );
  },
);

// --- broadcasting ----------------------------------------------------------------------------------------------------

const expandPrimitive = viewOf<readonly number[]>({
  name: "expand",
  geometry: (x, shape) => ({ shape, strides: broadcastStrides(x.shape, x._strides, shape), offset: x._offset }),
  vjp: (g, ctx) => g.sum_to_size(ctx.shape(0)),
});

/** @internal {@link expand} to a shape known to fit. */
export function expandTo(x: Tensor, shape: readonly number[]): Tensor {
  return expandPrimitive(x, shape);
}

/** @internal {@link unsqueeze} at a dim known to be in range. */
export function insertDim(x: Tensor, dim: number): Tensor {
  return unsqueezePrimitive(x, dim);
}

/** Repeats dimensions of size 1 to the given sizes, without a copy; -1 keeps a size. */
export const expand: Op<(input: Tensor, ...size: (number | readonly number[])[]) => Tensor> = operator(
  "expand(Tensor input, int[]... size)",
  (x: Tensor, list: number[]) => {
    const size = sizeOf(list);
    const lead = size.length - x.ndim;
    if (lead < 0) {
      throw new TorchError(
        `expand(torch.${x.dtype.scalarName}Tensor{${formatShape(x.shape)}}, size=${formatShape(size)}): the number of sizes provided (${size.length}) must be greater or equal to the number of dimensions in the tensor (${x.ndim})`,
      );
    }
    const shape = size.map((n, i) => {
      const have = i < lead ? 1 : (x.shape[i - lead] as number);
      if (n === -1) {
        if (i < lead) {
          throw new TorchError(
            `The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ${i}`,
          );
        }
        return have;
      }
      if (have !== 1 && have !== n) {
        throw new TorchError(
          `The expanded size of the tensor (${n}) must match the existing size (${have}) at non-singleton dimension ${i}.  Target sizes: ${formatShape(size)}.  Tensor sizes: ${formatShape(x.shape)}`,
        );
      }
      return n;
    });
    return expandPrimitive(x, shape);
  },
  { namespace: false },
);

/** {@link expand} to the shape of another tensor. */
export const expand_as: Op<(input: Tensor, other: Tensor) => Tensor> = operator(
  "expand_as(Tensor input, Tensor other)",
  (x: Tensor, other: Tensor) => expand(x, other.shape),
  { namespace: false },
);

/** {@link expand} as a function. */
export const broadcast_to: Op<(input: Tensor, size: readonly number[]) => Tensor> = operator(
  "broadcast_to(Tensor input, int[] size)",
  (x: Tensor, size: number[]) => expand(x, size),
);

// --- parts -----------------------------------------------------------------------------------------------------------

const selectPrimitive = viewOf<readonly [number, number]>({
  name: "select",
  geometry: (x, [d, i]) => ({
    shape: x.shape.filter((_, k) => k !== d),
    strides: x._strides.filter((_, k) => k !== d),
    offset: x._offset + i * (x._strides[d] as number),
  }),
});

/** The slice at one index of a dimension, which vanishes. */
export const select: Op<(input: Tensor, dim: number, index: number) => Tensor> = operator(
  "select(Tensor input, int dim, int index)",
  (x: Tensor, dim: number, index: number) => {
    if (x.ndim === 0) throw new TorchError("select() cannot be applied to a 0-dim tensor.");
    const d = wrapDim(dim, x.ndim);
    const n = x.shape[d] as number;
    if (index < -n || index >= n) {
      throw new IndexError(
        `select(): index ${index} out of range for tensor of size ${formatShape(x.shape)} at dimension ${d}`,
      );
    }
    return selectPrimitive(x, [d, index < 0 ? index + n : index]);
  },
);

const slicePrimitive = viewOf<readonly [dim: number, start: number, length: number, step: number]>({
  name: "slice",
  geometry: (x, [d, start, length, step]) => ({
    shape: x.shape.map((n, k) => (k === d ? length : n)),
    strides: x._strides.map((s, k) => (k === d ? s * step : s)),
    offset: x._offset + start * (x._strides[d] as number),
  }),
});

/** @internal `x[start:end:step]` along a dimension, with Python's treatment of what is out of range. */
export function sliceDim(x: Tensor, dim: number, start: number | null, end: number | null, step = 1): Tensor {
  const d = wrapDim(dim, x.ndim);
  const n = x.shape[d] as number;
  if (step <= 0) throw new ValueError("step must be greater than zero");
  const clampIndex = (i: number): number => Math.min(Math.max(i < 0 ? i + n : i, 0), n);
  const a = clampIndex(start ?? 0);
  const b = Math.max(clampIndex(end ?? n), a);
  return slicePrimitive(x, [d, a, Math.ceil((b - a) / step), step]);
}

/** `length` elements from `start` along a dimension. */
export const narrow: Op<(input: Tensor, dim: number, start: number | Tensor, length: number) => Tensor> = operator(
  "narrow(Tensor input, int dim, int start, int length)",
  (x: Tensor, dim: number, start: number, length: number) => {
    if (x.ndim === 0) throw new TorchError("narrow() cannot be applied to a 0-dim tensor.");
    if (length < 0) throw new TorchError("narrow(): length must be non-negative.");
    const d = wrapDim(dim, x.ndim);
    const n = x.shape[d] as number;
    if (start < -n || start > n) {
      throw new IndexError(`start out of range (expected to be in range of [-${n}, ${n}], but got ${start})`);
    }
    const from = start < 0 ? start + n : start;
    if (from + length > n) throw new TorchError(`start (${from}) + length (${length}) exceeds dimension size (${n}).`);
    return slicePrimitive(x, [d, from, length, 1]);
  },
);

const diagonalPrimitive = viewOf<readonly [offset: number, dim1: number, dim2: number]>({
  name: "diagonal",
  geometry: (x, [offset, a, b]) => {
    const rows = x.shape[a] as number;
    const cols = x.shape[b] as number;
    const length = Math.max(offset >= 0 ? Math.min(rows, cols - offset) : Math.min(rows + offset, cols), 0);
    const start =
      length === 0 ? 0 : offset >= 0 ? offset * (x._strides[b] as number) : -offset * (x._strides[a] as number);
    const rest = x.shape.map((_, d) => d).filter((d) => d !== a && d !== b);
    return {
      shape: [...rest.map((d) => x.shape[d] as number), length],
      strides: [...rest.map((d) => x._strides[d] as number), (x._strides[a] as number) + (x._strides[b] as number)],
      offset: x._offset + start,
    };
  },
});

/** The diagonal of two dimensions, as the last dimension. */
export const diagonal: Op<(input: Tensor, offset?: number, dim1?: number, dim2?: number) => Tensor> = operator(
  "diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1)",
  (x: Tensor, offset: number, dim1: number, dim2: number) => {
    const a = wrapDim(dim1, x.ndim);
    const b = wrapDim(dim2, x.ndim);
    if (a === b) throw new TorchError(`diagonal dimensions cannot be identical ${dim1}, ${dim2}`);
    return diagonalPrimitive(x, [offset, a, b]);
  },
);

const unfoldPrimitive = viewOf<readonly [dim: number, size: number, step: number]>({
  name: "unfold",
  geometry: (x, [d, size, step]) => {
    if (x.ndim === 0) return { shape: [size], strides: [1], offset: x._offset };
    const n = x.shape[d] as number;
    return {
      shape: [...x.shape.map((m, k) => (k === d ? Math.floor((n - size) / step) + 1 : m)), size],
      strides: [...x._strides.map((s, k) => (k === d ? s * step : s)), x._strides[d] as number],
      offset: x._offset,
    };
  },
  vjp: (g, ctx) => {
    const [d, size, step] = ctx.params;
    return unfoldBackward(g, ctx.shape(0), d, size, step);
  },
});

/** Windows overlap, so their gradients are added up: by index along the flattened input. */
function unfoldBackward(g: Tensor, shape: readonly number[], d: number, size: number, step: number): Tensor {
  const total = shape.reduce((a, b) => a * b, 1);
  const index = g.new_arange(total).view(shape);
  const flat = unfoldPrimitive(index, [d, size, step]).reshape(-1);
  return g.new_zeros([total]).index_add(0, flat, g.reshape(-1)).view(shape);
}

/** All windows of `size` along a dimension, `step` apart, as a view with the window as the last dimension. */
export const unfold: Op<(input: Tensor, dimension: number, size: number, step: number) => Tensor> = operator(
  "unfold(Tensor input, int dimension, int size, int step)",
  (x: Tensor, dimension: number, size: number, step: number) => {
    const d = wrapDim(dimension, x.ndim);
    const n = x.ndim === 0 ? 1 : (x.shape[d] as number);
    if (size > n) throw new TorchError(`maximum size for tensor at dimension ${d} is ${n} but size is ${size}`);
    if (size < 0) throw new TorchError(`size is ${size} but must be >= 0`);
    if (step <= 0) throw new TorchError(`step is ${step} but must be > 0`);
    return unfoldPrimitive(x, [d, size, step]);
  },
  { namespace: false },
);

const asStridedPrimitive = viewOf<Geometry>({
  name: "as_strided",
  geometry: (_, geometry) => geometry,
  vjp: (g, ctx) => asStridedBackward(g, ctx.shape(0), ctx.params, inputGeometry.get(ctx.params) as Geometry),
});

/** The geometry of the input of an `as_strided` by its parameters, which are made for each call. */
const inputGeometry = new WeakMap<Geometry, Geometry>();

/** Adds the gradient up over the memory that the view shows, and reads it through the geometry of the input. */
function asStridedBackward(g: Tensor, _shape: readonly number[], view: Geometry, input: Geometry): Tensor {
  const reach = (x: Geometry): number =>
    x.shape.includes(0)
      ? x.offset
      : x.offset + x.shape.reduce((a, n, d) => a + (n - 1) * (x.strides[d] as number), 0) + 1;
  const start = Math.min(view.offset, input.offset);
  const total = Math.max(reach(view), reach(input)) - start;
  const positions = g.new_arange(total);
  const at = (x: Geometry): Tensor => alias(positions, x.shape, x.strides, x.offset - start).reshape(-1);
  const flat = g.new_zeros([total]).index_add(0, at(view), g.reshape(-1));
  const counts = g.new_zeros([total]).index_add(0, at(input), g.new_ones([at(input)._numel]));
  const out = flat.index_select(0, at(input)).view(input.shape);
  const seen = counts.index_select(0, at(input)).view(input.shape);
  return out.div(seen);
}

/** A view with any geometry; it must stay within the storage. */
export const as_strided: Op<
  (input: Tensor, size: readonly number[], stride: readonly number[], storage_offset?: number | null) => Tensor
> = operator(
  "as_strided(Tensor input, int[] size, int[] stride, int? storage_offset=None)",
  (x: Tensor, size: number[], stride: number[], offset: number | null) => {
    if (size.length !== stride.length) throw new TorchError("mismatch in length of strides and shape");
    if (stride.some((s) => s < 0)) {
      throw new TorchError(
        `as_strided: Negative strides are not supported at the moment, got strides: ${formatShape(stride)}`,
      );
    }
    const start = offset ?? x._offset;
    const empty = size.includes(0);
    const last = size.reduce((a, n, d) => a + (n - 1) * (stride[d] as number), start);
    const bytes = empty ? 0 : (last + 1) * x.dtype.itemsize;
    if (bytes > x._storage.nbytes || start < 0) {
      throw new TorchError(
        `setStorage: sizes ${formatShape(size)}, strides ${formatShape(stride)}, storage offset ${start}, and itemsize ${x.dtype.itemsize} requiring a storage size of ${bytes} are out of bounds for storage of size ${x._storage.nbytes}`,
      );
    }
    const geometry = { shape: size, strides: stride, offset: start };
    inputGeometry.set(geometry, { shape: x.shape, strides: x._strides, offset: x._offset });
    return asStridedPrimitive(x, geometry);
  },
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
