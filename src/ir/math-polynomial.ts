/** What the forms of all functions are made of: polynomials, and constants by precision. */
import { E, type Expr } from "./expr.ts";

export const isDouble = (x: Expr): boolean => x.type === "f64";

/** c[0] + c[1] x + c[2] x² + ... by Horner's rule. */
export function polynomial(x: Expr, c: readonly number[]): Expr {
  let sum = E.const(x.type, c[c.length - 1] as number);
  for (let k = c.length - 2; k >= 0; k--) sum = E.fma(sum, x, c[k] as number);
  return sum;
}

/** Limits x to an interval. NaN stays NaN, as `pmin(x, c)` and `pmax(x, c)` give x unless c is smaller, or larger. */
export function clamp(x: Expr, low: number, high: number): Expr {
  return E.pmax(E.pmin(x, high), low);
}

/** A constant of x's type. */
export function like(x: Expr, value: number): Expr {
  return E.const(x.type, value);
}

/** Whether x is NaN. */
export const isNaN = (x: Expr): Expr => E.ne(x, x);

/** x with its lower bits cleared, so that the square of what is left is exact. */
export function highPart(x: Expr): Expr {
  const bits = isDouble(x)
    ? E.and(E.bitcast("i64", x), E.const("i64", -0x8000000n))
    : E.and(E.bitcast("i32", x), -0x1000);
  return E.bitcast(x.type, bits);
}
