/**
 * Malformed kernels are refused with a reason, and kernels print as text.
 */
import { describe, expect, test } from "vitest";
import { float32, int64 } from "../src/base/dtype.ts";
import { E, type Expr } from "../src/ir/expr.ts";
import type { Kernel, Stmt } from "../src/ir/kernel.ts";
import { printExpression, printKernel } from "../src/ir/print.ts";
import { KernelError, verify } from "../src/ir/verify.ts";

const n = E.scalar("i32", 0);
const zero = E.const("i32", 0);
const one = E.const("f32", 1);
const x = (loop: number): Expr => E.load("f32", 0, E.index(loop));
const store = (value: Expr, index: Expr = zero): Stmt => ({ kind: "store", buffer: 1, index, value });

function kernel(...body: Stmt[]): Kernel {
  return {
    name: "k",
    key: "k",
    buffers: [
      { name: "x", dtype: float32, access: "read" },
      { name: "y", dtype: float32, access: "write" },
      { name: "l", dtype: int64, access: "readwrite" },
    ],
    scalars: [{ name: "n", type: "i32" }],
    body,
  };
}

const loop = (mode: "serial" | "parallel" | "vector", number: number, ...body: Stmt[]): Stmt => ({
  kind: "loop",
  loop: number,
  mode,
  extent: n,
  body,
});

const malformed: readonly (readonly [string, Kernel, string])[] = [
  ["an index outside its loop", kernel(store(one, E.index(3))), "the index of loop 3 is used outside of it"],
  ["an unbound variable", kernel(store(E.var("f32", 4))), "variable 4 is not bound where it is used"],
  [
    "a variable of an inner block",
    kernel(loop("serial", 0, { kind: "let", id: 1, value: one }), store(E.var("f32", 1))),
    "variable 1 is not bound where it is used",
  ],
  [
    "a variable bound twice",
    kernel({ kind: "let", id: 1, value: one }, { kind: "let", id: 1, value: one }),
    "variable 1 is bound twice",
  ],
  [
    "assignment to what is bound once",
    kernel({ kind: "let", id: 1, value: one }, { kind: "assign", id: 1, value: one }),
    "variable 1 is assigned but was bound once",
  ],
  ["a missing scalar", kernel(store(one, E.scalar("i32", 7))), "scalar 7 does not exist"],
  ["a scalar of another type", kernel(store(E.scalar("f32", 0))), "scalar n has type f32, not i32"],
  ["a missing buffer", kernel({ kind: "store", buffer: 9, index: zero, value: one }), "buffer 9 does not exist"],
  ["a load from what is only written", kernel(store(E.load("f32", 1, zero))), "buffer y is loaded from"],
  [
    "a store to what is only read",
    kernel({ kind: "store", buffer: 0, index: zero, value: one }),
    "buffer x is stored to but only for reading",
  ],
  ["a load as another type", kernel(store(E.load("f32", 2, zero))), "a load from l has type f32, not i64"],
  ["a store of another type", kernel(store(zero)), "a store to y has type i32, not f32"],
  ["two loops of one number", kernel(loop("serial", 0), loop("serial", 0)), "two loops have the number 0"],
  ["a parallel loop inside", kernel(loop("serial", 0, loop("parallel", 1))), "a parallel loop inside"],
  ["a parallel loop beside others", kernel(loop("parallel", 0), store(one)), "a parallel loop beside"],
  [
    "a parallel extent from memory",
    kernel({ kind: "loop", loop: 0, mode: "parallel", extent: E.cast("i32", E.load("i64", 2, zero)), body: [] }),
    "the extent of a parallel loop reads memory",
  ],
  ["arithmetic on conditions", kernel(store(E.cast("f32", E.add(E.lt(n, 3), E.lt(n, 4))))), "add of bool"],
  ["bits of floats", kernel(store(E.xor(one, one))), "xor of f32"],
  ["a root of an integer", kernel(store(E.cast("f32", E.sqrt(n)))), "sqrt of i32"],
  ["a bitcast of another width", kernel(store(E.cast("f32", E.bitcast("f64", n)))), "a bitcast from i32 to f64"],
  ["a constant of another type", kernel(store({ kind: "const", type: "f32", value: 1n })), "holds a bigint"],
  [
    "a condition that is none",
    kernel({ kind: "if", cond: n, then: [] }),
    "the condition of an if has type i32, not bool",
  ],
];

test.each(malformed)("%s is refused", (_, bad, message) => {
  expect(() => verify(bad)).toThrow(KernelError);
  expect(() => verify(bad)).toThrow(message);
});

const rows = kernel(
  loop(
    "parallel",
    0,
    {
      kind: "reduce",
      id: 0,
      loop: 1,
      extent: n,
      combine: "add",
      init: E.const("f32", 0),
      value: E.square(E.sub(x(1), 0.1)),
    },
    { kind: "guard", cond: E.gt(E.var("f32", 0), 0), status: E.const("i32", 2) },
    {
      kind: "if",
      cond: E.lt(E.index(0), E.sub(n, E.sub(n, 1))),
      then: [store(E.mul(E.add(E.var("f32", 0), 1), E.max(x(0), 2)), E.index(0))],
      else: [store(E.neg(E.var("f32", 0)), E.index(0))],
    },
  ),
);

test("a good kernel passes", () => {
  expect(() => verify(rows)).not.toThrow();
});

describe("print", () => {
  test("a kernel", () => {
    expect(printKernel(rows)).toBe(`kernel k(read x: float32, write y: float32, readwrite l: int64, n: i32)
  parallel i0 < n:
    let v0: f32 = 0.0f
    reduce i1 < n:
      t0: f32 = x[i1] - 0.1f
      v0 += t0 * t0
    guard v0 > 0.0f else status 2
    if i0 < n - (n - 1):
      y[i0] = (v0 + 1.0f) * max(x[i0], 2.0f)
    else:
      y[i0] = neg(v0)`);
  });

  test("an expression with shared parts is as long as its graph", () => {
    let e: Expr = E.var("f64", 0);
    for (let k = 0; k < 40; k++) e = E.mul(e, E.add(e, 1));
    const lines = printExpression(e).split("\n");
    expect(lines).toHaveLength(40);
    expect(lines[0]).toBe("t0: f64 = v0 * (v0 + 1.0)");
    expect(lines.at(-1)).toBe("t38 * (t38 + 1.0)");
  });
});
