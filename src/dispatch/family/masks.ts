/**
 * Where a condition holds: positions as tensors, found on the host.
 */
import { bool, int32, int64 } from "../../base/dtype.ts";
import { hostOf, viewElements } from "../../tensor/data.ts";
import { alias, allocate, type Tensor } from "../../tensor/tensor.ts";
import { castRaw, contiguousRaw } from "../elementwise.ts";

/** The row-major positions at which a mask is true, as int32. */
export function positionsOf(mask: Tensor): Tensor {
  const dense = contiguousRaw(castRaw(mask, bool));
  const count = countTrue(viewElements(dense) as Uint8Array);
  // One place more: without branches every position is written, and kept if the next one is written behind it.
  const out = allocate([count + 1], int32, mask._backend);
  const bits = viewElements(dense) as Uint8Array;
  const to = viewElements(out) as Int32Array;
  let k = 0;
  for (let i = 0; i < bits.length; i++) {
    to[k] = i;
    k += bits[i] as number;
  }
  return alias(out, [count], [1], 0);
}

function countTrue(bits: Uint8Array): number {
  let n = 0;
  for (let i = 0; i < bits.length; i++) n += bits[i] as number;
  return n;
}

/** The indices of nonzero elements, one row for each, as int64; in row-major order. Stored column by column, as in PyTorch. */
export function nonzeroRaw(x: Tensor): Tensor {
  const n = x.ndim;
  const dense = contiguousRaw(castRaw(x, bool));
  const count = countTrue(viewElements(dense) as Uint8Array);
  const out = allocate([n, count], int64, x._backend);
  const bits = viewElements(dense) as Uint8Array;
  const host = hostOf(x._backend, "nonzero()");
  // The high words of small int64 numbers are zero.
  const words = host.i32.subarray(out._ptr / 4, out._ptr / 4 + 2 * count * n).fill(0);
  const result = alias(out, [count, n], [1, count], 0);
  if (n === 0 || count === 0) return result;
  const width = x.shape[n - 1] as number;
  const coordinates = new Array<number>(n - 1).fill(0);
  const column = 2 * (n - 1) * count;
  let k = 0;
  for (let start = 0; start < bits.length; start += width) {
    const first = k;
    for (let j = 0; j < width; j++) {
      if (bits[start + j] !== 0) words[column + 2 * k++] = j;
    }
    for (let d = 0; d < n - 1; d++) {
      const c = coordinates[d] as number;
      if (c !== 0) for (let i = first; i < k; i++) words[2 * (d * count + i)] = c;
    }
    for (let d = n - 2; d >= 0; d--) {
      const c = (coordinates[d] as number) + 1;
      coordinates[d] = c === x.shape[d] ? 0 : c;
      if (c !== x.shape[d]) break;
    }
  }
  return result;
}
