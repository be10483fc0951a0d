/**
 * Views of parts: slices, diagonals, windows, and any geometry.
 */
import { IndexError, TorchError, ValueError } from "../base/errors.ts";
import { formatShape, wrapDim } from "../base/shape.ts";
import { viewOf, type Geometry } from "../dispatch/family/view.ts";
import { operator } from "../dispatch/op.ts";
import { alias, type Tensor } from "../tensor/tensor.ts";
import type { Op } from "./view.ts";

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

const asStridedPrimitive = viewOf<{ readonly view: Geometry; readonly input: Geometry }>({
  name: "as_strided",
  geometry: (_, { view }) => view,
  vjp: (g, ctx) => asStridedBackward(g, ctx.params.view, ctx.params.input),
});

/** Adds the gradient up over the memory that the view shows, and reads it through the geometry of the input. */
function asStridedBackward(g: Tensor, view: Geometry, input: Geometry): Tensor {
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
    const view = { shape: size, strides: stride, offset: start };
    return asStridedPrimitive(x, { view, input: { shape: x.shape, strides: x._strides, offset: x._offset } });
  },
);
