/**
 * Expressions that optimizers share.
 */
import { E, type Expr } from "../ir/expr.ts";

/** The gradient as it is used: turned where the loss is to grow, and with weight decay. */
export function shapedGradient(g: Expr, p: Expr, maximizes: boolean, decay: Expr | null): Expr {
  const turned = maximizes ? E.neg(g) : g;
  return decay === null ? turned : E.add(turned, E.mul(p, decay));
}

/** The way from `from` to `to`, of which `weight` is gone; computed from the nearer end, as `lerp` does. */
export function interpolate(from: Expr, to: Expr, weight: Expr, mostly: "from" | "to"): Expr {
  const change = E.sub(to, from);
  if (mostly === "from") return E.add(from, E.mul(weight, change));
  return E.sub(to, E.mul(change, E.sub(E.const(weight.type, 1), weight)));
}

/** Which end is the nearer one. */
export const nearer = (weight: number): "from" | "to" => (weight < 0.5 ? "from" : "to");

/** A running average of squares. */
export function averageSquare(average: Expr, g: Expr, keep: Expr, fresh: Expr): Expr {
  return E.add(E.mul(average, keep), E.mul(E.mul(fresh, g), g));
}

/** `p + scale * a / b`, in PyTorch's order. */
export function addQuotient(p: Expr, a: Expr, b: Expr, scale: Expr): Expr {
  return E.add(p, E.div(E.mul(scale, a), b));
}
