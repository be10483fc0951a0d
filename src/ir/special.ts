/**
 * The special functions in double precision, by textbook series and continued fractions with loops: slow, short and
 * independent of the branch-free forms that kernels use, which are tested against these.
 */

const eulerGamma = 0.5772156649015329;

/** erf(x) = 2/sqrt(pi) exp(-x²) Σ 2ⁿ x²ⁿ⁺¹ / (1·3·5···(2n+1)): every term has the sign of x. */
function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-18; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * expOfSquare(x) * sum;
}

/** exp(-x²), with the rounding error of the square taken into account. */
function expOfSquare(x: number): number {
  const high = Math.fround(x);
  return Math.exp(-high * high) * Math.exp((high - x) * (high + x));
}

/** erfc(x) for x >= 1 by its continued fraction, evaluated from the far end. */
function erfcFraction(x: number): number {
  let tail = 0;
  for (let k = x < 2 ? 200 : 60; k > 0; k--) tail = k / 2 / (x + tail);
  return expOfSquare(x) / Math.sqrt(Math.PI) / (x + tail);
}

export function erf(x: number): number {
  if (x === 0 || Number.isNaN(x)) return x;
  const a = Math.abs(x);
  if (a < 1.5) return erfSeries(x);
  return Math.sign(x) * (a > 6 ? 1 : 1 - erfcFraction(a));
}

export function erfc(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x < 1) return 1 - (x < -6 ? -1 : x <= -1.5 ? erfcFraction(-x) - 1 : x === 0 ? 0 : erfSeries(x));
  return x > 28 ? 0 : erfcFraction(x);
}

export function erfinv(y: number): number {
  if (y === 0 || Number.isNaN(y)) return y;
  const a = Math.abs(y);
  if (a > 1) return NaN;
  if (a === 1) return y * Infinity;
  // Winitzki's closed form, good to two digits, then Halley's iteration (f'' / f' = -2x).
  const l = Math.log1p(-a * a);
  const t = 2 / (Math.PI * 0.147) + l / 2;
  let x = Math.sqrt(Math.sqrt(t * t - l / 0.147) - t);
  for (let i = 0; i < 6; i++) {
    const error = x < 0.5 ? erf(x) - a : 1 - a - erfc(x);
    const step = error / ((2 / Math.sqrt(Math.PI)) * Math.exp(-x * x));
    x -= step / (1 + x * step);
  }
  return y < 0 ? -x : x;
}

/** Bernoulli numbers B2, B4, ... */
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

/** ζ(k) - 1 for k >= 2. */
function zetaMinusOne(k: number): number {
  let sum = 0;
  const n = 12;
  for (let j = n - 1; j >= 2; j--) sum += j ** -k;
  // Euler-Maclaurin from n on.
  let tail = n ** (1 - k) / (k - 1) + n ** -k / 2;
  let term = k * n ** (-k - 1);
  let factorial = 2;
  for (let j = 1; j <= 8; j++) {
    tail += ((bernoulli[j - 1] as number) * term) / factorial;
    term *= ((k + 2 * j - 1) * (k + 2 * j)) / (n * n);
    factorial *= (2 * j + 1) * (2 * j + 2);
  }
  return sum + tail;
}

const zetas = Array.from({ length: 64 }, (_, k) => (k < 2 ? 0 : zetaMinusOne(k)));

/** log Γ(2 + z) for |z| <= 1/2: exact in the relative sense at the zero z = 0. */
function lgammaNearTwo(z: number): number {
  let sum = 0;
  for (let k = 63; k >= 2; k--) sum += ((zetas[k] as number) * (-z) ** k) / k;
  return (1 - eulerGamma) * z + sum;
}

/** sin(πx) and cos(πx), with the argument reduced exactly. */
function sinPi(x: number): number {
  const r = x - 2 * Math.round(x / 2);
  return Math.abs(r) > 0.5 ? Math.sin(Math.PI * (Math.sign(r) - r)) : Math.sin(Math.PI * r);
}

function cosPi(x: number): number {
  return sinPi(Math.abs(x - 2 * Math.round(x / 2)) + 0.5);
}

/** log |Γ(x)|. */
export function lgamma(x: number): number {
  if (Number.isNaN(x)) return x;
  if (!Number.isFinite(x) || (x <= 0 && Number.isInteger(x))) return Infinity;
  if (x < 0) return Math.log(Math.PI / Math.abs(x * sinPi(x))) - lgamma(-x);
  if (x < 0.5) return lgamma(x + 1) - Math.log(x);
  if (x < 1.5) return lgammaNearTwo(x - 1) - Math.log1p(x - 1);
  if (x <= 2.5) return lgammaNearTwo(x - 2);
  if (x < 12) {
    let product = 1;
    let y = x;
    while (y > 2.5) product *= --y;
    return lgammaNearTwo(y - 2) + Math.log(product);
  }
  let tail = 0;
  for (let k = 8; k > 0; k--) tail = tail / (x * x) + (bernoulli[k - 1] as number) / (2 * k * (2 * k - 1));
  return (x - 0.5) * (Math.log(x) - 1) + (Math.log(2 * Math.PI) - 1) / 2 + tail / x;
}

/** The derivative of lgamma; -inf at 0 and NaN at the other poles, as in PyTorch. */
export function digamma(x: number): number {
  if (x === 0) return Object.is(x, -0) ? Infinity : -Infinity;
  if (x < 0) {
    if (Number.isInteger(x)) return NaN;
    return digamma(1 - x) - (Math.PI * cosPi(x)) / sinPi(x);
  }
  // The recurrence up to y >= 12, smallest terms first, then the asymptotic series.
  const steps = Math.max(0, Math.ceil(12 - x));
  const y = x + steps;
  let sum = 0;
  for (let i = steps - 1; i >= 0; i--) sum -= 1 / (x + i);
  let tail = 0;
  for (let k = 8; k > 0; k--) tail = (tail + (bernoulli[k - 1] as number) / (2 * k)) / (y * y);
  return sum + (Math.log(y) - 0.5 / y - tail);
}

/**
 * The derivative of digamma as PyTorch computes it: six steps of the recurrence and four terms of the asymptotic series, which
 * is off by up to 2e-9. To agree with PyTorch is worth more here than to be right.
 */
export function trigamma(x: number): number {
  if (x < 0.5) return (Math.PI / Math.sin(Math.PI * x)) ** 2 - trigamma(1 - x);
  let sum = 0;
  for (let i = 0; i < 6; i++) sum += 1 / (x + i) ** 2;
  const y = x + 6;
  const z = 1 / (y * y);
  return sum + (1 + 1 / (2 * y) + z * (1 / 6 - z * (1 / 30 - z / 42))) / y;
}

/** The n-th derivative of digamma, n >= 1, infinite at the poles. */
export function polygamma(n: number, x: number): number {
  if (n === 0) return digamma(x);
  if (n === 1) return trigamma(x);
  if (x === -Infinity) return NaN;
  const sign = n % 2 === 0 ? -1 : 1;
  if (x <= 0 && Number.isInteger(x)) return sign * Infinity;
  let factorial = 1;
  for (let k = 2; k <= n; k++) factorial *= k;
  // Σ over the first terms directly (also those with a negative base), the rest by Euler-Maclaurin.
  let sum = 0;
  let y = x;
  if (x < -64) {
    const reflected = polygamma(n, 1 - x);
    return sign * -1 * reflected - cotDerivative(n, x);
  }
  for (; y < 20 + n; y++) sum += factorial / y ** (n + 1);
  if (y === Infinity) return 0;
  let term = (factorial * (n + 1)) / 2 / y ** (n + 2);
  let tail = factorial / n / y ** n + factorial / 2 / y ** (n + 1);
  for (let k = 1; k <= 9; k++) {
    tail += (bernoulli[k - 1] as number) * term;
    term *= ((n + 2 * k) * (n + 2 * k + 1)) / ((2 * k + 1) * (2 * k + 2)) / (y * y);
  }
  return sign * (sum + tail);
}

/** The n-th derivative of π cot(πx): a polynomial in c = cot(πx), from c' = -π (1 + c²). */
function cotDerivative(n: number, x: number): number {
  const c = cosPi(x) / sinPi(x);
  let p = [0, Math.PI];
  for (let i = 0; i < n; i++) {
    const q = Array.from({ length: p.length + 1 }, () => 0);
    p.forEach((a, k) => {
      if (k === 0) return;
      q[k - 1] = (q[k - 1] as number) - Math.PI * k * a;
      q[k + 1] = (q[k + 1] as number) - Math.PI * k * a;
    });
    p = q;
  }
  return p.reduceRight((sum, a) => sum * c + a, 0);
}

/** C's nextafter for float64. */
export function nextafter(x: number, y: number): number {
  if (Number.isNaN(x) || Number.isNaN(y)) return NaN;
  if (x === y) return y;
  if (x === 0) return y > 0 ? Number.MIN_VALUE : -Number.MIN_VALUE;
  const bits = new BigInt64Array(new Float64Array([x]).buffer);
  bits[0] = (bits[0] as bigint) + (x < y === x > 0 ? 1n : -1n);
  return new Float64Array(bits.buffer)[0] as number;
}

/** C's nextafter for float32. */
export function nextafterSingle(x: number, y: number): number {
  if (Number.isNaN(x) || Number.isNaN(y)) return NaN;
  if (x === y) return y;
  if (x === 0) return y > 0 ? 2 ** -149 : -(2 ** -149);
  const bits = new Int32Array(new Float32Array([x]).buffer);
  bits[0] = (bits[0] as number) + (x < y === x > 0 ? 1 : -1);
  return new Float32Array(bits.buffer)[0] as number;
}
