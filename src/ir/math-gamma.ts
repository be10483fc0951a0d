/** The gamma function's logarithm and its derivatives in machine operations, in float64 (float32 is widened). */
import { E, type Expr } from "./expr.ts";
import { log, logPositive } from "./math-logarithm.ts";
import { like, polynomial } from "./math-polynomial.ts";
import { sin as sinOf, sinCosPi } from "./math-trigonometric.ts";

/** log Γ(y) / ((y - 1)(y - 2)) on [1, 2], in y - 3/2; relative error 2^-54. */
const lgammaCentral = [
  0.48312895054098087, -0.14595989591430594, 0.062911401074564346, -0.031308487501054125, 0.016797098631280514,
  -0.0094256224447688552, 0.005446457838801759, -0.0032120742225707931, 0.0019229163212184839, -0.0011644113429000967,
  0.00071151894150136359, -0.00043803551334902624, 0.00027131488677105452, -0.00016856961427077721,
  0.00010534864711869889, -6.7945347751367633e-5, 4.3049769977062389e-5, -2.1471592014719726e-5, 1.3144321166556737e-5,
  -1.854142500199439e-5, 1.2173457007561679e-5,
];

/** Stirling's series in 1/y²: B2k / (2k (2k - 1)). */
const stirling = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400];

/**
 * log |Γ(x)|. For 0 < a < 8 the recurrence Γ(a) = (a - 1) Γ(a - 1) leads to [1, 2], where a polynomial that keeps the zeros at 1
 * and 2 exact answers; from 8 on Stirling's series. The logarithm is shared. Negative x by reflection.
 */
export function lgamma(x: Expr): Expr {
  const a = E.abs(x);
  const large = E.ge(a, 8);
  let y: Expr = a;
  let product: Expr = like(x, 1);
  for (let i = 0; i < 6; i++) {
    const down = E.ge(y, 2);
    const next = E.sub(y, 1);
    product = E.select(down, E.mul(product, next), product);
    y = E.select(down, next, y);
  }
  // Γ(a) = Γ(a + 1) / a below 1; there `fromOne` = y - 1 is a itself.
  const below = E.lt(a, 1);
  const fromOne = E.select(below, a, E.sub(y, 1));
  const logarithm = log(E.select(large, a, E.select(below, a, product)));
  const central = E.mul(E.mul(fromOne, E.sub(fromOne, 1)), polynomial(E.sub(fromOne, 0.5), lgammaCentral));
  const small = E.add(central, E.select(below, E.neg(logarithm), logarithm));

  const t = E.div(1, a);
  const series = E.fma(t, polynomial(E.square(t), stirling), (Math.log(2 * Math.PI) - 1) / 2);
  const asymptotic = E.fma(E.sub(a, 0.5), E.sub(logarithm, 1), series);
  const positive = E.select(large, asymptotic, small);

  // log |Γ(-a)| = log(π / (a |sin πa|)) - log Γ(a); near 0 it is -log a already.
  const { sin } = sinCosPi(E.sub(x, E.round(x)));
  const reflected = E.sub(E.sub(Math.log(Math.PI), log(E.mul(a, E.abs(sin)))), positive);
  const value = E.select(E.lt(x, -(2 ** -60)), reflected, positive);
  return E.select(E.eq(a, Infinity), a, value);
}

const bernoulli = [
  1 / 6,
  -1 / 30,
  1 / 42,
  -1 / 30,
  5 / 66,
  -691 / 2730,
  7 / 6,
  -3617 / 510,
  43867 / 798,
  -174611 / 330,
] as const;

/** The coefficients of the n-th derivative of π cot(πx) as a polynomial in c = cot(πx), from c' = -π (1 + c²). */
function cotangentDerivative(n: number): number[] {
  let p = [0, Math.PI];
  for (let i = 0; i < n; i++) {
    const q = Array.from({ length: p.length + 1 }, () => 0);
    p.forEach((a, k) => {
      if (k === 0) return;
      q[k - 1] = (q[k - 1] ?? 0) - Math.PI * k * a;
      q[k + 1] = (q[k + 1] ?? 0) - Math.PI * k * a;
    });
    p = q;
  }
  return p;
}

/** xⁿ for a small n >= 1. */
function integerPower(x: Expr, n: number): Expr {
  let y = x;
  for (let i = 1; i < n; i++) y = E.mul(y, x);
  return y;
}

/**
 * The n-th derivative of digamma. A number below `shift` is moved up by the recurrence, whose terms 1 / (x + i)ⁿ⁺¹ are summed
 * as one fraction; from there the asymptotic series. Negative x by reflection.
 */
function polygammaDouble(n: number, x: Expr): Expr {
  const shift = 8 + 2 * n;
  const sign = n % 2 === 0 ? -1 : 1;
  let factorial = 1;
  for (let k = 2; k <= n; k++) factorial *= k;

  const negative = E.lt(x, 0);
  const y = E.select(negative, E.sub(1, x), x);
  const low = E.lt(y, shift);

  let numerator: Expr = like(x, 1);
  let denominator: Expr = integerPower(y, n + 1);
  for (let i = 1; i < shift; i++) {
    const term = integerPower(E.add(y, i), n + 1);
    numerator = E.fma(numerator, term, denominator);
    denominator = E.mul(denominator, term);
  }
  const sum = E.select(low, E.div(numerator, denominator), 0);

  const z = E.select(low, E.add(y, shift), y);
  const t = E.div(1, z);
  const square = E.square(t);
  let positive: Expr;
  if (n === 0) {
    const tail = polynomial(
      square,
      bernoulli.map((b, i) => -b / (2 * i + 2)),
    );
    const series = E.fma(square, tail, E.fma(t, -0.5, logPositive(E.pmin(z, Number.MAX_VALUE))));
    positive = E.select(E.eq(x, Infinity), x, E.sub(series, sum));
  } else {
    // c[k] = B2k (2k + n - 1)! / ((2k)! n!)
    let ratio = (n + 1) / 2;
    const tail = polynomial(
      square,
      bernoulli.map((b, i) => {
        const c = b * ratio;
        const k = 2 * i + 2;
        ratio *= ((k + n) * (k + n + 1)) / ((k + 1) * (k + 2));
        return c;
      }),
    );
    const series = E.mul(integerPower(t, n), E.fma(square, tail, E.fma(t, 0.5, 1 / n)));
    positive = E.mul(E.add(sum, series), sign * factorial);
  }

  const r = E.sub(x, E.round(x));
  const { sin, cos } = sinCosPi(r);
  const cot = polynomial(E.div(cos, sin), cotangentDerivative(n));
  const reflected = E.sub(E.mul(positive, -sign), cot);
  const value = E.select(negative, reflected, positive);
  const pole = E.and(E.eq(r, 0), E.le(x, 0));
  const atPole =
    n === 0 ? E.select(E.eq(x, 0), E.copysign(like(x, Infinity), E.neg(x)), NaN) : like(x, sign * Infinity);
  return E.select(pole, atPole, value);
}

/**
 * The derivative of digamma by PyTorch's series, six steps of the recurrence and four terms, which is off by up to 2e-9: to agree
 * with PyTorch is worth more here than to be right.
 */
export function trigamma(x: Expr): Expr {
  const reflect = E.lt(x, 0.5);
  const y = E.select(reflect, E.sub(1, x), x);
  let sum = E.div(1, E.square(y));
  for (let i = 1; i < 6; i++) sum = E.add(sum, E.div(1, E.square(E.add(y, i))));
  const t = E.div(1, E.add(y, 6));
  const z = E.square(t);
  const series = E.fma(z, polynomial(z, [1 / 6, -1 / 30, 1 / 42]), E.fma(t, 0.5, 1));
  const right = E.fma(series, t, sum);
  // The sine of the rounded πx, as there: so huge, but not infinite, at the negative integers.
  return E.select(reflect, E.sub(E.square(E.div(Math.PI, sinOf(E.mul(x, Math.PI)))), right), right);
}

/** The n-th derivative of digamma, for a constant n; digamma itself for n = 0. */
export function polygamma(order: Expr, x: Expr): Expr {
  if (order.kind !== "const") throw new TypeError("ir: polygamma of an order that is not constant");
  const n = Number(order.value);
  return n === 1 ? trigamma(x) : polygammaDouble(n, x);
}
