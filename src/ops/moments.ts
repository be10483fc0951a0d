/**
 * Reductions in pairs, and those that skip NaN.
 */
import { type DType, int64 } from "../base/dtype.ts";
import { numel, wrapDims } from "../base/shape.ts";
import { named, type NamedPair } from "../dispatch/named.ts";
import { type OpInfo, operator } from "../dispatch/op.ts";
import { apply, apply1, primitive, untracked } from "../dispatch/primitive.ts";
import { Reduction } from "../dispatch/family/reduction.ts";
import { E, isFloat } from "../ir/expr.ts";
import { formatTuple } from "../tensor/format.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  mean,
  restore,
  type TypedReduction,
  type VarParams,
  varGradient,
  varianceOf,
  varianceParams,
  type VarOptions,
  type Dims,
} from "./reduce.ts";

const nansumOf = new Reduction("nansum", (r) =>
  r.sum((x) => (isFloat(x.type) ? E.select(E.isnan(x), E.const(x.type, 0), x) : x)),
);

interface NansumParams {
  readonly dims: readonly number[];
  readonly keepdim: boolean;
  readonly dtype: DType;
}

const nansumPrimitive = primitive<NansumParams>({
  name: "nansum",
  forward: ([x], p) => nansumOf.run(x as Tensor, p.dims, p.keepdim, p.dtype, p.dtype),
  grads: [
    {
      uses: [0],
      vjp: (g, ctx) => {
        const { dims, keepdim } = ctx.params;
        return restore(g, ctx.shape(0), dims, keepdim).mul(ctx.input(0).isnan().logical_not());
      },
    },
  ],
});

/** {@link sum} that takes NaN as zero. */
export const nansum: TypedReduction = operator(
  "nansum(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)",
  (x: Tensor, dim: number[] | null, keepdim: boolean, dtype: DType | null) =>
    apply1(nansumPrimitive, [x], {
      dims: wrapDims(dim, x.ndim),
      keepdim,
      dtype: dtype ?? (x.dtype.category < 2 ? int64 : x.dtype),
    }),
);

/** {@link mean} of the elements that are not NaN. */
export const nanmean: TypedReduction = operator(
  "nanmean(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)",
  (x: Tensor, dim: number[] | null, keepdim: boolean, dtype: DType | null) => {
    if (x.dtype.category < 2) return mean(x, dim, keepdim);
    const count = x.detach().isnan().logical_not().sum(dim, keepdim);
    return nansum(x, dim, keepdim, dtype === null ? {} : { dtype }).div(count);
  },
);

/** Variance or standard deviation, with the mean. */
export type SpreadAndMean<A extends "var" | "std"> = ((
  input: Tensor,
  dim?: Dims | boolean | VarOptions,
  unbiased?: boolean | VarOptions,
  keepdim?: boolean,
  options?: VarOptions,
) => NamedPair<A, "mean">) & { readonly op: OpInfo };

/** Two results with names; PyTorch prints them as a plain tuple. */
function pairOf<A extends "var" | "std">(kind: A, spread: Tensor, m: Tensor): NamedPair<A, "mean"> {
  const result = named<NamedPair<A, "mean">>(`${kind}_mean`, { [kind]: spread, mean: m });
  Object.defineProperty(result, "toString", { value: () => formatTuple([String(spread), String(m)]) });
  return result;
}

function pair<A extends "var" | "std">(kind: A): SpreadAndMean<A> {
  const prim = primitive<VarParams>({
    name: `${kind}_mean`,
    forward: ([x], p) => {
      const t = untracked(x as Tensor);
      const spread = varianceOf(t, p);
      return [kind === "std" ? spread.sqrt() : spread, mean(t, [...p.dims], p.keepdim)];
    },
    joint: {
      uses: () => (kind === "std" ? [0, "out"] : [0]),
      vjp: ([gs, gm], ctx) => {
        const x = ctx.input(0);
        const p = ctx.params;
        let total: Tensor | null = null;
        if (gs != null) {
          const scaled = kind === "std" ? gs.div(ctx.output().mul(2)).masked_fill(ctx.output().eq(0), 0) : gs;
          total = varGradient(scaled, x, p);
        }
        if (gm != null) {
          const n = numel(p.dims.map((d) => x.shape[d] as number));
          const part = restore(gm, x.shape, p.dims, p.keepdim).div(n);
          total = total === null ? part : total.add(part);
        }
        return [total];
      },
    },
  });
  return operator(
    `${kind}_mean(Tensor input, int[]|bool? dim=None, bool? unbiased=None, bool keepdim=False, *, float? correction=None)`,
    (
      x: Tensor,
      dim: number[] | boolean | null,
      unbiased: boolean | null,
      keepdim: boolean,
      correction: number | null,
    ) => {
      const [spread, m] = apply(
        prim,
        [x],
        varianceParams(`${kind}_mean`, x, dim, unbiased, keepdim, correction),
      ) as Tensor[];
      return pairOf<A>(kind, spread as Tensor, m as Tensor);
    },
    { method: false },
  );
}

/** The variance and the mean, over all dims or the given ones. */
export const var_mean: SpreadAndMean<"var"> = pair("var");
/** The standard deviation and the mean, over all dims or the given ones. */
export const std_mean: SpreadAndMean<"std"> = pair("std");
