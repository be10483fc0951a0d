/**
 * Running sums, products and extremes along a dimension.
 */
import { bool, type DType, int64 } from "../base/dtype.ts";
import { NotImplementedError, TorchError } from "../base/errors.ts";
import { wrapDim } from "../base/shape.ts";
import { cloneRaw, copyRaw } from "../dispatch/elementwise.ts";
import { Scan } from "../dispatch/family/scan.ts";
import { type InplaceOp, modifying } from "../dispatch/modify.ts";
import { named, type ValuesIndices } from "../dispatch/named.ts";
import type { OutOption } from "../dispatch/out.ts";
import { operator } from "../dispatch/op.ts";
import { apply, apply1, applyInplace, type Primitive, primitive } from "../dispatch/primitive.ts";
import { E, type Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { recurrence, shifted } from "./recurrence.ts";
import type { Op } from "./view.ts";

interface Params {
  readonly dim: number;
  readonly dtype: DType;
}

const addUp = (carried: readonly Expr[], xs: readonly Expr[]): readonly Expr[] => [
  E.add(carried[0] as Expr, xs[0] as Expr),
];
const zero = (type: Expr["type"]): readonly Expr[] => [E.const(type, 0)];

const sums = new Scan({ name: "cumsum", start: zero, step: addUp });
const sumsBack = new Scan({ name: "cumsum_reversed", start: zero, step: addUp, reverse: true });

const products = new Scan({
  name: "cumprod",
  start: (type) => [E.const(type, 1)],
  step: ([a], [x]) => [E.mul(a as Expr, x as Expr)],
});

function scanRaw(scan: Scan, x: Tensor, { dim, dtype }: Params): Tensor {
  return scan.run([x], dim, [dtype], true)[0] as Tensor;
}

const trivial = (shape: readonly number[], dim: number): boolean =>
  shape.length === 0 || shape.includes(0) || shape[dim] === 1;

const cumsumPrimitive: Primitive<Params> = primitive<Params>({
  name: "cumsum",
  forward: ([x], params) => scanRaw(sums, x as Tensor, params),
  grads: [{ vjp: (g, ctx) => (trivial(ctx.shape(0), ctx.params.dim) ? g : summedBack(g, ctx.params.dim)) }],
});

const reversedPrimitive = primitive<Params>({
  name: "cumsum",
  forward: ([x], params) => scanRaw(sumsBack, x as Tensor, params),
  grads: [{ vjp: (g, ctx) => apply1(cumsumPrimitive, [g], { dim: ctx.params.dim, dtype: g.dtype }) }],
});

/** Running sums from the end. */
function summedBack(g: Tensor, dim: number): Tensor {
  return apply1(reversedPrimitive, [g], { dim, dtype: g.dtype });
}

/**
 * Each element is a factor of the results from its own on: its gradient is the product of the factors before it, times
 * `s[k] = g[k] + x[k + 1] * s[k + 1]`.
 */
const cumprodPrimitive = primitive<Params>({
  name: "cumprod",
  forward: ([x], params) => scanRaw(products, x as Tensor, params),
  grads: [
    {
      uses: [0, "out"],
      vjp: (g, ctx) => {
        const { dim } = ctx.params;
        if (trivial(ctx.shape(0), dim)) return g;
        const x = ctx.input(0).to(g.dtype);
        return recurrence(x, g, dim, true).mul(shifted(ctx.output(), dim, 1));
      },
    },
  ],
});

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
        if (name === "cumprod") refuseComplex("cumprod_out_cpu", type);
        return apply1(prim, [type.is_complex ? x.to(type) : x], { dim: d, dtype: type });
      }
      if (dtype !== null && dtype !== x.dtype) {
        throw new TorchError(
          `provided dtype must match the dtype of self tensor in ${name}. Got ${x.dtype.scalarName} and ${dtype.scalarName}.`,
        );
      }
      if (x.dtype === bool) throw new TorchError(`"${name}_out_cpu" not implemented for 'Bool'`);
      if (name === "cumprod") refuseComplex("cumprod_out_cpu", x.dtype);
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
    step: ([best, where], [given], i) => {
      const x = given as Expr;
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
    forward: ([x], dim) => scan.run([x as Tensor], dim, [(x as Tensor).dtype, int64], false),
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
  step: ([carried], [given]) => {
    const a = carried as Expr;
    const x = given as Expr;
    const low = E.min(a, x);
    const high = E.max(a, x);
    // Equal infinities stay themselves; their difference would be NaN.
    const same = E.and(E.eq(low, high), E.eq(E.abs(low), Infinity));
    return [E.select(same, x, E.add(E.log1p(E.exp(E.sub(low, high))), high))];
  },
});

/**
 * The gradient of element i is the sum over j >= i of `g[j] * exp(x[i] - result[j])`, by a recurrence whose factors are at
 * most 1.
 */
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
        const factors = shifted(result, dim, Number.NEGATIVE_INFINITY).sub(result).exp();
        return x
          .sub(result)
          .exp()
          .mul(recurrence(factors, g, dim, true));
      },
    },
  ],
});

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
