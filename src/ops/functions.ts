/**
 * Exponentials, logarithms, trigonometry and special functions: each an expression, whose derivative follows.
 */
import { pointwise, type UnaryOperator } from "../dispatch/family/pointwise.ts";
import { onlyFloat } from "../dispatch/refuse.ts";
import { E } from "../ir/expr.ts";
import type { TensorBinary } from "./compare.ts";

const float = { dtype: "float" } as const;

/** `e ** input`. */
export const exp: UnaryOperator = pointwise("exp", (x) => E.exp(x), float);
/** `2 ** input`. */
export const exp2: UnaryOperator = pointwise("exp2", (x) => E.exp2(x), { ...float });
/** `e ** input - 1`, accurate near 0. */
export const expm1: UnaryOperator = pointwise("expm1", (x) => E.expm1(x), { ...float });
/** The natural logarithm. */
export const log: UnaryOperator = pointwise("log", (x) => E.log(x), float);
/** The logarithm to base 2. */
export const log2: UnaryOperator = pointwise("log2", (x) => E.log2(x), float);
/** The logarithm to base 10. */
export const log10: UnaryOperator = pointwise("log10", (x) => E.log10(x), float);
/** `log(1 + input)`, accurate near 0. */
export const log1p: UnaryOperator = pointwise("log1p", (x) => E.log1p(x), { ...float });
/** Sine. */
export const sin: UnaryOperator = pointwise("sin", (x) => E.sin(x), float);
/** Cosine. */
export const cos: UnaryOperator = pointwise("cos", (x) => E.cos(x), float);
/** Tangent. */
export const tan: UnaryOperator = pointwise("tan", (x) => E.tan(x), float);
/** Arc sine. */
export const asin: UnaryOperator = pointwise("asin", (x) => E.asin(x), { ...float });
/** Arc cosine. */
export const acos: UnaryOperator = pointwise("acos", (x) => E.acos(x), { ...float });
/** Arc tangent. */
export const atan: UnaryOperator = pointwise("atan", (x) => E.atan(x), { ...float });
/** The angle of the point (other, input). */
export const atan2: TensorBinary = pointwise("atan2(Tensor input, Tensor other)", (y, x) => E.atan2(y, x), {
  ...float,
});
/** Hyperbolic sine. */
export const sinh: UnaryOperator = pointwise("sinh", (x) => E.sinh(x), float);
/** Hyperbolic cosine. */
export const cosh: UnaryOperator = pointwise("cosh", (x) => E.cosh(x), float);
/** Hyperbolic tangent. */
export const tanh: UnaryOperator = pointwise("tanh", (x) => E.tanh(x), float);
/** Inverse hyperbolic sine. */
export const asinh: UnaryOperator = pointwise("asinh", (x) => E.asinh(x), { ...float });
/** Inverse hyperbolic cosine. */
export const acosh: UnaryOperator = pointwise("acosh", (x) => E.acosh(x), { ...float });
/** Inverse hyperbolic tangent. */
export const atanh: UnaryOperator = pointwise("atanh", (x) => E.atanh(x), { ...float });
/** `1 / (1 + e ** -input)`. */
export const sigmoid: UnaryOperator = pointwise("sigmoid", (x) => E.sigmoid(x), { ...float });
/** The error function. */
export const erf: UnaryOperator = pointwise("erf", (x) => E.erf(x), { ...float });
/** `1 - erf(input)`, accurate for large inputs. */
export const erfc: UnaryOperator = pointwise("erfc", (x) => E.erfc(x), { ...float });
/** The inverse of {@link erf}. */
export const erfinv: UnaryOperator = pointwise("erfinv", (x) => E.erfinv(x), { ...float });
/** The logarithm of the absolute value of the gamma function. */
export const lgamma: UnaryOperator = pointwise("lgamma", (x) => E.lgamma(x), { ...float });
/** The derivative of {@link lgamma}. */
export const digamma: UnaryOperator = pointwise("digamma", (x) => E.digamma(x), { ...float });
/** `sqrt(input ** 2 + other ** 2)` without overflow. */
export const hypot: TensorBinary = pointwise("hypot(Tensor input, Tensor other)", (x, y) => E.hypot(x, y), {
  check: onlyFloat("hypot_cpu"),
});
