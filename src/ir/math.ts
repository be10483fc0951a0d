/**
 * Mathematics for machines: rewrites every function kind of an expression into machine kinds, without branches, so that the
 * same expression runs in the lanes of a vector unit, on the CPU and on the GPU.
 *
 * Each form must hold whether `fma` is fused or rounded twice. They are graphs: what is shared is shared by identity.
 *
 * Note [Accuracy]: largest errors measured over the ranges of the tests, both ways of `fma`, in units of the last place of the
 * result, and instructions (bitcasts and constants not counted):
 *
 * |          | float32     | float64     |          | float32     | float64     |          | float32     | float64     |
 * |----------|-------------|-------------|----------|-------------|-------------|----------|-------------|-------------|
 * | exp      | 1.1 in 15   | 1 in 26     | sin      | 2.6 in 16   | 2 in 20     | tanh     | 4.8 in 15   | 3 in 29     |
 * | exp2     | 1.2 in 20   | 2 in 26     | cos      | 2.6 in 18   | 2 in 22     | sinh     | 1.5 in 27   | 2 in 36     |
 * | expm1    | 1.7 in 18   | 2 in 24     | tan      | 4.0 in 19   | 3 in 23     | cosh     | 1.5 in 17   | 2 in 23     |
 * | log      | 1.1 in 28   | 1 in 35     | asin     | 3.1 in 18   | 3 in 26     | asinh    | 2.2 in 46   | 2 in 53     |
 * | log2     | 2.3 in 29   | 2 in 35     | acos     | 1.9 in 23   | 2 in 31     | acosh    | 2.2 in 45   | 2 in 52     |
 * | log10    | 2.6 in 30   | 2 in 36     | atan     | 2.2 in 18   | 2 in 30     | atanh    | 2.5 in 40   | 2 in 47     |
 * | log1p    | 1.7 in 34   | 1 in 41     | atan2    | 2.3 in 29   | 2 in 41     | sigmoid  | 2.2 in 17   | 3 in 28     |
 * | pow      | 1.2 in 121  | 1 in 133    | hypot    | 1.1 in 19   | 2 in 19     | rsqrt    | 1.5 in 2    | 1 in 2      |
 * | erf      | 5.6 in 17   | 1 in 83     | erfc     | 3.8 in 44   | 2 in 68     | erfinv   | 4.4 in 58   | 2 in 253    |
 *
 * tanh and erf reach theirs just below 1, where the unit is half as large: 3.4e-7 relative. fmod (39), nextafter (14) and sign are
 * exact. The gamma functions are computed in float64 and right to 1e-15, absolute near their zeros.
 */
import { type BinaryOp, E, type Expr, functionBinary, functionUnary, rewrite, type UnaryOp } from "./expr.ts";
import { erf, erfc, erfinv } from "./math-error.ts";
import { cosh, exp, exp2, expm1, sigmoid, sinh, tanh } from "./math-exponential.ts";
import { lgamma, polygamma, trigamma } from "./math-gamma.ts";
import { acosh, asinh, atanh, log, log10, log1p, log2 } from "./math-logarithm.ts";
import { isNaN } from "./math-polynomial.ts";
import { fmod, hypot, nextafter, pow, sign } from "./math-power.ts";
import { acos, asin, atan, atan2, cos, sin, tan } from "./math-trigonometric.ts";
import { binaryFunction, unaryFunction } from "./scalar.ts";

type FunctionUnary = (typeof functionUnary)[number];
type FunctionBinary = (typeof functionBinary)[number];

/** A form that exists in float64 alone. */
function widened(f: (x: Expr) => Expr): (x: Expr) => Expr {
  return (x) => E.cast(x.type, f(E.cast("f64", x)));
}

const unaryForms: Readonly<Record<FunctionUnary, (x: Expr) => Expr>> = {
  exp: (x) => exp(x),
  exp2: (x) => exp2(x),
  expm1,
  log,
  log2,
  log10,
  log1p,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  sigmoid,
  rsqrt: (x) => E.div(1, E.sqrt(x)),
  reciprocal: (x) => E.div(1, x),
  erf,
  erfc,
  erfinv,
  lgamma: widened(lgamma),
  digamma: widened((x) => polygamma(E.const("f64", 0), x)),
  trigamma: widened(trigamma),
  sign,
  isnan: isNaN,
};

const binaryForms: Readonly<Record<FunctionBinary, (a: Expr, b: Expr) => Expr>> = {
  pow,
  atan2,
  fmod,
  hypot,
  nextafter,
  polygamma: (n, x) => widened((y) => polygamma(n, y))(x),
};

const unaryNames: ReadonlySet<UnaryOp> = new Set(functionUnary);
const binaryNames: ReadonlySet<BinaryOp> = new Set(functionBinary);
const isUnaryFunction = (op: UnaryOp): op is FunctionUnary => unaryNames.has(op);
const isBinaryFunction = (op: BinaryOp): op is FunctionBinary => binaryNames.has(op);

/** One node in machine kinds; its operands are already. Functions of constants are computed. */
function form(e: Expr): Expr {
  if (e.kind === "unary" && isUnaryFunction(e.op)) {
    const { a } = e;
    return a.kind === "const" ? E.const(e.type, unaryFunction(e.op, a.type, e.type)(a.value)) : unaryForms[e.op](a);
  }
  if (e.kind === "binary" && isBinaryFunction(e.op)) {
    const { a, b } = e;
    const known = a.kind === "const" && b.kind === "const";
    return known ? E.const(e.type, binaryFunction(e.op, a.type)(a.value, b.value)) : binaryForms[e.op](a, b);
  }
  return e;
}

/** The same value in machine kinds. */
export function lower(e: Expr): Expr {
  return rewrite(e, form);
}
