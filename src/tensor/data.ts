/**
 * Elements in and out: between a device's memory and JavaScript values.
 */
import { Complex } from "../base/complex-number.ts";
import { type Backend, type HostMemory } from "../backend/backend.ts";
import type { DType } from "../base/dtype.ts";
import { NotImplementedError } from "../base/errors.ts";
import { bfloat16Bits, bfloat16Value, float16Bits, float16Value } from "../ir/half.ts";
import type { Tensor } from "./tensor.ts";

/** One element as JavaScript sees it; an int64 beyond 2^53 is a bigint. */
export type Element = number | bigint | boolean | Complex;

/** The memory of a tensor that can be read synchronously; throws where it cannot. */
export function hostOf(backend: Backend, what: string): HostMemory {
  if (backend.host === null) {
    throw new NotImplementedError(
      `${what}: a tensor on '${backend.type}' cannot be read synchronously; use await t.cpu()`,
    );
  }
  return backend.host;
}

/** Reads element number `at` (counted in elements of the dtype from address 0). */
export function readElement(m: HostMemory, dtype: DType, at: number): Element {
  switch (dtype.name) {
    case "float32":
      return m.f32[at] as number;
    case "float64":
      return m.f64[at] as number;
    case "int64": {
      const v = m.i64[at] as bigint;
      const n = Number(v);
      return Number.isSafeInteger(n) ? n : v;
    }
    case "int32":
      return m.i32[at] as number;
    case "int16":
      return m.i16[at] as number;
    case "int8":
      return m.i8[at] as number;
    case "uint8":
      return m.u8[at] as number;
    case "bool":
      return m.u8[at] !== 0;
    case "float16":
      return float16Value(m.u16[at] as number);
    case "bfloat16":
      return bfloat16Value(m.u16[at] as number);
    case "complex64":
      return new Complex(m.f32[2 * at] as number, m.f32[2 * at + 1] as number);
    case "complex128":
      return new Complex(m.f64[2 * at] as number, m.f64[2 * at + 1] as number);
    case "complex32":
      return new Complex(float16Value(m.u16[2 * at] as number), float16Value(m.u16[2 * at + 1] as number));
  }
}

/** Writes element number `at`; integers wrap. */
export function writeElement(m: HostMemory, dtype: DType, at: number, value: Element): void {
  if (dtype.is_complex) {
    const { re, im } = value instanceof Complex ? value : new Complex(Number(value));
    if (dtype.name === "complex64") {
      m.f32[2 * at] = re;
      m.f32[2 * at + 1] = im;
    } else if (dtype.name === "complex128") {
      m.f64[2 * at] = re;
      m.f64[2 * at + 1] = im;
    } else {
      m.u16[2 * at] = float16Bits(re);
      m.u16[2 * at + 1] = float16Bits(im);
    }
    return;
  }
  switch (dtype.name) {
    case "float32":
      m.f32[at] = Number(value);
      return;
    case "float64":
      m.f64[at] = Number(value);
      return;
    case "int64":
      m.i64[at] = typeof value === "bigint" ? value : BigInt(Math.trunc(Number(value)) || 0);
      return;
    case "int32":
      m.i32[at] = Number(value);
      return;
    case "int16":
      m.i16[at] = Number(value);
      return;
    case "int8":
      m.i8[at] = Number(value);
      return;
    case "uint8":
      m.u8[at] = Number(value);
      return;
    case "bool":
      m.u8[at] = value ? 1 : 0;
      return;
    case "float16":
      m.u16[at] = float16Bits(Number(value));
      return;
    case "bfloat16":
      m.u16[at] = bfloat16Bits(Number(value));
      return;
  }
}

/** The element at a list of indices. */
export function elementAt(t: Tensor, index: readonly number[]): Element {
  let at = t._ptr / t.dtype.itemsize;
  for (let d = 0; d < index.length; d++) at += (index[d] as number) * (t._strides[d] as number);
  return readElement(hostOf(t._backend, "read"), t.dtype, at);
}

/** Calls `visit` with the position (in elements of the dtype, from address 0) of each element in row-major order. */
export function forEachPosition(t: Tensor, visit: (at: number, i: number) => void): void {
  const { shape } = t;
  const n = shape.length;
  const total = t._numel;
  if (total === 0) return;
  let at = t._ptr / t.dtype.itemsize;
  const index = new Array<number>(n).fill(0);
  for (let i = 0; i < total; i++) {
    visit(at, i);
    for (let d = n - 1; d >= 0; d--) {
      at += t._strides[d] as number;
      if (++(index[d] as number) < (shape[d] as number)) break;
      at -= (t._strides[d] as number) * (shape[d] as number);
      index[d] = 0;
    }
  }
}

/** All elements in row-major order. */
export function flatElements(t: Tensor): Element[] {
  const m = hostOf(t._backend, "tolist()");
  const out = new Array<Element>(t._numel);
  forEachPosition(t, (at, i) => {
    out[i] = readElement(m, t.dtype, at);
  });
  return out;
}

/** A typed array over the elements of a contiguous tensor on the host. It aliases the memory: do not keep it. */
export function viewElements(
  t: Tensor,
): Float32Array | Float64Array | Int32Array | Int16Array | Int8Array | Uint8Array | BigInt64Array | Uint16Array {
  const m = hostOf(t._backend, "data");
  const start = t._ptr / t.dtype.itemsize;
  const end = start + t._numel;
  switch (t.dtype.name) {
    case "float32":
      return m.f32.subarray(start, end);
    case "float64":
      return m.f64.subarray(start, end);
    case "int64":
      return m.i64.subarray(start, end);
    case "int32":
      return m.i32.subarray(start, end);
    case "int16":
      return m.i16.subarray(start, end);
    case "int8":
      return m.i8.subarray(start, end);
    case "uint8":
    case "bool":
      return m.u8.subarray(start, end);
    case "float16":
    case "bfloat16":
      return m.u16.subarray(start, end);
    case "complex64":
      return m.f32.subarray(start * 2, end * 2);
    case "complex128":
      return m.f64.subarray(start * 2, end * 2);
    case "complex32":
      return m.u16.subarray(start * 2, end * 2);
  }
}
