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
  const out = allocate([count], int32, mask._backend);
  const bits = viewElements(dense) as Uint8Array;
  const to = viewElements(out) as Int32Array;
  let k = 0;
  for (let i = 0; i < bits.length; i++) if (bits[i] !== 0) to[k++] = i;
  return out;
}

function countTrue(bits: Uint8Array): number {
  let n = 0;
  for (let i = 0; i < bits.length; i++) if (bits[i] !== 0) n++;
  return n;
}

/** The indices of nonzero elements, one row for each, as int64; in row-major order. Stored column by column, as in PyTorch. */
export function nonzeroRaw(x: Tensor): Tensor {
  const n = x.ndim;
  const positions = positionsOf(x);
  const count = positions._numel;
  const out = allocate([n, count], int64, x._backend);
  const from = viewElements(positions) as Int32Array;
  // The high words of small int64 numbers are zero.
  const host = hostOf(x._backend, "nonzero()");
  const words = host.i32.subarray(out._ptr / 4, out._ptr / 4 + 2 * count * n).fill(0);
  for (let i = 0; i < count; i++) {
    let rest = from[i] as number;
    for (let d = n - 1; d > 0; d--) {
      const size = x.shape[d] as number;
      const q = Math.trunc(rest / size);
      words[2 * (d * count + i)] = rest - q * size;
      rest = q;
    }
    if (n > 0) words[2 * i] = rest;
  }
  return alias(out, [count, n], [1, count], 0);
}
