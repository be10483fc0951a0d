/**
 * Complex values: what a scalar expression means over pairs of a real and an imaginary part.
 *
 * An operator states its expression once, over reals. Where the function it describes is analytic, the same expression holds for
 * complex numbers: each kind is replaced by its rule over pairs. Kinds that have no complex meaning (order, rounding) throw.
 */
import { E, type Expr, type Type } from "./expr.ts";

/** A complex value as two expressions of one real type. */
export interface Pair {
  readonly re: Expr;
  readonly im: Expr;
}

/** Thrown where an expression has no complex meaning. */
export class NotComplexError extends Error {
  override name = "NotComplexError";
}

const zero = (like: Expr): Expr => E.const(like.type, 0);
const pair = (re: Expr, im: Expr = zero(re)): Pair => ({ re, im });

export const conjugate = (z: Pair): Pair => ({ re: z.re, im: E.neg(z.im) });
const add = (a: Pair, b: Pair): Pair => ({ re: E.add(a.re, b.re), im: E.add(a.im, b.im) });
const sub = (a: Pair, b: Pair): Pair => ({ re: E.sub(a.re, b.re), im: E.sub(a.im, b.im) });
const neg = (a: Pair): Pair => ({ re: E.neg(a.re), im: E.neg(a.im) });
const scale = (a: Pair, by: number | Expr): Pair => ({ re: E.mul(a.re, by), im: E.mul(a.im, by) });
/** i z and -i z. */
const timesI = (z: Pair): Pair => ({ re: E.neg(z.im), im: z.re });
const overI = (z: Pair): Pair => ({ re: z.im, im: E.neg(z.re) });

function mul(a: Pair, b: Pair): Pair {
  return {
    re: E.sub(E.mul(a.re, b.re), E.mul(a.im, b.im)),
    im: E.add(E.mul(a.re, b.im), E.mul(a.im, b.re)),
  };
}

/** Division scaled by the larger part of the divisor, so that its square does not overflow. */
function div(a: Pair, b: Pair): Pair {
  const wide = E.ge(E.abs(b.re), E.abs(b.im));
  const [p, q] = [E.select(wide, b.re, b.im), E.select(wide, b.im, b.re)];
  const ratio = E.select(E.and(E.eq(p, 0), E.eq(q, 0)), p, E.div(q, p));
  const scaled = E.add(p, E.mul(q, ratio));
  const [x, y] = [E.select(wide, a.re, a.im), E.select(wide, a.im, a.re)];
  const re = E.div(E.add(x, E.mul(y, ratio)), scaled);
  const top = E.sub(y, E.mul(x, ratio));
  const im = E.div(E.select(wide, top, E.neg(top)), scaled);
  return { re, im };
}

export const modulus = (z: Pair): Expr => E.hypot(z.re, z.im);
export const argument = (z: Pair): Expr => E.atan2(z.im, z.re);

const exp = (z: Pair): Pair => {
  const size = E.exp(z.re);
  // e^x with no imaginary part stays real also where e^x is infinite.
  const im = E.select(E.eq(z.im, 0), z.im, E.mul(size, E.sin(z.im)));
  return { re: E.mul(size, E.cos(z.im)), im };
};

const log = (z: Pair): Pair => ({ re: E.log(modulus(z)), im: argument(z) });

function sqrt(z: Pair): Pair {
  const half = E.sqrt(E.mul(E.add(E.abs(z.re), modulus(z)), 0.5));
  const other = E.div(E.abs(z.im), E.mul(half, 2));
  const right = E.ge(z.re, 0);
  const origin = E.eq(half, 0);
  return {
    re: E.select(origin, half, E.select(right, half, other)),
    im: E.copysign(E.select(origin, half, E.select(right, other, half)), z.im),
  };
}

const sinh = (z: Pair): Pair => ({ re: E.mul(E.sinh(z.re), E.cos(z.im)), im: E.mul(E.cosh(z.re), E.sin(z.im)) });
const cosh = (z: Pair): Pair => ({ re: E.mul(E.cosh(z.re), E.cos(z.im)), im: E.mul(E.sinh(z.re), E.sin(z.im)) });

function tanh(z: Pair): Pair {
  // For large |x| the quotient of overflowing terms; its limit instead.
  const far = E.gt(E.abs(z.re), z.re.type === "f64" ? 20 : 9.5);
  const x2 = E.select(far, zero(z.re), E.mul(z.re, 2));
  const y2 = E.mul(z.im, 2);
  const d = E.add(E.cosh(x2), E.cos(y2));
  const decay = E.mul(E.mul(E.sin(z.im), E.cos(z.im)), E.mul(E.exp(E.mul(E.abs(z.re), -2)), 4));
  return {
    re: E.select(far, E.copysign(E.const(z.re.type, 1), z.re), E.div(E.sinh(x2), d)),
    im: E.select(far, decay, E.div(E.sin(y2), d)),
  };
}

const one = (like: Pair): Pair => pair(E.const(like.re.type, 1));

/** Inverse functions after Kahan, "Branch cuts for complex elementary functions" (1987). */
function asin(z: Pair): Pair {
  const a = sqrt(sub(one(z), z));
  const b = sqrt(add(one(z), z));
  return { re: E.atan2(z.re, mul(a, b).re), im: E.asinh(mul(conjugate(a), b).im) };
}

function acos(z: Pair): Pair {
  const a = sqrt(sub(one(z), z));
  const b = sqrt(add(one(z), z));
  return { re: E.mul(E.atan2(a.re, b.re), 2), im: E.asinh(mul(conjugate(b), a).im) };
}

function atanh(z: Pair): Pair {
  const { re: x, im: y } = z;
  const near = E.sub(1, x);
  const y2 = E.square(y);
  return {
    re: E.mul(E.log1p(E.div(E.mul(x, 4), E.add(E.square(near), y2))), 0.25),
    im: E.mul(E.atan2(E.mul(y, 2), E.sub(E.mul(near, E.add(x, 1)), y2)), 0.5),
  };
}

function acosh(z: Pair): Pair {
  const a = sqrt(sub(z, one(z)));
  const b = sqrt(add(z, one(z)));
  return { re: E.asinh(mul(conjugate(a), b).re), im: E.mul(E.atan2(a.im, b.re), 2) };
}

function expm1(z: Pair): Pair {
  const s = E.sin(E.mul(z.im, 0.5));
  const re = E.sub(E.mul(E.expm1(z.re), E.cos(z.im)), E.mul(E.square(s), 2));
  return { re, im: E.mul(E.exp(z.re), E.sin(z.im)) };
}

function log1p(z: Pair): Pair {
  const grown = E.add(E.mul(z.re, E.add(z.re, 2)), E.square(z.im));
  const near = E.lt(E.abs(z.re), 0.5);
  const direct = E.log(E.hypot(E.add(z.re, 1), z.im));
  const small = E.and(near, E.lt(E.abs(z.im), 0.5));
  return { re: E.select(small, E.mul(E.log1p(grown), 0.5), direct), im: E.atan2(z.im, E.add(z.re, 1)) };
}

function pow(a: Pair, b: Pair): Pair {
  const origin = E.and(E.eq(a.re, 0), E.eq(a.im, 0));
  const none = E.and(E.eq(b.re, 0), E.eq(b.im, 0));
  const value = exp(mul(b, log(a)));
  const { type } = a.re;
  // 0 to a power with positive real part is 0; anything to the power 0 is 1.
  const re = E.select(none, E.const(type, 1), E.select(origin, E.const(type, 0), value.re));
  const im = E.select(E.or(none, origin), E.const(type, 0), value.im);
  return { re, im };
}

/** z / |z|, and 0 at 0. */
export function sgn(z: Pair): Pair {
  const size = modulus(z);
  const origin = E.eq(size, 0);
  const by = E.select(origin, E.const(size.type, 1), size);
  return { re: E.select(origin, zero(size), E.div(z.re, by)), im: E.select(origin, zero(size), E.div(z.im, by)) };
}

const unary: Readonly<Record<string, (z: Pair) => Pair>> = {
  neg,
  exp,
  exp2: (z) => exp(scale(z, Math.LN2)),
  expm1,
  log,
  log2: (z) => scale(log(z), 1 / Math.LN2),
  log10: (z) => scale(log(z), 1 / Math.LN10),
  log1p,
  sqrt,
  rsqrt: (z) => div(one(z), sqrt(z)),
  reciprocal: (z) => div(one(z), z),
  sin: (z) => overI(sinh(timesI(z))),
  cos: (z) => cosh(timesI(z)),
  tan: (z) => overI(tanh(timesI(z))),
  sinh,
  cosh,
  tanh,
  asin,
  acos,
  atan: (z) => overI(atanh(timesI(z))),
  asinh: (z) => overI(asin(timesI(z))),
  acosh,
  atanh,
  sigmoid: (z) => div(one(z), add(one(z), exp(neg(z)))),
  sign: sgn,
};

const binary: Readonly<Record<string, (a: Pair, b: Pair) => Pair>> = { add, sub, mul, div, pow };

/**
 * The value of a real expression over complex variables. `vars` gives the pair of each variable; constants are real. A condition
 * becomes a real expression of type bool in `re`. With `ordered`, comparisons look at the real parts and `abs` is the modulus: for
 * expressions that choose between forms of one analytic function.
 */
export function complexValue(e: Expr, vars: (id: number) => Pair, type: Type, ordered = false): Pair {
  const done = new Map<Expr, Pair>();
  const refuse = (what: string): never => {
    throw new NotComplexError(`${what} has no complex meaning`);
  };
  const condition = (x: Expr): Expr => {
    if (x.kind === "const") return x;
    if (x.kind === "binary") {
      if (x.op === "eq" || x.op === "ne") {
        const [a, b] = [go(x.a), go(x.b)];
        const same = E.and(E.eq(a.re, b.re), E.eq(a.im, b.im));
        return x.op === "eq" ? same : E.not(same);
      }
      if (x.op === "and" || x.op === "or" || x.op === "xor") return E[x.op](condition(x.a), condition(x.b));
      if (ordered && (x.op === "lt" || x.op === "le" || x.op === "gt" || x.op === "ge")) {
        return E[x.op](go(x.a).re, go(x.b).re);
      }
      return refuse(x.op);
    }
    if (x.kind === "unary" && x.op === "not") return E.not(condition(x.a));
    if (x.kind === "unary" && x.op === "isnan") {
      const z = go(x.a);
      return E.or(E.isnan(z.re), E.isnan(z.im));
    }
    return refuse(x.kind);
  };
  const compute = (x: Expr): Pair => {
    if (x.type === "bool") return pair(condition(x), E.const("bool", false));
    switch (x.kind) {
      case "const":
        return pair(E.const(type, Number(x.value)));
      case "var":
        return vars(x.id);
      case "unary":
        if (ordered && x.op === "abs") return pair(modulus(go(x.a)));
        return (unary[x.op] ?? refuse(x.op))(go(x.a));
      case "binary":
        return (binary[x.op] ?? refuse(x.op))(go(x.a), go(x.b));
      case "select": {
        const cond = condition(x.cond);
        const [a, b] = [go(x.a), go(x.b)];
        return { re: E.select(cond, a.re, b.re), im: E.select(cond, a.im, b.im) };
      }
      case "fma":
        return add(mul(go(x.a), go(x.b)), go(x.c));
      case "cast":
        return go(x.a);
      default:
        return refuse(x.kind);
    }
  };
  const go = (x: Expr): Pair => {
    const known = done.get(x);
    if (known !== undefined) return known;
    const value = compute(x);
    done.set(x, value);
    return value;
  };
  return go(e);
}
