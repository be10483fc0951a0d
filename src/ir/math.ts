/**
 * Mathematics for machines: rewrites every function kind of an expression into machine kinds, without branches, so that the
 * same expression runs in the lanes of a vector unit, on the CPU and on the GPU.
 *
 * Each form must hold whether `fma` is fused or rounded twice. They are graphs: what is shared is shared by identity.
 */
import { type BinaryOp, E, type Expr, rewrite, type UnaryOp } from "./expr.ts";
import { exp, expm1, sigmoid, tanh } from "./math-exponential.ts";
import { log } from "./math-logarithm.ts";
import { isNaN } from "./math-polynomial.ts";

const unaryForms: Readonly<Partial<Record<UnaryOp, (x: Expr) => Expr>>> = {
  exp,
  expm1,
  log,
  tanh,
  sigmoid,
  rsqrt: (x) => E.div(1, E.sqrt(x)),
  reciprocal: (x) => E.div(1, x),
  isnan: isNaN,
};

const binaryForms: Readonly<Partial<Record<BinaryOp, (a: Expr, b: Expr) => Expr>>> = {};

function form(e: Expr): Expr {
  if (e.kind === "unary") {
    const f = unaryForms[e.op];
    return f === undefined ? e : f(e.a);
  }
  if (e.kind === "binary") {
    const f = binaryForms[e.op];
    return f === undefined ? e : f(e.a, e.b);
  }
  return e;
}

/** The same value in machine kinds. */
export function lower(e: Expr): Expr {
  return rewrite(e, form);
}
