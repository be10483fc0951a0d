/** Tolerances and the comparison of a result with its record. */

import type { SampleRecord, TensorRecord, ToleranceFile } from "./format.ts";
import type { Elements, Reading } from "./tensors.ts";
import { datum, isComplexType } from "./tensors.ts";

export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

export const exact: Tolerance = { rtol: 0, atol: 0 };
export const float64Tolerance: Tolerance = { rtol: 1e-10, atol: 1e-12 };

/** Beyond this the measured distance of the two versions is a change of behaviour, not rounding. */
const roundingLimit = 1e-3;

/** What is compared: a value, a vector-Jacobian product, or a second-order or forward-mode result. */
export type Quantity = "value" | "vjp" | "second";

/** The tolerance for results of `dtype`, as the format prescribes it for this sample. */
export function tolerance(
  dtype: string,
  quantity: Quantity,
  op: string,
  sample: Pick<SampleRecord, "cond" | "err" | "dtype">,
  table: ToleranceFile | null,
): Tolerance {
  let { rtol, atol } = base(dtype, quantity, sample);
  const measured = quantity === "second" ? undefined : table?.above_threshold[op]?.[sample.dtype]?.[quantity];
  if (typeof measured === "number" && measured < roundingLimit) {
    rtol = Math.max(rtol, 4 * measured);
    atol = Math.max(atol, 4 * measured);
  }
  const scale = typeof sample.cond === "number" ? Math.max(1, sample.cond / 1000) : 1;
  return { rtol: rtol * scale, atol: atol * scale };
}

function base(dtype: string, quantity: Quantity, { err }: Pick<SampleRecord, "err">): Tolerance {
  const measured = 4 * ((quantity === "vjp" ? err?.vjp : err?.out) ?? 0);
  switch (dtype) {
    case "float64":
    case "complex128":
      return quantity === "second" ? { rtol: 1e-9, atol: 1e-11 } : float64Tolerance;
    case "float32":
    case "complex64":
      return { rtol: Math.max(1e-5, measured), atol: 1e-6 };
    case "float16":
    case "complex32":
      return { rtol: Math.max(2e-3, measured), atol: 1e-4 };
    case "bfloat16":
      return { rtol: Math.max(1.6e-2, measured), atol: 1e-3 };
    default:
      return exact;
  }
}

/** Rounds to `bits` significant bits, subnormal below 2^`minimum`. */
function roundBits(x: number, bits: number, minimum: number, largest: number): number {
  if (!Number.isFinite(x) || x === 0) return x;
  let exponent = Math.floor(Math.log2(Math.abs(x)));
  if (2 ** exponent > Math.abs(x)) exponent--;
  const unit = 2 ** (Math.max(exponent, minimum) - bits + 1);
  const scaled = x / unit;
  const down = Math.floor(scaled);
  const rest = scaled - down;
  const rounded = (rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down) * unit;
  return Math.abs(rounded) > largest ? Math.sign(x) * Infinity : rounded;
}

/** The value of a recorded decimal in its dtype. */
export function roundTo(dtype: string, x: number): number {
  switch (dtype) {
    case "float32":
    case "complex64":
      return Math.fround(x);
    case "float16":
    case "complex32":
      return roundBits(x, 11, -14, 65504);
    case "bfloat16":
      return roundBits(x, 8, -126, 3.3895313892515355e38);
    default:
      return x;
  }
}

/** The elements of a record in logical order. */
export function recorded(record: TensorRecord): Elements {
  const round = (value: number | bigint): number | bigint =>
    typeof value === "bigint" ? value : roundTo(record.dtype, value);
  if (record.data) return record.data.map((value) => round(datum(value)));
  const { storage = [], strides = [], offset = 0, shape } = record;
  const width = isComplexType(record.dtype) ? 2 : 1;
  const out: (number | bigint)[] = [];
  const walk = (dim: number, at: number): void => {
    const size = shape[dim];
    if (size === undefined) {
      for (let part = 0; part < width; part++) out.push(round(datum(storage[at * width + part] ?? 0)));
      return;
    }
    for (let i = 0; i < size; i++) walk(dim + 1, at + i * (strides[dim] ?? 0));
  };
  walk(0, offset);
  return out;
}

function sameNumber(a: number | bigint, b: number | bigint, { rtol, atol }: Tolerance): boolean {
  if (typeof a === "bigint" || typeof b === "bigint") return BigInt(a) === BigInt(b);
  if (Number.isNaN(b) || Number.isNaN(a)) return Number.isNaN(a) && Number.isNaN(b);
  if (!Number.isFinite(b) || !Number.isFinite(a)) return a === b;
  return a === b || Math.abs(a - b) <= atol + rtol * Math.abs(b);
}

/** Whether complex element `i` agrees: by modulus if finite, by parts if not. */
function sameComplex(a: Elements, b: Elements, i: number, { rtol, atol }: Tolerance): boolean {
  const [ar, ai, br, bi] = [a[i], a[i + 1], b[i], b[i + 1]].map(Number) as [number, number, number, number];
  if (![ar, ai, br, bi].every(Number.isFinite)) return sameNumber(ar, br, exact) && sameNumber(ai, bi, exact);
  return Math.hypot(ar - br, ai - bi) <= atol + rtol * Math.hypot(br, bi);
}

export function coordinates(flat: number, shape: readonly number[]): string {
  const index: number[] = [];
  let rest = flat;
  for (const size of shape.toReversed()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${index.join(",")}]`;
}

/** Null if `got` agrees with the elements of `expected`, else the first mismatch. */
export function differenceOf(
  got: Elements,
  expected: Elements,
  shape: readonly number[],
  complex: boolean,
  tol: Tolerance,
): string | null {
  const width = complex ? 2 : 1;
  let wrong = 0;
  let first = -1;
  for (let i = 0; i < expected.length; i += width) {
    const agrees = complex
      ? sameComplex(got, expected, i, tol)
      : sameNumber(got[i] ?? Number.NaN, expected[i] ?? Number.NaN, tol);
    if (agrees) continue;
    if (first < 0) first = i;
    wrong++;
  }
  if (first < 0) return null;
  const text = (values: Elements): string =>
    complex
      ? `${String(values[first])}${Number(values[first + 1]) < 0 ? "" : "+"}${String(values[first + 1])}j`
      : String(values[first]);
  const off = Math.abs(Number(got[first]) - Number(expected[first]));
  const rate = Number.isFinite(off) && !complex ? ` (off by ${off.toExponential(1)})` : "";
  return `${coordinates(first / width, shape)}: got ${text(got)}, expected ${text(expected)}${rate}; ${wrong} of ${expected.length / width} differ`;
}

/** Null if a result agrees with its record in dtype, shape and values; else what differs. */
export function difference(got: Reading, expected: TensorRecord, tol: Tolerance): string | null {
  if (got.dtype !== expected.dtype) return `dtype ${got.dtype}, expected ${expected.dtype}`;
  if (got.shape.length !== expected.shape.length || got.shape.some((size, i) => size !== expected.shape[i])) {
    return `shape [${got.shape.join(",")}], expected [${expected.shape.join(",")}]`;
  }
  return differenceOf(got.data, recorded(expected), expected.shape, isComplexType(expected.dtype), tol);
}

/** The strides of a contiguous tensor. */
function contiguous(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let step = 1;
  for (const size of shape.toReversed()) {
    strides.unshift(step);
    step *= Math.max(size, 1);
  }
  return strides;
}

/** Null if the strides agree (those of dimensions of size 1 and of empty tensors are free). */
export function strideDifference(got: Reading, expected: TensorRecord): string | null {
  if (expected.shape.includes(0)) return null;
  const want = expected.strides ?? contiguous(expected.shape);
  const same = expected.shape.every((size, i) => size === 1 || got.strides[i] === want[i]);
  return same ? null : `strides [${got.strides.join(",")}], expected [${want.join(",")}]`;
}
