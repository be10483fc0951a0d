/**
 * Shapes and strides: the arithmetic of geometry, on plain arrays of numbers. Strides count elements.
 */
import { IndexError, TorchError } from "./errors.ts";

export type Shape = readonly number[];

/** `[2, 3]` as PyTorch's messages write it: `torch.Size([2, 3])` without the class is `[2, 3]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** The number of elements of a shape. */
export function numel(shape: Shape): number {
  let n = 1;
  for (let i = 0; i < shape.length; i++) n *= shape[i] as number;
  return n;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Row-major strides. A dimension of size 0 counts as 1, as in PyTorch. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= Math.max(shape[i] as number, 1);
  }
  return strides;
}

/** Whether the elements lie in row-major order without gaps; dimensions of size 1 may have any stride. */
export function isContiguous(shape: Shape, strides: Shape): boolean {
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const n = shape[i] as number;
    if (n === 0) return true;
    if (n !== 1) {
      if (strides[i] !== step) return false;
      step *= n;
    }
  }
  return true;
}

/** Whether distinct indices name distinct elements and these fill one block: contiguous after some permutation. */
export function isNonOverlappingAndDense(shape: Shape, strides: Shape): boolean {
  const dims = shape.map((_, i) => i).filter((i) => shape[i] !== 1);
  dims.sort((i, j) => (strides[i] as number) - (strides[j] as number));
  let step = 1;
  for (const i of dims) {
    if (shape[i] === 0) return true;
    if (strides[i] !== step) return false;
    step *= shape[i] as number;
  }
  return true;
}

/** Brings `dim` into `[0, ndim)`; a 0-d tensor takes 0 and -1. Throws PyTorch's IndexError. */
export function wrapDim(dim: number, ndim: number): number {
  const n = Math.max(ndim, 1);
  if (!Number.isInteger(dim) || dim < -n || dim >= n) {
    throw new IndexError(`Dimension out of range (expected to be in range of [${-n}, ${n - 1}], but got ${dim})`);
  }
  return dim < 0 ? dim + n : dim;
}

/** {@link wrapDim} for several dims, each at most once. `null` or an empty list means all dims when `emptyIsAll`. */
export function wrapDims(
  dims: number | readonly number[] | null | undefined,
  ndim: number,
  emptyIsAll = true,
): number[] {
  if (ndim > 64) throw new TorchError("only tensors with up to 64 dims are supported");
  if (dims === null || dims === undefined) return Array.from({ length: ndim }, (_, i) => i);
  const list = typeof dims === "number" ? [dims] : dims;
  if (list.length === 0 && emptyIsAll) return Array.from({ length: ndim }, (_, i) => i);
  const seen = new Set<number>();
  for (const d of list) {
    const w = wrapDim(d, ndim);
    if (seen.has(w)) throw new TorchError(`dim ${w} appears multiple times in the list of dims`);
    seen.add(w);
  }
  return ndim === 0 ? [] : [...seen];
}

/** The common shape of two operands under broadcasting. Throws PyTorch's error when there is none. */
export function broadcast(a: Shape, b: Shape): Shape {
  if (sameShape(a, b)) return a;
  const n = Math.max(a.length, b.length);
  const out = new Array<number>(n);
  for (let i = 1; i <= n; i++) {
    const x = i <= a.length ? (a[a.length - i] as number) : 1;
    const y = i <= b.length ? (b[b.length - i] as number) : 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new TorchError(
        `The size of tensor a (${x}) must match the size of tensor b (${y}) at non-singleton dimension ${n - i}`,
      );
    }
    out[n - i] = x === 1 ? y : x;
  }
  return out;
}

/** The common shape of any number of operands. */
export function broadcastAll(shapes: readonly Shape[]): Shape {
  let out: Shape = shapes[0] ?? [];
  for (let i = 1; i < shapes.length; i++) out = broadcast(out, shapes[i] as Shape);
  return out;
}

/** Strides with which a tensor of `shape` reads as `target`: 0 along every broadcast dimension. */
export function broadcastStrides(shape: Shape, strides: Shape, target: Shape): number[] {
  const lead = target.length - shape.length;
  const out = new Array<number>(target.length).fill(0);
  for (let i = 0; i < shape.length; i++) {
    out[lead + i] = shape[i] === 1 && target[lead + i] !== 1 ? 0 : (strides[i] as number);
  }
  return out;
}

/**
 * Fills in the one `-1` of a requested shape. Throws PyTorch's errors when the sizes do not fit.
 */
export function inferSize(shape: Shape, total: number): number[] {
  let known = 1;
  let unknown = -1;
  for (let i = 0; i < shape.length; i++) {
    const n = shape[i] as number;
    if (n === -1) {
      if (unknown >= 0) throw new TorchError("only one dimension can be inferred");
      unknown = i;
    } else if (n >= 0) known *= n;
    else throw new TorchError(`invalid shape dimension ${n} at index ${i} of shape ${formatShape(shape)}`);
  }
  const out = [...shape];
  if (unknown >= 0) {
    if (known === 0 && total === 0) {
      throw new TorchError(
        `cannot reshape tensor of 0 elements into shape ${formatShape(shape)} because the unspecified dimension size -1 can be any value and is ambiguous`,
      );
    }
    if (known > 0 && total % known === 0) {
      out[unknown] = total / known;
      return out;
    }
  } else if (known === total) return out;
  throw new TorchError(`shape '${formatShape(shape)}' is invalid for input of size ${total}`);
}

/**
 * The strides of a view of new shape over the same elements, or null where no strides can express it (PyTorch's
 * `computeStride`).
 */
export function viewStrides(shape: Shape, strides: Shape, target: Shape): number[] | null {
  if (numel(shape) === 0) return sameShape(shape, target) ? [...strides] : contiguousStrides(target);
  if (shape.length === 0) return target.map(() => 1);
  const out = new Array<number>(target.length);
  let viewDim = target.length - 1;
  let chunkBase = strides[strides.length - 1] as number;
  let tensorNumel = 1;
  let viewNumel = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    tensorNumel *= shape[d] as number;
    const breaks = d === 0 || (shape[d - 1] !== 1 && strides[d - 1] !== tensorNumel * chunkBase);
    if (!breaks) continue;
    while (viewDim >= 0 && (viewNumel < tensorNumel || target[viewDim] === 1)) {
      out[viewDim] = viewNumel * chunkBase;
      viewNumel *= target[viewDim] as number;
      viewDim--;
    }
    if (viewNumel !== tensorNumel) return null;
    if (d > 0) {
      chunkBase = strides[d - 1] as number;
      tensorNumel = 1;
      viewNumel = 1;
    }
  }
  return viewDim === -1 ? out : null;
}
