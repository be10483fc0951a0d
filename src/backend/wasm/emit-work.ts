/**
 * An estimate of how much a kernel has to do, for the decision whether threads pay. It knows no more than the kernel's uniform
 * numbers.
 */
import { E, type Expr, operands, rewrite } from "../../ir/expr.ts";
import type { Stmt } from "../../ir/kernel.ts";

type Loop = Extract<Stmt, { kind: "loop" }>;

/** Operations per iteration: a number, plus what depends on uniform numbers. */
interface Cost {
  fixed: number;
  readonly varying: Expr[];
}

/** Arithmetic in an expression that `seen` does not have yet; addresses are nearly free. */
function weigh(e: Expr, seen: Set<Expr>): number {
  if (seen.has(e)) return 0;
  seen.add(e);
  if (e.kind === "const" || e.kind === "scalar" || e.kind === "index" || e.kind === "var") return 0;
  if (e.kind === "load") return 1;
  let weight = 1;
  for (const x of operands(e)) weight += weigh(x, seen);
  return weight;
}

const zero = E.const("i32", 0);

/** The extent of a loop where the loops around it begin; null where it depends on memory or on variables. */
function extentAtStart(extent: Expr): Expr | null {
  let known = true;
  const found = rewrite(extent, (e) => {
    if (e.kind === "load" || e.kind === "var") known = false;
    return e.kind === "index" ? zero : e;
  });
  return known ? found : null;
}

function times(extent: Expr, cost: Cost): Expr[] {
  const start = extentAtStart(extent);
  const sum = cost.varying.reduce((a, b) => E.add(a, b), E.const("f64", cost.fixed));
  return [start === null ? sum : E.mul(E.cast("f64", start), sum)];
}

function costOf(body: readonly Stmt[], seen: Set<Expr>): Cost {
  const cost: Cost = { fixed: 0, varying: [] };
  for (const s of body) {
    switch (s.kind) {
      case "let":
      case "var":
      case "assign":
        cost.fixed += weigh(s.value, seen);
        break;
      case "store":
        cost.fixed += 1 + weigh(s.value, seen);
        break;
      case "guard":
        cost.fixed += 1 + weigh(s.cond, seen);
        break;
      case "reduce":
        cost.varying.push(...times(s.extent, { fixed: 1 + weigh(s.value, new Set(seen)), varying: [] }));
        break;
      case "loop":
        cost.varying.push(...times(s.extent, costOf(s.body, new Set(seen))));
        break;
      case "if":
        for (const branch of [s.then, s.else ?? []]) {
          const { fixed, varying } = costOf(branch, new Set(seen));
          cost.fixed += fixed;
          cost.varying.push(...varying);
        }
        break;
    }
  }
  return cost;
}

/** What a core does of a vectorised kernel, roughly: from 20, where memory is the limit, to 40. */
export const operationsPerNanosecond = 25;

/** The number of operations of a parallel loop, as an f64 over the kernel's uniform numbers. */
export function workOf(loop: Loop): Expr {
  return times(loop.extent, costOf(loop.body, new Set()))[0] as Expr;
}
