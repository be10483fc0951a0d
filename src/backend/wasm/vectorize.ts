/**
 * Decides whether a loop runs in vector lanes, and how many.
 */
import { type Expr, operands, type Type } from "../../ir/expr.ts";
import type { Stmt } from "../../ir/kernel.ts";
import type { Width } from "./emit-context.ts";
import type { Graph } from "./emit-graph.ts";

export interface Plan {
  /** Iterations in a block of the main loop, and of the loop after it, which takes up most of the rest. */
  readonly main: number;
  readonly tail: number;
  readonly maskWidth: Width;
  /** Dependencies that make a value differ between lanes. */
  readonly varying: bigint;
}

/** What an iteration costs, in operations; and which lane widths occur. */
interface Census {
  arithmetic: number;
  /** Loads and stores of neighbours, and all others. */
  contiguous: number;
  scattered: number;
  /** Operations without a vector instruction. */
  byLane: number;
  narrow: boolean;
  wide: boolean;
  nested: boolean;
}

/** Adds to `varying` the variables whose values differ from lane to lane. */
function withVariables(graph: Graph, varying: bigint, body: readonly Stmt[]): bigint {
  let found = varying;
  const visit = (list: readonly Stmt[]): void => {
    for (const s of list) {
      switch (s.kind) {
        case "let":
        case "var":
        case "assign":
          if ((graph.deps(s.value) & found) !== 0n) found |= graph.varBit(s.id);
          break;
        case "reduce":
          if (((graph.deps(s.value) | graph.deps(s.init)) & found) !== 0n) found |= graph.varBit(s.id);
          break;
        case "loop":
          visit(s.body);
          break;
        case "if":
          visit(s.then);
          visit(s.else ?? []);
          break;
        case "store":
        case "guard":
          break;
      }
    }
  };
  for (let before = -1n; before !== found;) {
    before = found;
    visit(body);
  }
  return found;
}

/** Takes the census of expressions and statements in lanes of `loop`; false where they cannot run in lanes. */
class Surveyor {
  readonly census: Census = {
    arithmetic: 0,
    contiguous: 0,
    scattered: 0,
    byLane: 0,
    narrow: false,
    wide: false,
    nested: false,
  };
  readonly #graph: Graph;
  readonly #loop: number;
  readonly #varying: bigint;
  readonly #seen = new Set<Expr>();

  constructor(graph: Graph, loop: number, varying: bigint) {
    this.#graph = graph;
    this.#loop = loop;
    this.#varying = varying;
  }

  #varies(e: Expr): boolean {
    return (this.#graph.deps(e) & this.#varying) !== 0n;
  }

  type(type: Type): void {
    if (type === "i32" || type === "f32") this.census.narrow = true;
    if (type === "i64" || type === "f64") this.census.wide = true;
  }

  #access(index: Expr): void {
    const stride = this.#graph.stride(index, this.#loop, (e) => !this.#varies(e));
    if (stride !== null && stride.kind === "const" && stride.value === 1) {
      this.census.contiguous++;
    } else {
      this.census.scattered++;
      if (stride === null) this.value(index);
    }
  }

  value(e: Expr): void {
    if (this.#seen.has(e) || !this.#varies(e)) return;
    this.#seen.add(e);
    this.type(e.type);
    if (e.kind === "load") return this.#access(e.index);
    for (const x of operands(e)) {
      this.type(x.type);
      this.value(x);
    }
    if (e.kind === "binary") {
      const integer = e.type === "i32" || e.type === "i64";
      const division = integer && (e.op === "div" || e.op === "rem");
      const shift = (e.op === "shl" || e.op === "shr" || e.op === "shru") && this.#varies(e.b);
      if (division || shift) this.census.byLane++;
      else this.census.arithmetic++;
    } else if (e.kind === "cast" && (isFloatOfLong(e.a.type, e.type) || isFloatOfLong(e.type, e.a.type))) {
      this.census.byLane++;
    } else if (e.kind !== "var") {
      this.census.arithmetic++;
    }
  }

  statements(body: readonly Stmt[]): boolean {
    return body.every((s) => {
      switch (s.kind) {
        case "let":
        case "var":
        case "assign":
          this.type(s.value.type);
          this.value(s.value);
          return true;
        case "store":
          if (!this.#varies(s.index)) return false;
          this.type(s.value.type);
          this.value(s.value);
          this.#access(s.index);
          return true;
        case "reduce":
          this.census.nested = true;
          this.type(s.init.type);
          this.value(s.init);
          this.value(s.value);
          return !this.#varies(s.extent);
        case "loop":
          this.census.nested = true;
          return s.mode === "serial" && !this.#varies(s.extent) && this.statements(s.body);
        case "if":
          return !this.#varies(s.cond) && this.statements(s.then) && this.statements(s.else ?? []);
        case "guard":
          return false;
      }
    });
  }
}

const isFloatOfLong = (a: Type, b: Type): boolean => a === "i64" && (b === "f32" || b === "f64");

function planOf(census: Census, varying: bigint, parts: number | null): Plan | null {
  const { arithmetic, contiguous, scattered, byLane, narrow, wide, nested } = census;
  const tail = narrow || !wide ? 4 : 2;
  // A loop around other loops is worth vector lanes only where they all run along its own direction.
  if (nested && (scattered > 0 || byLane > 0 || contiguous === 0)) return null;
  const scalarCost = arithmetic + contiguous + scattered + 2 * byLane;
  const vectorCost = (arithmetic + contiguous) / tail + 1.5 * scattered + 3 * byLane;
  if (vectorCost >= scalarCost) return null;
  const size = arithmetic + contiguous + (scattered + byLane) * tail;
  let chosen = parts ?? (size <= 8 ? 4 : size <= 24 ? 2 : 1);
  if (narrow && wide && chosen > 1) chosen /= 2;
  return { main: tail * chosen, tail, maskWidth: tail === 4 ? 32 : 64, varying };
}

/** The plan for a loop whose iterations may run in any order, or null if it had better be scalar. */
export function planLoop(graph: Graph, loop: number, body: readonly Stmt[]): Plan | null {
  const varying = withVariables(graph, graph.loopBit(loop), body);
  const surveyor = new Surveyor(graph, loop, varying);
  if (!surveyor.statements(body)) return null;
  return planOf(surveyor.census, varying, surveyor.census.nested ? 4 : null);
}

/** The plan for a reduction. */
export function planReduction(graph: Graph, s: Extract<Stmt, { kind: "reduce" }>): Plan | null {
  const varying = graph.loopBit(s.loop) | graph.varBit(s.id);
  if ((graph.deps(s.value) & varying) === 0n) return null;
  const surveyor = new Surveyor(graph, s.loop, varying);
  surveyor.type(s.init.type);
  surveyor.value(s.value);
  // The combination itself is one more operation.
  surveyor.census.arithmetic++;
  return planOf(surveyor.census, varying, surveyor.census.arithmetic <= 40 ? 4 : 2);
}
