/**
 * Kernels compiled to WebAssembly do what the interpreter says: loop nests and control flow.
 */
import { describe, expect, test } from "vitest";
import { bool, float32, float64, int32, int64 } from "../src/base/dtype.ts";
import { E, type Expr } from "../src/ir/expr.ts";
import { type Kernel } from "../src/ir/kernel.ts";
import { instantiate } from "../src/backend/wasm/program.ts";
import {
  check,
  elementwise,
  f32,
  here,
  input,
  memory,
  n,
  output,
  rate,
  read,
  sizes,
  slack,
  vectorStores,
  write,
} from "./wasm-harness.ts";

describe("loop nests", () => {
  const rows = E.scalar("i32", 0);
  const columns = E.scalar("i32", 1);
  const scalars = [
    { name: "rows", type: "i32" as const },
    { name: "columns", type: "i32" as const },
  ];
  const shapes = [
    [0, 0],
    [3, 0],
    [1, 1],
    [5, 3],
    [4, 16],
    [7, 37],
    [3, 129],
  ] as const;

  function checkAll(kernel: Kernel, tolerance: number): void {
    for (const [r, k] of shapes) {
      check({ kernel, size: Math.max(r * k, r, k), scalars: [r, k], tolerance, fill: (rand) => (rand() - 0.5) * 4 });
    }
  }

  test("softmax of rows", () => {
    const at = (loop: number): Expr => E.add(E.mul(E.index(0), columns), E.index(loop));
    const kernel: Kernel = {
      name: "softmax",
      key: "softmax",
      buffers: [input("x", float32), output("y", float32)],
      scalars,
      body: [
        {
          kind: "loop",
          loop: 0,
          mode: "parallel",
          extent: rows,
          body: [
            {
              kind: "reduce",
              id: 0,
              loop: 1,
              extent: columns,
              combine: "max",
              init: E.const("f32", -Infinity),
              value: f32(0, at(1)),
            },
            {
              kind: "reduce",
              id: 1,
              loop: 2,
              extent: columns,
              combine: "add",
              init: E.const("f32", 0),
              value: E.exp(E.sub(f32(0, at(2)), E.var("f32", 0))),
            },
            { kind: "let", id: 2, value: E.div(E.const("f32", 1), E.var("f32", 1)) },
            {
              kind: "loop",
              loop: 3,
              mode: "vector",
              extent: columns,
              body: [
                {
                  kind: "store",
                  buffer: 1,
                  index: at(3),
                  value: E.mul(E.exp(E.sub(f32(0, at(3)), E.var("f32", 0))), E.var("f32", 2)),
                },
              ],
            },
          ],
        },
      ],
    };
    expect(vectorStores(kernel)).toBeGreaterThan(0);
    checkAll(kernel, 1e-5);
  });

  test("sums of columns run along the rows", () => {
    for (const mode of ["parallel", "vector"] as const) {
      const kernel: Kernel = {
        name: "columns",
        key: "columns",
        buffers: [input("x", float32), output("y", float32)],
        scalars,
        body: [
          {
            kind: "loop",
            loop: 0,
            mode,
            extent: columns,
            body: [
              {
                kind: "reduce",
                id: 0,
                loop: 1,
                extent: rows,
                combine: "add",
                init: E.const("f32", 0),
                value: f32(0, E.add(E.mul(E.index(1), columns), E.index(0))),
              },
              { kind: "store", buffer: 1, index: E.index(0), value: E.var("f32", 0) },
            ],
          },
        ],
      };
      expect(vectorStores(kernel)).toBeGreaterThan(0);
      checkAll(kernel, 1e-5);
    }
  });

  test("sums of rows in float64, and a count", () => {
    const value = f32(0, E.add(E.mul(E.index(0), columns), E.index(1)));
    const kernel: Kernel = {
      name: "rows",
      key: "rows",
      buffers: [input("x", float32), output("y", float64), output("count", int64)],
      scalars,
      body: [
        {
          kind: "loop",
          loop: 0,
          mode: "parallel",
          extent: rows,
          body: [
            {
              kind: "reduce",
              id: 0,
              loop: 1,
              extent: columns,
              combine: "add",
              init: E.const("f64", 0),
              value: E.cast("f64", value),
            },
            {
              kind: "reduce",
              id: 1,
              loop: 2,
              extent: columns,
              combine: "add",
              init: E.const("i64", 0),
              value: E.cast("i64", E.gt(f32(0, E.add(E.mul(E.index(0), columns), E.index(2))), 0)),
            },
            { kind: "store", buffer: 1, index: E.index(0), value: E.var("f64", 0) },
            { kind: "store", buffer: 2, index: E.index(0), value: E.var("i64", 1) },
          ],
        },
      ],
    };
    checkAll(kernel, 1e-12);
  });

  test("any and all of rows", () => {
    for (const combine of ["and", "or"] as const) {
      const kernel: Kernel = {
        name: combine,
        key: combine,
        buffers: [input("x", float64), output("y", bool)],
        scalars,
        body: [
          {
            kind: "loop",
            loop: 0,
            mode: "parallel",
            extent: rows,
            body: [
              {
                kind: "reduce",
                id: 0,
                loop: 1,
                extent: columns,
                combine,
                init: E.const("bool", combine === "and"),
                value: E.gt(E.load("f64", 0, E.add(E.mul(E.index(0), columns), E.index(1))), -1.99),
              },
              { kind: "store", buffer: 1, index: E.index(0), value: E.var("bool", 0) },
            ],
          },
        ],
      };
      checkAll(kernel, 0);
    }
  });

  test("a transposed product, added to what is there", () => {
    const i = E.index(0);
    const j = E.index(1);
    const out = E.add(E.mul(i, columns), j);
    const kernel: Kernel = {
      name: "outer",
      key: "outer",
      buffers: [input("a", float32), input("b", float32), { name: "c", dtype: float32, access: "readwrite" }],
      scalars,
      body: [
        {
          kind: "loop",
          loop: 0,
          mode: "parallel",
          extent: rows,
          body: [
            {
              kind: "loop",
              loop: 1,
              mode: "vector",
              extent: columns,
              body: [
                {
                  kind: "store",
                  buffer: 2,
                  index: out,
                  value: E.fma(f32(0, i), f32(1, E.add(E.mul(j, rows), i)), f32(2, out)),
                },
              ],
            },
          ],
        },
      ],
    };
    checkAll(kernel, 0);
  });

  test("several statements, in place, with a shared value", () => {
    // The step of Adam.
    const i = E.index(0);
    const kernel: Kernel = {
      name: "adam",
      key: "adam",
      buffers: ["p", "g", "m", "v"].map((name) => ({ name, dtype: float32, access: "readwrite" as const })),
      scalars: [
        { name: "n", type: "i32" },
        ...["lr", "b1", "b2", "eps"].map((name) => ({ name, type: "f32" as const })),
      ],
      body: [
        {
          kind: "loop",
          loop: 0,
          mode: "parallel",
          extent: n,
          body: [
            { kind: "let", id: 0, value: f32(1, i) },
            {
              kind: "let",
              id: 1,
              value: E.add(E.mul(f32(2, i), rate(1)), E.mul(E.var("f32", 0), E.sub(E.const("f32", 1), rate(1)))),
            },
            {
              kind: "let",
              id: 2,
              value: E.add(
                E.mul(E.abs(f32(3, i)), rate(2)),
                E.mul(E.mul(E.var("f32", 0), E.var("f32", 0)), E.sub(E.const("f32", 1), rate(2))),
              ),
            },
            { kind: "store", buffer: 2, index: i, value: E.var("f32", 1) },
            { kind: "store", buffer: 3, index: i, value: E.var("f32", 2) },
            {
              kind: "store",
              buffer: 0,
              index: i,
              value: E.sub(f32(0, i), E.div(E.mul(rate(0), f32(2, i)), E.add(E.sqrt(f32(3, i)), rate(3)))),
            },
          ],
        },
      ],
    };
    expect(vectorStores(kernel)).toBeGreaterThan(2);
    for (const size of sizes) check({ kernel, size, scalars: [size, 0.01, 0.9, 0.99, 1e-8] });
  });
});

describe("control", () => {
  test("a guard stops the kernel with its status", () => {
    const i = E.index(0);
    const at = E.load("i64", 0, i);
    const kernel: Kernel = {
      name: "take",
      key: "take",
      buffers: [input("index", int64), input("x", float32), output("y", float32)],
      scalars: [{ name: "n", type: "i32" }],
      body: [
        {
          kind: "loop",
          loop: 0,
          mode: "parallel",
          extent: n,
          body: [
            { kind: "guard", cond: E.and(E.ge(at, 0), E.lt(at, 10)), status: E.add(i, 1) },
            { kind: "store", buffer: 2, index: i, value: f32(1, E.cast("i32", at)) },
          ],
        },
      ],
    };
    expect(check({ kernel, size: 50, fill: () => 4 })).toBe(0);
    let count = 0;
    const status = check({ kernel, size: 50, fill: (_, dtype) => (dtype === int64 && count++ >= slack + 20 ? 10 : 3) });
    expect(status).toBe(21);
  });

  test("branches, mutable variables and the order of statements", () => {
    const i = E.index(0);
    const x = E.load("i32", 0, i);
    const kernel: Kernel = {
      name: "scan",
      key: "scan",
      buffers: [input("x", int32), { name: "y", dtype: int32, access: "readwrite" }],
      scalars: [{ name: "n", type: "i32" }],
      body: [
        { kind: "var", id: 0, value: E.const("i32", 0) },
        {
          kind: "loop",
          loop: 0,
          mode: "serial",
          extent: n,
          body: [
            { kind: "let", id: 1, value: E.add(E.var("i32", 0), 1) },
            {
              kind: "if",
              cond: E.gt(x, 0),
              then: [{ kind: "assign", id: 0, value: E.add(E.var("i32", 0), x) }],
              else: [
                { kind: "assign", id: 0, value: E.mul(E.var("i32", 0), 3) },
                {
                  kind: "store",
                  buffer: 1,
                  index: E.const("i32", 0),
                  value: E.add(E.load("i32", 1, E.const("i32", 0)), 1),
                },
              ],
            },
            // What was read before the assignment stays what it was.
            {
              kind: "store",
              buffer: 1,
              index: E.add(i, 1),
              value: E.sub(E.mul(E.var("i32", 1), 1000), E.var("i32", 0)),
            },
            {
              kind: "store",
              buffer: 1,
              index: E.const("i32", 0),
              value: E.add(E.load("i32", 1, E.const("i32", 0)), E.load("i32", 1, E.add(i, 1))),
            },
          ],
        },
      ],
    };
    for (const size of sizes) check({ kernel, size: size + 1, scalars: [size] });
  });

  test("loops of lanes inside loops of lanes' statements", () => {
    // A mutable accumulator in vector lanes, with an inner loop and a branch that is the same for all lanes.
    const j = E.index(0);
    const k = E.index(1);
    const kernel: Kernel = {
      name: "horner",
      key: "horner",
      buffers: [input("c", float64), input("x", float64), output("y", float64), output("z", bool)],
      scalars: [
        { name: "n", type: "i32" },
        { name: "terms", type: "i32" },
        { name: "square", type: "bool" },
      ],
      body: [
        {
          kind: "loop",
          loop: 0,
          mode: "vector",
          extent: n,
          body: [
            { kind: "var", id: 0, value: E.const("f64", 0) },
            {
              kind: "loop",
              loop: 1,
              mode: "serial",
              extent: E.scalar("i32", 1),
              body: [
                {
                  kind: "assign",
                  id: 0,
                  value: E.add(E.mul(E.var("f64", 0), E.load("f64", 1, j)), E.load("f64", 0, k)),
                },
              ],
            },
            {
              kind: "if",
              cond: E.scalar("bool", 2),
              then: [{ kind: "assign", id: 0, value: E.mul(E.var("f64", 0), E.var("f64", 0)) }],
            },
            { kind: "store", buffer: 2, index: j, value: E.var("f64", 0) },
            { kind: "store", buffer: 3, index: j, value: E.gt(E.var("f64", 0), E.load("f64", 1, j)) },
          ],
        },
      ],
    };
    expect(vectorStores(kernel)).toBeGreaterThan(0);
    for (const size of sizes) {
      for (const square of [true, false]) check({ kernel, size: Math.max(size, 8), scalars: [size, 5, square] });
    }
  });

  test("a range of a parallel loop", () => {
    const kernel = elementwise({ name: "twice", inputs: [int32], output: int32, value: ([a = n]) => E.add(a, a) });
    const program = instantiate(kernel, memory);
    const [a, b] = [1024, 8192];
    for (let i = 0; i < 1000; i++) {
      here.i32[a / 4 + i] = i;
      here.i32[b / 4 + i] = -1;
    }
    expect(program.extent?.(a, b, 1000)).toBe(1000);
    expect(program.runRange?.(a, b, 1000, 123, 321)).toBe(0);
    for (let i = 0; i < 1000; i++) expect(here.i32[b / 4 + i]).toBe(i >= 123 && i < 321 ? 2 * i : -1);
    expect(program.run(a, b, 1000)).toBe(0);
    for (let i = 0; i < 1000; i++) expect(here.i32[b / 4 + i]).toBe(2 * i);
  });

  test("scalars of every type", () => {
    const kernel: Kernel = {
      name: "scalars",
      key: "scalars",
      buffers: [output("f", float64), output("l", int64), output("b", bool)],
      scalars: [
        { name: "n", type: "i32" },
        { name: "l", type: "i64" },
        { name: "f", type: "f32" },
        { name: "d", type: "f64" },
        { name: "b", type: "bool" },
      ],
      body: [
        {
          kind: "loop",
          loop: 0,
          mode: "vector",
          extent: n,
          body: [
            {
              kind: "store",
              buffer: 0,
              index: E.index(0),
              value: E.add(
                E.select(E.scalar("bool", 4), E.scalar("f64", 3), E.cast("f64", E.scalar("f32", 2))),
                E.cast("f64", E.index(0)),
              ),
            },
            {
              kind: "store",
              buffer: 1,
              index: E.index(0),
              value: E.mul(E.scalar("i64", 1), E.cast("i64", E.index(0))),
            },
            { kind: "store", buffer: 2, index: E.index(0), value: E.scalar("bool", 4) },
          ],
        },
      ],
    };
    for (const size of sizes) {
      for (const flag of [true, false]) check({ kernel, size, scalars: [size, -(2n ** 40n) + 7n, 0.1, Math.PI, flag] });
    }
  });

  test("integer division never traps", () => {
    for (const [dtype, least] of [
      [int32, -(2 ** 31)],
      [int64, -(2 ** 63)],
    ] as const) {
      for (const op of ["div", "rem"] as const) {
        for (const mode of ["serial", "vector"] as const) {
          const kernel = elementwise({
            name: op,
            inputs: [dtype, dtype],
            output: dtype,
            mode,
            value: ([a = n, b = n]) => E[op](a, b),
          });
          const pairs = [
            [least, -1, op === "div" ? least : 0],
            [5, 0, 0],
            [-7, 2, op === "div" ? -3 : -1],
            [7, -1, op === "div" ? -7 : 0],
            [least, 1, op === "div" ? least : 0],
          ] as const;
          const [a, b, out] = [1024, 2048, 4096];
          pairs.forEach(([x, y], k) => {
            write(dtype, a, k, x);
            write(dtype, b, k, y);
          });
          instantiate(kernel, memory).run(a, b, out, pairs.length);
          pairs.forEach(([, , z], k) => expect(Number(read(here, dtype, out, k))).toBe(z));
        }
      }
    }
  });
});
