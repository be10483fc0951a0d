/**
 * The logarithms in machine operations.
 *
 * Note [Logarithms]: x = 2ᵉ m with √½ <= m < √2, by integer arithmetic on the bits: subtracting the bits of √½ leaves e
 * in the exponent field. Then log x = e·ln 2 + log(1 + f) with f = m - 1 exact. In float32 log(1 + f) = f + f² P(f), where P is
 * fitted with relative error 2^-25; in float64 it is an odd series in s = f / (2 + f), arranged so that f itself, which is
 * exact, is the leading term: f - (f²/2 - s (f²/2 + R(s²))). Subnormal x are scaled up first.
 */
import { E, type Expr } from "./expr.ts";
import { isDouble, like, polynomial } from "./math-polynomial.ts";

interface Parts {
  /** The exponent, as a float. */
  readonly e: Expr;
  readonly f: Expr;
}

/** e and f of a positive finite x. */
export function split(x: Expr): Parts {
  return isDouble(x) ? split64(x) : split32(x);
}

function split32(x: Expr): Parts {
  const tiny = E.lt(x, 2 ** -126);
  const bits = E.bitcast("i32", E.select(tiny, E.mul(x, 2 ** 23), x));
  const offset = E.sub(bits, 0x3f3504f3);
  const m = E.bitcast("f32", E.sub(bits, E.and(offset, -0x800000)));
  const e = E.shr(E.sub(offset, E.select(tiny, E.const("i32", 23 << 23), 0)), 23);
  return { e: E.cast("f32", e), f: E.sub(m, 1) };
}

const long = (value: bigint): Expr => E.const("i64", value);

function split64(x: Expr): Parts {
  const tiny = E.lt(x, 2 ** -1022);
  const bits = E.bitcast("i64", E.select(tiny, E.mul(x, 2 ** 54), x));
  const offset = E.sub(bits, long(0x3fe6a09e667f3bcdn));
  const m = E.bitcast("f64", E.sub(bits, E.and(offset, long(-0x10000000000000n))));
  // The biased exponent in the fraction of 2^52, as vector units have no conversion from 64-bit integers.
  const biased = E.shru(E.add(offset, long(0x3ff0000000000000n)), E.const("i64", 52n));
  const e = E.sub(
    E.bitcast("f64", E.or(biased, long(0x4330000000000000n))),
    E.select(tiny, like(x, 2 ** 52 + 1023 + 54), 2 ** 52 + 1023),
  );
  return { e, f: E.sub(m, 1) };
}

const tail32 = [
  -0.499999911, 0.333339542, -0.250018269, 0.199619651, -0.165684476, 0.149168268, -0.143234968, 0.0875959098,
];

/** R of the note, divided by s². */
const tail64 = [
  0.66666666666667107, 0.39999999999532693, 0.28571428721107434, 0.22222200420248089, 0.18183480976946492,
  0.15315934662536648, 0.14779089609065546,
];

/** log(1 + f) - f. */
function logTail(f: Expr): Expr {
  if (!isDouble(f)) return E.mul(E.square(f), polynomial(f, tail32));
  const s = E.div(f, E.add(f, 2));
  const z = E.square(s);
  const half = E.mul(E.mul(f, 0.5), f);
  return E.sub(E.mul(s, E.fma(z, polynomial(z, tail64), half)), half);
}

/** What log and its kin answer outside (0, inf), and y inside. */
function corners(x: Expr, y: Expr): Expr {
  const beyond = E.select(E.lt(x, Infinity), y, x);
  return E.select(E.eq(x, 0), like(x, -Infinity), E.select(E.lt(x, 0), like(x, NaN), beyond));
}

/** ln 2 and log10 2 in two parts, the first with so few bits that its product with an exponent is exact. */
const ln2 = {
  f64: [0.6931471805598903, 5.497923018708371e-14],
  f32: [0.693145751953125, 1.4286068203094173e-6],
} as const;
const lg2 = {
  f64: [0.30102999566395283, 2.8363394551044964e-14],
  f32: [0.301025390625, 4.605038981195214e-6],
} as const;

/** log x for positive finite x. */
export function logPositive(x: Expr): Expr {
  const { e, f } = split(x);
  const [high, low] = isDouble(x) ? ln2.f64 : ln2.f32;
  if (isDouble(x)) return E.fma(e, high, E.add(f, E.fma(e, low, logTail(f))));
  return E.fma(e, high, E.fma(E.square(f), polynomial(f, tail32), E.fma(e, low, f)));
}

export function log(x: Expr): Expr {
  return corners(x, logPositive(x));
}

export function log2(x: Expr): Expr {
  const { e, f } = split(x);
  return corners(x, E.add(e, E.fma(f, Math.LOG2E, E.mul(logTail(f), Math.LOG2E))));
}

export function log10(x: Expr): Expr {
  const { e, f } = split(x);
  const [high, low] = isDouble(x) ? lg2.f64 : lg2.f32;
  const small = E.fma(f, Math.LOG10E, E.fma(e, low, E.mul(logTail(f), Math.LOG10E)));
  return corners(x, E.fma(e, high, small));
}

/** log(1 + x): what the rounding of u = 1 + x lost is put back to first order. */
export function log1p(x: Expr): Expr {
  const u = E.add(x, 1);
  const lost = E.div(E.sub(x, E.sub(u, 1)), u);
  return E.copysign(corners(u, E.add(logPositive(u), lost)), x);
}

/** log1p(y(x)), or log(x) + ln 2 for an x so large that y would overflow. */
function log1pOrLarge(x: Expr, y: Expr): Expr {
  const large = E.gt(x, isDouble(x) ? 2 ** 500 : 2 ** 60);
  return E.add(log1p(E.select(large, x, y)), E.select(large, like(x, Math.LN2), 0));
}

export function asinh(x: Expr): Expr {
  const a = E.abs(x);
  const z = E.square(a);
  const y = E.add(a, E.div(z, E.add(E.sqrt(E.add(z, 1)), 1)));
  return E.copysign(log1pOrLarge(a, y), x);
}

export function acosh(x: Expr): Expr {
  const t = E.sub(x, 1);
  const y = log1pOrLarge(x, E.add(t, E.sqrt(E.mul(t, E.add(t, 2)))));
  return E.select(E.lt(x, 1), like(x, NaN), y);
}

export function atanh(x: Expr): Expr {
  const a = E.abs(x);
  return E.copysign(E.mul(log1p(E.div(E.add(a, a), E.sub(1, a))), 0.5), x);
}
