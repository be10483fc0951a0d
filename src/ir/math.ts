/**
 * Mathematics for machines: rewrites every function kind of an expression into machine kinds, without branches, so that the
 * same expression runs in the lanes of a vector unit, on the CPU and on the GPU.
 *
 * Each form must hold whether `fma` is fused or rounded twice. They are graphs: what is shared is shared by identity.
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
