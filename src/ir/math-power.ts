/** Powers and the exact operations: pow, hypot, fmod, nextafter, sign. */
import { E, type Expr, isFloat } from "./expr.ts";
import { exp2 } from "./math-exponential.ts";
import { split } from "./math-logarithm.ts";
import { clamp, highPart, isDouble, isNaN, like, polynomial } from "./math-polynomial.ts";

/** A number as the unevaluated sum of two, the first with half of the bits. */
interface Pair {
  readonly high: Expr;
  readonly low: Expr;
}

/**
 * log2 of a positive finite x to about one and a half times the precision, so that an error of the logarithm times a large
 * exponent is still below one of the result.
 *
 * With s = f / (2 + f), log(1 + f) = 2/3 s (3 + s² + r), r = s⁴ (3/5 + 3/7 s² + ...). The operands of every product that must be exact
 * are cut to half of their bits first, so that it is exact without a fused multiplication (after fdlibm's e_pow).
 */
function log2Pair(x: Expr): Pair {
  const double = isDouble(x);
  const { e, f } = split(x);
  const den = E.add(f, 2);
  const s = E.div(f, den);
  const sHigh = highPart(s);
  const denHigh = highPart(den);
  const denLow = E.sub(f, E.sub(denHigh, 2));
  const sLow = E.div(E.sub(E.sub(f, E.mul(sHigh, denHigh)), E.mul(sHigh, denLow)), den);

  const z = E.square(s);
  const squareHigh = E.square(sHigh);
  const r = E.fma(E.square(z), polynomial(z, double ? powTail64 : powTail32), E.mul(sLow, E.add(s, sHigh)));
  const tHigh = highPart(E.add(E.add(squareHigh, 3), r));
  const tLow = E.sub(r, E.sub(E.sub(tHigh, 3), squareHigh));
  const u = E.mul(sHigh, tHigh);
  const v = E.add(E.mul(sLow, tHigh), E.mul(tLow, s));
  const pHigh = highPart(E.add(u, v));
  const pLow = E.sub(v, E.sub(pHigh, u));

  // times 2 / (3 ln 2), in two parts
  const [cHigh, cLow] = double ? [0.9617966860532761, 7.872699542894897e-9] : [0.961669921875, 0.0001267720509756];
  const c = 0.9617966939259756;
  const zHigh = E.mul(pHigh, cHigh);
  const zLow = E.add(E.mul(pHigh, cLow), E.mul(pLow, c));
  const high = highPart(E.add(E.add(zHigh, zLow), e));
  return { high, low: E.sub(zLow, E.sub(E.sub(high, e), zHigh)) };
}

/** 3/5, 3/7, 3/9, ... adapted to the interval; error of the logarithm 2^-35.5 and 2^-67. */
const powTail32 = [0.600001395, 0.428275645, 0.350022227];
const powTail64 = [
  0.59999999999999998, 0.42857142857149488, 0.33333333330486858, 0.27272727826442661, 0.23076865571138791,
  0.20003402895675881, 0.17532256103822019, 0.17830372253158219,
];

const constantPowers: ReadonlyMap<number, (x: Expr) => Expr> = new Map([
  [0, (x: Expr): Expr => like(x, 1)],
  [1, (x: Expr): Expr => x],
  [2, (x: Expr): Expr => E.square(x)],
  [3, (x: Expr): Expr => E.mul(E.square(x), x)],
  [4, (x: Expr): Expr => E.square(E.square(x))],
  [0.5, (x: Expr): Expr => E.sqrt(x)],
  [-0.5, (x: Expr): Expr => E.div(1, E.sqrt(x))],
  [-1, (x: Expr): Expr => E.div(1, x)],
  [-2, (x: Expr): Expr => E.div(1, E.square(x))],
]);

/** x to the power y, with the special cases of C. Constant small exponents are multiplications, as in PyTorch. */
export function pow(x: Expr, y: Expr): Expr {
  if (y.kind === "const") {
    const form = constantPowers.get(Number(y.value));
    if (form !== undefined) return form(x);
  }
  const double = isDouble(x);
  const a = E.abs(x);
  // An exponent beyond these limits overflows or underflows for every base but 1.
  const limit = double ? 2 ** 64 : 2 ** 34;
  const exponent = clamp(y, -limit, limit);
  const log = log2Pair(a);
  const yHigh = highPart(exponent);
  const product = E.mul(yHigh, log.high);
  const rest = E.fma(E.sub(exponent, yHigh), log.high, E.mul(exponent, log.low));
  // The product is rounded to an integer only after the rest is in, as both may be large.
  const total = E.add(product, rest);
  // For a total out of range the low part means nothing, but must not bring the result back.
  const finite = exp2(total, clamp(E.add(E.sub(product, total), rest), -0.5, 0.5));

  const edge = E.or(E.eq(a, 0), E.eq(a, Infinity));
  const toZero = E.xor(E.eq(a, 0), E.lt(y, 0));
  const magnitude = E.select(edge, E.select(toZero, like(x, 0), Infinity), finite);

  const negative = E.lt(E.copysign(like(x, 1), x), 0);
  const integer = E.eq(E.floor(y), y);
  const half = E.mul(y, 0.5);
  const odd = E.and(integer, E.ne(E.floor(half), half));
  const signed = E.select(E.and(negative, odd), E.neg(magnitude), magnitude);
  const imaginary = E.and(E.and(E.lt(x, 0), E.not(integer)), E.ne(a, Infinity));
  const unknown = E.or(E.or(isNaN(x), isNaN(y)), imaginary);
  const one = E.or(E.eq(y, 0), E.eq(x, 1));
  return E.select(one, like(x, 1), E.select(unknown, like(x, NaN), signed));
}

/** √(a² + b²), scaled so that the squares neither overflow nor vanish; infinite if either is, even beside a NaN. */
export function hypot(a: Expr, b: Expr): Expr {
  const x = E.abs(a);
  const y = E.abs(b);
  const most = E.pmax(x, y);
  const k = isDouble(a) ? 600 : 70;
  const large = E.gt(most, 2 ** (k / 1.5));
  const small = E.lt(most, 2 ** (-k / 1.5));
  const choose = (up: number): Expr => E.select(large, like(a, 2 ** -up), E.select(small, like(a, 2 ** up), 1));
  const down = choose(k);
  const xs = E.mul(x, down);
  const ys = E.mul(y, down);
  const root = E.mul(E.sqrt(E.fma(xs, xs, E.square(ys))), choose(-k));
  return E.select(E.or(E.eq(x, Infinity), E.eq(y, Infinity)), like(a, Infinity), root);
}

/**
 * C's fmod. Each step subtracts a multiple of b whose factor has half of the bits, so that it is exact; three of them are enough
 * for |a / b| < 2^33 in float32 and 2^75 in float64. Beyond, the result is only bounded.
 */
export function fmod(a: Expr, b: Expr): Expr {
  const x = E.abs(a);
  const y = E.abs(b);
  const yHigh = highPart(y);
  const yLow = E.sub(y, yHigh);
  let r = x;
  for (let step = 0; step < 3; step++) {
    const q = highPart(E.trunc(E.div(r, y)));
    r = E.sub(E.sub(r, E.mul(q, yHigh)), E.mul(q, yLow));
    r = E.select(E.lt(r, 0), E.add(r, y), r);
  }
  const whole = E.and(E.eq(y, Infinity), E.lt(x, Infinity));
  return E.copysign(E.select(whole, x, r), a);
}

/** The next number after x in the direction of y: bit patterns of one sign are ordered as the numbers are. */
export function nextafter(x: Expr, y: Expr): Expr {
  const double = isDouble(x);
  const int = double ? "i64" : "i32";
  const away = E.xor(E.lt(x, y), E.gt(x, 0));
  const bits = E.add(E.bitcast(int, x), E.select(away, E.const(int, -1), 1));
  const fromZero = E.copysign(like(x, double ? Number.MIN_VALUE : 2 ** -149), y);
  const moved = E.select(E.eq(x, 0), fromZero, E.bitcast(x.type, bits));
  return E.select(E.eq(x, y), y, E.select(E.or(isNaN(x), isNaN(y)), like(x, NaN), moved));
}

/** -1, 0 or 1; NaN stays NaN. */
export function sign(x: Expr): Expr {
  const zero = isFloat(x.type) ? E.abs(x) : like(x, 0);
  return E.select(E.gt(x, 0), like(x, 1), E.select(E.lt(x, 0), like(x, -1), zero));
}
