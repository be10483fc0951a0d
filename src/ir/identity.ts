/** Structural identity of expressions: equal numbers mean equal expressions, however they were built. */
import { type Expr, mapOperands, operands } from "./expr.ts";

export class Identity {
  private readonly numbers = new Map<string, number>();
  private readonly known = new Map<Expr, number>();
  private readonly representatives: Expr[] = [];

  /** The number of an expression's class. Linear in the size of the graph. */
  of(e: Expr): number {
    const seen = this.known.get(e);
    if (seen !== undefined) return seen;
    const inner = operands(e).map((x) => this.of(x));
    const key = `${label(e)} ${inner.join(" ")}`;
    let number = this.numbers.get(key);
    if (number === undefined) {
      number = this.representatives.length;
      this.numbers.set(key, number);
      this.representatives.push(mapOperands(e, (x) => this.representatives[this.of(x)] ?? x));
    }
    this.known.set(e, number);
    return number;
  }

  /** The one object that stands for all expressions equal to this one. */
  share(e: Expr): Expr {
    return this.representatives[this.of(e)] ?? e;
  }
}

/** All that tells a node apart but its operands. */
export function label(e: Expr): string {
  switch (e.kind) {
    case "const":
      return `const ${e.type} ${Object.is(e.value, -0) ? "-0" : String(e.value)}`;
    case "scalar":
      return `scalar ${e.type} ${e.slot}`;
    case "index":
      return `index ${e.loop}`;
    case "load":
      return `load ${e.type} ${e.buffer}`;
    case "var":
      return `var ${e.type} ${e.id}`;
    case "unary":
    case "binary":
      return `${e.op} ${e.type}`;
    case "select":
    case "fma":
    case "cast":
      return `${e.kind} ${e.type}`;
  }
}

/** The same expression with equal subexpressions made one object. */
export function share(e: Expr): Expr {
  return new Identity().share(e);
}
