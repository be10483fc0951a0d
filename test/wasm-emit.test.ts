/**
 * Kernels compiled to WebAssembly do what the interpreter says, element by element, for every dtype, machine operation and
 * shape of loop.
 */
import { describe, expect, test } from "vitest";
import type { DType } from "../src/base/dtype.ts";
import { bool, dtypes, float32, float64, int16, int32, int64, uint8 } from "../src/base/dtype.ts";
import { type BinaryOp, E, type Expr, machineBinary, machineUnary, type Type, type UnaryOp } from "../src/ir/expr.ts";
import { bfloat16Bits, bfloat16Value, float16Bits, float16Value } from "../src/ir/half.ts";
import { prepare, type Value } from "../src/ir/interpret.ts";
import { type Combine, computeType, type Kernel, type LoopMode, type Stmt } from "../src/ir/kernel.ts";
import { emitKernel } from "../src/backend/wasm/emit.ts";
import { hasRelaxedSimd } from "../src/backend/wasm/features.ts";
import { instantiate } from "../src/backend/wasm/program.ts";

const memory = new WebAssembly.Memory({ initial: 64 });
const expected = new ArrayBuffer(memory.buffer.byteLength);

const viewsOf = (buffer: ArrayBuffer) => ({
  i8: new Int8Array(buffer),
  u8: new Uint8Array(buffer),
  i16: new Int16Array(buffer),
  u16: new Uint16Array(buffer),
  i32: new Int32Array(buffer),
  i64: new BigInt64Array(buffer),
  f32: new Float32Array(buffer),
  f64: new Float64Array(buffer),
});
const here = viewsOf(memory.buffer);
const there = viewsOf(expected);

function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const partSize = (dtype: DType): number => (dtype.is_complex ? dtype.itemsize / 2 : dtype.itemsize);

/** Writes element i of a buffer in both memories. */
function write(dtype: DType, address: number, i: number, x: number): void {
  for (const views of [here, there]) {
    const at = address / partSize(dtype) + i;
    switch (dtype.name) {
      case "bool":
        views.u8[at] = x > 0 ? 1 : 0;
        break;
      case "uint8":
      case "int8":
        views.u8[at] = x;
        break;
      case "int16":
        views.i16[at] = x;
        break;
      case "int32":
        views.i32[at] = x;
        break;
      case "int64":
        views.i64[at] = BigInt(Number.isFinite(x) ? Math.trunc(x) : 7);
        break;
      case "float16":
      case "complex32":
        views.u16[at] = float16Bits(x);
        break;
      case "bfloat16":
        views.u16[at] = bfloat16Bits(x);
        break;
      case "float32":
      case "complex64":
        views.f32[at] = x;
        break;
      case "float64":
      case "complex128":
        views.f64[at] = x;
        break;
    }
  }
}

function read(views: typeof here, dtype: DType, address: number, i: number): number | bigint {
  const at = address / partSize(dtype) + i;
  switch (dtype.name) {
    case "bool":
    case "uint8":
      return views.u8[at] ?? NaN;
    case "int8":
      return views.i8[at] ?? NaN;
    case "int16":
      return views.i16[at] ?? NaN;
    case "float16":
    case "complex32":
      return float16Value(views.u16[at] ?? NaN);
    case "bfloat16":
      return bfloat16Value(views.u16[at] ?? NaN);
    case "int32":
      return views.i32[at] ?? NaN;
    case "int64":
      return views.i64[at] ?? NaN;
    case "float32":
    case "complex64":
      return views.f32[at] ?? NaN;
    case "float64":
    case "complex128":
      return views.f64[at] ?? NaN;
  }
}

interface Case {
  readonly kernel: Kernel;
  readonly scalars?: readonly Value[];
  /** Elements of each buffer. */
  readonly size: number;
  /** Relative tolerance of float results; 0 by default. */
  readonly tolerance?: number;
  readonly relaxedSimd?: boolean;
  readonly fill?: (rand: () => number, dtype: DType) => number;
  readonly seed?: number;
}

const specials = [
  0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 127, 128, 255, 256, -129, 32767, 65536, 2147483647, -2147483648,
];

function mixed(rand: () => number): number {
  const kind = rand();
  if (kind < 0.3) return specials[Math.floor(rand() * specials.length)] ?? 0;
  if (kind < 0.6) return Math.round((rand() - 0.5) * 40);
  return (rand() - 0.5) * 10;
}

/** With infinities and NaN, for floats. */
function extended(rand: () => number): number {
  const kind = rand();
  return kind < 0.15 ? NaN : kind < 0.25 ? Infinity : kind < 0.35 ? -Infinity : mixed(rand);
}

const quarters = (rand: () => number): number => Math.round(rand() * 100) / 4;

const slack = 24;

/** Runs a kernel both ways on the same data and compares every element of every buffer, and those around. */
function check(c: Case): number {
  const rand = random(c.seed ?? 1);
  const fill = c.fill ?? mixed;
  let next = 1024;
  const addresses = c.kernel.buffers.map(({ dtype }) => {
    // An address with no more alignment than the elements have.
    const start = Math.ceil(next / 16) * 16 + 3 * partSize(dtype);
    const address = start + slack * partSize(dtype);
    next = address + (c.size + slack) * partSize(dtype);
    for (let i = -slack; i < c.size + slack; i++) write(dtype, address, i, fill(rand, dtype));
    return address;
  });
  expect(next).toBeLessThan(expected.byteLength);
  const relaxedSimd = c.relaxedSimd ?? false;
  const scalars = c.scalars ?? [c.size];
  const status = prepare(c.kernel, relaxedSimd ? "fused" : "twice")(there, addresses, scalars);
  const program = instantiate(c.kernel, memory, { relaxedSimd });
  const found = program.run(...addresses, ...scalars.map((x) => (typeof x === "boolean" ? Number(x) : x)));
  expect(found).toBe(status);
  c.kernel.buffers.forEach(({ dtype, name }, k) => {
    const address = addresses[k] ?? 0;
    for (let i = -slack; i < c.size + slack; i++) {
      const a = read(here, dtype, address, i);
      const b = read(there, dtype, address, i);
      if (Object.is(a, b)) continue;
      const close =
        c.tolerance !== undefined && Math.abs(Number(a) - Number(b)) <= c.tolerance * Math.max(1, Math.abs(Number(b)));
      if (!close) throw new Error(`${c.kernel.name}: ${name}[${i}] is ${a}, expected ${b} (of ${c.size})`);
    }
  });
  return status;
}

const n = E.scalar("i32", 0);
const sizes = [0, 1, 3, 4, 7, 64, 1001];

const input = (name: string, dtype: DType) => ({ name, dtype, access: "read" as const });
const output = (name: string, dtype: DType) => ({ name, dtype, access: "write" as const });

interface Elementwise {
  readonly name: string;
  readonly inputs: readonly DType[];
  readonly output: DType;
  readonly value: (loads: readonly Expr[], index: Expr) => Expr;
  readonly mode?: LoopMode;
  /** The index of an access; `number` is -1 for the store. */
  readonly at?: (index: Expr, number: number) => Expr;
}

function elementwise(o: Elementwise): Kernel {
  const i = E.index(0);
  const at = o.at ?? ((index) => index);
  const loads = o.inputs.map((dtype, k) => E.load(computeType(dtype), k, at(i, k)));
  const body: Stmt[] = [{ kind: "store", buffer: loads.length, index: at(i, -1), value: o.value(loads, i) }];
  return {
    name: o.name,
    key: o.name,
    buffers: [
      ...o.inputs.map((dtype, k) => ({ name: `in${k}`, dtype, access: "read" as const })),
      { name: "out", dtype: o.output, access: "write" as const },
    ],
    scalars: [{ name: "n", type: "i32" }],
    body: [{ kind: "loop", loop: 0, mode: o.mode ?? "parallel", extent: n, body }],
  };
}

const isInteger = (type: Type): boolean => type === "i32" || type === "i64";
const isFloat = (type: Type): boolean => type === "f32" || type === "f64";

function unaryDefined(op: UnaryOp, type: Type): boolean {
  if (op === "not") return !isFloat(type);
  if (op === "bitcast" || type === "bool") return false;
  return isFloat(type) || op === "neg" || op === "abs";
}

function binaryDefined(op: BinaryOp, type: Type): boolean {
  if (["eq", "ne", "lt", "le", "gt", "ge", "min", "max", "pmin", "pmax"].includes(op)) return true;
  if (["and", "or", "xor"].includes(op)) return !isFloat(type);
  if (["shl", "shr", "shru", "rem"].includes(op)) return isInteger(type);
  return op === "copysign" ? isFloat(type) : type !== "bool";
}

/** Divisors are never zero, and the sign that `copysign` takes is never that of a NaN. */
function safeBinary(op: BinaryOp, a: Expr, b: Expr): Expr {
  if (isInteger(a.type) && (op === "div" || op === "rem")) return E[op](a, E.select(E.eq(b, 0), E.const(b.type, 3), b));
  if (op === "copysign") return E[op](a, E.select(E.lt(b, 0), E.const(b.type, -1), 1));
  return E[op](a, b);
}

const all = Object.values(dtypes);

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

/** The number of 16-byte stores in a module: those of vector code. */
function vectorStores(kernel: Kernel): number {
  const bytes = emitKernel(kernel, { relaxedSimd: false, sharedMemory: false });
  let count = 0;
  bytes.forEach((byte, k) => {
    if (byte === 0xfd && bytes[k + 1] === 0x0b && bytes[k + 2] === 0) count++;
  });
  return count;
}

const rate = (k: number): Expr => E.scalar("f32", k + 1);
const f32 = (buffer: number, index: Expr): Expr => E.load("f32", buffer, index);

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

describe("random programs", () => {
  const types: readonly Type[] = ["bool", "i32", "i64", "f32", "f64"];
  const inputs = [float32, float64, int32, int64, bool, uint8, int16, float32, dtypes.bfloat16, dtypes.int8];

  /** An expression of the given type, over the inputs at index i. */
  function generate(rand: () => number, type: Type, depth: number, pool: Expr[], leaf: (type: Type) => Expr): Expr {
    const pick = <T>(list: readonly T[]): T => list[Math.floor(rand() * list.length)] as T;
    const again = (t: Type): Expr => generate(rand, t, depth - 1, pool, leaf);
    if (depth <= 0 || rand() < 0.1) return leaf(type);
    // Shared nodes.
    const known = pool.filter((e) => e.type === type);
    if (known.length > 0 && rand() < 0.2) return pick(known);
    const make = (): Expr => {
      const kind = rand();
      if (kind < 0.15) return E.cast(type, again(pick(types)));
      if (kind < 0.3) return E.select(again("bool"), again(type), again(type));
      if (kind < 0.4) {
        const op = pick(machineUnary.filter((x) => unaryDefined(x, type)));
        if (op !== undefined && op !== "bitcast") return E[op](again(type));
      }
      if (kind < 0.45 && isFloat(type)) return E.fma(again(type), again(type), again(type));
      if (type === "bool" && rand() < 0.5) {
        const t = pick(types);
        return E[pick(["eq", "ne", "lt", "le", "gt", "ge"] as const)](again(t), again(t));
      }
      const op = pick(
        machineBinary.filter(
          (x) => binaryDefined(x, type) && (type === "bool" || !["eq", "ne", "lt", "le", "gt", "ge"].includes(x)),
        ),
      );
      if (op === "copysign") return safeBinary(op, again(type), leaf(type));
      return safeBinary(op, again(type), again(type));
    };
    const made = make();
    pool.push(made);
    return made;
  }

  function program(seed: number): Kernel {
    const rand = random(seed);
    const i = E.index(0);
    const indices = [
      i,
      i,
      i,
      E.add(i, E.scalar("i32", 1)),
      E.mul(i, 2),
      E.shru(i, E.const("i32", 1)),
      E.const("i32", 2),
    ];
    const leaf = (type: Type): Expr => {
      if (rand() < 0.2) return E.const(type, type === "bool" ? rand() < 0.5 : Math.round((rand() - 0.5) * 10) || 3);
      if (type === "i32" && rand() < 0.2) return i;
      if (rand() < 0.1 && type === "f64") return E.scalar("f64", 2);
      const options = inputs.flatMap((dtype, k) => (computeType(dtype) === type ? [k] : []));
      const buffer = options[Math.floor(rand() * options.length)] ?? 0;
      return E.load(type, buffer, indices[Math.floor(rand() * indices.length)] ?? i);
    };
    const outputs = all.filter(() => rand() < 0.25);
    if (outputs.length === 0) outputs.push(float32);
    const pool: Expr[] = [];
    const body: Stmt[] = outputs.map((dtype, k) => ({
      kind: "store",
      buffer: inputs.length + k,
      index: rand() < 0.8 ? i : E.mul(i, 2),
      value: generate(rand, computeType(dtype), 5, pool, leaf),
    }));
    const modes = ["parallel", "vector", "vector", "serial"] as const;
    return {
      name: `program ${seed}`,
      key: "",
      buffers: [
        ...inputs.map((dtype, k) => input(`in${k}`, dtype)),
        ...outputs.map((dtype, k) => output(`out${k}`, dtype)),
      ],
      scalars: [
        { name: "n", type: "i32" },
        { name: "shift", type: "i32" },
        { name: "x", type: "f64" },
      ],
      body: [{ kind: "loop", loop: 0, mode: modes[seed % 4] ?? "vector", extent: n, body }],
    };
  }

  test.each([0, 1, 2, 3, 4, 5, 6, 7])("batch %i", (batch) => {
    for (let k = 0; k < 50; k++) {
      const seed = 50 * batch + k + 1;
      const kernel = program(seed);
      for (const size of [1, 7, 37]) check({ kernel, size: 2 * size + 4, scalars: [size, 3, 0.75], seed });
    }
  });
});
