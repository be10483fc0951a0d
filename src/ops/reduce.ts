/**
 * Reductions.
 */
import { bool, type DType, get_default_dtype, int64, toReal, uint8 } from "../base/dtype.ts";
import { IndexError, TorchError } from "../base/errors.ts";
import { numel, wrapDims } from "../base/shape.ts";
import { Reduction } from "../dispatch/family/reduction.ts";
import { type OpInfo, operator } from "../dispatch/op.ts";
import { castRaw } from "../dispatch/elementwise.ts";
import { apply1, primitive, untracked } from "../dispatch/primitive.ts";
import { conj, imag, real, view_as_complex, view_as_real } from "./complex.ts";
import { E, type Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { cat } from "./join.ts";
import { expandTo } from "./expand.ts";
import { insertDim } from "./view.ts";
import { type Op, reshape } from "./view.ts";

/** One dim, several, or null for all. */
export type Dims = number | readonly number[] | null;

export interface ReduceOptions {
  dim?: Dims;
  /** Keep reduced dims with size 1. Default: false. */
  keepdim?: boolean;
  out?: Tensor | null;
}

export interface TypedReduceOptions extends ReduceOptions {
  /** Elements are converted to this dtype first. */
  dtype?: DType | null;
}

/** `x.sum()`, `x.sum(dim, keepdim)`, `x.sum({ dim, keepdim, dtype })`. */
export interface TypedReduction {
  (input: Tensor, options?: TypedReduceOptions): Tensor;
  (input: Tensor, dim: Dims, keepdim?: boolean, options?: TypedReduceOptions): Tensor;
  (input: Tensor, dim: Dims, options: TypedReduceOptions): Tensor;
  readonly op: OpInfo;
}

/** @internal */
export interface Params {
  readonly dims: readonly number[];
  readonly keepdim: boolean;
  readonly dtype: DType;
}

const sumOf = new Reduction("sum", (r) => r.sum((x) => x));
const meanOf = new Reduction("mean", (r) =>
  E.div(
    r.sum((x) => x),
    r.n,
  ),
);
const prodOf = new Reduction("prod", (r) => r.prod((x) => x));

/** @internal A reduced tensor with its dims back, of size 1 and expanded to `shape`. */
export function restore(g: Tensor, shape: readonly number[], dims: readonly number[], keepdim: boolean): Tensor {
  if (shape.length === 0) return g;
  let out = g;
  if (!keepdim && dims.length < shape.length) {
    for (const d of dims.toSorted((a, b) => a - b)) out = insertDim(out, d);
  }
  return expandTo(out, shape);
}

/** A linear reduction, of complex tensors part by part. */
function runLinear(reduction: Reduction, x: Tensor, dims: readonly number[], keepdim: boolean, dtype: DType): Tensor {
  if (!dtype.is_complex) return reduction.run(x, dims, keepdim, dtype, dtype);
  const real = toReal(dtype);
  const parts = untracked(view_as_real(castRaw(untracked(x), dtype)));
  const result = reduction.run(parts, dims, keepdim, real, real);
  return untracked(view_as_complex(result));
}

const reducing = (reduction: Reduction, gradName: string): ((x: Tensor, params: Params) => Tensor) => {
  const mean = reduction === meanOf;
  const prim = primitive<Params>({
    name: reduction.name,
    gradName,
    forward: ([x], { dims, keepdim, dtype }) => runLinear(reduction, x as Tensor, dims, keepdim, dtype),
    grads: [
      {
        vjp: (g, ctx) => {
          const shape = ctx.shape(0);
          const { dims, keepdim } = ctx.params;
          const full = restore(g, shape, dims, keepdim);
          return mean ? full.div(numel(dims.map((d) => shape[d] as number))) : full;
        },
      },
    ],
  });
  return (x, params) => apply1(prim, [x], params);
};

const sumAll = reducing(sumOf, "SumBackward0");
const sumDims = reducing(sumOf, "SumBackward1");
const meanAll = reducing(meanOf, "MeanBackward0");
const meanDims = reducing(meanOf, "MeanBackward1");

const sumType = (x: Tensor, dtype: DType | null): DType => dtype ?? (x.dtype.category < 2 ? int64 : x.dtype);

/** The sum of the elements, over all dims or the given ones; integers are summed as int64. */
export const sum: TypedReduction = operator(
  "sum(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)",
  (x: Tensor, dim: number[] | null, keepdim: boolean, dtype: DType | null) => {
    const params = { dims: wrapDims(dim, x.ndim), keepdim, dtype: sumType(x, dtype) };
    return dim === null && !keepdim ? sumAll(x, params) : sumDims(x, params);
  },
);

/** The mean of the elements, over all dims or the given ones; for floating point tensors. */
export const mean: TypedReduction = operator(
  "mean(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)",
  (x: Tensor, dim: number[] | null, keepdim: boolean, dtype: DType | null) => {
    const type = dtype ?? x.dtype;
    if (type.category < 2) {
      throw new TorchError(
        `mean(): could not infer output dtype. ${dtype === null ? "Input" : "Optional"} dtype must be either a floating point or complex dtype. Got: ${type.scalarName}`,
      );
    }
    const params = { dims: wrapDims(dim, x.ndim), keepdim, dtype: type };
    return dim === null && !keepdim ? meanAll(x, params) : meanDims(x, params);
  },
);

/** Sums over the dims along which `size` was broadcast to the shape of the tensor. */
export const sum_to_size: Op<(input: Tensor, ...size: (number | readonly number[])[]) => Tensor> = operator(
  "sum_to_size(Tensor input, int[]... size)",
  (x: Tensor, list: (number | readonly number[])[]) => {
    const size = (list.length === 1 && Array.isArray(list[0]) ? list[0] : list) as readonly number[];
    const lead = x.ndim - size.length;
    const fits = lead >= 0 && size.every((n, d) => n === 1 || n === x.shape[lead + d]);
    if (!fits) {
      throw new TorchError(`size {[${size.join(", ")}]} is not expandable to size {[${x.shape.join(", ")}]}.`);
    }
    const dims = x.shape.map((_, d) => d).filter((d) => d < lead || (size[d - lead] === 1 && x.shape[d] !== 1));
    if (dims.length === 0) return x;
    const summed = sumDims(x, { dims, keepdim: true, dtype: sumType(x, null) });
    return lead > 0 ? reshape(summed, size) : summed;
  },
  { namespace: false },
);

// --- product ---------------------------------------------------------------------------------------------------------

/**
 * The gradient of a product is the product of the other factors: the result divided by the factor, where none is zero; else
 * through sums of logarithms' opposite, exclusive products from both sides.
 */
function prodGradient(g: Tensor, x: Tensor, result: Tensor, dim: number): Tensor {
  const zero = x.eq(0);
  if (!zero.any().item()) return g.mul(conj(result.div(x)));
  const ones = x.narrow(dim, 0, 1).mul(0).add(1);
  const n = x.shape[dim] as number;
  const before = cat([ones, x.narrow(dim, 0, n - 1)], dim).cumprod(dim);
  const after = cat([ones, x.narrow(dim, 1, n - 1).flip([dim])], dim)
    .cumprod(dim)
    .flip([dim]);
  return g.mul(conj(before.mul(after)));
}

/** The product of complex numbers, one slice after another. */
function complexProd(x: Tensor, dims: readonly number[], keepdim: boolean): Tensor {
  const rest = x.shape.map((_, d) => d).filter((d) => !dims.includes(d));
  const kept = rest.map((d) => x.shape[d] as number);
  const count = numel(dims.map((d) => x.shape[d] as number));
  const rows = x.permute([...dims, ...rest]).reshape([count, ...kept]);
  let product = x.new_ones(kept);
  for (let i = 0; i < count; i++) product = product.mul(rows.select(0, i));
  return keepdim ? untracked(product.reshape(x.shape.map((n, d) => (dims.includes(d) ? 1 : n)))) : product;
}

const prodPrimitive = (gradName: string): ((x: Tensor, params: Params) => Tensor) => {
  const prim = primitive<Params>({
    name: "prod",
    gradName,
    forward: ([x], { dims, keepdim, dtype }) =>
      dtype.is_complex
        ? complexProd(castRaw(untracked(x as Tensor), dtype), dims, keepdim)
        : prodOf.run(x as Tensor, dims, keepdim, dtype, dtype),
    grads: [
      {
        uses: [0, "out"],
        vjp: (g, ctx) => {
          const x = ctx.input(0);
          const { dims, keepdim } = ctx.params;
          if (x._numel === 0) return x.mul(0);
          if (x.ndim === 0) return g;
          if (dims.length > 1 || x.ndim === 1) {
            const flat = prodGradient(g.reshape(1), x.reshape(-1), ctx.output().reshape(1), 0);
            return flat.reshape(x.shape);
          }
          const d = dims[0] as number;
          const back = (y: Tensor): Tensor => (keepdim ? y : y.unsqueeze(d));
          return prodGradient(back(g), x, back(ctx.output()), d);
        },
      },
    ],
  });
  return (x, params) => apply1(prim, [x], params);
};
const prodAll = prodPrimitive("ProdBackward0");
const prodDim = prodPrimitive("ProdBackward1");

/** The product of the elements, over all dims or the given one; integers as int64. */
export const prod: TypedReduction = operator(
  "prod(Tensor input, int? dim=None, bool keepdim=False, *, dtype? dtype=None)",
  (x: Tensor, dim: number | null, keepdim: boolean, dtype: DType | null) => {
    const type = sumType(x, dtype);
    if (dim === null) return prodAll(x, { dims: wrapDims(null, x.ndim), keepdim, dtype: type });
    return prodDim(x, { dims: wrapDims(dim, x.ndim), keepdim, dtype: type });
  },
);

// --- extremes --------------------------------------------------------------------------------------------------------

const amaxOf = new Reduction("amax", (r) => r.max((x) => x));
const aminOf = new Reduction("amin", (r) => r.min((x) => x));

/** Ties share the gradient evenly. */
function evenly(g: Tensor, x: Tensor, result: Tensor, params: Params): Tensor {
  const back = (y: Tensor): Tensor => restore(y, x.shape, params.dims, params.keepdim);
  const mask = x.detach().eq(back(result.detach()));
  const count = mask.sum(params.dims.length === 0 ? null : [...params.dims], true);
  return back(g).mul(mask).div(count);
}

const extreme = (reduction: Reduction, gradName: string): ((x: Tensor, params: Params) => Tensor) => {
  const prim = primitive<Params>({
    name: reduction.name,
    gradName,
    forward: ([x], { dims, keepdim, dtype }) =>
      reduction.run(x as Tensor, dims, keepdim, dtype === bool ? uint8 : dtype, dtype),
    grads: [{ uses: [0, "out"], vjp: (g, ctx) => evenly(g, ctx.input(0), ctx.output(), ctx.params) }],
  });
  return (x, params) => apply1(prim, [x], params);
};

type Extreme = Op<
  (input: Tensor, dim?: Dims | ReduceOptions, keepdim?: boolean | ReduceOptions, options?: ReduceOptions) => Tensor
>;

function defineExtreme(name: "amax" | "amin", reduction: Reduction): Extreme {
  const run = extreme(reduction, name === "amax" ? "AmaxBackward0" : "AminBackward0");
  return operator(
    `${name}(Tensor input, int[]? dim=None, bool keepdim=False)`,
    (x: Tensor, dim: number[] | null, keepdim: boolean) => {
      const dims = wrapDims(dim, x.ndim);
      for (const d of dims) {
        if (x.shape[d] === 0) {
          if (dim === null || dim.length === 0) {
            throw new TorchError(
              `${name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.`,
            );
          }
          throw new IndexError(`${name}(): Expected reduction dim ${d} to have non-zero size.`);
        }
      }
      return run(x, { dims, keepdim, dtype: x.dtype });
    },
  );
}

/** The largest elements over the given dims, all by default; ties share the gradient. */
export const amax: Extreme = defineExtreme("amax", amaxOf);
/** The smallest elements over the given dims, all by default; ties share the gradient. */
export const amin: Extreme = defineExtreme("amin", aminOf);

/** @internal The largest or smallest of all elements, as `max()` without arguments. */
export const maxAll: (x: Tensor) => Tensor = (
  (run) => (x: Tensor) =>
    run(x, { dims: wrapDims(null, x.ndim), keepdim: false, dtype: x.dtype })
)(extreme(amaxOf, "MaxBackward1"));
/** @internal */
export const minAll: (x: Tensor) => Tensor = (
  (run) => (x: Tensor) =>
    run(x, { dims: wrapDims(null, x.ndim), keepdim: false, dtype: x.dtype })
)(extreme(aminOf, "MinBackward1"));

// --- truth -----------------------------------------------------------------------------------------------------------

const anyOf = new Reduction("any", (r) => r.any((x) => x));
const allOf = new Reduction("all", (r) => r.all((x) => x));

type Truth = Op<
  (input: Tensor, dim?: Dims | ReduceOptions, keepdim?: boolean | ReduceOptions, options?: ReduceOptions) => Tensor
>;

function defineTruth(name: string, reduction: Reduction): Truth {
  return operator(
    `${name}(Tensor input, int[]? dim=None, bool keepdim=False)`,
    (x: Tensor, dim: number[] | null, keepdim: boolean) =>
      reduction.run(x, wrapDims(dim, x.ndim), keepdim, bool, x.dtype === uint8 ? uint8 : bool),
  );
}

/** Whether any element is nonzero. */
export const any: Truth = defineTruth("any", anyOf);
/** Whether all elements are nonzero. */
export const all: Truth = defineTruth("all", allOf);

// --- variance --------------------------------------------------------------------------------------------------------

const varOf = new Reduction(
  "var",
  (r) => {
    const m = E.div(
      r.sum((x) => x),
      r.n,
    );
    const squares = r.sum((x) => E.square(E.sub(x, m)));
    return E.div(squares, E.max(E.sub(r.n, r.params[0] as Expr), 0));
  },
  1,
);

/** @internal */
export interface VarParams extends Params {
  readonly correction: number;
}

/** @internal */
export function varGradient(g: Tensor, x: Tensor, { dims, keepdim, correction }: VarParams): Tensor {
  const n = numel(dims.map((d) => x.shape[d] as number));
  const centred = x.sub(x.mean(dims.length === 0 ? null : [...dims], true));
  return restore(g, x.shape, dims, keepdim)
    .mul(centred)
    .mul(2 / (n - correction));
}

/** @internal The variance on raw memory; of complex numbers that of both parts together. */
export function varianceOf(x: Tensor, p: VarParams): Tensor {
  const run = (t: Tensor, dtype: DType): Tensor => varOf.run(t, p.dims, p.keepdim, dtype, dtype, [p.correction]);
  if (!x.dtype.is_complex) return run(x, p.dtype);
  const z = untracked(x);
  return run(real(z), toReal(p.dtype)).add(run(imag(z), toReal(p.dtype)));
}

const varPrimitive = primitive<VarParams>({
  name: "var",
  forward: ([x], p) => varianceOf(x as Tensor, p),
  grads: [{ uses: [0], vjp: (g, ctx) => varGradient(g, ctx.input(0), ctx.params) }],
});

const stdPrimitive = primitive<VarParams>({
  name: "std",
  forward: ([x], p) => varianceOf(x as Tensor, p).sqrt(),
  grads: [
    {
      uses: [0, "out"],
      vjp: (g, ctx) => {
        const y = ctx.output();
        return varGradient(g.div(y.mul(2)).masked_fill(y.eq(0), 0), ctx.input(0), ctx.params);
      },
    },
  ],
});

export interface VarOptions extends ReduceOptions {
  /** What is subtracted from the number of elements. Default: 1. */
  correction?: number | null;
  /** `false` is a correction of 0. */
  unbiased?: boolean;
}

/** `x.var()`, `x.var(dim, unbiased?, keepdim?)`, `x.var(dim, { correction, keepdim })`. */
export interface VarianceOperator {
  (input: Tensor, options?: VarOptions): Tensor;
  (input: Tensor, unbiased: boolean): Tensor;
  (input: Tensor, dim: Dims, options?: VarOptions): Tensor;
  (input: Tensor, dim: Dims, unbiased: boolean, keepdim?: boolean, options?: VarOptions): Tensor;
  readonly op: OpInfo;
}

/** @internal The dims and correction of the forms of `var` and its relatives. */
export function varianceParams(
  name: string,
  x: Tensor,
  first: number[] | boolean | null,
  second: boolean | null,
  keepdim: boolean,
  correction: number | null,
): VarParams {
  if (x.dtype.category < 2) {
    throw new TorchError(`${name} only support floating point and complex dtypes`);
  }
  const unbiased = typeof first === "boolean" ? first : second;
  const dim = typeof first === "boolean" ? null : first;
  const c = correction ?? (unbiased === false ? 0 : 1);
  const dims = wrapDims(dim, x.ndim);
  const n = numel(dims.map((d) => x.shape[d] as number));
  if (n - c <= 0 && x._numel > 0) {
    console.warn(
      `UserWarning: ${name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input numel divided by output numel).`,
    );
  }
  return { dims, keepdim, dtype: x.dtype, correction: c };
}

const varianceText = (name: string): string =>
  `${name}(Tensor input, int[]|bool? dim=None, bool? unbiased=None, bool keepdim=False, *, float? correction=None)`;

/** The variance, over all dims or the given ones. */
const variance: VarianceOperator = operator(
  varianceText("var"),
  (x: Tensor, dim: number[] | boolean | null, unbiased: boolean | null, keepdim: boolean, correction: number | null) =>
    apply1(varPrimitive, [x], varianceParams("var", x, dim, unbiased, keepdim, correction)),
);

export { variance as var };

/** The standard deviation, over all dims or the given ones. */
export const std: VarianceOperator = operator(
  varianceText("std"),
  (x: Tensor, dim: number[] | boolean | null, unbiased: boolean | null, keepdim: boolean, correction: number | null) =>
    apply1(stdPrimitive, [x], varianceParams("std", x, dim, unbiased, keepdim, correction)),
);

// --- logarithms of sums ----------------------------------------------------------------------------------------------

const logsumexpOf = new Reduction("logsumexp", (r) => {
  const top = r.max((x) => x);
  const shift = E.select(E.eq(E.abs(top), Infinity), E.const(r.type, 0), top);
  return E.add(E.log(r.sum((x) => E.exp(E.sub(x, shift)))), shift);
});

/** Shifted by the largest real part, which decides the size. */
function complexLogsumexp(x: Tensor, { dims, keepdim }: Params): Tensor {
  if (x.ndim === 0) return x.exp().log();
  const top = real(x).amax([...dims], true);
  const shift = top.masked_fill(top.abs().eq(Infinity), 0);
  const sum = x
    .sub(shift)
    .exp()
    .sum([...dims], keepdim)
    .log();
  return sum.add(keepdim ? shift : shift.reshape(sum.shape));
}

const logsumexpPrimitive = primitive<Params>({
  name: "logsumexp",
  forward: ([x], p) =>
    p.dtype.is_complex
      ? complexLogsumexp(untracked(x as Tensor), p)
      : logsumexpOf.run(x as Tensor, p.dims, p.keepdim, p.dtype, p.dtype),
  grads: [
    {
      uses: [0, "out"],
      vjp: (g, ctx) => {
        const x = ctx.input(0);
        const { dims, keepdim } = ctx.params;
        const back = (y: Tensor): Tensor => restore(y, x.shape, dims, keepdim);
        return back(g).mul(conj(x.sub(back(ctx.output())).exp()));
      },
    },
  ],
});

/** `log(sum(exp(input)))` over the given dims, without overflow. */
export const logsumexp: Op<
  (input: Tensor, dim: Dims | ReduceOptions, keepdim?: boolean | ReduceOptions, options?: ReduceOptions) => Tensor
> = operator("logsumexp(Tensor input, int[] dim, bool keepdim=False)", (x: Tensor, dim: number[], keepdim: boolean) => {
  const dtype = x.dtype.category < 2 ? get_default_dtype() : x.dtype;
  return apply1(logsumexpPrimitive, [x.to(dtype)], { dims: wrapDims(dim, x.ndim), keepdim, dtype });
});
