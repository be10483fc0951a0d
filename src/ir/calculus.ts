/**
 * Differentiation of scalar expressions: the derivative of every kind, and the two ways to accumulate them.
 *
 * The rules are PyTorch's formulas, corners included: abs is flat at 0, ties of min and max share evenly, a select passes
 * the gradient to the side it took and exactly 0 to the other. They are written in terms of the node itself where that is
 * custom (tanh' = 1 - y²), so that what an operator saves may be its result.
 */
import { type Expr, E, isFloat, operands, rewrite } from "./expr.ts";
import { Identity } from "./identity.ts";
import { binaryFunction } from "./scalar.ts";

/**
 * How a change `g` of one operand changes the node: g times the partial derivative. Being linear, it serves both ways: to push
 * changes of the operands forward and to pull the change of a result back. Null where the derivative is zero.
 */
type Rule = ((g: Expr) => Expr) | null;

function folded(op: "add" | "mul", a: Expr, b: Expr): Expr | null {
  if (a.kind !== "const" || b.kind !== "const") return null;
  return E.const(a.type, binaryFunction(op, a.type)(a.value, b.value));
}

function times(a: Expr, b: Expr): Expr {
  return folded("mul", a, b) ?? E.mul(a, b);
}

function plus(a: Expr, b: Expr): Expr {
  return folded("add", a, b) ?? E.add(a, b);
}

function over(a: Expr, b: Expr): Expr {
  return a.kind === "const" && a.value === 1 ? E.reciprocal(b) : E.div(a, b);
}

const constant = (like: Expr, value: number): Expr => E.const(like.type, value);

/** a to the power b, where a constant b of 0 or 1 needs none. */
function power(a: Expr, b: Expr): Expr {
  if (b.kind === "const" && b.value === 0) return constant(a, 1);
  return b.kind === "const" && b.value === 1 ? a : E.pow(a, b);
}

const oneMinusSquare = (x: Expr): Expr => E.sub(1, E.square(x));

function unaryRule(e: Extract<Expr, { kind: "unary" }>): Rule {
  const x = e.a;
  switch (e.op) {
    case "neg":
      return (g) => E.neg(g);
    case "abs":
      return (g) => times(g, E.sign(x));
    case "sqrt":
      return (g) => over(g, E.mul(e, 2));
    case "exp":
      return (g) => times(g, e);
    case "exp2":
      return (g) => times(g, E.mul(e, Math.LN2));
    case "expm1":
      return (g) => times(g, E.add(e, 1));
    case "log":
      return (g) => over(g, x);
    case "log2":
      return (g) => over(g, E.mul(x, Math.LN2));
    case "log10":
      return (g) => over(g, E.mul(x, Math.LN10));
    case "log1p":
      return (g) => over(g, E.add(x, 1));
    case "sin":
      return (g) => times(g, E.cos(x));
    case "cos":
      return (g) => times(g, E.neg(E.sin(x)));
    case "tan":
      return (g) => times(g, E.add(E.square(e), 1));
    case "asin":
      return (g) => times(g, E.rsqrt(oneMinusSquare(x)));
    case "acos":
      return (g) => times(g, E.neg(E.rsqrt(oneMinusSquare(x))));
    case "atan":
      return (g) => over(g, E.add(E.square(x), 1));
    case "sinh":
      return (g) => times(g, E.cosh(x));
    case "cosh":
      return (g) => times(g, E.sinh(x));
    case "tanh":
      return (g) => times(g, oneMinusSquare(e));
    case "asinh":
      return (g) => times(g, E.rsqrt(E.add(E.square(x), 1)));
    case "acosh":
      return (g) => times(g, E.rsqrt(E.sub(E.square(x), 1)));
    case "atanh":
      return (g) => over(g, oneMinusSquare(x));
    case "sigmoid":
      return (g) => times(g, E.mul(E.sub(1, e), e));
    case "rsqrt":
      return (g) => times(g, E.mul(E.mul(E.square(e), e), -0.5));
    case "reciprocal":
      return (g) => times(g, E.neg(E.square(e)));
    case "erf":
      return (g) => times(g, E.mul(E.exp(E.neg(E.square(x))), 2 / Math.sqrt(Math.PI)));
    case "erfc":
      return (g) => times(g, E.mul(E.exp(E.neg(E.square(x))), -2 / Math.sqrt(Math.PI)));
    case "erfinv":
      return (g) => times(g, E.mul(E.exp(E.square(e)), Math.sqrt(Math.PI) / 2));
    case "lgamma":
      return (g) => times(g, E.digamma(x));
    case "digamma":
      return (g) => times(g, E.trigamma(x));
    case "trigamma":
      return (g) => times(g, E.polygamma(2, x));
    case "floor":
    case "ceil":
    case "trunc":
    case "round":
    case "sign":
    case "not":
    case "bitcast":
    case "isnan":
      return null;
  }
}

function binaryRules(e: Extract<Expr, { kind: "binary" }>): readonly [Rule, Rule] {
  const { a, b } = e;
  switch (e.op) {
    case "add":
      return [(g) => g, (g) => g];
    case "sub":
      return [(g) => g, (g) => E.neg(g)];
    case "mul":
      return [(g) => times(g, b), (g) => times(g, a)];
    case "div":
      return [(g) => over(g, b), (g) => times(g, E.neg(E.div(e, b)))];
    case "rem":
    case "fmod":
      return [(g) => g, (g) => times(g, E.neg(E.trunc(E.div(a, b))))];
    case "max":
      return [tied(a, b, E.lt(a, b)), tied(a, b, E.lt(b, a))];
    case "min":
      return [tied(a, b, E.gt(a, b)), tied(a, b, E.gt(b, a))];
    case "pmax":
      return [(g) => E.select(E.lt(a, b), 0, g), (g) => E.select(E.lt(a, b), g, 0)];
    case "pmin":
      return [(g) => E.select(E.lt(b, a), 0, g), (g) => E.select(E.lt(b, a), g, 0)];
    case "copysign":
      return [(g) => times(g, E.select(E.eq(a, 0), 0, E.div(e, a))), null];
    case "pow":
      return [powBase(a, b), powExponent(e, a, b)];
    case "atan2": {
      const norm = E.add(E.square(a), E.square(b));
      const r = E.select(E.eq(norm, 0), 0, E.reciprocal(norm));
      return [(g) => times(g, E.mul(b, r)), (g) => times(g, E.neg(E.mul(a, r)))];
    }
    case "hypot":
      return [(g) => times(g, E.div(a, e)), (g) => times(g, E.div(b, e))];
    case "polygamma": {
      const n = a.kind === "const" ? Number(a.value) : NaN;
      return [null, (g) => times(g, E.polygamma(n + 1, b))];
    }
    case "nextafter":
    case "and":
    case "or":
    case "xor":
    case "shl":
    case "shr":
    case "shru":
    case "eq":
    case "ne":
    case "lt":
    case "le":
    case "gt":
    case "ge":
      return [null, null];
  }
}

/** Half to each side of a tie, nothing to the one that lost; a NaN on either side passes the gradient to both. */
function tied(a: Expr, b: Expr, lost: Expr): Rule {
  return (g) => E.select(E.eq(a, b), times(g, constant(g, 0.5)), E.select(lost, 0, g));
}

function powBase(a: Expr, b: Expr): Rule {
  if (b.kind === "const" && b.value === 0) return null;
  const slope = times(b, power(a, plus(b, constant(b, -1))));
  if (b.kind === "const") return (g) => times(g, slope);
  return (g) => E.select(E.eq(b, 0), 0, times(g, slope));
}

function powExponent(y: Expr, a: Expr, b: Expr): Rule {
  const flat = E.and(E.eq(a, 0), E.ge(b, 0));
  return (g) => times(g, E.select(flat, 0, E.mul(y, E.log(a))));
}

/** The rules of a node's operands, in the order of `operands`; that of a cast is for the way back only. */
function rules(e: Expr): readonly Rule[] {
  switch (e.kind) {
    case "const":
    case "scalar":
    case "index":
    case "var":
      return [];
    case "load":
      return [null];
    case "unary":
      return [unaryRule(e)];
    case "binary":
      return binaryRules(e);
    case "select":
      return [null, (g) => E.select(e.cond, g, 0), (g) => E.select(e.cond, 0, g)];
    case "fma":
      return [(g) => times(g, e.b), (g) => times(g, e.a), (g) => g];
    case "cast":
      return [(g) => E.cast(e.a.type, g)];
  }
}

/** Whether gradients can flow from a node to an operand. */
const differentiable = (e: Expr): boolean => isFloat(e.type);

/**
 * The change of an expression for given changes of its variables (by id; the others do not change): forward accumulation,
 * one pass over the graph. Null when nothing it depends on changes.
 */
export function tangent(e: Expr, changes: ReadonlyMap<number, Expr>): Expr | null {
  const done = new Map<Expr, Expr | null>();
  const go = (x: Expr): Expr | null => {
    if (!differentiable(x)) return null;
    const known = done.get(x);
    if (known !== undefined) return known;
    const change = x.kind === "var" ? (changes.get(x.id) ?? null) : inner(x);
    done.set(x, change);
    return change;
  };
  const inner = (x: Expr): Expr | null => {
    const given = operands(x).map(go);
    if (x.kind === "select") {
      const [, da = null, db = null] = given;
      return da === null && db === null ? null : E.select(x.cond, da ?? constant(x, 0), db ?? constant(x, 0));
    }
    const each = rules(x);
    let sum: Expr | null = null;
    given.forEach((d, i) => {
      const rule = each[i] ?? null;
      if (d === null || rule === null) return;
      const term = x.kind === "cast" ? E.cast(x.type, d) : rule(d);
      sum = sum === null ? term : plus(sum, term);
    });
    return sum;
  };
  return go(e);
}

/** The derivative of an expression with respect to a variable. */
export function derivative(e: Expr, x: Expr): Expr {
  if (x.kind !== "var") throw new TypeError(`ir: a derivative with respect to a ${x.kind}`);
  return tangent(e, new Map([[x.id, constant(x, 1)]])) ?? constant(e, 0);
}

/**
 * `seed` times the derivatives of an expression with respect to each of several variables: reverse accumulation, so that what
 * the derivatives have in common is computed once. A derivative that is zero everywhere is the constant 0.
 */
export function gradient(e: Expr, vars: readonly Expr[], seed: Expr): Expr[] {
  const wanted = new Set(vars.map((x) => (x.kind === "var" ? x.id : -1)));
  const order: Expr[] = [];
  const reaches = new Map<Expr, boolean>();
  const visit = (x: Expr): boolean => {
    const known = reaches.get(x);
    if (known !== undefined) return known;
    let any = x.kind === "var" && wanted.has(x.id);
    if (differentiable(x)) for (const operand of operands(x)) any = visit(operand) || any;
    any &&= differentiable(x);
    reaches.set(x, any);
    if (any) order.push(x);
    return any;
  };
  visit(e);

  const adjoints = new Map<Expr, Expr>([[e, seed]]);
  const byVar = new Map<number, Expr>();
  for (const x of order.toReversed()) {
    const g = adjoints.get(x);
    if (g === undefined) continue;
    if (x.kind === "var") {
      const sum = byVar.get(x.id);
      byVar.set(x.id, sum === undefined ? g : plus(sum, g));
      continue;
    }
    const each = rules(x);
    operands(x).forEach((operand, i) => {
      const rule = each[i] ?? null;
      if (rule === null || reaches.get(operand) !== true) return;
      const term = rule(g);
      const sum = adjoints.get(operand);
      adjoints.set(operand, sum === undefined ? term : plus(sum, term));
    });
  }
  return vars.map((x) => (x.kind === "var" ? byVar.get(x.id) : undefined) ?? constant(x, 0));
}

/** The ids of the variables that occur in an expression. */
export function freeVars(e: Expr): Set<number> {
  const ids = new Set<number>();
  const seen = new Set<Expr>();
  const go = (x: Expr): void => {
    if (seen.has(x)) return;
    seen.add(x);
    if (x.kind === "var") ids.add(x.id);
    operands(x).forEach(go);
  };
  go(e);
  return ids;
}

/** The expression with every occurrence of a subexpression, recognised by structure, replaced. */
export function substitute(e: Expr, from: Expr, to: Expr): Expr {
  const identity = new Identity();
  const wanted = identity.of(from);
  // Bottom-up, a node that contains the subexpression changes before it is looked at; equal to it, it cannot be.
  return rewrite(e, (x) => (identity.of(x) === wanted ? to : x));
}
