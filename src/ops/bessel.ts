/**
 * Bessel and Airy functions on the host, in double precision: recurrences and integrals whose length depends on the argument.
 */
import { hostPointwise } from "../dispatch/family/host.ts";
import type { SpecialFunction } from "./special.ts";

const eulerGamma = 0.5772156649015329;

const special = (name: string, numbers: (x: number) => number): SpecialFunction =>
  hostPointwise(`special_${name}(Tensor input)`, { numbers, method: false, namespace: false });

// --- first and second kind -------------------------------------------------------------------------------------------

/** From here on Hankel's expansion is exact to double precision. */
const asymptotic = 25;

/**
 * J0, J1, Y0 and Y1 at 0 < x < 25: Miller's recurrence, which runs downwards from an order where J vanishes and is scaled by
 * J0 + 2 ΣJ(2k) = 1, and Neumann's series of Y in these.
 */
function neumann(x: number): { j0: number; j1: number; y0: number; y1: number } {
  const start = 2 * Math.ceil((x + 50) / 2);
  const j = new Float64Array(start + 2);
  j[start] = 1e-300;
  for (let k = start; k > 0; k--) {
    j[k - 1] = ((2 * k) / x) * (j[k] as number) - (j[k + 1] as number);
    if (Math.abs(j[k - 1] as number) > 1e250) for (let i = k - 1; i <= start; i++) j[i] = (j[i] as number) * 1e-250;
  }
  let norm = j[0] as number;
  for (let k = 2; k <= start; k += 2) norm += 2 * (j[k] as number);
  let even = 0;
  let odd = 0;
  for (let k = start / 2 - 1; k > 0; k--) {
    const sign = k % 2 === 0 ? 1 : -1;
    even += (sign * (j[2 * k] as number)) / k;
    odd += (sign * (2 * k + 1) * (j[2 * k + 1] as number)) / (k * (k + 1));
  }
  const j0 = (j[0] as number) / norm;
  const j1 = (j[1] as number) / norm;
  const log = Math.log(x / 2) + eulerGamma;
  return {
    j0,
    j1,
    y0: (2 / Math.PI) * (log * j0 - (2 * even) / norm),
    y1: (2 / Math.PI) * (-j0 / x + (log - 1) * j1 - odd / norm),
  };
}

/** Hankel's expansion for large x: J = √(2/πx) (P cos χ - Q sin χ), Y with sin and cos exchanged, χ = x - (2ν + 1) π/4. */
function hankel(nu: number, x: number): { j: number; y: number } {
  // PyTorch has no value at infinity, where the limit is 0.
  if (x === Infinity) return { j: NaN, y: NaN };
  const mu = 4 * nu * nu;
  let term = 1;
  let p = 1;
  let q = 0;
  for (let k = 1; k < 60; k++) {
    const next = (term * (mu - (2 * k - 1) ** 2)) / (k * 8 * x);
    if (Math.abs(next) < 1e-18 || Math.abs(next) > Math.abs(term)) break;
    term = next;
    const sign = k % 4 < 2 ? 1 : -1;
    if (k % 2 === 0) p += sign * term;
    else q += sign * term;
  }
  // cos and sin of x - π/4, with x reduced exactly; another quarter turn for order 1
  const c = (Math.cos(x) + Math.sin(x)) * Math.SQRT1_2;
  const s = (Math.sin(x) - Math.cos(x)) * Math.SQRT1_2;
  const [cos, sin] = nu === 0 ? [c, s] : [s, -c];
  const scale = Math.sqrt(2 / Math.PI / x);
  return { j: scale * (p * cos - q * sin), y: scale * (p * sin + q * cos) };
}

/** The Bessel function of the first kind and order 0. */
export const bessel_j0: SpecialFunction = special("bessel_j0", (x) => {
  const a = Math.abs(x);
  if (a === 0) return 1;
  return a < asymptotic ? neumann(a).j0 : hankel(0, a).j;
});

/** The Bessel function of the first kind and order 1. */
export const bessel_j1: SpecialFunction = special("bessel_j1", (x) => {
  const a = Math.abs(x);
  if (a < 1e-8) return x / 2;
  return Math.sign(x) * (a < asymptotic ? neumann(a).j1 : hankel(1, a).j);
});

/** A function of the second kind: infinite at 0, undefined below. */
const secondKind = (name: string, f: (x: number) => number): SpecialFunction =>
  special(name, (x) => (x === 0 ? -Infinity : x > 0 ? f(x) : NaN));

/** The Bessel function of the second kind and order 0. */
export const bessel_y0: SpecialFunction = secondKind("bessel_y0", (x) =>
  x < asymptotic ? neumann(x).y0 : hankel(0, x).y,
);

/** The Bessel function of the second kind and order 1. */
export const bessel_y1: SpecialFunction = secondKind("bessel_y1", (x) =>
  x < asymptotic ? neumann(x).y1 : hankel(1, x).y,
);

// --- modified, second kind -------------------------------------------------------------------------------------------

/**
 * exp(x) K(ν, x) = ∫ exp(-x (cosh t - 1)) cosh νt dt over t > 0: the trapezoidal rule, whose error falls as exp(-π²/step)
 * for this integrand, as long as the step is small beside its width 1/√x.
 */
function scaledK(nu: number, x: number): number {
  if (x === Infinity) return 0;
  const step = Math.min(0.2, 0.6 / Math.sqrt(x));
  let sum = 0.5;
  for (let k = 1; ; k++) {
    const t = k * step;
    // cosh t - 1 = 2 sinh²(t/2), without cancellation
    const half = Math.sinh(t / 2);
    const exponent = -2 * x * half * half;
    if (exponent < -745) break;
    const term = Math.exp(exponent) * Math.cosh(nu * t);
    sum += term;
    if (term < 1e-18 * sum) break;
  }
  return sum * step;
}

/** K is infinite at 0 and undefined below. */
const modified = (name: string, f: (x: number) => number): SpecialFunction =>
  special(name, (x) => (x === 0 ? Infinity : x > 0 ? f(x) : NaN));

/** The modified Bessel function of the second kind and order 0. */
export const modified_bessel_k0: SpecialFunction = modified("modified_bessel_k0", (x) => Math.exp(-x) * scaledK(0, x));
/** The modified Bessel function of the second kind and order 1. */
export const modified_bessel_k1: SpecialFunction = modified("modified_bessel_k1", (x) => Math.exp(-x) * scaledK(1, x));
/** `exp(input)` times {@link modified_bessel_k0}. */
export const scaled_modified_bessel_k0: SpecialFunction = modified("scaled_modified_bessel_k0", (x) => scaledK(0, x));
/** `exp(input)` times {@link modified_bessel_k1}. */
export const scaled_modified_bessel_k1: SpecialFunction = modified("scaled_modified_bessel_k1", (x) => scaledK(1, x));

// --- Airy ------------------------------------------------------------------------------------------------------------

/** Ai(0) and Ai'(0). */
const airyAtZero = [0.3550280538878172, -0.2588194037928068] as const;

/** The Taylor series of a solution of y'' = xy around x0, from y and y' there: the value and the slope at x0 + h. */
function airyStep(x0: number, y: number, slope: number, h: number): [number, number] {
  // a(n + 2) = (x0 a(n) + a(n - 1)) / ((n + 1)(n + 2))
  let before = 0;
  let a = y;
  let b = slope;
  let power = 1;
  let value = y;
  let derivative = 0;
  for (let n = 0; n < 60; n++) {
    const c = (x0 * a + before) / ((n + 1) * (n + 2));
    before = a;
    a = b;
    b = c;
    derivative += (n + 1) * a * power;
    power *= h;
    const term = a * power;
    value += term;
    if (n > 3 && Math.abs(term) < 1e-19 && Math.abs(b * power * h) < 1e-19) break;
  }
  return [value, derivative];
}

/** Ai(x) for x < -9 by its asymptotic expansion. */
function airyOscillating(x: number): number {
  const z = -x;
  const zeta = (2 / 3) * z * Math.sqrt(z);
  let u = 1;
  let p = 1;
  let q = 0;
  for (let k = 1; k < 40; k++) {
    const next = (u * (6 * k - 5) * (6 * k - 1)) / (72 * k * zeta);
    if (next < 1e-18 || next > u) break;
    u = next;
    const sign = k % 4 < 2 ? 1 : -1;
    if (k % 2 === 0) p += sign * u;
    else q += sign * u;
  }
  const c = (Math.cos(zeta) + Math.sin(zeta)) * Math.SQRT1_2;
  const s = (Math.sin(zeta) - Math.cos(zeta)) * Math.SQRT1_2;
  return (p * c + q * s) / (Math.sqrt(Math.PI) * Math.sqrt(Math.sqrt(z)));
}

function airy(x: number): number {
  if (!Number.isFinite(x)) return NaN;
  if (x >= 1) {
    const zeta = (2 / 3) * x * Math.sqrt(x);
    return (Math.sqrt(x / 3) / Math.PI) * Math.exp(-zeta) * scaledK(1 / 3, zeta);
  }
  if (x < -9) return airyOscillating(x);
  // In steps from 0, where the equation is stable.
  let at = 0;
  let [y, slope]: [number, number] = [airyAtZero[0], airyAtZero[1]];
  while (at !== x) {
    const h = Math.max(-0.5, x - at);
    const step = x > 0 ? x - at : h;
    [y, slope] = airyStep(at, y, slope, step);
    at = Math.abs(x - at) <= 0.5 || x > 0 ? x : at + step;
  }
  return y;
}

/** The Airy function Ai. */
export const airy_ai: SpecialFunction = special("airy_ai", airy);
