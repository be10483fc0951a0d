/** The error functions in machine operations. */
import { E, type Expr } from "./expr.ts";
import { exp } from "./math-exponential.ts";
import { log } from "./math-logarithm.ts";
import { clamp, highPart, isDouble, like, polynomial } from "./math-polynomial.ts";

/** exp(-x²), corrected for the rounding error of the square. */
function expOfSquare(x: Expr): Expr {
  const square = E.square(x);
  const high = highPart(x);
  // x² - square, from (high + rest)² with an exact high²
  const lost = E.fma(E.sub(x, high), E.add(x, high), E.sub(E.square(high), square));
  const y = exp(square, -1);
  return E.sub(y, E.mul(y, lost));
}

/**
 * erfc x for x >= 0: exp(-x²) (1 + 2x)⁻¹ P(t) with t = (x - k) / (x + k), which maps all of the half line to [-1, 1); P is close to
 * constant. Relative error of the fit 2^-25.3 and 2^-54.9.
 */
function erfcPositive(x: Expr): Expr {
  const double = isDouble(x);
  const a = E.pmin(x, double ? 28 : 10.2);
  const k = double ? 3.5 : 2;
  const t = E.div(E.sub(a, k), E.add(a, k));
  const p = polynomial(t, double ? erfc64 : erfc32);
  return E.div(E.mul(expOfSquare(a), p), E.fma(a, 2, 1));
}

const erfc32 = [
  1.27697837, -0.0927641317, -0.166030049, 0.164057523, -0.0542171188, -0.00807153247, 0.00866946019, 0.001343854,
  -0.00126542116, -0.000430478744,
];
const erfc64 = [
  1.2423492448711544, -0.14000918013761926, -0.010555596332215363, 0.097519095153240754, -0.11508959816036671,
  0.087983153825490046, -0.048823325823747148, 0.019099330932544123, -0.0042150199594710664, -0.00030226779299829935,
  0.00056438479942225314, -0.00012151285106499136, -4.2784013726726558e-5, 2.4262293059630083e-5, 2.3337074411277334e-6,
  -3.8170950006054337e-6, -5.4807157988130375e-8, 6.0346130470279165e-7, 4.9738675227867955e-9, -9.5271924962704385e-8,
  -8.3575545117524826e-9, 1.1056173611969168e-8, 2.6755589558009493e-9,
];

/**
 * In float32 an odd rational function, fitted on [0, 3.93] with relative error 2^-24.1; beyond, erf rounds to ±1. In float64 an
 * odd polynomial below 1 and 1 - erfc above.
 */
export function erf(x: Expr): Expr {
  if (isDouble(x)) {
    const a = E.abs(x);
    const z = E.square(E.pmin(a, 1));
    return E.select(E.lt(a, 1), E.mul(x, polynomial(z, erf64)), E.copysign(E.sub(1, erfcPositive(a)), x));
  }
  const a = clamp(x, -3.93, 3.93);
  const z = E.square(a);
  const p = polynomial(z, [1.128379107, 0.1907835603, 0.05278997868, 0.00377965183, 0.0002848024305, 2.042180995e-6]);
  const q = polynomial(z, [1, 0.5024099946, 0.1142572984, 0.01499739382, 0.001165208872, 3.800417835e-5]);
  return clamp(E.div(E.mul(a, p), q), -1, 1);
}

const erf64 = [
  1.1283791670955126, -0.37612638903183515, 0.11283791670943966, -0.0268661706430753, 0.0052239776058136912,
  -0.00085483259143685829, 0.00012055293121063603, -1.4924703392986363e-5, 1.6447019940149149e-6,
  -1.6205446790406326e-7, 1.3707181701853563e-8, -7.7722920329104567e-10,
];

export function erfc(x: Expr): Expr {
  const y = erfcPositive(E.abs(x));
  return E.select(E.lt(x, 0), E.sub(2, y), y);
}

/**
 * erfinv x = x P(w), w = -log(1 - x²): one polynomial in w below 5 and one in √w above (the arrangement is Giles's). In
 * float64 their results are improved by a step of Halley's method, which triples the number of right digits.
 */
export function erfinv(x: Expr): Expr {
  const a = E.abs(x);
  const w = E.neg(log(E.mul(E.sub(1, a), E.add(a, 1))));
  const root = E.sqrt(w);
  const central = polynomial(
    E.sub(w, 2.5),
    [
      1.50140941, 0.246640816, -0.00417761644, -0.00125385064, 0.00021849967, -4.35690845e-6, -3.49665152e-6,
      3.4037518e-7, 2.54865675e-8,
    ],
  );
  const tail = isDouble(x)
    ? polynomial(
        E.sub(root, 3.5),
        [
          3.33548594, 1.0073477, 0.0032701802, -0.00195336924, 0.00108667836, -0.000838211505, 0.00049229298,
          -0.000150630047, 1.78856517e-5,
        ],
      )
    : polynomial(
        E.sub(root, 3),
        [
          2.83297706, 1.00167453, 0.00943312794, -0.00763118453, 0.00577626983, -0.00363958511, 0.00127067999,
          6.772505e-5, -0.00014450177,
        ],
      );
  const y = E.mul(a, E.select(E.lt(w, 5), central, tail));
  const refined = isDouble(x) ? halley(a, y) : y;
  return E.copysign(E.select(E.eq(a, 1), like(x, Infinity), refined), x);
}

/** One step toward erf y = a; near 1 the difference is taken of the complements. */
function halley(a: Expr, y: Expr): Expr {
  const error = E.select(E.lt(a, 0.5), E.sub(erf(y), a), E.sub(E.sub(1, a), erfc(y)));
  const step = E.div(error, E.mul(exp(E.square(y), -1), 2 / Math.sqrt(Math.PI)));
  return E.sub(y, E.div(step, E.fma(y, step, 1)));
}
