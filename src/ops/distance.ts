/**
 * Distances and similarities.
 */
import { type DType, int64 } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { promote_types } from "../base/promote.ts";
import { broadcast, formatShape } from "../base/shape.ts";
import { no_grad } from "../autograd/modes.ts";
import { Elementwise } from "../dispatch/elementwise.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, type Primitive, primitive, untracked } from "../dispatch/primitive.ts";
import { PyFloat, type ScalarLike } from "../dispatch/signature.ts";
import { E, type Expr } from "../ir/expr.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";
import { broadcast_tensors } from "./repeat.ts";
import { linalg_vector_norm, normGradient, normOver, normRaw } from "./norm.ts";
import type { Op } from "./view.ts";

const numberOf = (value: ScalarLike): number => Number(value instanceof PyFloat ? value.value : value);

const allDims = (x: Tensor): number[] => x.shape.map((_, d) => d);

// --- two tensors -----------------------------------------------------------------------------------------------------

/** Options of {@link cosine_similarity}. */
export interface CosineOptions {
  dim?: number;
  /** The smallest norm that is divided by. Default: 1e-8. */
  eps?: number;
}

/** The cosine of the angle between vectors along `dim`. */
export const cosine_similarity: Op<(x1: Tensor, x2: Tensor, dim?: number | CosineOptions, eps?: number) => Tensor> =
  operator(
    "cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08)",
    (x1: Tensor, x2: Tensor, dim: number, eps: number) => {
      const dtype = promote_types(x1.dtype, x2.dtype);
      if (dtype.category < 2) {
        throw new TorchError(`expected common dtype to be floating point, yet common dtype is ${dtype.scalarName}`);
      }
      const [a, b] = broadcast_tensors(x1.to(dtype), x2.to(dtype)) as [Tensor, Tensor];
      const normal = (x: Tensor): Tensor => {
        const size = linalg_vector_norm(x, 2, [dim], true).clone();
        no_grad(() => size.clamp_min_(eps));
        return x.div(size);
      };
      return normal(a).mul(normal(b)).sum(dim);
    },
    { method: false },
  );

/** Options of {@link pairwise_distance}. */
export interface PairwiseOptions {
  p?: number;
  /** Added to the differences, so that none is zero. Default: 1e-6. */
  eps?: number;
  keepdim?: boolean;
}

/** The p-norm of the differences of vectors, along the last dim. */
export const pairwise_distance: Op<
  (x1: Tensor, x2: Tensor, p?: number | PairwiseOptions, eps?: number, keepdim?: boolean) => Tensor
> = operator(
  "pairwise_distance(Tensor x1, Tensor x2, float p=2.0, float eps=1e-06, bool keepdim=False)",
  (x1: Tensor, x2: Tensor, p: number, eps: number, keepdim: boolean) => {
    const difference = x1.sub(x2).add(eps);
    return normOver(difference, p, difference.ndim === 0 ? [] : [difference.ndim - 1], keepdim);
  },
  { method: false },
);

const distPrimitive: Primitive<number> = primitive<number>({
  name: "dist",
  forward: ([a, b], p) => {
    const difference = untracked(a as Tensor).sub(untracked(b as Tensor));
    return normRaw(difference, { p, dims: allDims(difference), keepdim: false });
  },
  joint: {
    uses: () => [0, 1, "out"],
    vjp: ([g], ctx) => {
      if (g == null) return [null, null];
      const difference = ctx.input(0).sub(ctx.input(1));
      const whole = (t: Tensor): Tensor => t.expand(difference.shape);
      const p = ctx.params;
      const dx = p === 0 ? null : normGradient(whole(g), difference, whole(ctx.output()), p, allDims(difference));
      return [ctx.needs(0) ? dx : null, ctx.needs(1) && dx !== null ? dx.neg() : null];
    },
  },
});

/** The p-norm of the difference of two tensors. */
export const dist: Op<(input: Tensor, other: Tensor, p?: ScalarLike) => Tensor> = operator(
  "dist(Tensor input, Tensor other, Scalar p=2)",
  (x: Tensor, other: Tensor, p: ScalarLike) => apply1(distPrimitive, [x, other], numberOf(p)),
);

// --- all pairs -------------------------------------------------------------------------------------------------------

const differences = new Map<DType, Elementwise>();

/** a - b, broadcast, without autograd. */
function differenceRaw(a: Tensor, b: Tensor): Tensor {
  const { dtype } = a;
  let kernel = differences.get(dtype);
  if (kernel === undefined) {
    kernel = new Elementwise({
      name: "difference",
      key: `difference:${dtype.name}`,
      outs: [dtype],
      ins: [dtype, dtype],
      scalars: [],
      build: ([x, y]) => [E.sub(x as Expr, y as Expr)],
    });
    differences.set(dtype, kernel);
  }
  const out = allocate(broadcast(a.shape, b.shape), dtype, a._backend);
  if (out._numel > 0) kernel.run([out], [a, b], []);
  return out;
}

interface CdistParams {
  readonly p: number;
  /** Whether Euclidean distances are made of a matrix product. */
  readonly product: boolean;
}

/** Rows against rows: the differences of all pairs are [..., n, m, d]. */
const against = (a: Tensor, b: Tensor): [Tensor, Tensor] => [a.unsqueeze(-2), b.unsqueeze(-3)];

function cdistRaw(a: Tensor, b: Tensor, { p, product }: CdistParams): Tensor {
  const [x, y] = [untracked(a), untracked(b)];
  if (product) {
    const size = (t: Tensor): Tensor => t.square().sum(-1);
    const both = size(x).unsqueeze(-1).add(size(y).unsqueeze(-2));
    return both
      .sub(x.matmul(y.transpose(-2, -1)).mul(2))
      .clamp_min(0)
      .sqrt();
  }
  const pairs = differenceRaw(...against(x, y));
  return normRaw(pairs, { p, dims: [pairs.ndim - 1], keepdim: false });
}

const cdistPrimitive: Primitive<CdistParams> = primitive<CdistParams>({
  name: "cdist",
  gradName: "CdistBackward0",
  forward: ([a, b], params) => cdistRaw(a as Tensor, b as Tensor, params),
  joint: {
    uses: () => [0, 1, "out"],
    vjp: ([g], ctx) => {
      if (g == null) return [null, null];
      const { p } = ctx.params;
      const [x, y] = against(ctx.input(0), ctx.input(1));
      const pairs = x.sub(y);
      if (p === 0) return [ctx.input(0).mul(0), ctx.input(1).mul(0)];
      const last = pairs.ndim - 1;
      const d = normGradient(
        g.unsqueeze(-1).expand(pairs.shape),
        pairs,
        ctx.output().unsqueeze(-1).expand(pairs.shape),
        p,
        [last],
      );
      return [ctx.needs(0) ? d.sum(-2) : null, ctx.needs(1) ? d.sum(-3).neg() : null];
    },
  },
});

/** Options of {@link cdist}. */
export interface CdistOptions {
  p?: number;
  /** Whether Euclidean distances may be made of a matrix product, which is faster and less exact. */
  compute_mode?:
    | "use_mm_for_euclid_dist_if_necessary"
    | "use_mm_for_euclid_dist"
    | "donot_use_mm_for_euclid_dist"
    | number
    | null;
}

const computeModes: Readonly<Record<string, number>> = {
  use_mm_for_euclid_dist_if_necessary: 0,
  use_mm_for_euclid_dist: 1,
  donot_use_mm_for_euclid_dist: 2,
};

/** The p-norm distances between all rows of two matrices, or of batches of them. */
export const cdist: Op<(x1: Tensor, x2: Tensor, p?: number | CdistOptions, ...args: unknown[]) => Tensor> = operator(
  "cdist(Tensor x1, Tensor x2, float p=2.0, int|str? compute_mode=None)",
  (x1: Tensor, x2: Tensor, p: number, mode: number | string | null) => {
    if (x1.ndim < 2) throw new TorchError(`cdist only supports at least 2D tensors, X1 got: ${x1.ndim}D`);
    if (x2.ndim < 2) throw new TorchError(`cdist only supports at least 2D tensors, X2 got: ${x2.ndim}D`);
    const [r1, r2, columns] = [x1.shape.at(-2), x2.shape.at(-2), x1.shape.at(-1)] as [number, number, number];
    if (columns !== x2.shape.at(-1)) {
      throw new TorchError(`X1 and X2 must have the same number of columns. X1: ${columns} X2: ${x2.shape.at(-1)}`);
    }
    if (x1.dtype.category !== 2) {
      throw new TorchError(`cdist only supports floating-point dtypes, X1 got: ${x1.dtype.scalarName}`);
    }
    if (p < 0) throw new TorchError("cdist only supports non-negative p values");
    const chosen = typeof mode === "string" ? computeModes[mode] : (mode ?? 0);
    if (chosen === undefined) throw new TorchError(`${mode} is not a valid value for compute_mode`);
    const batch = broadcast(x1.shape.slice(0, -2), x2.shape.slice(0, -2));
    const spread = (t: Tensor): Tensor =>
      formatShape(batch) === formatShape(t.shape.slice(0, -2)) ? t : t.expand([...batch, ...t.shape.slice(-2)]);
    const product = p === 2 && columns > 0 && (chosen === 1 || (chosen === 0 && (r1 > 25 || r2 > 25)));
    return apply1(cdistPrimitive, [spread(x1), spread(x2)], { p, product });
  },
  { method: false },
);

/** The rows (i, j) with i < j. */
function pairsOf(x: Tensor): [Tensor, Tensor] {
  const n = x.shape[0] as number;
  const first: number[] = [];
  const second: number[] = [];
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      first.push(i);
      second.push(j);
    }
  }
  const pick = (rows: number[]): Tensor => x.index_select(0, x.new_tensor(rows, { dtype: int64 }));
  return [pick(first), pick(second)];
}

const pdistPrimitive: Primitive<number> = primitive<number>({
  name: "_pdist_forward",
  gradName: "PdistBackward0",
  forward: ([x], p) => {
    const pairs = differenceRaw(...pairsOf(untracked(x as Tensor)));
    return normRaw(pairs, { p, dims: [1], keepdim: false });
  },
  grads: [
    {
      uses: [0, "out"],
      vjp: (g, ctx) => {
        const x = ctx.input(0);
        const p = ctx.params;
        const n = x.shape[0] as number;
        if (p === 0 || n < 2) return x.mul(0);
        const [a, b] = pairsOf(x);
        const pairs = a.sub(b);
        const spread = (t: Tensor): Tensor => t.unsqueeze(-1).expand(pairs.shape);
        const d = normGradient(spread(g), pairs, spread(ctx.output()), p, [1]);
        // Back to a full matrix of pairs, in which rows are added up.
        const full = triangle(d, n);
        return full.sum(1).sub(full.sum(0));
      },
    },
  ],
});

/** [pairs, d] as [n, n, d], zero below and on the diagonal. */
function triangle(d: Tensor, n: number): Tensor {
  const places: number[] = [];
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) places.push(i * n + j);
  const columns = d.shape[1] as number;
  const index = d.new_tensor(places, { dtype: int64 });
  return d
    .new_zeros([n * n, columns])
    .index_add(0, index, d)
    .view([n, n, columns]);
}

/** The p-norm distances between all pairs of rows, in the order (0, 1), (0, 2), …, (1, 2), …. */
export const pdist: Op<(input: Tensor, p?: number) => Tensor> = operator(
  "pdist(Tensor input, float p=2.0)",
  (x: Tensor, p: number) => {
    if (x.ndim !== 2) {
      throw new TorchError(`pdist only supports 2D tensors, got: ${x.ndim}D`);
    }
    if (x.dtype.category !== 2) throw new TorchError("pdist only supports floating-point dtypes");
    if (p < 0) throw new TorchError("pdist only supports non-negative p values");
    return apply1(pdistPrimitive, [x.contiguous()], p);
  },
  { method: false },
);
