/**
 * Order, on the host: elements as keys that compare as the elements do, and stable sorting of rows of keys.
 *
 * Note [Keys]
 * Keys are float64, which holds every element of all dtypes but int64 exactly. Where an int64 tensor has numbers beyond 2^53,
 * keys are their ranks instead. NaN is larger than all, and all NaN are equal, as PyTorch sorts.
 */
import { bool, type DType } from "../../base/dtype.ts";
import { bfloat16Value, float16Value } from "../../ir/half.ts";
import { viewElements } from "../../tensor/data.ts";
import { alias, type Tensor } from "../../tensor/tensor.ts";
import { contiguousRaw } from "../elementwise.ts";

/** How wide the integers behind keys are: rows of narrow ones can be sorted digit by digit. */
export type KeyKind = "integer32" | "float32" | "float64";

export interface Keys {
  readonly keys: Float64Array;
  readonly kind: KeyKind;
}

const safe = 2 ** 21;

/** The elements of contiguous tensors as keys that can be compared with each other. See Note [Keys]. */
export function keysOf(tensors: readonly Tensor[]): Keys[] {
  const all = tensors.map((t) => contiguousRaw(t));
  if (all.some((t) => t.dtype.name === "int64" && !isSafe(t))) return ranksOf(all);
  return all.map((t) => {
    const keys = plainKeys(t);
    return { keys, kind: t.dtype.name === "int64" && isNarrow(keys) ? "integer32" : kindOf(t.dtype) };
  });
}

/** Whether all keys of an int64 tensor are 32-bit integers. */
function isNarrow(keys: Float64Array): boolean {
  for (let i = 0; i < keys.length; i++) if (((keys[i] as number) | 0) !== keys[i]) return false;
  return true;
}

function kindOf(dtype: DType): KeyKind {
  switch (dtype.name) {
    case "float64":
    case "int64":
      return "float64";
    case "float32":
    case "float16":
    case "bfloat16":
      return "float32";
    default:
      return "integer32";
  }
}

const wordsOf = (t: Tensor): Int32Array => {
  const longs = viewElements(t) as BigInt64Array;
  return new Int32Array(longs.buffer, longs.byteOffset, 2 * longs.length);
};

function isSafe(t: Tensor): boolean {
  const words = wordsOf(t);
  for (let i = 1; i < words.length; i += 2) {
    const high = words[i] as number;
    if (high >= safe || high < -safe) return false;
  }
  return true;
}

function plainKeys(t: Tensor): Float64Array {
  const n = t._numel;
  const keys = new Float64Array(n);
  switch (t.dtype.name) {
    case "int64": {
      const words = wordsOf(t);
      for (let i = 0; i < n; i++) keys[i] = (words[2 * i + 1] as number) * 2 ** 32 + ((words[2 * i] as number) >>> 0);
      return keys;
    }
    case "float16":
    case "bfloat16": {
      const bits = viewElements(t) as Uint16Array;
      const value = t.dtype.name === "float16" ? float16Value : bfloat16Value;
      for (let i = 0; i < n; i++) keys[i] = value(bits[i] as number);
      return keys;
    }
    default:
      keys.set(viewElements(t) as Float32Array);
      if (t.dtype === bool) for (let i = 0; i < n; i++) keys[i] = keys[i] === 0 ? 0 : 1;
      return keys;
  }
}

function ranksOf(all: readonly Tensor[]): Keys[] {
  const numbers = all.map((t) => viewElements(t) as BigInt64Array);
  const sorted = new BigInt64Array(numbers.reduce((n, a) => n + a.length, 0));
  let at = 0;
  for (const a of numbers) {
    sorted.set(a, at);
    at += a.length;
  }
  sorted.sort();
  const ranks = new Map<bigint, number>();
  sorted.forEach((v) => {
    if (!ranks.has(v)) ranks.set(v, ranks.size);
  });
  return numbers.map((a) => ({ keys: Float64Array.from(a, (v) => ranks.get(v) as number), kind: "float64" }));
}

/** A tensor with `dim` moved to the end, as a view for raw use; one without dims counts as one of size 1. */
export function dimLast(x: Tensor, dim: number): Tensor {
  if (x.shape.length === 0) return alias(x, [1], [1], x._offset);
  const order = [...x.shape.map((_, d) => d).filter((d) => d !== dim), dim];
  return alias(
    x,
    order.map((d) => x.shape[d] as number),
    order.map((d) => x._strides[d] as number),
    x._offset,
  );
}

/** The inverse of {@link dimLast} for a result over the same dims. */
export function dimBack(x: Tensor, dim: number): Tensor {
  const n = x.shape.length;
  const order = Array.from({ length: n }, (_, d) => (d < dim ? d : d === dim ? n - 1 : d - 1));
  return alias(
    x,
    order.map((d) => x.shape[d] as number),
    order.map((d) => x._strides[d] as number),
    x._offset,
  );
}

// --- sorting ---------------------------------------------------------------------------------------------------------

/** Sorts rows of keys, stably: buffers are made once. */
export class RowSorter {
  readonly #keys: Float64Array;
  readonly #kind: KeyKind;
  readonly #n: number;
  readonly #scratch: Int32Array;
  readonly #digits: { codes: Uint32Array; other: Uint32Array; otherOrder: Int32Array } | null;

  constructor({ keys, kind }: Keys, n: number) {
    this.#keys = keys;
    this.#kind = kind;
    this.#n = n;
    this.#scratch = new Int32Array(n);
    this.#digits =
      kind !== "float64" && n >= 512
        ? { codes: new Uint32Array(n), other: new Uint32Array(n), otherOrder: new Int32Array(n) }
        : null;
  }

  /** Fills `order` with the positions within the row that starts at key `start`, in ascending or descending order. */
  sort(start: number, descending: boolean, order: Int32Array): void {
    if (this.#digits !== null) {
      this.#byDigits(start, descending, order);
      return;
    }
    const n = this.#n;
    const keys = this.#keys;
    // NaN comes last, or first in descending order.
    let numbers = 0;
    let nans = 0;
    const scratch = this.#scratch;
    for (let i = 0; i < n; i++) {
      const k = keys[start + i] as number;
      if (k === k) order[numbers++] = i;
      else scratch[nans++] = i;
    }
    if (descending && nans > 0) {
      order.copyWithin(nans, 0, numbers);
      order.set(scratch.subarray(0, nans), 0);
    } else order.set(scratch.subarray(0, nans), numbers);
    const from = descending ? nans : 0;
    this.#merge(start, descending, order, from, from + numbers);
  }

  #merge(start: number, descending: boolean, order: Int32Array, from: number, to: number): void {
    const keys = this.#keys;
    const run = 12;
    for (let low = from; low < to; low += run) {
      const high = Math.min(low + run, to);
      for (let i = low + 1; i < high; i++) {
        const item = order[i] as number;
        const key = keys[start + item] as number;
        let j = i - 1;
        if (descending) {
          while (j >= low && (keys[start + (order[j] as number)] as number) < key) order[j + 1] = order[j--] as number;
        } else {
          while (j >= low && (keys[start + (order[j] as number)] as number) > key) order[j + 1] = order[j--] as number;
        }
        order[j + 1] = item;
      }
    }
    let source = order;
    let target = this.#scratch;
    for (let width = run; width < to - from; width *= 2) {
      for (let low = from; low < to; low += 2 * width) {
        const middle = Math.min(low + width, to);
        const high = Math.min(low + 2 * width, to);
        let i = low;
        let j = middle;
        for (let k = low; k < high; k++) {
          const left =
            j >= high ||
            (i < middle &&
              (descending
                ? (keys[start + (source[i] as number)] as number) >= (keys[start + (source[j] as number)] as number)
                : (keys[start + (source[i] as number)] as number) <= (keys[start + (source[j] as number)] as number)));
          target[k] = (left ? source[i++] : source[j++]) as number;
        }
      }
      const swap = source;
      source = target;
      target = swap;
    }
    if (source !== order) for (let k = from; k < to; k++) order[k] = source[k] as number;
  }

  /** By digits of 11 bits from the lowest, which needs no comparisons. */
  #byDigits(start: number, descending: boolean, order: Int32Array): void {
    const digits = this.#digits;
    if (digits === null) return;
    const n = this.#n;
    const { codes } = digits;
    this.#encode(start, descending, codes);
    for (let i = 0; i < n; i++) order[i] = i;
    let [a, b] = [codes, digits.other];
    let [x, y] = [order, digits.otherOrder];
    for (let shift = 0; shift < 32; shift += 11) {
      const counts = new Int32Array(2049);
      for (let i = 0; i < n; i++) {
        const digit = (((a[i] as number) >>> shift) & 2047) + 1;
        counts[digit] = (counts[digit] as number) + 1;
      }
      if (counts.includes(n)) continue;
      for (let d = 1; d <= 2048; d++) counts[d] = (counts[d] as number) + (counts[d - 1] as number);
      for (let i = 0; i < n; i++) {
        const digit = ((a[i] as number) >>> shift) & 2047;
        const to = counts[digit] as number;
        counts[digit] = to + 1;
        b[to] = a[i] as number;
        y[to] = x[i] as number;
      }
      [a, b] = [b, a];
      [x, y] = [y, x];
    }
    if (x !== order) order.set(x);
  }

  /** Keys as unsigned integers in the same order. */
  #encode(start: number, descending: boolean, codes: Uint32Array): void {
    const n = this.#n;
    const keys = this.#keys;
    const flip = descending ? -1 : 0;
    if (this.#kind === "integer32") {
      for (let i = 0; i < n; i++) codes[i] = ((keys[start + i] as number) ^ -0x80000000 ^ flip) >>> 0;
      return;
    }
    const floats = new Float32Array(1);
    const bits = new Int32Array(floats.buffer);
    for (let i = 0; i < n; i++) {
      const key = keys[start + i] as number;
      // Adding 0 makes -0 equal to 0.
      floats[0] = key + 0;
      const b = bits[0] as number;
      const code = key !== key ? -1 : b < 0 ? ~b : b ^ -0x80000000;
      codes[i] = (code ^ flip) >>> 0;
    }
  }
}

/** Whether a key comes before another; NaN after all. */
export const precedes = (a: number, b: number): boolean => a < b || (b !== b && a === a);
