/**
 * Pooling: maxima and means of windows.
 */
import { NotImplementedError, TorchError, ValueError } from "../base/errors.ts";
import { formatShape, numel } from "../base/shape.ts";
import { averagePoolRaw, averageSpreadRaw, maxPoolRaw, type WindowGrid } from "../dispatch/family/pooling.ts";
import { operator } from "../dispatch/op.ts";
import { apply, apply1, type Primitive, primitive } from "../dispatch/primitive.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { placing } from "./pool-places.ts";
import {
  adaptiveWindows,
  channelsLast,
  checkPooled,
  checkPoolInput,
  gridOf,
  inFormatOf,
  poolArguments,
  pooledSizes,
  poolGrid,
  type Sizes,
} from "./pool-windows.ts";
import { type Op, squeeze, unsqueeze } from "./view.ts";

// --- maxima ----------------------------------------------------------------------------------------------------------

interface MaxParams {
  readonly grid: WindowGrid;
  readonly shape: readonly number[];
  /** Whether the result lies with its channels last. */
  readonly last: boolean;
}

function maxPrimitive(name: string, gradName: string): Primitive<MaxParams> {
  const place = placing(gradName.replace(/Backward0$/, "BackwardBackward0"));
  return primitive<MaxParams>({
    name,
    gradName,
    nonDifferentiable: [1],
    forward: ([x], { grid, shape, last }) => maxPoolRaw(x as Tensor, grid, shape).map((t) => inFormatOf(t, last)),
    grads: [
      {
        uses: ["out1"],
        vjp: (g, ctx) => {
          const { grid, shape } = ctx.params;
          const places = { planes: grid.planes, n: numel(grid.size), outputs: numel(shape) / Math.max(grid.planes, 1) };
          return apply1(place, [g], { indices: ctx.output(1), shape: ctx.shape(0), places });
        },
      },
    ],
  });
}

const max2d = maxPrimitive("max_pool2d_with_indices", "MaxPool2DWithIndicesBackward0");
const max3d = maxPrimitive("max_pool3d_with_indices", "MaxPool3DWithIndicesBackward0");
const adaptiveMax2d = maxPrimitive("adaptive_max_pool2d", "AdaptiveMaxPool2DBackward0");
const adaptiveMax3d = maxPrimitive("adaptive_max_pool3d", "AdaptiveMaxPool3DBackward0");

/** Options of {@link max_pool2d} and its relatives. */
export interface MaxPoolOptions {
  /** The distance between windows. Default: their size. */
  stride?: Sizes | null;
  /** Implicit elements around the input, smaller than all others. Default: 0. */
  padding?: Sizes;
  /** The distance between the elements of a window. Default: 1. */
  dilation?: Sizes;
  /** Whether a window that lies partly outside counts. Default: false. */
  ceil_mode?: boolean;
  /** Whether to return where the maxima are, too. */
  return_indices?: boolean;
}

function checkMax1d(x: Tensor, kernel: number, stride: number, dilation: number, out: () => number): void {
  if (!((x.ndim === 2 && x._numel > 0) || (x.ndim === 3 && x.shape[1] !== 0 && x.shape[2] !== 0))) {
    throw new TorchError(
      `max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:${formatShape(x.shape)}`,
    );
  }
  const positive = (name: string, value: number): void => {
    if (value <= 0) throw new TorchError(`max_pool1d() ${name} must be greater than zero, but got ${value}`);
  };
  positive("kernel_size", kernel);
  positive("stride", stride);
  positive("dilation", dilation);
  const size = out();
  if (size <= 0) throw new TorchError(`max_pool1d() Invalid computed output size: ${size}`);
}

function checkMaxInput(x: Tensor, rank: number): void {
  if (rank === 3) {
    if (x.ndim !== 4 && x.ndim !== 5) {
      throw new TorchError("non-empty 4D or 5D (batch mode) tensor expected for input");
    }
    if (x.shape.slice(x.ndim - 4).includes(0)) {
      throw new TorchError(
        `max_pool3d_with_indices_out_cpu_template(): Expected input's non-batch dimensions to have positive length, but input has a shape of ${formatShape(x.shape)} and non-batch dimension 0 has length zero!`,
      );
    }
    return;
  }
  checkPoolInput(
    x,
    rank,
    (shape) => `Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:${shape}`,
  );
}

const checkOrdered = (name: string, x: Tensor): void => {
  if (x.dtype.is_complex || x.dtype.name === "bool") {
    throw new NotImplementedError(`"${name}" not implemented for '${x.dtype.scalarName}'`);
  }
};

function maxPool(
  rank: number,
  x: Tensor,
  kernel: Sizes,
  stride: Sizes | null,
  padding: Sizes,
  dilation: Sizes,
  ceil: boolean,
): [Tensor, Tensor] {
  const name = `max_pool${rank}d`;
  const a = poolArguments(name, rank, kernel, stride, padding, dilation, ceil);
  if (rank === 1) {
    checkMax1d(x, a.kernel[0] as number, a.stride[0] as number, a.dilation[0] as number, () => {
      const [n, k, s] = [x.shape.at(-1), a.kernel[0], a.stride[0]] as [number, number, number];
      const span = n + 2 * (a.padding[0] as number) - (a.dilation[0] as number) * (k - 1) - 1;
      return Math.floor((span + (ceil ? s - 1 : 0)) / s) + 1;
    });
    const one = (value: readonly number[], fill: number): number[] => [fill, value[0] as number];
    const [out, indices] = maxPool(
      2,
      unsqueeze(x, -2),
      one(a.kernel, 1),
      one(a.stride, 1),
      one(a.padding, 0),
      one(a.dilation, 1),
      ceil,
    );
    return [squeeze(out, -2), squeeze(indices, -2)];
  }
  checkOrdered(name, x);
  const out = pooledSizes(x.shape.slice(-rank), a);
  checkMaxInput(x, rank);
  checkPooled(x.shape, out);
  const shape = [...x.shape.slice(0, x.ndim - rank), ...out];
  const params = { grid: poolGrid(x.shape, out, a, false), shape, last: channelsLast(x) };
  return apply(rank === 2 ? max2d : max3d, [x], params) as [Tensor, Tensor];
}

/** The largest element of each window; with `return_indices` also where it is in its plane. */
export interface MaxPool {
  (input: Tensor, kernel_size: Sizes, options: MaxPoolOptions & { return_indices: true }): [Tensor, Tensor];
  (
    input: Tensor,
    kernel_size: Sizes,
    stride?: Sizes | null | MaxPoolOptions,
    padding?: Sizes | MaxPoolOptions,
    dilation?: Sizes | MaxPoolOptions,
    ceil_mode?: boolean | MaxPoolOptions,
  ): Tensor;
  readonly op: Op<() => void>["op"];
}

const defineMax = (rank: number): MaxPool =>
  operator(
    `max_pool${rank}d(Tensor input, int[] kernel_size, int[]? stride=None, int[] padding=0, int[] dilation=1, bool ceil_mode=False, bool return_indices=False)`,
    (x: Tensor, kernel: Sizes, stride: Sizes | null, padding: Sizes, dilation: Sizes, ceil: boolean, both: boolean) => {
      const [out, indices] = maxPool(rank, x, kernel, stride, padding, dilation, ceil);
      return both ? [out, indices] : out;
    },
    { method: false },
  );

/** Maxima along the last dimension. */
export const max_pool1d: MaxPool = defineMax(1);
/** Maxima over the last two dimensions. */
export const max_pool2d: MaxPool = defineMax(2);
/** Maxima over the last three dimensions. */
export const max_pool3d: MaxPool = defineMax(3);

// --- means -----------------------------------------------------------------------------------------------------------

interface AverageParams {
  readonly grid: WindowGrid;
  readonly shape: readonly number[];
  /** What every window is divided by; 0: its number of elements. */
  readonly divisor: number;
  readonly last: boolean;
}

function averagePrimitive(name: string, gradName: string): Primitive<AverageParams> {
  const backName = gradName.replace(/Backward0$/, "BackwardBackward0");
  const pool = (node: string): Primitive<AverageParams> =>
    primitive<AverageParams>({
      name,
      gradName: node,
      forward: ([x], { grid, shape, divisor, last }) =>
        inFormatOf(averagePoolRaw(x as Tensor, grid, shape, divisor), last),
      grads: [{ vjp: (g, ctx) => apply1(spread, [g], { ...ctx.params, shape: ctx.shape(0) }) }],
    });
  const again = pool(backName);
  const spread: Primitive<AverageParams> = primitive<AverageParams>({
    name: `${name}_backward`,
    gradName: backName,
    forward: ([g], { grid, shape, divisor }) => averageSpreadRaw(g as Tensor, grid, shape, divisor),
    grads: [{ vjp: (g, ctx) => apply1(again, [g], { ...ctx.params, shape: ctx.shape(0) }) }],
  });
  return pool(gradName);
}

const average2d = averagePrimitive("avg_pool2d", "AvgPool2DBackward0");
const average3d = averagePrimitive("avg_pool3d", "AvgPool3DBackward0");
const adaptive2d = averagePrimitive("_adaptive_avg_pool2d", "AdaptiveAvgPool2DBackward0");
const adaptive3d = averagePrimitive("_adaptive_avg_pool3d", "AdaptiveAvgPool3DBackward0");

/** Options of {@link avg_pool2d} and its relatives. */
export interface AvgPoolOptions {
  /** The distance between windows. Default: their size. */
  stride?: Sizes | null;
  /** Zeros around the input. Default: 0. */
  padding?: Sizes;
  ceil_mode?: boolean;
  /** Whether padding counts as elements. Default: true. */
  count_include_pad?: boolean;
  /** What sums are divided by, instead of the number of elements. */
  divisor_override?: number | null;
}

function averagePool(
  rank: number,
  x: Tensor,
  kernel: Sizes,
  stride: Sizes | null,
  padding: Sizes,
  ceil: boolean,
  countPadding: boolean,
  divisor: number | null,
): Tensor {
  const name = `avg_pool${rank}d`;
  if (x.dtype.is_complex || x.dtype.name === "bool") {
    throw new NotImplementedError(`"${name}_out_frame" not implemented for '${x.dtype.scalarName}'`);
  }
  const a = poolArguments(name, rank, kernel, stride, padding, 1, ceil);
  if (rank === 1) {
    if (x.ndim !== 2 && x.ndim !== 3) {
      throw new TorchError(
        `Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:${formatShape(x.shape)}`,
      );
    }
    const [k, s, p] = [a.kernel[0], a.stride[0], a.padding[0]] as [number, number, number];
    return squeeze(averagePool(2, unsqueeze(x, -2), [1, k], [1, s], [0, p], ceil, countPadding, divisor), -2);
  }
  if (divisor === 0) throw new TorchError("divisor must be not zero");
  if (rank === 3 && x.ndim !== 4 && x.ndim !== 5) {
    throw new TorchError("non-empty 4D or 5D (batch mode) tensor expected for input");
  }
  const out = pooledSizes(x.shape.slice(-rank), a);
  checkPoolInput(x, rank, (shape) =>
    rank === 3
      ? "non-empty 4D or 5D (batch mode) tensor expected for input"
      : `Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:${shape}`,
  );
  checkPooled(x.shape, out);
  const shape = [...x.shape.slice(0, x.ndim - rank), ...out];
  const params = {
    grid: poolGrid(x.shape, out, a, countPadding),
    shape,
    divisor: divisor ?? 0,
    last: rank === 2 && channelsLast(x),
  };
  return apply1(rank === 2 ? average2d : average3d, [x], params);
}

/** The mean of each window. */
export type AvgPool = Op<
  (
    input: Tensor,
    kernel_size: Sizes,
    stride?: Sizes | null | AvgPoolOptions,
    padding?: Sizes | AvgPoolOptions,
    ceil_mode?: boolean | AvgPoolOptions,
    count_include_pad?: boolean | AvgPoolOptions,
    divisor_override?: number | null,
  ) => Tensor
>;

const defineAverage = (rank: number): AvgPool =>
  operator(
    `avg_pool${rank}d(Tensor input, int[] kernel_size, int[]? stride=None, int[] padding=0, bool ceil_mode=False, bool count_include_pad=True${rank === 1 ? "" : ", int? divisor_override=None"})`,
    (
      x: Tensor,
      kernel: Sizes,
      stride: Sizes | null,
      padding: Sizes,
      ceil: boolean,
      countPadding: boolean,
      divisor: number | null = null,
    ) => averagePool(rank, x, kernel, stride, padding, ceil, countPadding, divisor),
    { method: false },
  );

/** Means along the last dimension. */
export const avg_pool1d: AvgPool = defineAverage(1);
/** Means over the last two dimensions. */
export const avg_pool2d: AvgPool = defineAverage(2);
/** Means over the last three dimensions. */
export const avg_pool3d: AvgPool = defineAverage(3);

// --- adaptive --------------------------------------------------------------------------------------------------------

/** Sizes of an output: a number for all dimensions, or one for each; null keeps the size of the input. */
export type OutputSize = number | null | readonly (number | null)[];

/** The sizes of an adaptive output, one for each dimension; throws as the operator of PyTorch does. */
function outputSizes(x: Tensor, size: OutputSize, rank: number, name: string): number[] {
  if (x.ndim < rank + 1 && rank > 1) throw new ValueError(`Input dimension should be at least ${rank + 1}`);
  const list = size === null || typeof size === "number" ? Array.from({ length: rank }, () => size) : size;
  if (list.length !== rank) {
    if (rank === 1) {
      throw new TorchError(`${name}() argument 'output_size' should contain one int (got ${list.length})`);
    }
    throw new TorchError(`${name}(): internal error: output_size.size() must be ${rank}`);
  }
  return list.map((n, d) => n ?? (x.shape[x.ndim - rank + d] as number));
}

function adaptiveGrid(x: Tensor, out: readonly number[]): WindowGrid {
  const windows = x.shape.slice(-out.length).map((n, d) => adaptiveWindows(n, out[d] as number));
  return gridOf(
    x.shape,
    windows,
    out.map(() => 1),
  );
}

function checkAdaptive(name: string, x: Tensor, rank: number): void {
  if (x.ndim !== rank + 1 && x.ndim !== rank + 2) {
    throw new TorchError(`${name}(): Expected ${rank + 1}D or ${rank + 2}D tensor, but got ${formatShape(x.shape)}`);
  }
  const from = x.ndim - rank;
  for (let d = from; d < x.ndim; d++) {
    if (x.shape[d] === 0) {
      throw new TorchError(
        `${name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes ${formatShape(x.shape)} with dimension ${d} being empty`,
      );
    }
  }
}

function adaptiveAverage(rank: number, x: Tensor, size: OutputSize): Tensor {
  const out = outputSizes(x, size, rank, `adaptive_avg_pool${rank}d`);
  if (rank === 1) {
    checkAdaptive("adaptive_avg_pool1d", x, 1);
    return squeeze(adaptiveAverage(2, unsqueeze(x, -2), [1, out[0] as number]), -2);
  }
  if (out.some((n) => n < 0)) {
    const text = rank === 2 ? out.join(", ") : `${out[0]}, ${out[1]},${out[2]}`;
    throw new TorchError(
      `adaptive_avg_pool${rank}d: elements of output_size must be greater than or equal to 0 but received {${text}}`,
    );
  }
  checkAdaptive(`adaptive_avg_pool${rank}d`, x, rank);
  if (x.dtype.category < 2) {
    throw new NotImplementedError(`"adaptive_avg_pool${rank}d_cpu" not implemented for '${x.dtype.scalarName}'`);
  }
  if (out.every((n) => n === 1)) {
    return x.mean(
      out.map((_, d) => -1 - d),
      true,
    );
  }
  const shape = [...x.shape.slice(0, x.ndim - rank), ...out];
  const params = { grid: adaptiveGrid(x, out), shape, divisor: 0, last: rank === 2 && channelsLast(x) };
  return apply1(rank === 2 ? adaptive2d : adaptive3d, [x], params);
}

/** Means of windows that divide the input as evenly as possible into an output of the given size. */
export type AdaptiveAvgPool = Op<(input: Tensor, output_size: OutputSize) => Tensor>;

const defineAdaptiveAverage = (rank: number): AdaptiveAvgPool =>
  operator(
    `adaptive_avg_pool${rank}d(Tensor input, any output_size)`,
    (x: Tensor, size: OutputSize) => adaptiveAverage(rank, x, size),
    { method: false },
  );

/** Means along the last dimension, for an output of the given size. */
export const adaptive_avg_pool1d: AdaptiveAvgPool = defineAdaptiveAverage(1);
/** Means over the last two dimensions, for an output of the given size. */
export const adaptive_avg_pool2d: AdaptiveAvgPool = defineAdaptiveAverage(2);
/** Means over the last three dimensions, for an output of the given size. */
export const adaptive_avg_pool3d: AdaptiveAvgPool = defineAdaptiveAverage(3);

function adaptiveMax(rank: number, x: Tensor, size: OutputSize): [Tensor, Tensor] {
  const name = `adaptive_max_pool${rank}d`;
  const out = outputSizes(x, size, rank, name);
  checkAdaptive(name, x, rank);
  if (rank === 1) {
    const [values, indices] = adaptiveMax(2, unsqueeze(x, -2), [1, out[0] as number]);
    return [squeeze(values, -2), squeeze(indices, -2)];
  }
  checkOrdered(name, x);
  const shape = [...x.shape.slice(0, x.ndim - rank), ...out];
  const params = { grid: adaptiveGrid(x, out), shape, last: rank === 2 && channelsLast(x) };
  return apply(rank === 2 ? adaptiveMax2d : adaptiveMax3d, [x], params) as [Tensor, Tensor];
}

/** The largest elements of windows as of {@link adaptive_avg_pool2d}; with `return_indices` also where they are. */
export interface AdaptiveMaxPool {
  (input: Tensor, output_size: OutputSize, return_indices: true | { return_indices: true }): [Tensor, Tensor];
  (input: Tensor, output_size: OutputSize, return_indices?: false | { return_indices?: false }): Tensor;
  readonly op: Op<() => void>["op"];
}

const defineAdaptiveMax = (rank: number): AdaptiveMaxPool =>
  operator(
    `adaptive_max_pool${rank}d(Tensor input, any output_size, bool return_indices=False)`,
    (x: Tensor, size: OutputSize, both: boolean) => {
      const [values, indices] = adaptiveMax(rank, x, size);
      return both ? [values, indices] : values;
    },
    { method: false },
  );

/** Maxima along the last dimension, for an output of the given size. */
export const adaptive_max_pool1d: AdaptiveMaxPool = defineAdaptiveMax(1);
/** Maxima over the last two dimensions, for an output of the given size. */
export const adaptive_max_pool2d: AdaptiveMaxPool = defineAdaptiveMax(2);
/** Maxima over the last three dimensions, for an output of the given size. */
export const adaptive_max_pool3d: AdaptiveMaxPool = defineAdaptiveMax(3);
