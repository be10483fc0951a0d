/**
 * Kernels compiled to WebAssembly do what the interpreter says: every machine operation and cast on every dtype, in every shape of
 * access, and reductions.
 */
import { describe, test } from "vitest";
import { bool, dtypes, float32 } from "../src/base/dtype.ts";
import { E, type Expr, machineBinary, machineUnary } from "../src/ir/expr.ts";
import { prepare } from "../src/ir/interpret.ts";
import { type Combine, computeType, type Kernel } from "../src/ir/kernel.ts";
import { hasRelaxedSimd } from "../src/backend/wasm/features.ts";
import { instantiate } from "../src/backend/wasm/program.ts";
import {
  all,
  binaryDefined,
  check,
  elementwise,
  extended,
  here,
  input,
  isFloat,
  memory,
  n,
  output,
  partSize,
  quarters,
  random,
  read,
  safeBinary,
  sizes,
  there,
  unaryDefined,
} from "./wasm-harness.ts";

describe.each(all.map((dtype) => [dtype.name, dtype] as const))("machine operations on %s", (_, dtype) => {
  const type = computeType(dtype);

  test("unary", () => {
    for (const op of machineUnary) {
      if (!unaryDefined(op, type) || op === "bitcast") continue;
      for (const mode of ["parallel", "vector", "serial"] as const) {
        const kernel = elementwise({ name: op, inputs: [dtype], output: dtype, mode, value: ([a = n]) => E[op](a) });
        for (const size of sizes) check({ kernel, size });
        if (isFloat(type)) check({ kernel, size: 64, fill: extended });
      }
    }
  });

  test("binary", () => {
    for (const op of machineBinary) {
      if (!binaryDefined(op, type)) continue;
      const compares = ["eq", "ne", "lt", "le", "gt", "ge"].includes(op);
      const kernel = elementwise({
        name: op,
        inputs: [dtype, dtype],
        output: compares ? bool : dtype,
        value: ([a = n, b = n]) => safeBinary(op, a, b),
      });
      for (const size of sizes) check({ kernel, size });
      if (isFloat(type)) check({ kernel, size: 256, fill: extended });
    }
  });

  test("select and fma", () => {
    const select = elementwise({
      name: "select",
      inputs: [bool, dtype, dtype],
      output: dtype,
      value: ([c = n, a = n, b = n]) => E.select(c, a, b),
    });
    for (const size of sizes) {
      check({ kernel: select, size });
      check({ kernel: select, size, relaxedSimd: hasRelaxedSimd() });
    }
    if (type !== "f32" && type !== "f64") return;
    const fma = elementwise({
      name: "fma",
      inputs: [dtype, dtype, dtype],
      output: dtype,
      value: ([a = n, b = n, c = n]) => E.fma(a, b, c),
    });
    for (const size of sizes) check({ kernel: fma, size });
    // The interpreter's fused operation is itself only nearly exact in float64.
    if (hasRelaxedSimd())
      check({ kernel: fma, size: 1001, relaxedSimd: true, tolerance: type === "f64" ? 1e-15 : 1e-6 });
  });

  test("casts to every dtype", () => {
    for (const to of all) {
      const kernel = elementwise({
        name: `cast to ${to.name}`,
        inputs: [dtype],
        output: to,
        value: ([a = n]) => E.cast(computeType(to), a),
      });
      for (const size of [0, 1, 7, 64, 1001]) check({ kernel, size });
    }
  });

  if (isFloat(type)) {
    test("extrema with constants, and of values with NaN", () => {
      for (const op of ["min", "max"] as const) {
        for (const bound of [1, -Infinity, NaN]) {
          const first = elementwise({
            name: `${op} of ${bound}`,
            inputs: [dtype],
            output: dtype,
            value: ([a = n]) => E[op](E.const(type, bound), a),
          });
          const second = elementwise({
            name: `${op} with ${bound}`,
            inputs: [dtype],
            output: dtype,
            value: ([a = n]) => E[op](a, E.const(type, bound)),
          });
          for (const kernel of [first, second]) check({ kernel, size: 64, fill: extended });
        }
        for (const size of [5, 21, 64]) {
          for (let place = 0; place <= size; place++) {
            const at = E.select(E.eq(E.index(0), place), E.const(type, NaN), E.load(type, 0, E.index(0)));
            const kernel: Kernel = {
              name: `${op} with a NaN`,
              key: "",
              buffers: [input("x", dtype), output("y", dtype)],
              scalars: [{ name: "n", type: "i32" }],
              body: [
                {
                  kind: "reduce",
                  id: 0,
                  loop: 0,
                  extent: n,
                  combine: op,
                  init: E.const(type, op === "min" ? Infinity : -Infinity),
                  value: at,
                },
                { kind: "store", buffer: 1, index: E.const("i32", 0), value: E.var(type, 0) },
              ],
            };
            check({ kernel, size, fill: quarters });
          }
        }
      }
    });
  }

  test("shapes of access", () => {
    const index: Readonly<Record<string, (i: Expr, k: number) => Expr>> = {
      "strided input": (i, k) => (k === 0 ? E.mul(i, 3) : i),
      "strided output": (i, k) => (k < 0 ? E.mul(i, 2) : i),
      "stride given": (i, k) => (k === 0 ? E.mul(i, E.scalar("i32", 1)) : i),
      reversed: (i, k) => (k === 0 ? E.sub(E.sub(n, 1), i) : i),
      "one element": (i, k) => (k === 0 ? E.const("i32", 5) : i),
      shifted: (i, k) => (k === 0 ? E.add(i, 3) : i),
      modulo: (i, k) => (k === 0 ? E.rem(i, E.const("i32", 5)) : i),
      "all strided": (i) => E.mul(i, 3),
    };
    for (const [name, at] of Object.entries(index)) {
      const given = elementwise({
        name,
        inputs: [dtype, dtype],
        output: dtype,
        at,
        value: ([a = n, b = n]) => E.select(E.lt(a, b), b, a),
      });
      const kernel: Kernel = { ...given, scalars: [...given.scalars, { name: "stride", type: "i32" }] };
      for (const size of [0, 1, 3, 8, 301]) check({ kernel, size: 3 * size + 8, scalars: [size, 2] });
    }
  });

  test("reductions", () => {
    const combines: readonly Combine[] =
      type === "bool"
        ? ["and", "or"]
        : isFloat(type)
          ? ["add", "mul", "min", "max", "pmin", "pmax"]
          : ["add", "mul", "min", "max", "and", "or"];
    for (const combine of combines) {
      for (const stride of [1, 2]) {
        const neutral = {
          add: 0,
          mul: 1,
          min: 2147483647,
          max: -2147483648,
          pmin: 2147483647,
          pmax: -2147483648,
          and: -1,
          or: 0,
        };
        const init = E.const(type, neutral[combine]);
        const kernel: Kernel = {
          name: `${combine} by ${stride}`,
          key: "",
          buffers: [
            { name: "in", dtype, access: "read" },
            { name: "out", dtype, access: "write" },
          ],
          scalars: [{ name: "n", type: "i32" }],
          body: [
            {
              kind: "reduce",
              id: 0,
              loop: 0,
              extent: n,
              combine,
              init,
              value: E.load(type, 0, E.mul(E.index(0), stride)),
            },
            { kind: "store", buffer: 1, index: E.const("i32", 0), value: E.var(type, 0) },
          ],
        };
        for (const size of sizes) {
          // Sums of small integers are exact in any order; products stay near one.
          const fill = (rand: () => number): number =>
            combine === "mul" && isFloat(type) ? 1 + (rand() - 0.5) / 8 : Math.round((rand() - 0.5) * 8);
          const half = partSize(dtype) === 2 && isFloat(type);
          const tolerance = combine !== "mul" || !isFloat(type) ? 0 : half ? 0.02 : 1e-4;
          check({ kernel, size: stride * size, scalars: [size], fill, tolerance });
        }
      }
    }
  });
});

test("every pattern of the 16-bit floats is read and written back", () => {
  for (const dtype of [dtypes.float16, dtypes.bfloat16]) {
    const kernel = elementwise({ name: "copy", inputs: [dtype], output: float32, value: ([a = n]) => a });
    const back = elementwise({ name: "back", inputs: [float32], output: dtype, value: ([a = n]) => a });
    const [a, b] = [4096, 4096 + 2 * 65536];
    for (let i = 0; i < 65536; i++) here.u16[a / 2 + i] = i;
    there.u8.set(here.u8);
    instantiate(kernel, memory).run(a, b, 65536);
    prepare(kernel)(there, [a, b], [65536]);
    for (let i = 0; i < 65536; i++) {
      if (!Object.is(here.f32[b / 4 + i], there.f32[b / 4 + i])) throw new Error(`${dtype.name} ${i.toString(16)}`);
    }
    here.u16.fill(1, a / 2, a / 2 + 65536);
    instantiate(back, memory).run(b, a, 65536);
    for (let i = 0; i < 65536; i++) {
      const bits = here.u16[a / 2 + i] ?? 0;
      if (bits !== i && !Number.isNaN(here.f32[b / 4 + i] ?? 0))
        throw new Error(`${dtype.name} ${i.toString(16)} became ${bits}`);
    }
  }
});

test("rounding to the 16-bit floats", () => {
  const rand = random(3);
  for (const dtype of [dtypes.float16, dtypes.bfloat16]) {
    const kernel = elementwise({ name: "narrow", inputs: [float32], output: dtype, value: ([a = n]) => a });
    const [a, b, count] = [4096, 4096 + 4 * 200_000, 200_000];
    for (let i = 0; i < count; i++) {
      const kind = i % 4;
      const x = (rand() - 0.5) * 2 ** Math.floor(rand() * 60 - 40);
      if (kind === 0) here.i32[a / 4 + i] = Math.floor(rand() * 2 ** 32);
      else if (kind === 1) here.f32[a / 4 + i] = x;
      // Halves between neighbours: ties.
      else if (kind === 2) here.i32[a / 4 + i] = ((Math.floor(rand() * 2 ** 19) << 13) | 0x1000) ^ (i & 4 ? 0 : 1);
      else here.i32[a / 4 + i] = (Math.floor(rand() * 2 ** 16) << 16) | 0x8000;
    }
    there.u8.set(here.u8);
    instantiate(kernel, memory).run(a, b, count);
    prepare(kernel)(there, [a, b], [count]);
    for (let i = 0; i < count; i++) {
      const [x, y] = [read(here, dtype, b, i), read(there, dtype, b, i)];
      if (!Object.is(x, y)) throw new Error(`${dtype.name}: ${String(here.f32[a / 4 + i])} became ${x}, expected ${y}`);
    }
  }
});
