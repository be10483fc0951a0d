/**
 * Running sums, products and extremes along a dimension.
 */
import { bool, type DType, float64, int64 } from "../base/dtype.ts";
import { NotImplementedError, TorchError } from "../base/errors.ts";
import { wrapDim } from "../base/shape.ts";
import { modes } from "../autograd/modes.ts";
import { cloneRaw, contiguousRaw, copyRaw } from "../dispatch/elementwise.ts";
import { aroundDim, Scan } from "../dispatch/family/scan.ts";
import { type InplaceOp, modifying } from "../dispatch/modify.ts";
import { named, type ValuesIndices } from "../dispatch/named.ts";
import type { OutOption } from "../dispatch/out.ts";
import { operator } from "../dispatch/op.ts";
import { apply, apply1, applyInplace, type Primitive, primitive } from "../dispatch/primitive.ts";
import { E, type Expr } from "../ir/expr.ts";
import { viewElements } from "../tensor/data.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";
import { where } from "./clamp.ts";
import { cat } from "./join.ts";
import type { Op } from "./view.ts";

interface Params {
  readonly dim: number;
  readonly dtype: DType;
}

const sums = new Scan({
  name: "cumsum",
  start: (type) => [E.const(type, 0)],
  step: ([a], x) => [E.add(a as Expr, x)],
});

const products = new Scan({
  name: "cumprod",
  start: (type) => [E.const(type, 1)],
  step: ([a], x) => [E.mul(a as Expr, x)],
});

function scanRaw(scan: Scan, x: Tensor, { dim, dtype }: Params): Tensor {
  return scan.run(x, x.ndim === 0 ? 0 : dim, [dtype], true)[0] as Tensor;
}

/** Sums from the other end. */
function reversedSums(g: Tensor, dim: number): Tensor {
  return g.flip([dim]).cumsum(dim).flip([dim]);
}

const trivial = (shape: readonly number[], dim: number): boolean =>
  shape.length === 0 || shape.includes(0) || shape[dim] === 1;

const cumsumPrimitive = primitive<Params>({
  name: "cumsum",
  forward: ([x], params) => scanRaw(sums, x as Tensor, params),
  grads: [{ vjp: (g, ctx) => (trivial(ctx.shape(0), ctx.params.dim) ? g : reversedSums(g, ctx.params.dim)) }],
});

const cumprodPrimitive = primitive<Params>({
  name: "cumprod",
  forward: ([x], params) => scanRaw(products, x as Tensor, params),
  grads: [
    {
      uses: [0, "out"],
      vjp: (g, ctx) => {
        const { dim } = ctx.params;
        if (trivial(ctx.shape(0), dim)) return g;
        return productGradient(g, ctx.input(0), dim, ctx.output());
      },
    },
  ],
});

/**
 * Each element is a factor of the results from its own on. Without zeros, those products are the results divided by it; else
 * they are formed one by one where second derivatives may be wanted, or in one pass over the numbers.
 */
function productGradient(g: Tensor, x: Tensor, dim: number, result: Tensor): Tensor {
  if (Number(x.detach().eq(0).any().item()) === 0) return reversedSums(result.mul(g), dim).div(x);
  if (!modes.grad) return productGradientRaw(g, x, dim);
  const n = x.shape[dim] as number;
  const ones = x.new_ones(x.shape.map((size, d) => (d === dim ? 1 : size)));
  const parts: Tensor[] = [];
  for (let k = 0; k < n; k++) {
    const before = k === 0 ? ones : x.narrow(dim, 0, k).prod(dim, true);
    const products =
      k === n - 1 ? before : cat([before, before.mul(x.narrow(dim, k + 1, n - k - 1).cumprod(dim))], dim);
    parts.push(
      g
        .narrow(dim, k, n - k)
        .mul(products)
        .sum(dim, true),
    );
  }
  return cat(parts, dim);
}

/** `b[k] * s[k]`, with `b[k]` the product of the factors before, and `s[k] = g[k] + x[k + 1] * s[k + 1]`. */
function productGradientRaw(g: Tensor, x: Tensor, dim: number): Tensor {
  const wide = (t: Tensor): Float64Array => viewElements(contiguousRaw(t.detach().double())) as Float64Array;
  const gs = wide(g).slice();
  const xs = wide(x).slice();
  const { outer, n, inner } = aroundDim(x.shape, dim);
  const out = allocate(x.shape, float64, x._backend);
  const to = viewElements(out) as Float64Array;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const base = o * n * inner + i;
      let s = 0;
      for (let k = n - 1; k >= 0; k--) {
        s = (gs[base + k * inner] as number) + (k < n - 1 ? (xs[base + (k + 1) * inner] as number) * s : 0);
        to[base + k * inner] = s;
      }
      let b = 1;
      for (let k = 0; k < n; k++) {
        to[base + k * inner] = (to[base + k * inner] as number) * b;
        b *= xs[base + k * inner] as number;
      }
    }
  }
  return out.to(x.dtype);
}

type Cumulative = (
  input: Tensor,
  dim: number,
  options?: OutOption & {
    /** Elements are converted to this dtype first; integers are int64 by default. */
    dtype?: DType | null;
  },
) => Tensor;

function cumulative(name: "cumsum" | "cumprod", scan: Scan, prim: Primitive<Params>): InplaceOp<Cumulative> {
  return modifying(
    `${name}(Tensor input, int dim, *, dtype? dtype=None)`,
    (inplace, x: Tensor, dim: number, dtype: DType | null) => {
      const d = wrapDim(dim, x.ndim);
      if (!inplace) {
        const type = dtype ?? (x.dtype.category < 2 ? int64 : x.dtype);
        refuseComplex(`${name}_out_cpu`, type);
        return apply1(prim, [x], { dim: d, dtype: type });
      }
      if (dtype !== null && dtype !== x.dtype) {
        throw new TorchError(
          `provided dtype must match the dtype of self tensor in ${name}. Got ${x.dtype.scalarName} and ${dtype.scalarName}.`,
        );
      }
      if (x.dtype === bool) throw new TorchError(`"${name}_out_cpu" not implemented for 'Bool'`);
      const params = { dim: d, dtype: x.dtype };
      return applyInplace(prim, [x], params, (t) => copyRaw(t, scanRaw(scan, t, params)), cloneRaw);
    },
  );
}

function refuseComplex(name: string, dtype: DType): void {
  if (dtype.is_complex) throw new NotImplementedError(`"${name}" not implemented for '${dtype.scalarName}'`);
}

/** The running sum along a dimension. */
export const cumsum: InplaceOp<Cumulative> = cumulative("cumsum", sums, cumsumPrimitive);
/** The running product along a dimension. */
export const cumprod: InplaceOp<Cumulative> = cumulative("cumprod", products, cumprodPrimitive);

// --- extremes --------------------------------------------------------------------------------------------------------

const runningExtreme = (name: "cummax" | "cummin"): Scan =>
  new Scan({
    name,
    start: (type) => [E.const(type, 0), E.const("i32", 0)],
    step: ([best, where], x, i) => {
      const known = best as Expr;
      const better = name === "cummax" ? E.ge(x, known) : E.le(x, known);
      const float = x.type === "f32" || x.type === "f64";
      // The last of equal ones; the last NaN, once there was one.
      const take = E.or(E.eq(i, 0), float ? E.or(E.isnan(x), better) : better);
      return [E.select(take, x, known), E.select(take, i, where as Expr)];
    },
    results: ([best, where]) => [best as Expr, where as Expr],
  });

const selecting = (name: "cummax" | "cummin"): Primitive<number> => {
  const scan = runningExtreme(name);
  return primitive<number>({
    name,
    forward: ([x], dim) => scan.run(x as Tensor, dim, [(x as Tensor).dtype, int64], false),
    nonDifferentiable: [1],
    grads: [
      {
        uses: ["out1"],
        vjp: (g, ctx) => {
          const shape = ctx.shape(0);
          return shape.includes(0) ? g : g.new_zeros(shape).scatter_add(ctx.params, ctx.output(1), g);
        },
      },
    ],
  });
};

type RunningExtreme = Op<(input: Tensor, dim: number, options?: { out?: readonly Tensor[] }) => ValuesIndices>;

function defineRunning(name: "cummax" | "cummin"): RunningExtreme {
  const prim = selecting(name);
  return operator(`${name}(Tensor input, int dim)`, (x: Tensor, dim: number) => {
    const d = wrapDim(dim, x.ndim);
    refuseComplex(name, x.dtype);
    const [values, indices] = apply(prim, [x], d) as [Tensor, Tensor];
    return named(name, { values, indices });
  });
}

/** The largest elements so far along a dimension, and where they are; of equal ones the last. */
export const cummax: RunningExtreme = defineRunning("cummax");
/** The smallest elements so far along a dimension, and where they are; of equal ones the last. */
export const cummin: RunningExtreme = defineRunning("cummin");

// --- logarithms of sums ----------------------------------------------------------------------------------------------

const logSums = new Scan({
  name: "logcumsumexp",
  start: (type) => [E.const(type, -Infinity)],
  step: ([carried], x) => {
    const a = carried as Expr;
    const low = E.min(a, x);
    const high = E.max(a, x);
    // Equal infinities stay themselves; their difference would be NaN.
    const same = E.and(E.eq(low, high), E.eq(E.abs(low), Infinity));
    return [E.select(same, x, E.add(E.log1p(E.exp(E.sub(low, high))), high))];
  },
});

const logcumsumexpPrimitive = primitive<Params>({
  name: "logcumsumexp",
  forward: ([x], params) => scanRaw(logSums, x as Tensor, params),
  grads: [
    {
      uses: [0, "out"],
      vjp: (g, ctx) => {
        const { dim } = ctx.params;
        if (g.ndim === 0 || g._numel === 0) return g;
        const x = ctx.input(0);
        const result = ctx.output();
        const reverse = (t: Tensor): Tensor => t.flip([dim]).logcumsumexp(dim).flip([dim]);
        const lowest = g.new_full([], lowestOf(g.dtype));
        const logs = g.abs().log();
        const part = (positive: boolean): Tensor => {
          const chosen = where(positive ? g.gt(0) : g.lt(0), logs, lowest);
          return reverse(chosen.sub(result)).add(x).exp();
        };
        return part(true).sub(part(false));
      },
    },
  ],
});

const lowestOf = (dtype: DType): number =>
  dtype.name === "float64"
    ? -Number.MAX_VALUE
    : dtype.name === "float16"
      ? -65504
      : dtype.name === "bfloat16"
        ? -3.3895313892515355e38
        : -3.4028234663852886e38;

/** The logarithm of the running sum of exponentials along a dimension, without overflow. */
export const logcumsumexp: Op<(input: Tensor, dim: number, options?: OutOption) => Tensor> = operator(
  "logcumsumexp(Tensor input, int dim)",
  (x: Tensor, dim: number) => {
    const d = wrapDim(dim, x.ndim);
    if (x.dtype.category < 2) {
      throw new NotImplementedError(`"logcumsumexp_out_cpu" not implemented for '${x.dtype.scalarName}'`);
    }
    refuseComplex("logcumsumexp_out_cpu", x.dtype);
    return apply1(logcumsumexpPrimitive, [x], { dim: d, dtype: x.dtype });
  },
);
