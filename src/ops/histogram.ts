/**
 * Counting into bins.
 */
import { type DType, float32, float64, int64 } from "../base/dtype.ts";
import { NotImplementedError, TorchError } from "../base/errors.ts";
import { castRaw } from "../dispatch/elementwise.ts";
import { keysOf } from "../dispatch/family/order.ts";
import { named, type NamedPair } from "../dispatch/named.ts";
import { operator } from "../dispatch/op.ts";
import type { OutOption } from "../dispatch/out.ts";
import { untracked } from "../dispatch/primitive.ts";
import { PyFloat, type ScalarLike } from "../dispatch/signature.ts";
import { viewElements } from "../tensor/data.ts";
import { allocate, Tensor } from "../tensor/tensor.ts";
import type { Op } from "./view.ts";

/** @internal All elements as numbers. */
export const numbersOf = (t: Tensor): Float64Array => (keysOf([untracked(t)])[0] as { keys: Float64Array }).keys;

/** How often each of the numbers 0, 1, 2, … occurs; with `weights` their sums. */
export const bincount: Op<
  (
    input: Tensor,
    weights?: Tensor | null | { weights?: Tensor | null; minlength?: number },
    minlength?: number,
  ) => Tensor
> = operator(
  "bincount(Tensor input, Tensor? weights=None, int minlength=0)",
  (x: Tensor, weights: Tensor | null, minlength: number) => {
    if (x.dtype.category !== 1) {
      throw new NotImplementedError(`"bincount_cpu" not implemented for '${x.dtype.scalarName}'`);
    }
    if (minlength < 0) throw new TorchError("minlength should be >= 0");
    if (x.ndim === 1 && x._numel === 0) return x.new_zeros([minlength], { dtype: int64 });
    const values = numbersOf(x);
    if (x.ndim !== 1 || values.some((v) => v < 0)) {
      throw new TorchError("bincount only supports 1-d non-negative integral inputs.");
    }
    if (weights !== null && (weights.ndim !== 1 || weights._numel !== x._numel)) {
      throw new TorchError("weights should be 1-d and have the same length as input");
    }
    const size = Math.max(values.reduce((a, b) => Math.max(a, b), -1) + 1, minlength);
    const dtype = weights === null ? int64 : weights.dtype === float32 ? float32 : float64;
    const sums = new Float64Array(size);
    const amounts = weights === null ? null : numbersOf(weights);
    values.forEach((v, i) => {
      const next = (sums[v] as number) + (amounts === null ? 1 : (amounts[i] as number));
      sums[v] = dtype === float32 ? Math.fround(next) : next;
    });
    return stored(sums, [size], dtype, x);
  },
);

/** @internal A tensor of these values. */
export function stored(values: Float64Array, shape: readonly number[], dtype: DType, like: Tensor): Tensor {
  const out = allocate(shape, float64, like._backend);
  (viewElements(out) as Float64Array).set(values);
  return castRaw(out, dtype);
}

/** @internal How numbers of a dtype are rounded. */
export const rounding = (dtype: DType): ((v: number) => number) => (dtype === float64 ? (v) => v : Math.fround);

/** @internal The range of the data where none is given, widened where it is a point. */
export function rangeOf(
  name: string,
  values: Float64Array,
  low: number,
  high: number,
  given: boolean,
  half: number,
): [number, number] {
  let [a, b] = [low, high];
  if (a === b && values.length > 0 && !given) {
    a = values.reduce((p, q) => (q < p || q !== q ? q : p), Number.POSITIVE_INFINITY);
    b = values.reduce((p, q) => (q > p || q !== q ? q : p), Number.NEGATIVE_INFINITY);
  }
  if (a === b) {
    a -= half;
    b += half;
  }
  if (!Number.isFinite(a) || !Number.isFinite(b)) {
    throw new TorchError(`${name}: range of [${a}, ${b}] is not finite`);
  }
  if (a > b) throw new TorchError(`${name}: max must be larger than min`);
  return [a, b];
}

const numberOf = (x: ScalarLike): number => (x instanceof PyFloat ? x.value : Number(x));

/** How many elements lie in each of `bins` intervals of equal width between `min` and `max`, or the extremes of the data. */
export const histc: Op<
  (
    input: Tensor,
    bins?: number | ({ bins?: number; min?: ScalarLike; max?: ScalarLike } & OutOption),
    min?: ScalarLike,
    max?: ScalarLike,
    options?: OutOption,
  ) => Tensor
> = operator(
  "histc(Tensor input, int bins=100, Scalar min=0, Scalar max=0)",
  (x: Tensor, bins: number, min: ScalarLike, max: ScalarLike) => {
    if (!x.dtype.is_floating_point) {
      throw new NotImplementedError(`"histogram_cpu" not implemented for '${x.dtype.scalarName}'`);
    }
    if (bins <= 0) throw new TorchError("torch.histc: bins must be > 0");
    const values = numbersOf(x);
    const [low, high] = rangeOf("torch.histc", values, numberOf(min), numberOf(max), false, 1);
    const round = rounding(x.dtype);
    const counts = new Float64Array(bins);
    for (const v of values) {
      if (!(v >= low && v <= high)) continue;
      let at = Math.trunc(round(round(round(v - low) * bins) / round(high - low)));
      if (at === bins) at--;
      counts[at] = (counts[at] as number) + 1;
    }
    return stored(counts, [bins], x.dtype, x);
  },
);

/** @internal The edges of equal bins, as `linspace` places them. */
export function evenEdges(low: number, high: number, bins: number, dtype: DType): Float64Array {
  const round = rounding(dtype);
  const step = round((high - low) / bins);
  const half = Math.floor((bins + 1) / 2);
  return Float64Array.from({ length: bins + 1 }, (_, i) => round(i < half ? low + step * i : high - step * (bins - i)));
}

/** @internal How many edges are at most `v`, less one: the number of its bin. */
export function binOf(edges: Float64Array, v: number): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((edges[middle] as number) <= v) low = middle + 1;
    else high = middle;
  }
  const bin = low - 1;
  // The last bin includes its right edge.
  return bin === edges.length - 1 ? bin - 1 : bin;
}

/** Options of {@link histogram} and `histogramdd`. */
export interface HistogramOptions {
  /** The two ends; default: the extremes of the data. */
  range?: readonly ScalarLike[] | null;
  /** How much each element counts. */
  weight?: Tensor | null;
  /** Whether counts are divided by their sum and the widths. */
  density?: boolean;
}

/** Sums of counts, or weights, in bins: of equal width, or between given edges. */
export const histogram: Op<
  (input: Tensor, bins: number | Tensor, options?: HistogramOptions) => NamedPair<"hist", "bin_edges">
> = operator(
  "histogram(Tensor input, Tensor|int bins, *, float[]? range=None, Tensor? weight=None, bool density=False)",
  (x: Tensor, bins: number | Tensor, range: number[] | null, weight: Tensor | null, density: boolean) => {
    if (x.dtype !== float32 && x.dtype !== float64) {
      throw new NotImplementedError(`"histogram_cpu" not implemented for '${x.dtype.scalarName}'`);
    }
    const values = numbersOf(x);
    let edges: Float64Array;
    if (bins instanceof Tensor) edges = numbersOf(bins).slice();
    else {
      if (bins <= 0) throw new TorchError(`torch.histogram(): bins must be > 0, but got ${bins}`);
      if (range !== null && range.length !== 2) {
        throw new TorchError("torch.histogram(): range should have 2 elements");
      }
      const [a, b] = range ?? [0, 0];
      const [low, high] = rangeOf("torch.histogram", values, a as number, b as number, range !== null, 0.5);
      edges = evenEdges(low, high, bins, x.dtype);
    }
    const round = rounding(x.dtype);
    const amounts = weight === null ? null : numbersOf(weight);
    const sums = new Float64Array(edges.length - 1);
    values.forEach((v, i) => {
      if (!(v >= (edges[0] as number) && v <= (edges.at(-1) as number))) return;
      const at = binOf(edges, v);
      sums[at] = round((sums[at] as number) + (amounts === null ? 1 : (amounts[i] as number)));
    });
    if (density) {
      const total = sums.reduce((a, b) => round(a + b), 0);
      for (let i = 0; i < sums.length; i++) {
        const width = (edges[i + 1] as number) - (edges[i] as number);
        sums[i] = (sums[i] as number) / total / width;
      }
    }
    return named("histogram", {
      hist: stored(sums, [sums.length], x.dtype, x),
      bin_edges: bins instanceof Tensor ? bins.clone() : stored(edges, [edges.length], x.dtype, x),
    });
  },
);
