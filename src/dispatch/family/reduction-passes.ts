/**
 * Passes over the elements of a row: what a reduction is written in, and the loops that they become.
 *
 * Note [Accuracy of sums]
 * A sum is taken in blocks of 1024 elements, each over sixteen partial sums (four vectors of four lanes), and the blocks are added
 * up. The error grows with n / 16384 rather than with n, and the order depends on the shape alone. Where all elements of a large
 * tensor are summed, the sums of segments of 16384 are added up in the same way (reduction-stages.ts).
 */
import { E, type Expr, type Type } from "../../ir/expr.ts";
import type { Combine, Stmt } from "../../ir/kernel.ts";

/** Elements that are combined before the result joins the rest. */
const block = 1024;

/** What a definition sees of one row of elements. */
export interface Row {
  /** The number of elements, in the compute type. */
  readonly n: Expr;
  readonly type: Type;
  /** Uniform numbers that the operator takes. */
  readonly params: readonly Expr[];
  sum(f: (x: Expr) => Expr): Expr;
  prod(f: (x: Expr) => Expr): Expr;
  /** The largest; NaN if any is NaN. */
  max(f: (x: Expr) => Expr): Expr;
  min(f: (x: Expr) => Expr): Expr;
  /** Over conditions. */
  all(f: (x: Expr) => Expr): Expr;
  any(f: (x: Expr) => Expr): Expr;
}

export type RowFormula = (row: Row) => Expr;

const extremes: Record<Exclude<Type, "bool">, readonly [number | bigint, number | bigint]> = {
  i32: [-(2 ** 31), 2 ** 31 - 1],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
  f32: [-Infinity, Infinity],
  f64: [-Infinity, Infinity],
};

/** @internal The element that a combination starts from. */
export function neutral(combine: Combine, type: Type): Expr {
  switch (combine) {
    case "add":
      return E.const(type, 0);
    case "mul":
      return E.const(type, 1);
    case "and":
      return E.const(type, type === "bool" ? true : -1);
    case "or":
      return E.const(type, type === "bool" ? false : 0);
    case "max":
    case "pmax":
      return E.const(type, extremes[type as "f32"][0]);
    case "min":
    case "pmin":
      return E.const(type, extremes[type as "f32"][1]);
  }
}

/** @internal One pass over a row: what is combined, and the variable that gets the result. */
export interface Pass {
  readonly id: number;
  readonly combine: Combine;
  readonly type: Type;
  readonly value: (x: Expr) => Expr;
}

/** @internal Records the passes of a formula. */
export function passesOf(
  formula: RowFormula,
  type: Type,
  n: Expr,
  params: readonly Expr[],
): { passes: Pass[]; result: Expr } {
  const passes: Pass[] = [];
  const pass =
    (combine: Combine) =>
    (value: (x: Expr) => Expr): Expr => {
      const probe = value(E.var(type, -1));
      const id = 100 + passes.length;
      passes.push({ id, combine, type: probe.type, value });
      return E.var(probe.type, id);
    };
  const result = formula({
    n,
    type,
    params,
    sum: pass("add"),
    prod: pass("mul"),
    max: pass("max"),
    min: pass("min"),
    all: pass("and"),
    any: pass("or"),
  });
  return { passes, result };
}

/** @internal The combination of two values. */
export function combined(combine: Combine, a: Expr, b: Expr): Expr {
  switch (combine) {
    case "add":
      return E.add(a, b);
    case "mul":
      return E.mul(a, b);
    case "min":
      return E.min(a, b);
    case "max":
      return E.max(a, b);
    case "and":
      return E.and(a, b);
    case "or":
      return E.or(a, b);
    case "pmin":
      return E.pmin(a, b);
    case "pmax":
      return E.pmax(a, b);
  }
}

/** @internal Statements that bind a pass's variable: blocks of a vectorised `reduce`. `load(j)` is element j of the innermost run. */
export function passStatements(
  pass: { readonly id: number; readonly combine: Combine; readonly type: Type },
  extent: Expr,
  value: (j: Expr) => Expr,
  loops: { next: number },
): Stmt[] {
  const start = neutral(pass.combine, pass.type);
  const blockLoop = loops.next++;
  const inner = loops.next++;
  const part = pass.id + 1000;
  const at = E.add(E.mul(E.index(blockLoop), block), E.index(inner));
  const blocks = E.shr(E.add(extent, block - 1), 10);
  return [
    { kind: "var", id: pass.id, value: start },
    {
      kind: "loop",
      loop: blockLoop,
      mode: "serial",
      extent: blocks,
      body: [
        {
          kind: "reduce",
          id: part,
          loop: inner,
          extent: E.min(E.sub(extent, E.mul(E.index(blockLoop), block)), block),
          combine: pass.combine,
          init: start,
          value: value(at),
        },
        {
          kind: "assign",
          id: pass.id,
          value: combined(pass.combine, E.var(pass.type, pass.id), E.var(pass.type, part)),
        },
      ],
    },
  ];
}
