/**
 * Orthogonal polynomials, on the host: recurrences whose length is the degree, which is an operand.
 */
import type { OutOption } from "../dispatch/family/pointwise.ts";
import { hostPointwise } from "../dispatch/family/host.ts";
import type { ScalarLike } from "../dispatch/signature.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Op } from "./view.ts";

/** A family of polynomials: of `input`, of degree `n`. */
export type Polynomial = Op<(input: Tensor | ScalarLike, n: Tensor | ScalarLike, options?: OutOption) => Tensor>;

/** The value for an integral degree; a negative one gives 0. */
const polynomial = (name: string, value: (x: number, n: number) => number): Polynomial =>
  hostPointwise(`special_${name}(Tensor|Scalar input, Tensor|Scalar n)`, {
    numbers: (x, degree) => {
      const n = Math.trunc(degree);
      return n < 0 ? 0 : value(x, n);
    },
    method: false,
    namespace: false,
  });

/** p(0) = 1, p(1) = `first`, and p(k + 1) from p(k) and p(k - 1). */
function recur(n: number, first: number, next: (k: number, q: number, p: number) => number): number {
  if (n === 0) return 1;
  let p = 1;
  let q = first;
  for (let k = 1; k < n && !Number.isNaN(q); k++) [p, q] = [q, next(k, q, p)];
  return q;
}

const parity = (n: number, value: number): number => (n % 2 === 0 ? value : -value);

/** Degrees above which the trigonometric form is used between -1 and 1. */
const direct = { first: 6, others: 8 } as const;

function chebyshevT(x: number, n: number): number {
  if (Math.abs(x) === 1) return x > 0 ? 1 : parity(n, 1);
  if (n > direct.first && Math.abs(x) < 1) return Math.cos(n * Math.acos(x));
  return recur(n, x, (_, q, p) => 2 * x * q - p);
}

function chebyshevU(x: number, n: number): number {
  if (Math.abs(x) === 1) return x > 0 ? n + 1 : parity(n, n + 1);
  if (n > direct.others && Math.abs(x) < 1) {
    const angle = Math.acos(x);
    const sine = Math.sin(angle);
    return sine === 0 ? ((n + 1) * Math.cos((n + 1) * angle)) / x : Math.sin((n + 1) * angle) / sine;
  }
  return recur(n, 2 * x, (_, q, p) => 2 * x * q - p);
}

function chebyshevV(x: number, n: number): number {
  if (Math.abs(x) === 1) return x > 0 ? 1 : parity(n, 2 * n + 1);
  if (n > direct.others && Math.abs(x) < 1) {
    const angle = Math.acos(x);
    return Math.sin(angle / 2) === 1 ? parity(n, 2 * n + 1) : Math.cos((n + 0.5) * angle) / Math.cos(angle / 2);
  }
  return recur(n, 2 * x - 1, (_, q, p) => 2 * x * q - p);
}

function chebyshevW(x: number, n: number): number {
  if (Math.abs(x) === 1) return x > 0 ? 2 * n + 1 : parity(n, 1);
  if (n > direct.others && Math.abs(x) < 1) {
    const angle = Math.acos(x);
    if (Math.cos(angle / 2) !== 1) return Math.sin((n + 0.5) * angle) / Math.sin(angle / 2);
    return x > 0 ? 2 * n + 1 : parity(n, 1);
  }
  return recur(n, 2 * x + 1, (_, q, p) => 2 * x * q - p);
}

/** The polynomials on [0, 1] instead of [-1, 1]. */
const shifted =
  (f: (x: number, n: number) => number) =>
  (x: number, n: number): number =>
    f(x + x - 1, n);

/** Chebyshev polynomials of the first kind. */
export const chebyshev_polynomial_t: Polynomial = polynomial("chebyshev_polynomial_t", chebyshevT);
/** Chebyshev polynomials of the second kind. */
export const chebyshev_polynomial_u: Polynomial = polynomial("chebyshev_polynomial_u", chebyshevU);
/** Chebyshev polynomials of the third kind. */
export const chebyshev_polynomial_v: Polynomial = polynomial("chebyshev_polynomial_v", chebyshevV);
/** Chebyshev polynomials of the fourth kind. */
export const chebyshev_polynomial_w: Polynomial = polynomial("chebyshev_polynomial_w", chebyshevW);
/** Chebyshev polynomials of the first kind on [0, 1]. */
export const shifted_chebyshev_polynomial_t: Polynomial = polynomial(
  "shifted_chebyshev_polynomial_t",
  shifted(chebyshevT),
);
/** Chebyshev polynomials of the second kind on [0, 1]. */
export const shifted_chebyshev_polynomial_u: Polynomial = polynomial(
  "shifted_chebyshev_polynomial_u",
  shifted(chebyshevU),
);
/** Chebyshev polynomials of the third kind on [0, 1]. */
export const shifted_chebyshev_polynomial_v: Polynomial = polynomial(
  "shifted_chebyshev_polynomial_v",
  shifted(chebyshevV),
);
/** Chebyshev polynomials of the fourth kind on [0, 1]. */
export const shifted_chebyshev_polynomial_w: Polynomial = polynomial(
  "shifted_chebyshev_polynomial_w",
  shifted(chebyshevW),
);

/** Hermite polynomials of physics. */
export const hermite_polynomial_h: Polynomial = polynomial("hermite_polynomial_h", (x, n) =>
  n > 512 ? NaN : recur(n, 2 * x, (k, q, p) => 2 * x * q - 2 * k * p),
);
/** Hermite polynomials of probability. */
export const hermite_polynomial_he: Polynomial = polynomial("hermite_polynomial_he", (x, n) =>
  n > 512 ? NaN : recur(n, x, (k, q, p) => x * q - k * p),
);
/** Laguerre polynomials. */
export const laguerre_polynomial_l: Polynomial = polynomial("laguerre_polynomial_l", (x, n) =>
  x === 0 ? 1 : recur(n, 1 - x, (k, q, p) => ((2 * k + 1 - x) * q - k * p) / (k + 1)),
);
/** Legendre polynomials. */
export const legendre_polynomial_p: Polynomial = polynomial("legendre_polynomial_p", (x, n) => {
  if (Math.abs(x) === 1) return x > 0 ? 1 : parity(n, 1);
  return recur(n, x, (k, q, p) => ((2 * k + 1) * x * q - k * p) / (k + 1));
});
