/**
 * Runs kernels both ways, compiled and interpreted, on equal memories, and compares them element by element.
 */
import { expect } from "vitest";
import { type DType, dtypes } from "../src/base/dtype.ts";
import { type BinaryOp, E, type Expr, type Type, type UnaryOp } from "../src/ir/expr.ts";
import { bfloat16Bits, bfloat16Value, float16Bits, float16Value } from "../src/ir/half.ts";
import { prepare, type Value } from "../src/ir/interpret.ts";
import { computeType, type Kernel, type LoopMode, type Stmt } from "../src/ir/kernel.ts";
import { emitKernel } from "../src/backend/wasm/emit.ts";
import { instantiate } from "../src/backend/wasm/program.ts";

export const memory = new WebAssembly.Memory({ initial: 64 });
export const expected = new ArrayBuffer(memory.buffer.byteLength);

export const viewsOf = (buffer: ArrayBuffer) => ({
  i8: new Int8Array(buffer),
  u8: new Uint8Array(buffer),
  i16: new Int16Array(buffer),
  u16: new Uint16Array(buffer),
  i32: new Int32Array(buffer),
  i64: new BigInt64Array(buffer),
  f32: new Float32Array(buffer),
  f64: new Float64Array(buffer),
});
export const here = viewsOf(memory.buffer);
export const there = viewsOf(expected);

export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const partSize = (dtype: DType): number => (dtype.is_complex ? dtype.itemsize / 2 : dtype.itemsize);

/** Writes element i of a buffer in both memories. */
export function write(dtype: DType, address: number, i: number, x: number): void {
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

export function read(views: typeof here, dtype: DType, address: number, i: number): number | bigint {
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

export interface Case {
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

export const specials = [
  0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 127, 128, 255, 256, -129, 32767, 65536, 2147483647, -2147483648,
];

export function mixed(rand: () => number): number {
  const kind = rand();
  if (kind < 0.3) return specials[Math.floor(rand() * specials.length)] ?? 0;
  if (kind < 0.6) return Math.round((rand() - 0.5) * 40);
  return (rand() - 0.5) * 10;
}

/** With infinities and NaN, for floats. */
export function extended(rand: () => number): number {
  const kind = rand();
  return kind < 0.15 ? NaN : kind < 0.25 ? Infinity : kind < 0.35 ? -Infinity : mixed(rand);
}

export const quarters = (rand: () => number): number => Math.round(rand() * 100) / 4;

export const slack = 24;

/** Runs a kernel both ways on the same data and compares every element of every buffer, and those around. */
export function check(c: Case): number {
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

export const n = E.scalar("i32", 0);
export const sizes = [0, 1, 3, 4, 7, 64, 1001];

export const input = (name: string, dtype: DType) => ({ name, dtype, access: "read" as const });
export const output = (name: string, dtype: DType) => ({ name, dtype, access: "write" as const });

export interface Elementwise {
  readonly name: string;
  readonly inputs: readonly DType[];
  readonly output: DType;
  readonly value: (loads: readonly Expr[], index: Expr) => Expr;
  readonly mode?: LoopMode;
  /** The index of an access; `number` is -1 for the store. */
  readonly at?: (index: Expr, number: number) => Expr;
}

export function elementwise(o: Elementwise): Kernel {
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

export const isInteger = (type: Type): boolean => type === "i32" || type === "i64";
export const isFloat = (type: Type): boolean => type === "f32" || type === "f64";

export function unaryDefined(op: UnaryOp, type: Type): boolean {
  if (op === "not") return !isFloat(type);
  if (op === "bitcast" || type === "bool") return false;
  return isFloat(type) || op === "neg" || op === "abs";
}

export function binaryDefined(op: BinaryOp, type: Type): boolean {
  if (["eq", "ne", "lt", "le", "gt", "ge", "min", "max", "pmin", "pmax"].includes(op)) return true;
  if (["and", "or", "xor"].includes(op)) return !isFloat(type);
  if (["shl", "shr", "shru", "rem"].includes(op)) return isInteger(type);
  return op === "copysign" ? isFloat(type) : type !== "bool";
}

/** Divisors are never zero, and the sign that `copysign` takes is never that of a NaN. */
export function safeBinary(op: BinaryOp, a: Expr, b: Expr): Expr {
  if (isInteger(a.type) && (op === "div" || op === "rem")) return E[op](a, E.select(E.eq(b, 0), E.const(b.type, 3), b));
  if (op === "copysign") return E[op](a, E.select(E.lt(b, 0), E.const(b.type, -1), 1));
  return E[op](a, b);
}

export const all = Object.values(dtypes);

/** The number of 16-byte stores in a module: those of vector code. */
export function vectorStores(kernel: Kernel): number {
  const bytes = emitKernel(kernel, { relaxedSimd: false, sharedMemory: false });
  let count = 0;
  bytes.forEach((byte, k) => {
    if (byte === 0xfd && bytes[k + 1] === 0x0b && bytes[k + 2] === 0) count++;
  });
  return count;
}

export const rate = (k: number): Expr => E.scalar("f32", k + 1);
export const f32 = (buffer: number, index: Expr): Expr => E.load("f32", buffer, index);
