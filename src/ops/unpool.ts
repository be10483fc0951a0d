/**
 * Undoing of pooling, powers of windows, and normalisation across channels.
 */
import { TorchError, ValueError } from "../base/errors.ts";
import { formatShape, numel } from "../base/shape.ts";
import { placeRaw, type PlanePlaces, takeRaw } from "../dispatch/family/pooling.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, type Primitive, primitive } from "../dispatch/primitive.ts";
import { viewElements } from "../tensor/data.ts";
import { contiguousRaw } from "../dispatch/elementwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { pad } from "./pad.ts";
import type { PlaceParams } from "./pool-places.ts";
import { avg_pool1d, avg_pool2d, avg_pool3d, max_pool2d, max_pool3d } from "./pool.ts";
import { channelsLast, inFormatOf, type Sizes, sizesFor } from "./pool-windows.ts";
import { flatten, type Op, squeeze, unsqueeze } from "./view.ts";

interface UnpoolParams {
  readonly indices: Tensor;
  readonly shape: readonly number[];
  readonly places: PlanePlaces;
  readonly last: boolean;
}

function unpoolPrimitive(rank: number): Primitive<UnpoolParams> {
  const gradName = `MaxUnpool${rank}DBackward0`;
  const take: Primitive<UnpoolParams> = primitive<UnpoolParams>({
    name: "gather",
    forward: ([x], { indices, places }) => takeRaw(x as Tensor, indices, places),
    grads: [{ vjp: (g, ctx) => apply1(add, [g], ctx.params) }],
  });
  // Of elements put to one place the last stays, but in the gradient of the gradient they are added up: PyTorch's choice.
  const add: Primitive<UnpoolParams> = primitive<UnpoolParams>({
    name: "scatter_add",
    forward: ([x], { indices, shape, places }) => placeRaw(x as Tensor, indices, shape, places, false),
    grads: [{ vjp: (g, ctx) => apply1(take, [g], ctx.params) }],
  });
  return primitive<UnpoolParams>({
    name: `max_unpool${rank}d`,
    gradName,
    forward: ([x], { indices, shape, places, last }) =>
      inFormatOf(placeRaw(x as Tensor, indices, shape, places, true), last),
    grads: [{ vjp: (g, ctx) => apply1(take, [g], ctx.params) }],
  });
}

const unpoolings = [2, 3].map(unpoolPrimitive);

/** Options of {@link max_unpool2d} and its relatives. */
export interface MaxUnpoolOptions {
  stride?: Sizes | null;
  padding?: Sizes;
  /** The size of the result, with or without batch and channels. */
  output_size?: readonly number[] | null;
}

/** The spatial sizes of the result: those given, which must be possible, or the smallest. */
function unpooledSizes(
  x: Tensor,
  kernel: readonly number[],
  stride: readonly number[],
  padding: readonly number[],
  given: readonly number[] | null,
): number[] {
  const rank = kernel.length;
  const usual = x.shape
    .slice(-rank)
    .map((n, d) => (n - 1) * (stride[d] as number) + (kernel[d] as number) - 2 * (padding[d] as number));
  if (given === null) return usual;
  const size = given.length === rank + 2 ? given.slice(2) : given.length === rank + 1 ? given.slice(1) : given;
  if (size.length !== rank) {
    throw new ValueError(
      `output_size should be a sequence containing ${rank} or ${rank + 2} elements, but it has a length of '${size.length}'`,
    );
  }
  size.forEach((n, d) => {
    const [low, high] = [(usual[d] as number) - (stride[d] as number), (usual[d] as number) + (stride[d] as number)];
    if (!(low < n && n < high)) {
      throw new ValueError(`invalid output_size "${formatShape(size)}" (dim ${d} must be between ${low} and ${high})`);
    }
  });
  return [...size];
}

function unpool(
  rank: number,
  x: Tensor,
  indices: Tensor,
  kernelSize: Sizes,
  strides: Sizes | null,
  paddings: Sizes,
  output: readonly number[] | null,
): Tensor {
  const name = `max_unpool${rank}d`;
  const kernel = sizesFor(kernelSize, rank, name, "kernel_size");
  const stride = strides === null ? kernel : sizesFor(strides, rank, name, "stride");
  const padding = sizesFor(paddings, rank, name, "padding");
  const size = unpooledSizes(x, kernel, stride, padding, output);
  const flat = rank === 1;
  const input = flat ? unsqueeze(x, -1) : x;
  const places = flat ? unsqueeze(indices, -1) : indices;
  if (formatShape(input.shape) !== formatShape(places.shape)) {
    throw new TorchError(
      `Expected shape of indices to be same as that of the input tensor (${formatShape(input.shape)}) but got indices tensor with shape: ${formatShape(places.shape)}`,
    );
  }
  const spatial = flat ? [...size, 1] : size;
  const shape = [...input.shape.slice(0, input.ndim - spatial.length), ...spatial];
  const planes = numel(input.shape.slice(0, input.ndim - spatial.length));
  const n = numel(spatial);
  checkPlaces(places, n, spatial);
  const params = {
    indices: places,
    shape,
    places: { planes, n, outputs: planes === 0 ? 0 : input._numel / planes },
    last: channelsLast(input),
  };
  const out = apply1(unpoolings[rank === 3 ? 1 : 0] as Primitive<UnpoolParams>, [input], params);
  return flat ? squeeze(out, -1) : out;
}

function checkPlaces(indices: Tensor, n: number, size: readonly number[]): void {
  if (indices.dtype.name !== "int64") {
    throw new TorchError(`elements in indices should be type int64 but got: ${indices.dtype.scalarName}`);
  }
  const list = viewElements(contiguousRaw(indices)) as BigInt64Array;
  const limit = BigInt(n);
  for (const at of list) {
    if (at < 0n || at >= limit) {
      const [h, w] = size.slice(-2);
      throw new TorchError(`Found an invalid max index: ${at} (output volumes are of size ${h}x${w}`);
    }
  }
}

/** Puts the elements back to where {@link max_pool2d} found them, zeros elsewhere. */
export type MaxUnpool = Op<
  (
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride?: Sizes | null | MaxUnpoolOptions,
    padding?: Sizes | MaxUnpoolOptions,
    output_size?: readonly number[] | null,
  ) => Tensor
>;

const defineUnpool = (rank: number): MaxUnpool =>
  operator(
    `max_unpool${rank}d(Tensor input, Tensor indices, int[] kernel_size, int[]? stride=None, int[] padding=0, int[]? output_size=None)`,
    (x: Tensor, indices: Tensor, kernel: Sizes, stride: Sizes | null, padding: Sizes, size: number[] | null) =>
      unpool(rank, x, indices, kernel, stride, padding, size),
    { method: false, namespace: false },
  );

/** Undoes `max_pool1d`. */
export const max_unpool1d: MaxUnpool = defineUnpool(1);
/** Undoes `max_pool2d`. */
export const max_unpool2d: MaxUnpool = defineUnpool(2);
/** Undoes `max_pool3d`. */
export const max_unpool3d: MaxUnpool = defineUnpool(3);

/** A pooling that also says where the maxima are. */
export type MaxPoolWithIndices = (
  input: Tensor,
  kernel_size: Sizes,
  stride?: Sizes | null,
  padding?: Sizes,
  dilation?: Sizes,
  ceil_mode?: boolean,
) => [Tensor, Tensor];

const defineWithIndices = (rank: 2 | 3): Op<MaxPoolWithIndices> =>
  operator(
    `max_pool${rank}d_with_indices(Tensor input, int[] kernel_size, int[]? stride=None, int[] padding=0, int[] dilation=1, bool ceil_mode=False, bool return_indices=True)`,
    (x: Tensor, kernel_size: Sizes, stride: Sizes | null, padding: Sizes, dilation: Sizes, ceil_mode: boolean) =>
      (rank === 2 ? max_pool2d : max_pool3d)(x, kernel_size, {
        stride,
        padding,
        dilation,
        ceil_mode,
        return_indices: true,
      }),
    { method: false, namespace: false },
  );

/** `max_pool2d` with its indices. */
export const max_pool2d_with_indices: Op<MaxPoolWithIndices> = defineWithIndices(2);
/** `max_pool3d` with its indices. */
export const max_pool3d_with_indices: Op<MaxPoolWithIndices> = defineWithIndices(3);

// --- powers ----------------------------------------------------------------------------------------------------------

/** The p-norm of each window: `sum(x ** p) ** (1 / p)`. */
export type LpPool = Op<
  (
    input: Tensor,
    norm_type: number,
    kernel_size: Sizes,
    stride?: Sizes | null,
    ceil_mode?: boolean | { ceil_mode?: boolean },
  ) => Tensor
>;

const defineLp = (rank: 1 | 2 | 3): LpPool =>
  operator(
    `lp_pool${rank}d(Tensor input, float norm_type, int[] kernel_size, int[]? stride=None, bool ceil_mode=False)`,
    (x: Tensor, p: number, kernelSize: Sizes, stride: Sizes | null, ceil: boolean) => {
      const kernel = sizesFor(kernelSize, rank, `lp_pool${rank}d`, "kernel_size");
      const pool = [avg_pool1d, avg_pool2d, avg_pool3d][rank - 1] as typeof avg_pool1d;
      const mean = pool(x.pow(p), kernel, stride, 0, ceil);
      return mean
        .sign()
        .mul(mean.abs().relu())
        .mul(numel(kernel))
        .pow(1 / p);
    },
    { method: false, namespace: false },
  );

/** p-norms along the last dimension. */
export const lp_pool1d: LpPool = defineLp(1);
/** p-norms over the last two dimensions. */
export const lp_pool2d: LpPool = defineLp(2);
/** p-norms over the last three dimensions. */
export const lp_pool3d: LpPool = defineLp(3);

// --- across channels -------------------------------------------------------------------------------------------------

/** Options of {@link local_response_norm}. */
export interface ResponseNormOptions {
  alpha?: number;
  beta?: number;
  k?: number;
}

/** Divides each element by a power of the mean square of the `size` channels around its own. */
export const local_response_norm: Op<
  (input: Tensor, size: number, alpha?: number | ResponseNormOptions, beta?: number, k?: number) => Tensor
> = operator(
  "local_response_norm(Tensor input, int size, float alpha=0.0001, float beta=0.75, float k=1.0)",
  (x: Tensor, size: number, alpha: number, beta: number, k: number) => {
    if (x.ndim < 3) {
      throw new ValueError(`Expected 3D or higher dimensionality input (got ${x.ndim} dimensions)`);
    }
    if (x._numel === 0) return x;
    const square = x.mul(x);
    const before = Math.floor(size / 2);
    const after = Math.floor((size - 1) / 2);
    let mean: Tensor;
    if (x.ndim === 3) {
      mean = squeeze(avg_pool2d(pad(unsqueeze(square, 1), [0, 0, before, after]), [size, 1], 1), 1);
    } else {
      const [n, c, h] = x.shape as [number, number, number];
      const volume = square.view([n, 1, c, h, -1]);
      mean = squeeze(avg_pool3d(pad(volume, [0, 0, 0, 0, before, after]), [size, 1, 1], 1), 1).view(x.shape);
    }
    return x.div(mean.mul(alpha).add(k).pow(beta));
  },
  { method: false, namespace: false },
);

// --- backward as an operator -----------------------------------------------------------------------------------------

/** Of the gradient and the input, of which only the format counts: its gradient is zero. */
const poolBackward: Primitive<PlaceParams> = primitive<PlaceParams>({
  name: "max_pool2d_with_indices_backward",
  gradName: "MaxPool2DWithIndicesBackwardBackward0",
  forward: ([g], { indices, shape, places, last }) =>
    inFormatOf(placeRaw(g as Tensor, indices, shape, places, false), last === true),
  grads: [
    {
      vjp: (g, ctx) => {
        const { indices } = ctx.params;
        return flatten(g, -2).gather(-1, flatten(indices, -2)).reshape(indices.shape);
      },
    },
    { vjp: (g, ctx) => g.new_zeros(ctx.shape(1)) },
  ],
});

/** The gradient of `max_pool2d` by its input. */
export const max_pool2d_with_indices_backward: Op<(grad_output: Tensor, input: Tensor, ...args: unknown[]) => Tensor> =
  operator(
    "max_pool2d_with_indices_backward(Tensor grad_output, Tensor input, int[] kernel_size, int[] stride, int[] padding, int[] dilation, bool ceil_mode, Tensor indices)",
    (
      g: Tensor,
      x: Tensor,
      _kernel: number[],
      _stride: number[],
      _padding: number[],
      _dilation: number[],
      _ceil: boolean,
      indices: Tensor,
    ) => {
      if (formatShape(g.shape) !== formatShape(indices.shape)) {
        throw new TorchError(
          `Expected shape of indices to be same as that of the gradient (${formatShape(g.shape)}) but got indices tensor with shape: ${formatShape(indices.shape)}`,
        );
      }
      const planes = numel(x.shape.slice(0, -2));
      const n = numel(x.shape.slice(-2));
      checkPlaces(indices, n, x.shape);
      const places = { planes, n, outputs: planes === 0 ? 0 : g._numel / planes };
      return apply1(poolBackward, [g, x], { indices, shape: x.shape, places, last: channelsLast(x) });
    },
    { method: false },
  );
