/**
 * Counting points of several dimensions into bins.
 */
import { float32, float64 } from "../base/dtype.ts";
import { NotImplementedError, TorchError } from "../base/errors.ts";
import { numel } from "../base/shape.ts";
import { operator } from "../dispatch/op.ts";
import { Tensor } from "../tensor/tensor.ts";
import { binOf, evenEdges, type HistogramOptions, numbersOf, rangeOf, rounding, stored } from "./histogram.ts";
import type { Op } from "./view.ts";

type Bins = number | readonly number[] | readonly Tensor[];

/** Bins of each dimension: how many, or their edges. */
function binsOf(bins: Bins, dimensions: number): (number | Tensor)[] {
  const list = typeof bins === "number" ? new Array<number>(dimensions).fill(bins) : [...bins];
  if (list.length !== dimensions) {
    throw new TorchError("histogramdd: The size of bins must be equal to the innermost dimension of the input.");
  }
  for (const bin of list) {
    if (typeof bin === "number" && bin <= 0) {
      throw new TorchError(`torch.histogramdd(): bins must be > 0, but got ${bin}`);
    }
    if (bin instanceof Tensor && (bin.ndim !== 1 || bin._numel === 0)) {
      throw new TorchError("torch.histogramdd: bins tensor should have one dimension and at least one element");
    }
  }
  return list;
}

/**
 * How many points lie in each box of a grid, or the sums of their weights, and the edges of the boxes in each dimension.
 *
 * @param input points, shape (…, D)
 * @param bins how many bins in all or in each dimension, or their edges
 */
export const histogramdd: Op<
  (input: Tensor, bins: Bins, options?: HistogramOptions) => [hist: Tensor, bin_edges: Tensor[]]
> = operator(
  "histogramdd(Tensor input, Tensor[]|int|int[] bins, float[]? range=None, Tensor? weight=None, bool density=False)",
  (x: Tensor, given: Bins, range: number[] | null, weight: Tensor | null, density: boolean) => {
    if (x.ndim < 2) {
      throw new TorchError(`torch.histogramdd: input tensor should have at least 2 dimensions, but got ${x.ndim}`);
    }
    if (x.dtype !== float32 && x.dtype !== float64) {
      throw new NotImplementedError(`"histogramdd_cpu" not implemented for '${x.dtype.scalarName}'`);
    }
    const dimensions = x.shape.at(-1) as number;
    const points = numel(x.shape.slice(0, -1));
    const bins = binsOf(given, dimensions);
    if (range !== null && range.length !== 2 * dimensions) {
      throw new TorchError(
        `torch.histogramdd: for a ${dimensions}-dimensional histogram range should have ${2 * dimensions} elements, but got ${range.length}`,
      );
    }
    if (weight !== null && weight._numel !== points) {
      throw new TorchError("torch.histogramdd: weight should have the shape of the input without its last dimension");
    }
    const values = numbersOf(x);
    const coordinate = (p: number, d: number): number => values[p * dimensions + d] as number;
    const edges = bins.map((bin, d) => {
      if (bin instanceof Tensor) return numbersOf(bin);
      const own = Float64Array.from({ length: points }, (_, p) => coordinate(p, d));
      const [a, b] = range === null ? [0, 0] : [range[2 * d] as number, range[2 * d + 1] as number];
      const [low, high] = rangeOf("torch.histogramdd", own, a, b, range !== null, 0.5);
      return evenEdges(low, high, bin, x.dtype);
    });
    const shape = edges.map((e) => e.length - 1);
    const round = rounding(x.dtype);
    const amounts = weight === null ? null : numbersOf(weight);
    const sums = new Float64Array(numel(shape));
    for (let p = 0; p < points; p++) {
      let place = 0;
      for (let d = 0; d < dimensions && place >= 0; d++) {
        const [e, v] = [edges[d] as Float64Array, coordinate(p, d)];
        const inside = v >= (e[0] as number) && v <= (e.at(-1) as number);
        place = inside ? place * (shape[d] as number) + binOf(e, v) : -1;
      }
      if (place >= 0) sums[place] = round((sums[place] as number) + (amounts === null ? 1 : (amounts[p] as number)));
    }
    let hist = stored(sums, shape, x.dtype, x);
    const tensors = edges.map((e, d) => {
      const bin = bins[d];
      return bin instanceof Tensor ? bin : stored(e, [e.length], x.dtype, x);
    });
    if (density) {
      hist = hist.div(hist.sum());
      tensors.forEach((e, d) => {
        hist = hist.div(e.diff().reshape(shape.map((n, k) => (k === d ? n : 1))));
      });
    }
    return [hist, tensors];
  },
  { method: false },
);
