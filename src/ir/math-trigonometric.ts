/**
 * Circular functions and their inverses in machine operations.
 *
 * Note [Reduction by π]: sin x = (-1)ⁿ sin(x - nπ) with n = round(x / π), so that one odd polynomial on [-π/2, π/2] serves all x.
 * nπ is subtracted in parts, whose products with n are exact even when fma rounds twice for |x| < 1e5 in float32 (n < 2^15, parts
 * of 8 bits) and |x| < 1e9 in float64 (parts of 23 bits). With a fused fma float32 is good up to 1e6. Beyond, digits are lost,
 * but results stay in range: they are clamped to ±1, which rounding could exceed anyway. The sign is the lowest bit of n, moved
 * to the top.
 */
import { E, type Expr } from "./expr.ts";
import { clamp, isDouble, like, polynomial } from "./math-polynomial.ts";

const piParts = {
  f32: [3.140625, 0.000965118408203125, 2.5331974029541016e-6, 1.9841872589410059e-9],
  f64: [3.141592502593994, 1.5099578831723193e-7, 1.078060505991553e-14, 6.564007085747001e-22],
} as const;

const magic = { f32: 12582912, f64: 6755399441055744 } as const;

/** x - n·unit, where unit is π or half of it. */
function subtractMultiples(x: Expr, n: Expr, half: boolean): Expr {
  const parts: readonly number[] = isDouble(x) ? piParts.f64 : piParts.f32;
  return parts.reduce((r, part) => E.fma(n, half ? -part / 2 : -part, r), x);
}

/** sin r / r as a polynomial in r² on [-π/2, π/2], relative error 2^-27.0 and 2^-61. */
function sinReduced(r: Expr): Expr {
  const z = E.square(r);
  const c = isDouble(r)
    ? [
        1, -0.16666666666666666, 0.0083333333333332066, -0.00019841269841212476, 2.7557319211568402e-6,
        -2.5052106904258962e-8, 1.6058940990405033e-10, -7.6430189571309535e-13, 2.7214139900594725e-15,
      ]
    : [1, -0.166666612, 0.00833309814, -0.000198114984, 2.60932848e-6];
  return E.mul(r, polynomial(z, c));
}

/** y, negated where the lowest bit of `bits` is set. */
function signed(y: Expr, bits: Expr): Expr {
  const top = E.shl(bits, isDouble(y) ? 63 : 31);
  return E.bitcast(y.type, E.xor(E.bitcast(bits.type, y), top));
}

const intOf = (x: Expr): "i64" | "i32" => (isDouble(x) ? "i64" : "i32");

export function sin(x: Expr): Expr {
  const shifter = isDouble(x) ? magic.f64 : magic.f32;
  const sum = E.fma(x, 1 / Math.PI, shifter);
  const r = subtractMultiples(x, E.sub(sum, shifter), false);
  return signed(clamp(sinReduced(r), -1, 1), E.bitcast(intOf(x), sum));
}

/** With x = (n + 1/2)π + r, cos x = -(-1)ⁿ sin r; an odd shifter gives the bits of n + 1. */
export function cos(x: Expr): Expr {
  const shifter = (isDouble(x) ? magic.f64 : magic.f32) + 1;
  const sum = E.add(E.fma(x, 1 / Math.PI, -0.5), shifter);
  const m = E.add(E.sub(sum, shifter), 0.5);
  const r = subtractMultiples(x, m, false);
  return signed(clamp(sinReduced(r), -1, 1), E.bitcast(intOf(x), sum));
}

/** With x = nπ/2 + r, tan x = tan r or -1/tan r; tan r = r P(r²) / Q(r²) on [-π/4, π/4], error 2^-25.1 and 2^-61. */
export function tan(x: Expr): Expr {
  const double = isDouble(x);
  const shifter = double ? magic.f64 : magic.f32;
  const sum = E.fma(x, 2 / Math.PI, shifter);
  const r = clamp(subtractMultiples(x, E.sub(sum, shifter), true), -1, 1);
  const z = E.square(r);
  const p = polynomial(
    z,
    double ? [1, -0.1333836013194675, 0.0034249001114535775, -1.7861913284472178e-5] : [1, -0.0958028957],
  );
  const q = polynomial(
    z,
    double
      ? [1, -0.46671693465280084, 0.025663878329053966, -0.00031181737085059485, 4.9820422056638468e-7]
      : [1, -0.429136902, 0.00971725304],
  );
  const rp = E.mul(r, p);
  const even = E.eq(E.and(E.bitcast(intOf(x), sum), 1), 0);
  return E.div(E.select(even, rp, E.neg(q)), E.select(even, q, rp));
}

const asin32 = [1, 0.166667312, 0.0749595463, 0.0454019904, 0.0244723223, 0.0417227633];
const asin64 = [
  1, 0.16666666666666702, 0.074999999999844247, 0.04464285716374379, 0.030381943138356373, 0.022372205133791814,
  0.01735175262503846, 0.013979523139737864, 0.011406698302309103, 0.010750760692838071, 0.0037700243478058513,
  0.021656878688710579, -0.0210600580404618, 0.032741483895465689,
];

/** asin(s) for an s in [0, 1/2]: s = |x|, or √((1 - |x|)/2) where |x| > 1/2, as asin x = π/2 - 2 asin s there. */
function asinSmall(x: Expr): { readonly big: Expr; readonly p: Expr } {
  const a = E.abs(x);
  const big = E.gt(a, 0.5);
  const z = E.select(big, E.mul(E.sub(1, a), 0.5), E.square(a));
  const s = E.select(big, E.sqrt(z), a);
  return { big, p: E.mul(s, polynomial(z, isDouble(x) ? asin64 : asin32)) };
}

/** What π/2 lacks in the precision of its type. */
const halfPiLow = { f32: -4.371139000186241e-8, f64: 6.123233995736766e-17 } as const;

export function asin(x: Expr): Expr {
  const { big, p } = asinSmall(x);
  return E.copysign(E.select(big, E.sub(Math.PI / 2, E.add(p, p)), p), x);
}

export function acos(x: Expr): Expr {
  const { big, p } = asinSmall(x);
  const twice = E.add(p, p);
  const low = isDouble(x) ? halfPiLow.f64 : halfPiLow.f32;
  const far = E.select(E.lt(x, 0), E.sub(Math.PI, E.sub(twice, 2 * low)), twice);
  return E.select(big, far, E.sub(Math.PI / 2, E.sub(E.copysign(p, x), low)));
}

const atan32 = [
  1, -0.333332151, 0.199950039, -0.142200142, 0.106984258, -0.0761684999, 0.0439341962, -0.0167921763, 0.00302265468,
];
const atan64 = [
  1, -0.3333333333333327, 0.19999999999969062, -0.14285714281439382, 0.11111110835444298, -0.090908990477651788,
  0.076920804517059113, -0.066633101668627862, 0.058492496101364436, -0.050449178294203013, 0.038196186200207038,
  -0.018041109555302359,
];

/**
 * atan a for a >= 0. In float32 by the polynomial on [0, 1] and atan a = π/2 - atan(1/a); in float64 on [0, tan π/8] and also atan a =
 * π/4 + atan((a - 1)/(a + 1)).
 */
function atanPositive(a: Expr): Expr {
  if (!isDouble(a)) {
    const inverse = E.gt(a, 1);
    const t = E.div(E.pmin(a, 1), E.pmax(a, 1));
    const p = E.mul(t, polynomial(E.square(t), atan32));
    return E.select(inverse, E.sub(Math.PI / 2, p), p);
  }
  const far = E.gt(a, 2.414213562373095);
  const mid = E.gt(a, 0.41421356237309503);
  const t = E.div(
    E.select(far, like(a, -1), E.select(mid, E.sub(a, 1), a)),
    E.select(far, a, E.select(mid, E.add(a, 1), 1)),
  );
  const p = E.mul(t, polynomial(E.square(t), atan64));
  const high = E.select(far, like(a, Math.PI / 2), E.select(mid, like(a, Math.PI / 4), 0));
  const low = E.select(far, like(a, halfPiLow.f64), E.select(mid, like(a, halfPiLow.f64 / 2), 0));
  return E.add(high, E.add(p, low));
}

export function atan(x: Expr): Expr {
  return E.copysign(atanPositive(E.abs(x)), x);
}

/** The angle of the point (x, y), signed zeros and infinities as in C. */
export function atan2(y: Expr, x: Expr): Expr {
  const ay = E.abs(y);
  const ax = E.abs(x);
  const ratio = E.select(E.eq(ay, ax), E.select(E.eq(ay, 0), like(y, 0), 1), E.div(ay, ax));
  const t = atanPositive(ratio);
  const low = 2 * (isDouble(x) ? halfPiLow.f64 : halfPiLow.f32);
  const left = E.lt(E.copysign(like(x, 1), x), 0);
  return E.copysign(E.select(left, E.sub(Math.PI, E.sub(t, low)), t), y);
}

/** sin(πr) and cos(πr) for |r| <= 1/2. */
export function sinCosPi(r: Expr): { readonly sin: Expr; readonly cos: Expr } {
  return { sin: sinReduced(E.mul(r, Math.PI)), cos: sinReduced(E.mul(E.sub(0.5, E.abs(r)), Math.PI)) };
}
