/**
 * Reductions of segments: runs of elements along a dimension, each of its own length.
 */
import { float64, int64 } from "../base/dtype.ts";
import { NotImplementedError, TorchError } from "../base/errors.ts";
import { numel, wrapDim } from "../base/shape.ts";
import { castRaw, contiguousRaw } from "../dispatch/elementwise.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, type GradContext, primitive } from "../dispatch/primitive.ts";
import { PyFloat, type ScalarLike } from "../dispatch/signature.ts";
import { viewElements } from "../tensor/data.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";
import { where } from "./clamp.ts";
import type { Op } from "./view.ts";

/** How the elements of a segment are reduced. */
export type SegmentReduction = "sum" | "mean" | "max" | "min" | "prod";

interface SegmentParams {
  readonly reduce: SegmentReduction;
  readonly axis: number;
  /** Where segments begin and end, for each row of the leading dimensions. */
  readonly bounds: readonly (readonly (readonly [number, number])[])[];
  readonly initial: number | null;
}

const neutral: Readonly<Record<SegmentReduction, number>> = {
  sum: 0,
  mean: 0,
  max: Number.NEGATIVE_INFINITY,
  min: Number.POSITIVE_INFINITY,
  prod: 1,
};

const combine: Readonly<Record<SegmentReduction, (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  mean: (a, b) => a + b,
  // NaN wins.
  max: Math.max,
  min: Math.min,
  prod: (a, b) => a * b,
};

function reduceSegments(x: Tensor, { reduce, axis, bounds, initial }: SegmentParams): Tensor {
  const size = x.shape[axis] as number;
  const inner = numel(x.shape.slice(axis + 1));
  const count = bounds[0]?.length ?? 0;
  const source = (viewElements(contiguousRaw(castRaw(x, float64))) as Float64Array).slice();
  const result = new Float64Array(bounds.length * count * inner);
  bounds.forEach((row, o) => {
    row.forEach(([from, to], s) => {
      for (let i = 0; i < inner; i++) {
        let value = initial ?? neutral[reduce];
        for (let j = from; j < to; j++) value = combine[reduce](value, source[(o * size + j) * inner + i] as number);
        if (reduce === "mean") value = to > from ? value / (to - from) : initial === null ? Number.NaN : value;
        result[(o * count + s) * inner + i] = value;
      }
    });
  });
  const out = allocate([...x.shape.slice(0, axis), count, ...x.shape.slice(axis + 1)], float64, x._backend);
  (viewElements(out) as Float64Array).set(result);
  return castRaw(out, x.dtype);
}

/** Which segment each element belongs to, in the shape of the input, and whether it belongs to one. */
function membership(shape: readonly number[], { axis, bounds }: SegmentParams, like: Tensor): [Tensor, Tensor] {
  const size = shape[axis] as number;
  const lead = [...shape.slice(0, axis), size];
  const ids = allocate(lead, int64, like._backend);
  const places = viewElements(ids) as BigInt64Array;
  places.fill(-1n);
  bounds.forEach((row, o) => row.forEach(([from, to], s) => places.fill(BigInt(s), o * size + from, o * size + to)));
  const full = ids.reshape([...lead, ...shape.slice(axis + 1).map(() => 1)]).expand(shape);
  return [full.clamp_min(0), full.ge(0)];
}

/** The product of the others in the segment, which stays finite where an element is zero. */
function otherProducts(x: Tensor, { axis, bounds, initial }: SegmentParams): Tensor {
  const size = x.shape[axis] as number;
  const inner = numel(x.shape.slice(axis + 1));
  const source = (viewElements(contiguousRaw(castRaw(x.detach(), float64))) as Float64Array).slice();
  const result = new Float64Array(source.length);
  bounds.forEach((row, o) => {
    for (const [from, to] of row) {
      for (let i = 0; i < inner; i++) {
        const at = (j: number): number => (o * size + j) * inner + i;
        for (let j = from; j < to; j++) {
          let value = initial ?? 1;
          for (let k = from; k < to; k++) if (k !== j) value *= source[at(k)] as number;
          result[at(j)] = value;
        }
      }
    }
  });
  const out = allocate(x.shape, float64, x._backend);
  (viewElements(out) as Float64Array).set(result);
  return castRaw(out, x.dtype);
}

function gradient(g: Tensor, ctx: GradContext<SegmentParams>): Tensor {
  const { params } = ctx;
  const { reduce, axis, bounds } = params;
  const x = ctx.input(0);
  const [ids, inside] = membership(x.shape, params, x);
  const spread = (t: Tensor): Tensor => (t._numel === 0 ? t.new_zeros(x.shape) : t.gather(axis, ids));
  const kept = (t: Tensor): Tensor => t.masked_fill(inside.logical_not(), 0);
  if (g._numel === 0) return x.new_zeros(x.shape);
  switch (reduce) {
    case "sum":
      return kept(spread(g));
    case "mean": {
      const count = bounds[0]?.length ?? 0;
      const lengths = allocate([...x.shape.slice(0, axis), count], float64, x._backend);
      (viewElements(lengths) as Float64Array).set(
        bounds.flatMap((row) => row.map(([from, to]) => Math.max(to - from, 1))),
      );
      const shaped = lengths.to(g.dtype).reshape([...lengths.shape, ...x.shape.slice(axis + 1).map(() => 1)]);
      return kept(spread(g.div(shaped)));
    }
    case "max":
    case "min": {
      // Elements that are equally extreme share the gradient.
      const values = x.detach();
      const chosen = values.eq(spread(ctx.output().detach())).logical_or(values.isnan()).logical_and(inside);
      const ones = chosen.to(x.dtype);
      const ties = ones.new_zeros(g.shape).scatter_add(axis, ids, ones);
      return spread(g.div(ties.clamp_min(1))).mul(ones);
    }
    case "prod": {
      const zero = x.detach().eq(0).logical_or(x.detach().isnan());
      const safe = x.masked_fill(zero, 1);
      const divided = spread(g.mul(ctx.output())).div(safe);
      const some = Boolean(zero.any().item());
      return kept(some ? (where(zero, spread(g).mul(otherProducts(x, params)), divided) as Tensor) : divided);
    }
  }
}

const segmentReduce = primitive<SegmentParams>({
  name: "segment_reduce",
  forward: ([x], params) => reduceSegments(x as Tensor, params),
  grads: [{ uses: [0, "out"], vjp: gradient }],
});

type Bounds = (readonly [number, number])[][];

const rowsOf = (t: Tensor): number[][] => {
  const n = t.shape.at(-1) as number;
  const all = [...(viewElements(contiguousRaw(castRaw(t, float64))) as Float64Array)];
  return Array.from({ length: n === 0 ? numel(t.shape.slice(0, -1)) : all.length / n }, (_, r) =>
    all.slice(r * n, (r + 1) * n),
  );
};

function boundsFrom(lengths: Tensor | null, offsets: Tensor | null): Bounds {
  if (offsets !== null) {
    return rowsOf(offsets).map((row) => row.slice(1).map((to, s): readonly [number, number] => [row[s] as number, to]));
  }
  return rowsOf(lengths as Tensor).map((row) => {
    let at = 0;
    return row.map((n): readonly [number, number] => [at, (at += n)]);
  });
}

function checkBounds(bounds: Bounds, size: number): void {
  for (const [from, to] of bounds.flat()) {
    if (from < 0 || to < from || to > size) {
      throw new TorchError(`segment_reduce(): segment from ${from} to ${to} is not within a dimension of size ${size}`);
    }
  }
}

/** Options of {@link segment_reduce}; either `lengths` or `offsets` must be there. */
export interface SegmentOptions {
  /** The lengths of the segments, shape `data.shape[:axis]` and the number of segments. */
  lengths?: Tensor | null;
  /** Where segments begin, and where the last ends. */
  offsets?: Tensor | null;
  indices?: Tensor | null;
  /** The dimension whose elements are in segments. Default: 0. */
  axis?: number;
  /** Whether lengths need not add up to the size. Default: false. */
  unsafe?: boolean;
  /** What each reduction starts from. */
  initial?: ScalarLike | null;
}

type SegmentReduce = Op<(data: Tensor, reduce: SegmentReduction, options?: SegmentOptions) => Tensor>;

const define = (name: string): SegmentReduce =>
  operator(
    `${name}(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, Tensor? offsets=None, int axis=0, bool unsafe=False, Scalar? initial=None)`,
    (
      x: Tensor,
      reduce: string,
      lengths: Tensor | null,
      indices: Tensor | null,
      offsets: Tensor | null,
      dim: number,
      unsafe: boolean,
      initial: ScalarLike | null,
    ) => {
      const axis = wrapDim(dim, x.ndim);
      if (indices !== null) {
        throw new TorchError("segment_reduce(): indices based reduction is not supported yet.");
      }
      if (lengths === null && offsets === null) {
        throw new TorchError("segment_reduce(): Either lengths or offsets must be defined.");
      }
      if (!(reduce in neutral)) throw new TorchError(`unsupported reduction given: ${reduce}`);
      if (x.dtype.category !== 2) {
        throw new NotImplementedError(`"segment_reduce_cpu" not implemented for '${x.dtype.scalarName}'`);
      }
      const given = (offsets ?? lengths) as Tensor;
      const what = offsets === null ? "lengths" : "offsets";
      if (given.dtype.category !== 1) {
        throw new TorchError(
          `segment_reduce(): Expected ${what} to be of an integral type, got ${given.dtype.scalarName}`,
        );
      }
      if (axis !== given.ndim - 1) {
        throw new TorchError(`segment_reduce(): Expected axis to be the last dimension of ${what} but got ${axis}.`);
      }
      if (given.shape.slice(0, axis).some((n, d) => n !== x.shape[d])) {
        throw new TorchError(`segment_reduce(): Expected ${what} to have the leading dimensions of data`);
      }
      const size = x.shape[axis] as number;
      const bounds = boundsFrom(lengths, offsets);
      if (offsets === null && !unsafe) {
        if (bounds.flat().some(([from, to]) => to < from)) throw new TorchError("lengths contains negative value!");
        if (bounds.some((row) => (row.at(-1)?.[1] ?? 0) !== size)) {
          throw new TorchError(
            "segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when !unsafe.",
          );
        }
      }
      checkBounds(bounds, size);
      const start = initial === null ? null : Number(initial instanceof PyFloat ? initial.value : initial);
      return apply1(segmentReduce, [x], { reduce: reduce as SegmentReduction, axis, bounds, initial: start });
    },
    { method: false },
  );

/** Reduces runs of elements along a dimension. */
export const segment_reduce: SegmentReduce = define("segment_reduce");
/** {@link segment_reduce} under the name that PyTorch's Python has. */
export const _segment_reduce: SegmentReduce = define("_segment_reduce");
