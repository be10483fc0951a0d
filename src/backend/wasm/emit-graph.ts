/**
 * A kernel's expressions as one graph: equal expressions become the same object (structural common subexpressions), and
 * each knows what it depends on. The emitter's questions ("is this invariant in that loop?", "does this store spoil that
 * value?") are then one intersection of bit sets.
 */
import { constant, E, type Expr, mapOperands, operands } from "../../ir/expr.ts";
import { label } from "../../ir/identity.ts";
import type { Stmt } from "../../ir/kernel.ts";

interface Node {
  readonly id: number;
  /** Loops, variables and buffers that the value depends on, one bit each. */
  readonly deps: bigint;
  readonly loads: boolean;
  readonly mutable: boolean;
  /** Places that use the value. */
  uses: number;
}

/** Folds integer arithmetic on constants, which address calculations are full of. */
function foldIndex(e: Expr): Expr {
  if (e.kind !== "binary" || e.type !== "i32" || e.b.kind !== "const") return e;
  const b = Number(e.b.value);
  if (b === 0 && (e.op === "add" || e.op === "sub" || e.op === "shl")) return e.a;
  if (b === 0 && e.op === "mul") return e.b;
  if (b === 1 && e.op === "mul") return e.a;
  if (e.a.kind !== "const") return e;
  const a = Number(e.a.value);
  switch (e.op) {
    case "add":
      return constant("i32", a + b);
    case "sub":
      return constant("i32", a - b);
    case "mul":
      return constant("i32", Math.imul(a, b));
    case "shl":
      return constant("i32", a << b);
    default:
      return e;
  }
}

const commutative: ReadonlySet<string> = new Set(["add", "mul", "and", "or", "xor"]);

export class Graph {
  readonly #canonical = new Map<string, Expr>();
  readonly #interned = new Map<Expr, Expr>();
  readonly #nodes = new Map<Expr, Node>();
  readonly #bits = new Map<string, bigint>();
  readonly #definitions = new Map<number, Expr>();
  readonly #mutable = new Set<number>();

  #bit(key: string): bigint {
    let bit = this.#bits.get(key);
    if (bit === undefined) {
      bit = 1n << BigInt(this.#bits.size);
      this.#bits.set(key, bit);
    }
    return bit;
  }

  loopBit(loop: number): bigint {
    return this.#bit(`l${loop}`);
  }

  varBit(id: number): bigint {
    return this.#bit(`v${id}`);
  }

  bufferBit(buffer: number): bigint {
    return this.#bit(`b${buffer}`);
  }

  /** Says that a variable is assigned more than once. */
  declareMutable(id: number): void {
    this.#mutable.add(id);
  }

  /** From now on the variable stands for this expression. */
  define(id: number, value: Expr): void {
    this.#definitions.set(id, value);
  }

  #node(e: Expr): Node {
    const node = this.#nodes.get(e);
    if (node === undefined) throw new Error("emitter: an expression that was not interned");
    return node;
  }

  deps(e: Expr): bigint {
    return this.#node(e).deps;
  }

  loads(e: Expr): boolean {
    return this.#node(e).loads;
  }

  /** Whether the value depends on a variable that is assigned more than once. */
  mutable(e: Expr): boolean {
    return this.#node(e).mutable;
  }

  uses(e: Expr): number {
    return this.#node(e).uses;
  }

  /** The one object that stands for this expression; `root` counts a use by a statement. */
  intern(e: Expr, root = false): Expr {
    const found = this.#intern(e);
    if (root) this.#node(found).uses++;
    return found;
  }

  #intern(e: Expr): Expr {
    const known = this.#interned.get(e);
    if (known !== undefined) return known;
    const defined = e.kind === "var" ? this.#definitions.get(e.id) : undefined;
    const found = defined ?? this.#unique(mapOperands(e, (x) => this.#intern(x)));
    this.#interned.set(e, found);
    return found;
  }

  #unique(given: Expr): Expr {
    let e = given;
    if (e.kind === "binary" && commutative.has(e.op)) {
      const constantFirst = e.a.kind === "const";
      // The order of creation, but constants last, where `foldIndex` looks for them.
      if (constantFirst ? e.b.kind !== "const" : e.b.kind !== "const" && this.#node(e.b).id < this.#node(e.a).id) {
        e = { ...e, a: e.b, b: e.a };
      }
    }
    const folded = foldIndex(e);
    if (folded !== e) return this.#nodes.has(folded) ? folded : this.#unique(folded);
    let key = label(e);
    for (const x of operands(e)) key += `,${this.#node(x).id}`;
    const same = this.#canonical.get(key);
    if (same !== undefined) return same;
    this.#canonical.set(key, e);
    let deps = 0n;
    let loads = e.kind === "load";
    let mutable = false;
    for (const x of operands(e)) {
      const node = this.#node(x);
      deps |= node.deps;
      loads ||= node.loads;
      mutable ||= node.mutable;
      node.uses++;
    }
    if (e.kind === "index") deps |= this.loopBit(e.loop);
    // Negative variables are the addresses of buffers, which never change.
    if (e.kind === "var" && e.id >= 0) {
      deps |= this.varBit(e.id);
      mutable = this.#mutable.has(e.id);
    }
    if (e.kind === "load") deps |= this.bufferBit(e.buffer);
    this.#nodes.set(e, { id: this.#nodes.size, deps, loads, mutable, uses: 0 });
    this.#interned.set(e, e);
    return e;
  }

  /** What running these statements changes: buffers stored to, variables bound or assigned, loop indices. */
  effects(body: readonly Stmt[]): bigint {
    let bits = 0n;
    for (const s of body) {
      switch (s.kind) {
        case "loop":
          bits |= this.loopBit(s.loop) | this.effects(s.body);
          break;
        case "reduce":
          bits |= this.loopBit(s.loop) | this.varBit(s.id);
          break;
        case "let":
        case "var":
        case "assign":
          bits |= this.varBit(s.id);
          break;
        case "store":
          bits |= this.bufferBit(s.buffer);
          break;
        case "if":
          bits |= this.effects(s.then) | this.effects(s.else ?? []);
          break;
        case "guard":
          break;
      }
    }
    return bits;
  }

  /**
   * By how much an i32 expression grows when the index of `loop` grows by one: an expression that is `invariant`, or null
   * where there is no such number.
   */
  stride(e: Expr, loop: number, invariant: (e: Expr) => boolean): Expr | null {
    const go = (x: Expr): Expr | null => {
      if (invariant(x)) return constant("i32", 0);
      if (x.kind === "index") return x.loop === loop ? constant("i32", 1) : null;
      if (x.kind === "unary" && x.op === "neg") {
        const a = go(x.a);
        return a === null ? null : E.neg(a);
      }
      if (x.kind !== "binary") return null;
      switch (x.op) {
        case "add":
        case "sub": {
          const a = go(x.a);
          const b = go(x.b);
          return a === null || b === null ? null : E[x.op](a, b);
        }
        case "mul": {
          const [factor, rest] = invariant(x.b) ? [x.b, x.a] : [x.a, x.b];
          if (!invariant(factor)) return null;
          const a = go(rest);
          return a === null ? null : E.mul(a, factor);
        }
        case "shl": {
          const a = invariant(x.b) ? go(x.a) : null;
          return a === null ? null : E.shl(a, x.b);
        }
        default:
          return null;
      }
    };
    const found = go(e);
    return found === null ? null : this.intern(found);
  }
}
