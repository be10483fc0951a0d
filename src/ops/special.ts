/**
 * Special functions as expressions, with their derivatives.
 */
import { bool } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { type OutOption, pointwise, type UnaryOperator } from "../dispatch/family/pointwise.ts";
import { type Chosen, variants } from "../dispatch/family/variants.ts";
import { describe, type InplaceOpInfo, type Operator, operator } from "../dispatch/op.ts";
import { onlyFloat } from "../dispatch/refuse.ts";
import { type ScalarLike, Signature } from "../dispatch/signature.ts";
import { E, type Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { erfcxExpr, i0eExpr, i0Expr, i1eExpr, i1Expr } from "./chebyshev.ts";
import type { TensorBinaryOut } from "./compare.ts";
import type { Op } from "./view.ts";

const float = { dtype: "float" } as const;
/** A function of `torch.special` alone: no method, no in-place form. */
const special = { dtype: "float", method: false, namespace: false, inplace: false } as const;

/** A function of `torch.special` of one tensor. */
export type SpecialFunction = Op<(input: Tensor, options?: OutOption) => Tensor>;

/** A function of two operands, one of which may be a number. */
export type SpecialBinary = ((
  input: Tensor | ScalarLike,
  other: Tensor | ScalarLike,
  options?: OutOption,
) => Tensor) & { readonly op: InplaceOpInfo };

// --- logarithms ------------------------------------------------------------------------------------------------------

/** Node names of PyTorch's overloads: two tensors, a number first, a number second. */
const overloads =
  (name: string) =>
  ([first, second]: readonly boolean[]): string =>
    `${name}Backward${first === true ? 1 : second === true ? 2 : 0}`;

/** `x * log`, and 0 for x = 0; NaN where `y` is. */
const timesLog = (x: Expr, y: Expr, log: Expr): Expr =>
  E.select(E.isnan(y), E.const(x.type, NaN), E.select(E.eq(x, 0), E.const(x.type, 0), E.mul(x, log)));

/** `input * log(other)`, and 0 where `input` is 0. */
export const xlogy: SpecialBinary = pointwise(
  "xlogy(Tensor|Scalar input, Tensor|Scalar other)",
  (x, y) => timesLog(x, y, E.log(y)),
  {
    ...float,
    grad: (g, _, x, y) => [E.select(E.and(E.eq(x, 0), E.le(y, 0)), 0, E.mul(g, E.log(y))), E.mul(g, E.div(x, y))],
    gradName: overloads("Xlogy"),
  },
);

/** `input * log(1 + other)`, and 0 where `input` is 0. */
export const xlog1py: Op<(input: Tensor | ScalarLike, other: Tensor | ScalarLike, options?: OutOption) => Tensor> =
  pointwise("special_xlog1py(Tensor|Scalar input, Tensor|Scalar other)", (x, y) => timesLog(x, y, E.log1p(y)), {
    ...special,
    grad: (g, _, x, y) => [
      E.select(E.and(E.eq(x, 0), E.le(y, -1)), 0, E.mul(g, E.log1p(y))),
      E.div(E.mul(g, x), E.add(y, 1)),
    ],
    gradName: overloads("SpecialXlog1Py"),
  });

/** `-input * log(input)`: the contribution to an entropy; 0 at 0, `-inf` below. */
export const entr: SpecialFunction = pointwise(
  "special_entr(Tensor input)",
  (x) => {
    const inside = E.select(E.eq(x, 0), E.const(x.type, 0), E.const(x.type, -Infinity));
    return E.select(E.isnan(x), x, E.select(E.gt(x, 0), E.mul(E.neg(x), E.log(x)), inside));
  },
  { ...special, grad: (g, _, x) => [E.mul(g, E.sub(E.neg(E.log(x)), 1))] },
);

const plainLogit = pointwise<UnaryOperator>("logit(Tensor input)", (x) => E.log(E.div(x, E.sub(1, x))), {
  ...float,
  grad: (g, _, x) => {
    const slope = E.div(g, E.mul(x, E.sub(1, x)));
    return [E.select(E.or(E.lt(x, 0), E.gt(x, 1)), E.const(x.type, NaN), slope)];
  },
});

const clampedLogit = pointwise(
  "logit(Tensor input, float eps)",
  (x, eps) => {
    const z = E.min(E.max(x, eps as Expr), E.sub(1, eps as Expr));
    return E.log(E.div(z, E.sub(1, z)));
  },
  {
    ...float,
    grad: (g, _, x, eps) => {
      const outside = E.or(E.lt(x, eps as Expr), E.gt(x, E.sub(1, eps as Expr)));
      return [E.select(outside, 0, E.div(g, E.mul(x, E.sub(1, x)))), null];
    },
  },
);

/** Options of {@link logit}. */
export interface LogitOptions extends OutOption {
  /** The input is first clamped to [eps, 1 - eps]. Default: it is not. */
  eps?: number | null;
}

/** `log(input / (1 - input))`, the inverse of the sigmoid. */
export const logit: ((input: Tensor, eps?: number | null | LogitOptions) => Tensor) & { readonly op: InplaceOpInfo } =
  variants("logit(Tensor input, float? eps=None)", (x: Tensor, eps: number | null): Chosen =>
    eps === null ? [plainLogit, x] : [clampedLogit, x, eps],
  );

/** `log(f(x) + f(y))` for an exponential f, without overflow. */
const logSum = (x: Expr, y: Expr, log1p: (e: Expr) => Expr): Expr => {
  const most = E.max(x, y);
  const sum = E.add(most, log1p(E.neg(E.abs(E.sub(x, y)))));
  return E.select(E.and(E.eq(x, y), E.eq(E.abs(x), Infinity)), x, sum);
};

/** `log(exp(input) + exp(other))` without overflow. */
export const logaddexp: TensorBinaryOut = pointwise(
  "logaddexp(Tensor input, Tensor other)",
  (x, y) => logSum(x, y, (d) => E.log1p(E.exp(d))),
  {
    grad: (g, _, x, y) => [E.div(g, E.add(E.exp(E.sub(y, x)), 1)), E.div(g, E.add(E.exp(E.sub(x, y)), 1))],
    check: onlyFloat("logaddexp_cpu"),
    inplace: false,
  },
);

/** `log2(2 ** input + 2 ** other)` without overflow. */
export const logaddexp2: TensorBinaryOut = pointwise(
  "logaddexp2(Tensor input, Tensor other)",
  (x, y) => logSum(x, y, (d) => E.mul(E.log1p(E.exp2(d)), 1 / Math.LN2)),
  {
    grad: (g, _, x, y) => [E.div(g, E.add(E.exp2(E.sub(y, x)), 1)), E.div(g, E.add(E.exp2(E.sub(x, y)), 1))],
    check: onlyFloat("logaddexp2_cpu"),
    inplace: false,
  },
);

// --- angles ----------------------------------------------------------------------------------------------------------

/** From degrees to radians. */
export const deg2rad: UnaryOperator = pointwise("deg2rad", (x) => E.mul(x, Math.PI / 180), { ...float });
/** From radians to degrees. */
export const rad2deg: UnaryOperator = pointwise("rad2deg", (x) => E.mul(x, 180 / Math.PI), { ...float });

/** `sin(pi * input) / (pi * input)`, and 1 at 0. */
export const sinc: UnaryOperator = pointwise(
  "sinc",
  (x) => {
    const z = E.mul(x, Math.PI);
    return E.select(E.eq(x, 0), E.const(x.type, 1), E.div(E.sin(z), z));
  },
  {
    ...float,
    grad: (g, _, x) => {
      const z = E.mul(x, Math.PI);
      const area = E.mul(E.mul(x, x), Math.PI);
      const slope = E.div(E.sub(E.mul(z, E.cos(z)), E.sin(z)), area);
      return [E.mul(g, E.select(E.eq(area, 0), E.const(x.type, 0), slope))];
    },
  },
);

// --- error functions -------------------------------------------------------------------------------------------------

/** `exp(input ** 2) * erfc(input)`, which does not vanish for large inputs. */
export const erfcx: SpecialFunction = pointwise("special_erfcx(Tensor input)", erfcxExpr, {
  ...special,
  grad: (g, y, x) => [E.mul(g, E.sub(E.mul(E.add(x, x), y), 2 / Math.sqrt(Math.PI)))],
});

/** The probability that a standard normal number is below the input. */
export const ndtr: SpecialFunction = pointwise(
  "special_ndtr(Tensor input)",
  (x) => E.mul(E.add(E.erf(E.mul(x, Math.SQRT1_2)), 1), 0.5),
  { ...special, gradName: "MulBackward1" },
);

/** The logarithm of the probability that a standard normal number is below x. */
function logNdtr(x: Expr): Expr {
  const t = E.mul(x, Math.SQRT1_2);
  const low = E.sub(E.log(E.mul(erfcxExpr(E.neg(t)), 0.5)), E.mul(t, t));
  return E.select(E.lt(x, -1), low, E.log1p(E.mul(E.erfc(t), -0.5)));
}

/** The slope of {@link logNdtr}. */
const logNdtrSlope = (x: Expr): Expr => E.div(Math.sqrt(2 / Math.PI), erfcxExpr(E.mul(x, -Math.SQRT1_2)));

/** The logarithm of {@link ndtr}, accurate also where that vanishes. */
export const log_ndtr: SpecialFunction = pointwise("special_log_ndtr(Tensor input)", logNdtr, {
  ...special,
  grad: (g, y, x) => {
    const exponent = E.neg(E.add(y, E.mul(E.mul(x, x), 0.5)));
    return [E.mul(E.mul(g, 1 / Math.sqrt(2 * Math.PI)), E.exp(exponent))];
  },
});

/**
 * The inverse of ndtr for p <= 0.1: three steps of Halley's method on its logarithm, from the first terms of the
 * asymptotic expansion.
 */
function ndtriTail(p: Expr): Expr {
  const logP = E.log(p);
  const z = E.sqrt(E.mul(logP, -2));
  let x = E.sub(E.div(E.add(E.log(z), Math.log(2 * Math.PI) / 2), z), z);
  for (let step = 0; step < 3; step++) {
    const h = E.sub(logNdtr(x), logP);
    const slope = logNdtrSlope(x);
    // h'' = -h' (x + h')
    const curved = E.add(slope, E.mul(E.mul(h, 0.5), E.add(x, slope)));
    x = E.sub(x, E.div(h, curved));
  }
  return x;
}

/** The inverse of {@link ndtr}. */
export const ndtri: SpecialFunction = pointwise(
  "special_ndtri(Tensor input)",
  (p) => {
    const upper = E.sub(1, p);
    const tail = E.min(p, upper);
    const central = E.mul(E.erfinv(E.sub(E.add(p, p), 1)), Math.SQRT2);
    const outer = ndtriTail(tail);
    const signed = E.select(E.lt(p, 0.5), outer, E.neg(outer));
    const inside = E.select(E.gt(tail, 0.1), central, signed);
    const edge = E.select(
      E.eq(p, 0),
      E.const(p.type, -Infinity),
      E.select(E.eq(p, 1), E.const(p.type, Infinity), inside),
    );
    return E.select(E.and(E.ge(p, 0), E.le(p, 1)), edge, E.const(p.type, NaN));
  },
  {
    ...special,
    grad: (g, y) => [E.mul(E.mul(g, E.exp(E.mul(E.mul(y, y), 0.5))), Math.sqrt(2 * Math.PI))],
  },
);

// --- modified Bessel functions ---------------------------------------------------------------------------------------

/** The modified Bessel function of the first kind and order 0. */
export const i0: UnaryOperator = pointwise("i0", i0Expr, { ...float, grad: (g, _, x) => [E.mul(g, i1Expr(x))] });

const signOf = (x: Expr): Expr =>
  E.select(E.gt(x, 0), E.const(x.type, 1), E.select(E.lt(x, 0), E.const(x.type, -1), 0));

/** `exp(-|input|) * i0(input)`. */
export const i0e: SpecialFunction = pointwise("special_i0e(Tensor input)", i0eExpr, {
  ...special,
  grad: (g, y, x) => [E.mul(g, E.sub(i1eExpr(x), E.mul(signOf(x), y)))],
});

/** The slope, and its limit 1/2 where it is a difference of large numbers. */
const atZero = (x: Expr, slope: (x: Expr) => Expr): Expr => {
  const away = E.gt(E.abs(x), x.type === "f32" ? 2 ** -23 : 2 ** -52);
  return E.select(away, slope(E.select(away, x, E.const(x.type, 1))), E.const(x.type, 0.5));
};

/** The modified Bessel function of the first kind and order 1. */
export const i1: SpecialFunction = pointwise("special_i1(Tensor input)", i1Expr, {
  ...special,
  grad: (g, y, x) => [
    E.mul(
      g,
      atZero(x, (z) => E.sub(i0Expr(z), E.div(y, z))),
    ),
  ],
});

/** `exp(-|input|) * i1(input)`. */
export const i1e: SpecialFunction = pointwise("special_i1e(Tensor input)", i1eExpr, {
  ...special,
  grad: (g, y, x) => [
    E.mul(
      g,
      atZero(x, (z) => E.sub(i0eExpr(z), E.mul(y, E.add(signOf(z), E.reciprocal(z))))),
    ),
  ],
});

const unrecorded = { ...special, differentiable: false } as const;

/** {@link i0} without a derivative. */
export const modified_bessel_i0: SpecialFunction = pointwise(
  "special_modified_bessel_i0(Tensor input)",
  i0Expr,
  unrecorded,
);
/** {@link i1} without a derivative. */
export const modified_bessel_i1: SpecialFunction = pointwise(
  "special_modified_bessel_i1(Tensor input)",
  i1Expr,
  unrecorded,
);

/** The spherical Bessel function of the first kind and order 0: `sin(input) / input`. */
export const spherical_bessel_j0: SpecialFunction = pointwise(
  "special_spherical_bessel_j0(Tensor input)",
  (x) => {
    const value = E.select(E.eq(x, 0), E.const(x.type, 1), E.div(E.sin(x), x));
    return E.select(E.eq(E.abs(x), Infinity), E.const(x.type, 0), value);
  },
  unrecorded,
);

// --- gamma functions -------------------------------------------------------------------------------------------------

/** One operator for each order, made at its first use. */
function byOrder(make: (n: number) => UnaryOperator): (n: number) => UnaryOperator {
  const made = new Map<number, UnaryOperator>();
  return (n) => {
    const known = made.get(n) ?? make(n);
    made.set(n, known);
    return known;
  };
}

const polygammaOf = byOrder((n) =>
  pointwise(`polygamma_${n}(Tensor input)`, (x) => (n === 0 ? E.digamma(x) : E.polygamma(E.const(x.type, n), x)), {
    ...float,
    gradName: "PolygammaBackward0",
    grad: (g, _, x) => [E.mul(g, E.polygamma(E.const(x.type, n + 1), x))],
  }),
);

function orderOf(n: number): number {
  if (n < 0) throw new TorchError("polygamma(n, x) does not support negative n.");
  return n;
}

/** The n-th derivative of {@link digamma}. */
export const polygamma: Op<(n: number, input: Tensor, options?: OutOption) => Tensor> = operator(
  "polygamma(int n, Tensor input)",
  (n: number, x: Tensor) => polygammaOf(orderOf(n))(x),
  { method: false },
);

/** @internal `x.polygamma(n)`. */
export const tensorPolygamma: ((input: Tensor, n: number) => Tensor) & { readonly op: InplaceOpInfo } = variants(
  "polygamma(Tensor input, int n)",
  (x: Tensor, n: number): Chosen => [polygammaOf(orderOf(n)), x],
  { namespace: false },
);

const mvlgammaOf = byOrder((p) =>
  pointwise(
    `mvlgamma_${p}(Tensor input)`,
    (x) => {
      let sum = E.const(x.type, (p * (p - 1) * Math.log(Math.PI)) / 4);
      for (let j = 0; j < p; j++) sum = E.add(sum, E.lgamma(E.sub(x, j / 2)));
      return sum;
    },
    { ...float, gradName: "MvlgammaBackward0" },
  ),
);

const mvlgammaSignature = "mvlgamma(Tensor input, int p)";

function mvlgammaForm(p: number, x: Tensor): UnaryOperator {
  if (p < 1) throw new TorchError("p has to be greater than or equal to 1");
  if (x.dtype === bool) throw new TorchError("mvlgamma is not implemented for bool tensors");
  return mvlgammaOf(p);
}

const multivariate = variants<(input: Tensor, p: number, options?: OutOption) => Tensor>(
  mvlgammaSignature,
  (x: Tensor, p: number): Chosen => [mvlgammaForm(p, x), x],
);

/** The logarithm of the multivariate gamma function of dimension p. */
export const mvlgamma: ((input: Tensor, p: number, options?: OutOption) => Tensor) & { readonly op: InplaceOpInfo } =
  describe((...args: [Tensor, number, OutOption?]): Tensor => multivariate(...args), new Signature(mvlgammaSignature), {
    inplace: describe(
      (x: Tensor, p: number): unknown => {
        if (x.dtype.category < 2) {
          throw new TorchError(
            `mvlgamma: result type ${x.dtype.scalarName} can't be cast to the desired output type Float`,
          );
        }
        return multivariate.op.inplace(x, p);
      },
      new Signature(mvlgammaSignature.replace("(", "_(")),
    ) as Operator,
  });
