/**
 * Checks that a kernel is well formed: types agree, everything that is named exists where it is used, and loops have the
 * modes they may have. A kernel that passes is one that every backend can compile and that `interpret` gives a meaning.
 */
import { type BinaryOp, type Expr, isFloat, rewrite, type Type, type UnaryOp } from "./expr.ts";
import { computeType, type Kernel, type Stmt } from "./kernel.ts";

/** A malformed kernel: a fault of whoever built it. */
export class KernelError extends Error {
  override readonly name = "KernelError";
}

const comparisons: ReadonlySet<BinaryOp> = new Set(["eq", "ne", "lt", "le", "gt", "ge"]);
const bitwise: ReadonlySet<BinaryOp> = new Set(["and", "or", "xor"]);
const extrema: ReadonlySet<BinaryOp> = new Set(["min", "max", "pmin", "pmax"]);
const shifts: ReadonlySet<BinaryOp> = new Set(["shl", "shr", "shru"]);
const floatBinary: ReadonlySet<BinaryOp> = new Set(["copysign", "pow", "atan2", "fmod", "hypot", "nextafter"]);
const integerUnary: ReadonlySet<UnaryOp> = new Set(["neg", "abs", "sign", "floor", "ceil", "trunc", "round"]);

const isInteger = (type: Type): boolean => type === "i32" || type === "i64";

function binaryAllowed(op: BinaryOp, type: Type): boolean {
  if (comparisons.has(op) || extrema.has(op)) return true;
  if (bitwise.has(op)) return !isFloat(type);
  if (shifts.has(op) || op === "rem") return isInteger(type);
  if (floatBinary.has(op)) return isFloat(type);
  return type !== "bool";
}

function unaryAllowed(op: UnaryOp, type: Type): boolean {
  if (op === "not") return !isFloat(type);
  if (op === "bitcast") return type !== "bool";
  return isFloat(type) || (isInteger(type) && integerUnary.has(op));
}

const bitcasts: Readonly<Record<Type, Type | null>> = { i32: "f32", f32: "i32", i64: "f64", f64: "i64", bool: null };

/** What is visible at a place. */
interface Visible {
  readonly loops: ReadonlySet<number>;
  readonly vars: ReadonlyMap<number, { readonly type: Type; readonly mutable: boolean }>;
}

class Verifier {
  readonly #kernel: Kernel;
  readonly #loops = new Set<number>();
  readonly #ids = new Set<number>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  fail(what: string): never {
    throw new KernelError(`kernel ${this.#kernel.name}: ${what}`);
  }

  #expect(e: Expr, type: Type, what: string): void {
    if (e.type !== type) this.fail(`${what} has type ${e.type}, not ${type}`);
  }

  /** Checks an expression; nodes already in `done` are good at this place. */
  expression(root: Expr, visible: Visible): void {
    const done = new Set<Expr>();
    const visit = (e: Expr): void => {
      if (done.has(e)) return;
      done.add(e);
      switch (e.kind) {
        case "const": {
          const js = e.type === "i64" ? "bigint" : e.type === "bool" ? "boolean" : "number";
          if (typeof e.value !== js) this.fail(`a constant of type ${e.type} holds a ${typeof e.value}`);
          return;
        }
        case "scalar": {
          const scalar = this.#kernel.scalars[e.slot];
          if (scalar === undefined) return this.fail(`scalar ${e.slot} does not exist`);
          return this.#expect(e, scalar.type, `scalar ${scalar.name}`);
        }
        case "index":
          if (!visible.loops.has(e.loop)) this.fail(`the index of loop ${e.loop} is used outside of it`);
          return;
        case "var": {
          const variable = visible.vars.get(e.id);
          if (variable === undefined) return this.fail(`variable ${e.id} is not bound where it is used`);
          return this.#expect(e, variable.type, `variable ${e.id}`);
        }
        case "load": {
          const buffer = this.#kernel.buffers[e.buffer];
          if (buffer === undefined) return this.fail(`buffer ${e.buffer} does not exist`);
          if (buffer.access === "write") this.fail(`buffer ${buffer.name} is loaded from but only for writing`);
          this.#expect(e, computeType(buffer.dtype), `a load from ${buffer.name}`);
          this.#expect(e.index, "i32", `the index of a load from ${buffer.name}`);
          return visit(e.index);
        }
        case "unary": {
          visit(e.a);
          if (!unaryAllowed(e.op, e.a.type)) this.fail(`${e.op} of ${e.a.type}`);
          if (e.op === "bitcast") {
            if (bitcasts[e.a.type] !== e.type) this.fail(`a bitcast from ${e.a.type} to ${e.type}`);
            return;
          }
          return this.#expect(e, e.op === "isnan" ? "bool" : e.a.type, e.op);
        }
        case "binary":
          visit(e.a);
          visit(e.b);
          if (!binaryAllowed(e.op, e.a.type)) this.fail(`${e.op} of ${e.a.type}`);
          this.#expect(e.b, e.a.type, `the second operand of ${e.op}`);
          return this.#expect(e, comparisons.has(e.op) ? "bool" : e.a.type, e.op);
        case "select":
          visit(e.cond);
          visit(e.a);
          visit(e.b);
          this.#expect(e.cond, "bool", "the condition of a select");
          this.#expect(e.a, e.type, "the first choice of a select");
          return this.#expect(e.b, e.type, "the second choice of a select");
        case "fma":
          for (const x of [e.a, e.b, e.c]) {
            visit(x);
            this.#expect(x, e.type, "an operand of fma");
          }
          if (e.type === "bool") this.fail("fma of bool");
          return;
        case "cast":
          return visit(e.a);
      }
    };
    visit(root);
  }

  #loop(loop: number, visible: Visible): Visible {
    if (this.#loops.has(loop)) this.fail(`two loops have the number ${loop}`);
    this.#loops.add(loop);
    return { ...visible, loops: new Set([...visible.loops, loop]) };
  }

  #extent(extent: Expr, visible: Visible): void {
    this.expression(extent, visible);
    this.#expect(extent, "i32", "the extent of a loop");
  }

  #parallel(s: Extract<Stmt, { kind: "loop" }>): void {
    if (this.#kernel.body[0] !== s) this.fail("a parallel loop inside another statement");
    if (this.#kernel.body.length > 1) this.fail("a parallel loop beside other statements");
    rewrite(s.extent, (e) => (e.kind === "load" ? this.fail("the extent of a parallel loop reads memory") : e));
  }

  statements(body: readonly Stmt[], outer: Visible): void {
    const vars = new Map(outer.vars);
    const visible: Visible = { loops: outer.loops, vars };
    const bind = (id: number, type: Type, mutable: boolean): void => {
      if (this.#ids.has(id) || id < 0) this.fail(`variable ${id} is bound twice, or has a negative number`);
      this.#ids.add(id);
      vars.set(id, { type, mutable });
    };
    for (const s of body) {
      switch (s.kind) {
        case "loop":
          this.#extent(s.extent, visible);
          if (s.mode === "parallel") this.#parallel(s);
          this.statements(s.body, this.#loop(s.loop, visible));
          break;
        case "let":
        case "var":
          this.expression(s.value, visible);
          bind(s.id, s.value.type, s.kind === "var");
          break;
        case "assign": {
          this.expression(s.value, visible);
          const variable = vars.get(s.id);
          if (variable === undefined) return this.fail(`variable ${s.id} is assigned where it is not declared`);
          if (!variable.mutable) this.fail(`variable ${s.id} is assigned but was bound once and for all`);
          this.#expect(s.value, variable.type, `the value assigned to variable ${s.id}`);
          break;
        }
        case "reduce":
          this.#extent(s.extent, visible);
          this.expression(s.init, visible);
          this.expression(s.value, this.#loop(s.loop, visible));
          this.#expect(s.value, s.init.type, "the value of a reduction");
          if (!binaryAllowed(s.combine, s.init.type)) this.fail(`a reduction by ${s.combine} of ${s.init.type}`);
          bind(s.id, s.init.type, false);
          break;
        case "store": {
          this.expression(s.index, visible);
          this.expression(s.value, visible);
          const buffer = this.#kernel.buffers[s.buffer];
          if (buffer === undefined) return this.fail(`buffer ${s.buffer} does not exist`);
          if (buffer.access === "read") this.fail(`buffer ${buffer.name} is stored to but only for reading`);
          this.#expect(s.index, "i32", `the index of a store to ${buffer.name}`);
          this.#expect(s.value, computeType(buffer.dtype), `a store to ${buffer.name}`);
          break;
        }
        case "if":
          this.expression(s.cond, visible);
          this.#expect(s.cond, "bool", "the condition of an if");
          this.statements(s.then, visible);
          this.statements(s.else ?? [], visible);
          break;
        case "guard":
          this.expression(s.cond, visible);
          this.expression(s.status, visible);
          this.#expect(s.cond, "bool", "the condition of a guard");
          this.#expect(s.status, "i32", "the status of a guard");
          break;
      }
    }
  }
}

/** Throws a {@link KernelError} unless the kernel is well formed. */
export function verify(kernel: Kernel): void {
  new Verifier(kernel).statements(kernel.body, { loops: new Set(), vars: new Map() });
}
