/**
 * Batches of matrices: from tensors to dense matrices on the host, and back.
 */
import type { Backend } from "../../backend/backend.ts";
import { complex128, type DType, float64, int32, toReal } from "../../base/dtype.ts";
import { broadcastAll, contiguousStrides, numel, type Shape } from "../../base/shape.ts";
import { castRaw, contiguousRaw, copyRaw } from "../../dispatch/elementwise.ts";
import { viewElements } from "../../tensor/data.ts";
import { allocate, allocateStrided, type Tensor } from "../../tensor/tensor.ts";
import type { Matrix } from "./dense/matrix.ts";

/** The dims before the last two. */
export const leadOf = (x: Tensor): number[] => x.shape.slice(0, -2);

/** Parts of all elements in row-major order, in double precision, in memory of their own. */
function partsOf(x: Tensor): { re: Float64Array; im: Float64Array | null } {
  const { is_complex: complex } = x.dtype;
  const values = viewElements(contiguousRaw(castRaw(x, complex ? complex128 : float64))) as Float64Array;
  if (!complex) return { re: values.slice(), im: null };
  const n = values.length / 2;
  const re = new Float64Array(n);
  const im = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    re[i] = values[2 * i] as number;
    im[i] = values[2 * i + 1] as number;
  }
  return { re, im };
}

function split(x: Tensor, rows: number, cols: number): Matrix[] {
  const { re, im } = partsOf(x);
  const size = rows * cols;
  const count = size === 0 ? numel(x.shape.slice(0, -2)) : re.length / size;
  return Array.from({ length: count }, (_, b) => ({
    rows,
    cols,
    re: re.subarray(b * size, (b + 1) * size),
    im: im === null ? null : im.subarray(b * size, (b + 1) * size),
  }));
}

/** The matrices of a batch, copies in double precision. */
export function matricesOf(x: Tensor): Matrix[] {
  return split(x, x.shape.at(-2) as number, x.shape.at(-1) as number);
}

/** The vectors of a batch, as matrices of one column. */
export function columnsOf(x: Tensor): Matrix[] {
  const n = x.shape.at(-1) as number;
  const { re, im } = partsOf(x);
  return Array.from({ length: numel(x.shape.slice(0, -1)) }, (_, b) => ({
    rows: n,
    cols: 1,
    re: re.subarray(b * n, (b + 1) * n),
    im: im === null ? null : im.subarray(b * n, (b + 1) * n),
  }));
}

/** The strides of batches of matrices that LAPACK writes: columns contiguous. */
export function columnMajor(shape: Shape): number[] {
  const strides = contiguousStrides(shape);
  if (shape.length >= 2) {
    strides[shape.length - 2] = 1;
    strides[shape.length - 1] = Math.max(shape.at(-2) as number, 1);
  }
  return strides;
}

/** How results lie in memory. */
export type Layout = "columns" | "rows";

/** A tensor of a shape from matrices whose elements follow on each other in its row-major order. */
export function fromMatrices(
  list: readonly Matrix[],
  shape: Shape,
  dtype: DType,
  backend: Backend,
  layout: Layout = "columns",
): Tensor {
  const complex = dtype.is_complex;
  const flat = allocate(shape, complex ? complex128 : float64, backend);
  const target = viewElements(flat) as Float64Array;
  let at = 0;
  for (const { re, im } of list) {
    if (!complex) {
      target.set(re, at);
      at += re.length;
      continue;
    }
    for (let i = 0; i < re.length; i++) {
      target[at++] = re[i] as number;
      target[at++] = im === null ? 0 : (im[i] as number);
    }
  }
  if (layout === "rows" && dtype === flat.dtype) return flat;
  const out =
    layout === "rows" ? allocate(shape, dtype, backend) : allocateStrided(shape, columnMajor(shape), dtype, backend);
  copyRaw(out, flat);
  return out;
}

/** A tensor from one real vector, or number, for each matrix of a batch; `im`: from complex ones. */
export function fromVectors(
  list: readonly Float64Array[],
  shape: Shape,
  dtype: DType,
  backend: Backend,
  im?: readonly Float64Array[],
): Tensor {
  return fromMatrices(
    list.map((re, i) => ({ rows: 1, cols: re.length, re, im: im?.[i] ?? null })),
    shape,
    dtype,
    backend,
    "rows",
  );
}

/** A tensor of small integers: pivots and error codes are int32, as LAPACK's. */
export function fromIntegers(values: Iterable<number>, shape: Shape, backend: Backend): Tensor {
  const out = allocate(shape, int32, backend);
  (viewElements(out) as Int32Array).set([...values]);
  return out;
}

/** The rows of an integer tensor, pivots from 1 as LAPACK counts them. */
export function pivotsOf(x: Tensor): Int32Array[] {
  const n = x.shape.at(-1) as number;
  const values = viewElements(contiguousRaw(castRaw(x, int32))) as Int32Array;
  return Array.from({ length: numel(x.shape.slice(0, -1)) }, (_, b) => values.slice(b * n, (b + 1) * n));
}

/** Pivots counted from 0. */
export const fromOne = (pivots: Int32Array): Int32Array => pivots.map((p) => p - 1);

/** For each matrix of the batch `target` the number of the one in the batch `lead` that broadcasting pairs it with. */
export function batchIndex(lead: Shape, target: Shape): number[] {
  const offset = target.length - lead.length;
  const strides = contiguousStrides(lead);
  return Array.from({ length: numel(target) }, (_, flat) => {
    let rest = flat;
    let at = 0;
    for (let d = target.length - 1; d >= 0; d--) {
      const n = target[d] as number;
      const i = rest % n;
      rest = Math.floor(rest / n);
      const k = d - offset;
      if (k >= 0 && lead[k] !== 1) at += i * (strides[k] as number);
    }
    return at;
  });
}

/** The batch dims that tensors of matrices broadcast to. */
export const broadcastLead = (...tensors: readonly Tensor[]): Shape => broadcastAll(tensors.map(leadOf));

/** The real dtype that goes with a tensor's. */
export const realOf = (x: Tensor): DType => toReal(x.dtype);
