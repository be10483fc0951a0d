/**
 * Kernels compiled to WebAssembly do what the interpreter says: random programs.
 */
import { describe, test } from "vitest";
import { bool, type DType, dtypes, float32, float64, int16, int32, int64, uint8 } from "../src/base/dtype.ts";
import { E, type Expr, machineBinary, machineUnary, type Type } from "../src/ir/expr.ts";
import { computeType, type Kernel, type Stmt } from "../src/ir/kernel.ts";
import { hasRelaxedSimd } from "../src/backend/wasm/features.ts";
import {
  all,
  binaryDefined,
  check,
  input,
  isFloat,
  n,
  output,
  random,
  safeBinary,
  unaryDefined,
} from "./wasm-harness.ts";

describe("random programs", () => {
  const types: readonly Type[] = ["bool", "i32", "i64", "f32", "f64"];
  const inputs = [float32, float64, int32, int64, bool, uint8, int16, float32, dtypes.bfloat16, dtypes.int8];
  const comparisons = ["eq", "ne", "lt", "le", "gt", "ge"] as const;

  /** Makes expressions and statements at random. */
  class Maker {
    readonly rand: () => number;
    readonly fma: boolean;
    readonly pool: Expr[] = [];
    variables = 0;
    loops = 0;

    constructor(seed: number, fma: boolean) {
      this.rand = random(seed);
      this.fma = fma;
    }

    pick<T>(list: readonly T[]): T {
      return list[Math.floor(this.rand() * list.length)] as T;
    }

    /** A place in an input; index expressions range over small numbers. */
    index(loops: readonly Expr[]): Expr {
      const i = this.pick(loops);
      const j = this.pick(loops);
      return this.pick([
        i,
        i,
        i,
        E.add(i, E.scalar("i32", 1)),
        E.add(E.mul(i, E.scalar("i32", 1)), j),
        E.mul(i, 2),
        E.shru(i, E.const("i32", 1)),
        E.const("i32", 2),
      ]);
    }

    leaf(type: Type, loops: readonly Expr[]): Expr {
      const kind = this.rand();
      // Never zero: extrema may take either of two zeros.
      if (kind < 0.15) return E.const(type, type === "bool" ? kind < 0.07 : Math.round((this.rand() - 0.5) * 10) || 3);
      if (type === "i32" && kind < 0.3) return this.pick(loops);
      if (type === "f64" && kind < 0.2) return E.scalar("f64", 2);
      const options = inputs.flatMap((dtype, k) => (computeType(dtype) === type ? [k] : []));
      return E.load(type, this.pick(options), this.index(loops));
    }

    expression(type: Type, depth: number, loops: readonly Expr[]): Expr {
      const again = (t: Type): Expr => this.expression(t, depth - 1, loops);
      if (depth <= 0 || this.rand() < 0.1) return this.leaf(type, loops);
      const known = this.pool.filter((e) => e.type === type);
      if (known.length > 0 && this.rand() < 0.2) return this.pick(known);
      const made = this.node(type, again, loops);
      this.pool.push(made);
      return made;
    }

    node(type: Type, again: (t: Type) => Expr, loops: readonly Expr[]): Expr {
      const kind = this.rand();
      if (kind < 0.15) return E.cast(type, again(this.pick(types)));
      if (kind < 0.3) return E.select(again("bool"), again(type), again(type));
      if (kind < 0.4) {
        const op = this.pick(machineUnary.filter((x) => unaryDefined(x, type)));
        if (op !== undefined && op !== "bitcast") return E[op](again(type));
      }
      if (kind < 0.45 && isFloat(type) && this.fma) return E.fma(again(type), again(type), again(type));
      if (type === "bool" && this.rand() < 0.5) {
        const t = this.pick(types);
        return E[this.pick(comparisons)](again(t), again(t));
      }
      const op = this.pick(
        machineBinary.filter(
          (x) => binaryDefined(x, type) && (type === "bool" || !(x in { eq: 0, ne: 0, lt: 0, le: 0, gt: 0, ge: 0 })),
        ),
      );
      if (op === "copysign") return safeBinary(op, again(type), this.leaf(type, loops));
      return safeBinary(op, again(type), again(type));
    }

    /** Statements for a body; what they bind is used by those after them. */
    body(loops: readonly Expr[], outputs: readonly DType[], depth: number): Stmt[] {
      const made: Stmt[] = [];
      const mark = this.pool.length;
      const bound = (type: Type, id: number): void => {
        this.pool.push(E.var(type, id));
      };
      while (this.rand() < 0.4) {
        const type = this.pick(types);
        const id = this.variables++;
        const choice = this.rand();
        if (choice < 0.4) {
          made.push({ kind: "let", id, value: this.expression(type, 3, loops) });
          bound(type, id);
        } else if (choice < 0.6) {
          made.push({ kind: "var", id, value: this.expression(type, 2, loops) });
          bound(type, id);
          const [first] = loops;
          const cond = first === undefined || this.rand() < 0.5 ? E.gt(E.scalar("i32", 0), 5) : E.gt(first, 3);
          const assign: Stmt = { kind: "assign", id, value: this.expression(type, 3, loops) };
          made.push(this.rand() < 0.5 ? assign : { kind: "if", cond, then: [assign] });
        } else if (depth > 0) {
          // Combinations that give the same in any order.
          const combine = this.pick(
            type === "bool"
              ? (["and", "or"] as const)
              : isFloat(type)
                ? (["min", "max"] as const)
                : (["add", "mul", "min", "max", "and", "or"] as const),
          );
          const loop = this.loops++;
          const inner = this.pool.length;
          const value = this.expression(type, 3, [...loops, E.index(loop)]);
          this.pool.length = inner;
          const init = { add: 0, mul: 1, min: Infinity, max: -Infinity, and: -1, or: 0 }[combine];
          const exact = isFloat(type) || Number.isFinite(init) ? init : init > 0 ? 2147483647 : -2147483648;
          made.push({
            kind: "reduce",
            id,
            loop,
            extent: E.scalar("i32", this.pick([0, 1])),
            combine,
            init: E.const(type, exact),
            value,
          });
          bound(type, id);
        }
      }
      if (depth > 0 && this.rand() < 0.4) {
        const loop = this.loops++;
        const inner = this.pool.length;
        const mode = this.pick(["serial", "vector"] as const);
        made.push({
          kind: "loop",
          loop,
          mode,
          extent: E.scalar("i32", this.pick([0, 1])),
          body: this.body([...loops, E.index(loop)], outputs, depth - 1),
        });
        this.pool.length = inner;
      } else {
        const count = 1 + Math.floor(this.rand() * 3);
        for (let k = 0; k < count; k++) {
          const at = Math.floor(this.rand() * outputs.length);
          const dtype = outputs[at] ?? float32;
          // Every iteration of all loops has an element of its own.
          let index: Expr = E.const("i32", 0);
          for (const i of loops) index = E.add(E.mul(index, 40), i);
          made.push({
            kind: "store",
            buffer: inputs.length + at,
            index: at % 3 === 2 ? E.mul(index, 2) : index,
            value: this.expression(computeType(dtype), 4, loops),
          });
        }
      }
      this.pool.length = Math.min(this.pool.length, mark);
      return made;
    }
  }

  function program(seed: number, fma: boolean): Kernel {
    const maker = new Maker(seed, fma);
    const outputs = all.filter(() => maker.rand() < 0.25);
    if (outputs.length === 0) outputs.push(float32);
    const mode = maker.pick(["parallel", "vector", "vector", "serial"] as const);
    const loop = maker.loops++;
    const body = maker.body([E.index(loop)], outputs, 1);
    return {
      name: `program ${seed}`,
      key: "",
      buffers: [
        ...inputs.map((dtype, k) => input(`in${k}`, dtype)),
        ...outputs.map((dtype, k) => output(`out${k}`, dtype)),
      ],
      scalars: [
        { name: "n", type: "i32" },
        { name: "m", type: "i32" },
        { name: "x", type: "f64" },
      ],
      body: [{ kind: "loop", loop, mode, extent: n, body }],
    };
  }

  test.each([0, 1, 2, 3, 4, 5, 6, 7])("batch %i", (batch) => {
    for (let k = 0; k < 40; k++) {
      const seed = 40 * batch + k + 1;
      const fma = seed % 2 === 0;
      const kernel = program(seed, fma);
      // Fused multiplications are compared where they are not fused: the interpreter's are only nearly exact.
      const relaxedSimd = !fma && hasRelaxedSimd();
      for (const size of [1, 7, 37]) check({ kernel, size: 3200, scalars: [size, 5, 0.75], seed, relaxedSimd });
    }
  });
});
