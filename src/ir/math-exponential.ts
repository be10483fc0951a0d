/**
 * The exponential family in machine operations: exp, exp2, expm1, sinh, cosh, tanh, sigmoid.
 *
 * Note [Exponentials]: exp(x) = 2ⁿ exp(r) with n = round(x / ln 2) and |r| <= ln(2)/2. Adding 1.5·2^23 (2^52 in float64) rounds
 * to an integer and leaves it in the low bits of the sum, from where a shift moves it into the exponent of a
 * power of two: no conversion to integer. n·ln 2 is subtracted in two parts, of which the first has so many trailing zeros
 * that its product with n is exact, fused or not. A clamp at both ends makes the power overflow to infinity and underflow to
 * zero by itself; it keeps NaN, as `pmin(x, c)` and `pmax(x, c)` return x unless c is smaller, or larger.
 *
 * In float32 the power is 2ⁿ⁻¹ against twice the polynomial, so that one multiplication covers n = -125 ... 128: results
 * below 2^-125.5 become zero. In float64 the power is split in two, and results underflow gradually.
 *
 * Coefficients without another source are minimax fits (Remez's exchange in 200 bits, coefficients rounded one after the other and
 * the rest fitted again), here and in the other files of `math`.
 */
import { E, type Expr } from "./expr.ts";
import { clamp, isDouble, polynomial } from "./math-polynomial.ts";

/** Reduced argument, and the bits of n shifted to where a floating exponent lies. */
interface Reduced {
  readonly r: Expr;
  /** n as a float. */
  readonly n: Expr;
  /** n in the low bits of an integer whose other bits vanish when they are shifted into the exponent. */
  readonly bits: Expr;
}

const magic = { f32: 12582912, f64: 6755399441055744 } as const;

/** x = n·ln 2 + r, or -x = n·ln 2 - r when `sign` is -1. */
function reduce(x: Expr, sign: 1 | -1 = 1): Reduced {
  const double = isDouble(x);
  const shifter = double ? magic.f64 : magic.f32;
  const sum = E.fma(x, sign * Math.LOG2E, shifter);
  const n = E.sub(sum, shifter);
  const high = double ? 0.6931471805598903 : 0.693145751953125;
  const low = double ? 5.497923018708371e-14 : 1.4286068203094173e-6;
  const r = E.fma(n, -sign * low, E.fma(n, -sign * high, x));
  return { r, n, bits: E.bitcast(double ? "i64" : "i32", sum) };
}

/** 2^(n + shift), for a result in the normal range. */
function power(x: Expr, bits: Expr, shift: number): Expr {
  const double = isDouble(x);
  const one = double ? 0x3ff0000000000000n + (BigInt(shift) << 52n) : 0x3f800000 + (shift << 23);
  const type = double ? "i64" : "i32";
  return E.bitcast(x.type, E.add(E.shl(bits, double ? 52 : 23), E.const(type, one)));
}

/** (exp(r) - 1 - r) / r² for |r| <= ln(2)/2; the error relative to exp(r) - 1 is 2^-25.7 and 2^-60. */
function expTail(r: Expr, sign: 1 | -1 = 1, scale = 1): Expr {
  const c = isDouble(r) ? expTail64 : expTail32;
  return polynomial(
    r,
    c.map((a, k) => scale * a * (k % 2 === 0 ? 1 : sign)),
  );
}

const expTail32 = [0.49999997, 0.166665167, 0.0416675545, 0.00836997386, 0.00138628588];
const expTail64 = [
  0.5, 0.16666666666666674, 0.041666666666666699, 0.0083333333333244237, 0.0013888888888891524, 0.00019841269878352095,
  2.4801587257509428e-5, 2.7557251872390582e-6, 2.7557370925196412e-7, 2.5106580179301185e-8, 2.0875113998091161e-9,
];

/** exp(sign·r) times `scale`, for a reduced r. */
function expReduced(r: Expr, sign: 1 | -1 = 1, scale = 1): Expr {
  return E.fma(E.fma(expTail(r, sign, scale), r, scale * sign), r, scale);
}

/** exp(x), or exp(-x). */
export function exp(x: Expr, sign: 1 | -1 = 1): Expr {
  if (!isDouble(x)) {
    const [low, high] = sign > 0 ? [-87.6, 88.8] : [-88.8, 87.6];
    const { r, bits } = reduce(clamp(x, low, high), sign);
    return E.mul(expReduced(r, sign, 2), power(x, bits, -1));
  }
  const [low, high] = sign > 0 ? [-746, 710] : [-710, 746];
  const { r, bits } = reduce(clamp(x, low, high), sign);
  return scaled(expReduced(r, sign), bits);
}

/** y·2ⁿ with gradual underflow: by 2^⌊n/2⌋ and then by the rest. */
export function scaled(y: Expr, bits: Expr): Expr {
  const half = E.shr(bits, 1);
  return E.mul(E.mul(y, power(y, half, 0)), power(y, E.sub(bits, half), 0));
}

/** 2^(high + low) for a high part that may be large and a small low part. Results underflow gradually. */
export function exp2(high: Expr, low?: Expr): Expr {
  const double = isDouble(high);
  const x = double ? clamp(high, -1080, 1030) : clamp(high, -155, 132);
  const sum = E.add(x, double ? magic.f64 : magic.f32);
  const fraction = E.sub(x, E.sub(sum, double ? magic.f64 : magic.f32));
  const r = E.mul(low === undefined ? fraction : E.add(fraction, low), Math.LN2);
  return scaled(expReduced(r), E.bitcast(double ? "i64" : "i32", sum));
}

/** exp(x) / 2 for x >= 0, which is finite for as long as cosh is. */
function halfExp(x: Expr): Expr {
  const { r, bits } = reduce(E.pmin(x, isDouble(x) ? 711.5 : 89.6));
  return E.mul(expReduced(r, 1, 2), power(x, bits, -2));
}

export function cosh(x: Expr): Expr {
  const h = halfExp(E.abs(x));
  return E.add(h, E.div(0.25, h));
}

/** Below 1, where the difference of exponentials would cancel, an odd polynomial: error 2^-31 and 2^-61. */
export function sinh(x: Expr): Expr {
  const a = E.abs(x);
  const h = halfExp(a);
  const z = E.square(E.pmin(a, 1));
  const c = isDouble(x)
    ? [
        1, 0.16666666666666669, 0.0083333333333328666, 0.00019841269841639565, 2.7557319089618096e-6,
        2.5052133954743981e-8, 1.6056418533691849e-10, 7.7840803642178571e-13,
      ]
    : [1, 0.166666672, 0.00833330676, 0.000198438735, 2.77605841e-6];
  return E.select(E.lt(a, 1), E.mul(x, polynomial(z, c)), E.copysign(E.sub(h, E.div(0.25, h)), x));
}

/**
 * exp(x) - 1 = 2ⁿ (exp(r) - 1) + (2ⁿ - 1), at half scale so that 2ⁿ is finite at the upper end. Nothing is lost near zero, where n
 * = 0 and the second term vanishes.
 */
export function expm1(x: Expr): Expr {
  const { r, bits } = reduce(isDouble(x) ? clamp(x, -40, 710) : clamp(x, -20, 88.8));
  const tail = E.fma(E.mul(expTail(r), r), r, r);
  const half = power(x, bits, -1);
  // -0 is lost on the way; the sign is always that of x.
  return E.copysign(E.mul(E.fma(half, tail, E.sub(half, 0.5)), 2), x);
}

export function sigmoid(x: Expr): Expr {
  return E.div(1, E.add(exp(x, -1), 1));
}

/**
 * In float32, an odd rational function fitted on [0, 9.02] with relative error 2^-24.5; beyond, tanh rounds to ±1. The last
 * clamp is there because rounding could make a result exceed 1. In float64, -t / (t + 2) with t = expm1(-2 |x|).
 */
export function tanh(x: Expr): Expr {
  if (isDouble(x)) {
    const t = expm1(E.mul(E.abs(x), -2));
    return E.copysign(E.div(t, E.add(t, 2)), x);
  }
  const a = clamp(x, -9.02, 9.02);
  const z = E.square(a);
  const p = polynomial(z, [1, 0.1337971538, 0.003494030796, 2.058347673e-5, 1.331871768e-8]);
  const q = polynomial(z, [1, 0.4671303034, 0.02587106079, 0.0003283088445, 7.762002951e-7]);
  return clamp(E.div(E.mul(a, p), q), -1, 1);
}
