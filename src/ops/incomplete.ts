/**
 * The incomplete gamma functions and Hurwitz's zeta function, on the host: series and continued fractions until they converge.
 */
import { NotImplementedError } from "../base/errors.ts";
import { type OutOption } from "../dispatch/family/pointwise.ts";
import { hostPointwise } from "../dispatch/family/host.ts";
import { onlyFloat } from "../dispatch/refuse.ts";
import type { ScalarLike } from "../dispatch/signature.ts";
import { lgamma as lgammaOf } from "../ir/special.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { mul, neg, sub } from "./arithmetic.ts";
import type { TensorBinary } from "./compare.ts";
import { exp, lgamma, log } from "./functions.ts";
import type { Op } from "./view.ts";

/** x^a exp(-x) / Γ(a). */
const prefactor = (a: number, x: number): number => Math.exp(a * Math.log(x) - x - lgammaOf(a));

/** The lower function by its power series. */
function lowerSeries(a: number, x: number): number {
  let term = 1 / a;
  let sum = term;
  for (let k = 1; k < 100_000 && term > sum * 1e-17; k++) {
    term *= x / (a + k);
    sum += term;
  }
  return sum * prefactor(a, x);
}

/** The upper function by its continued fraction (Lentz's method). */
function upperFraction(a: number, x: number): number {
  const tiny = 1e-300;
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / (b === 0 ? tiny : b);
  let h = d;
  for (let k = 1; k < 100_000; k++) {
    const numerator = -k * (k - a);
    b += 2;
    d = 1 / (numerator * d + b || tiny);
    c = b + numerator / c || tiny;
    const factor = d * c;
    h *= factor;
    if (Math.abs(factor - 1) < 1e-16) break;
  }
  return h * prefactor(a, x);
}

/** The lower and the upper function, which add up to 1. */
function incomplete(a: number, x: number, upper: boolean): number {
  if (Number.isNaN(a) || Number.isNaN(x) || a < 0 || x < 0) return NaN;
  if (a === 0) return x > 0 ? (upper ? 0 : 1) : NaN;
  if (x === 0) return upper ? 1 : 0;
  if (a === Infinity) return x === Infinity ? NaN : upper ? 1 : 0;
  if (x === Infinity) return upper ? 0 : 1;
  if (x < a + 1) {
    const lower = lowerSeries(a, x);
    return upper ? 1 - lower : lower;
  }
  const rest = upperFraction(a, x);
  return upper ? rest : 1 - rest;
}

/** The density of the gamma distribution, the derivative of the lower function with respect to its limit. */
const density = (a: Tensor, x: Tensor): Tensor => exp(sub(sub(mul(sub(a, 1), log(x)), x), lgamma(a)));

function noShape(name: string): never {
  throw new NotImplementedError(`the derivative for '${name}: input' is not implemented.`);
}

/** The regularised lower incomplete gamma function. */
export const igamma: TensorBinary = hostPointwise("igamma(Tensor input, Tensor other)", {
  numbers: (a, x) => incomplete(a, x, false),
  check: onlyFloat("igamma_cpu"),
  grads: [
    { vjp: () => noShape("igamma") },
    { uses: [0, 1], vjp: (g, ctx) => mul(g, density(ctx.input(0), ctx.input(1))) },
  ],
});

/** The regularised upper incomplete gamma function. */
export const igammac: TensorBinary = hostPointwise("igammac(Tensor input, Tensor other)", {
  numbers: (a, x) => incomplete(a, x, true),
  check: onlyFloat("igammac_cpu"),
  grads: [
    { vjp: () => noShape("igammac") },
    { uses: [0, 1], vjp: (g, ctx) => neg(mul(g, density(ctx.input(0), ctx.input(1)))) },
  ],
});

/** Bernoulli numbers B(2k) / (2k)!. */
const bernoulliRatios = [
  1 / 12,
  -1 / 720,
  1 / 30_240,
  -1 / 1_209_600,
  1 / 47_900_160,
  -691 / 1_307_674_368_000,
  1 / 74_724_249_600,
  -3617 / 10_670_622_842_880_000,
  43_867 / 5_109_094_217_170_944_000,
] as const;

/** Σ (q + k)^-x over k >= 0: the first terms directly, the rest by the sum formula of Euler and Maclaurin. */
function hurwitz(x: number, q: number): number {
  if (Number.isNaN(x) || Number.isNaN(q)) return NaN;
  if (x === 1) return Infinity;
  if (x < 1) return NaN;
  if (q <= 0) {
    if (q === Math.floor(q)) return Infinity;
    if (x !== Math.floor(x)) return NaN;
  }
  let sum = 0;
  let base = q;
  for (let k = 0; k < 12 || base <= 9; k++) {
    const term = base ** -x;
    sum += term;
    base += 1;
    if (base > 1 && Math.abs(term) < Math.abs(sum) * 1e-18) return sum;
  }
  const power = base ** -x;
  sum += (power * base) / (x - 1) + power / 2;
  let factor = (x * power) / base;
  for (let k = 0; k < bernoulliRatios.length; k++) {
    const term = factor * (bernoulliRatios[k] as number);
    sum += term;
    if (Math.abs(term) < Math.abs(sum) * 1e-18) break;
    factor *= ((x + 2 * k + 1) * (x + 2 * k + 2)) / (base * base);
  }
  return sum;
}

/** Hurwitz's zeta function: the sum of `(other + k) ** -input` over k = 0, 1, ... */
export const zeta: Op<(input: Tensor | ScalarLike, other: Tensor | ScalarLike, options?: OutOption) => Tensor> =
  hostPointwise("special_zeta(Tensor|Scalar input, Tensor|Scalar other)", {
    numbers: hurwitz,
    method: false,
    namespace: false,
  });
