/**
 * Maxima of windows of one size that begin at random distances, so that the result may be of any size.
 */
import { type DType, float64, int64 } from "../base/dtype.ts";
import { NotImplementedError, TorchError, ValueError } from "../base/errors.ts";
import { formatShape, numel } from "../base/shape.ts";
import { castRaw, contiguousRaw } from "../dispatch/elementwise.ts";
import { placeRaw, type PlanePlaces, takeRaw } from "../dispatch/family/pooling.ts";
import { operator } from "../dispatch/op.ts";
import { apply, apply1, type Primitive, primitive } from "../dispatch/primitive.ts";
import { bfloat16Bits, bfloat16Value, float16Bits, float16Value } from "../ir/half.ts";
import { viewElements } from "../tensor/data.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";
import type { Sizes } from "./pool-windows.ts";
import { rand } from "./random.ts";
import type { Op } from "./view.ts";

interface FractionalParams {
  readonly kernel: readonly number[];
  readonly output: readonly number[];
  /** Numbers between 0 and 1: (N, C, rank). */
  readonly samples: Tensor;
}

interface PlaceParams {
  readonly indices: Tensor;
  readonly shape: readonly number[];
  readonly places: PlanePlaces;
}

/** How numbers of a dtype are rounded. */
function roundingOf(dtype: DType): (x: number) => number {
  switch (dtype.name) {
    case "float64":
      return (x) => x;
    case "float16":
      return (x) => float16Value(float16Bits(x));
    case "bfloat16":
      return (x) => bfloat16Value(bfloat16Bits(x));
    default:
      return Math.fround;
  }
}

/** Where the windows along one dimension begin. The arithmetic is rounded as the dtype is, which decides where they fall. */
function starts(sample: number, n: number, outputs: number, kernel: number, round: (x: number) => number): number[] {
  const alpha = outputs > 1 ? round(round(n - kernel) / round(outputs - 1)) : 0;
  const shift = Math.trunc(round(sample * alpha));
  return Array.from({ length: outputs }, (_, i) =>
    i === outputs - 1 ? n - kernel : Math.trunc(round(round(i + sample) * alpha)) - shift,
  );
}

const valuesOf = (t: Tensor): Float64Array =>
  (viewElements(contiguousRaw(castRaw(t, float64))) as Float64Array).slice();

/** Calls `visit` with every combination of positions of a grid, in row-major order, and its number. */
function forGrid(sizes: readonly number[], visit: (at: readonly number[], index: number) => void): void {
  const at = sizes.map(() => 0);
  for (let index = 0; index < numel(sizes); index++) {
    visit(at, index);
    for (let d = sizes.length - 1; d >= 0; d--) {
      at[d] = (at[d] as number) + 1;
      if ((at[d] as number) < (sizes[d] as number)) break;
      at[d] = 0;
    }
  }
}

function fractionalMax(x: Tensor, { kernel, output, samples }: FractionalParams): [Tensor, Tensor] {
  const rank = kernel.length;
  const size = x.shape.slice(-rank);
  const lead = x.shape.slice(0, x.ndim - rank);
  const [planes, n, outputs] = [numel(lead), numel(size), numel(output)];
  const source = valuesOf(x);
  const drawn = valuesOf(samples);
  const round = roundingOf(x.dtype);
  const places = new BigInt64Array(planes * outputs);
  const maxima = new Float64Array(planes * outputs);
  for (let plane = 0; plane < planes; plane++) {
    const begin = size.map((length, d) => {
      // Images are drawn for from the last dimension on, volumes from the first.
      const k = rank === 2 ? rank - 1 - d : d;
      return starts(drawn[plane * rank + k] as number, length, output[d] as number, kernel[d] as number, round);
    });
    forGrid(output, (at, index) => {
      let top = Number.NEGATIVE_INFINITY;
      let where = -1;
      forGrid(kernel, (inside) => {
        let place = 0;
        for (let d = 0; d < rank; d++) {
          const start = (begin[d] as number[])[at[d] as number] as number;
          place = place * (size[d] as number) + start + (inside[d] as number);
        }
        const value = source[plane * n + place] as number;
        if (where < 0 || value > top || Number.isNaN(value)) {
          top = value;
          where = place;
        }
      });
      maxima[plane * outputs + index] = top;
      places[plane * outputs + index] = BigInt(where);
    });
  }
  const shape = [...lead, ...output];
  const out = allocate(shape, float64, x._backend);
  const indices = allocate(shape, int64, x._backend);
  (viewElements(out) as Float64Array).set(maxima);
  (viewElements(indices) as BigInt64Array).set(places);
  return [castRaw(out, x.dtype), indices];
}

function fractionalPrimitive(rank: number): Primitive<FractionalParams> {
  const gradName = `FractionalMaxPool${rank}DBackward0`;
  const take: Primitive<PlaceParams> = primitive<PlaceParams>({
    name: "gather",
    forward: ([x], { indices, places }) => takeRaw(x as Tensor, indices, places),
    grads: [{ vjp: (g, ctx) => apply1(place, [g], ctx.params) }],
  });
  const place: Primitive<PlaceParams> = primitive<PlaceParams>({
    name: `fractional_max_pool${rank}d_backward`,
    gradName: gradName.replace("Backward0", "BackwardBackward0"),
    forward: ([g], { indices, shape, places }) => placeRaw(g as Tensor, indices, shape, places, false),
    grads: [{ vjp: (g, ctx) => apply1(take, [g], ctx.params) }],
  });
  return primitive<FractionalParams>({
    name: `fractional_max_pool${rank}d`,
    gradName,
    nonDifferentiable: [1],
    forward: ([x], params) => fractionalMax(x as Tensor, params),
    grads: [
      {
        uses: ["out1"],
        vjp: (g, ctx) => {
          const shape = ctx.shape(0);
          const n = numel(shape.slice(-rank));
          const planes = numel(shape.slice(0, shape.length - rank));
          const places = { planes, n, outputs: numel(ctx.params.output) };
          return apply1(place, [g], { indices: ctx.output(1), shape, places });
        },
      },
    ],
  });
}

const primitives = [2, 3].map(fractionalPrimitive);

function check(x: Tensor, rank: number, kernel: readonly number[], output: readonly number[], samples: Tensor): void {
  const name = rank === 2 ? "fractional_max_pool2d()" : "fractional_max_pool3d_out()";
  const plain = name.replace(/(_out)?\(\)/, "");
  for (const [what, list] of [
    ["kernel_size", kernel],
    ["output_size", output],
  ] as const) {
    if (list.length !== rank) {
      throw new TorchError(`${plain}: ${what} must either be a single Int or tuple of Ints`);
    }
  }
  if (x.dtype.category !== 2) {
    throw new NotImplementedError(`"${plain}" not implemented for '${x.dtype.scalarName}'`);
  }
  const batched = x.ndim === rank + 2;
  if (!batched && x.ndim !== rank + 1) {
    throw new TorchError(`${name}: Expected ${rank + 1}D or ${rank + 2}D tensor, but got: ${formatShape(x.shape)}`);
  }
  for (let d = batched ? 1 : 0; d < x.ndim; d++) {
    if (x.shape[d] === 0) {
      throw new TorchError(
        `${name}: Expected input to have non-zero size for non-batch dimensions, but got${formatShape(x.shape)} with dimension ${d} being empty.`,
      );
    }
  }
  const axes = rank === 2 ? ["height", "width"] : ["time", "height", "width"];
  axes.forEach((axis, d) => {
    const [n, k, o] = [x.shape.at(d - rank), kernel[d], output[d]] as [number, number, number];
    if (k < 1 || o < 0 || o + k - 1 > n) {
      throw new TorchError(`${name}: pool ${axis} ${k} too large relative to input ${axis} ${n}`);
    }
  });
  if (samples.dtype !== x.dtype) throw new TorchError("Expect _random_samples to have the same dtype as input");
  if (samples.ndim !== 3) {
    throw new TorchError(`Expect _random_samples to have 3 dimensions, got ${samples.ndim}`);
  }
  const [batch, channels] = [batched ? x.shape[0] : 1, x.shape.at(-rank - 1)] as [number, number];
  if ((samples.shape[0] as number) < batch) {
    throw new TorchError("Expect _random_samples.size(0) no less then input batch size.");
  }
  if (samples.shape[1] !== channels) {
    throw new TorchError("Expect _random_samples.size(1) equals to input channel size.");
  }
  if (samples.shape[2] !== rank) {
    throw new TorchError(`Expect _random_samples.size(2) equals to ${rank}; got ${samples.shape[2]}.`);
  }
}

const spread = (value: readonly number[], rank: number): number[] =>
  value.length === 1 ? new Array<number>(rank).fill(value[0] as number) : [...value];

/** Options of {@link fractional_max_pool2d} and {@link fractional_max_pool3d}. */
export interface FractionalMaxPoolOptions {
  /** The size of the result; or else: */
  output_size?: Sizes | null;
  /** … its part of the size of the input. */
  output_ratio?: number | readonly number[] | null;
  /** Whether to return where the maxima are, too. */
  return_indices?: boolean;
  /** What decides where windows begin, between 0 and 1: shape (N, C, number of spatial dimensions). */
  _random_samples?: Tensor | null;
}

/** Maxima of windows at random places; with `return_indices` also where they are in their planes. */
export interface FractionalMaxPool {
  (input: Tensor, kernel_size: Sizes, options: FractionalMaxPoolOptions & { return_indices: true }): [Tensor, Tensor];
  (input: Tensor, kernel_size: Sizes, options?: FractionalMaxPoolOptions): Tensor;
  readonly op: Op<() => void>["op"];
}

const define = (rank: number): FractionalMaxPool =>
  operator(
    `fractional_max_pool${rank}d(Tensor input, int[] kernel_size, int[]? output_size=None, any? output_ratio=None, bool return_indices=False, Tensor? _random_samples=None)`,
    (
      x: Tensor,
      kernelSize: number[],
      outputSize: number[] | null,
      outputRatio: number | number[] | null,
      both: boolean,
      given: Tensor | null,
    ) => {
      const name = `fractional_max_pool${rank}d`;
      let output = outputSize === null ? null : spread(outputSize, rank);
      if (output === null) {
        if (outputRatio === null) {
          throw new ValueError(`${name} requires specifying either an output_size or an output_ratio`);
        }
        const list = (Array.isArray(outputRatio) ? outputRatio : [outputRatio]).map(Number);
        if (list.length > rank) {
          throw new ValueError(`${name} requires output_ratio to either be a single Int or tuple of Ints.`);
        }
        output = spread(list, rank).map((ratio, d) => Math.trunc((x.shape.at(d - rank) ?? 0) * ratio));
      }
      const batch = x.ndim === rank + 2 ? (x.shape[0] as number) : 1;
      const channels = x.shape.at(-rank - 1) ?? 0;
      const samples = given ?? rand([batch, channels, rank], { dtype: x.dtype });
      const kernel = spread(kernelSize, rank);
      check(x, rank, kernel, output, samples);
      const params: FractionalParams = { kernel, output, samples: samples.detach() };
      const [out, indices] = apply(primitives[rank - 2] as Primitive<FractionalParams>, [x], params) as Tensor[];
      return both ? [out, indices] : out;
    },
    { method: false, namespace: false },
  );

/** Maxima of windows of images at random places. */
export const fractional_max_pool2d: FractionalMaxPool = define(2);
/** Maxima of windows of volumes at random places. */
export const fractional_max_pool3d: FractionalMaxPool = define(3);
