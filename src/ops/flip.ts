/**
 * The same elements in another order along dimensions: reversed, rolled, rotated.
 */
import { IndexError, TorchError } from "../base/errors.ts";
import { wrapDim, wrapDims } from "../base/shape.ts";
import { allocateLike, cloneRaw, contiguousRaw, copyRaw } from "../dispatch/elementwise.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, type Primitive, primitive } from "../dispatch/primitive.ts";
import { alias, allocate, type Tensor } from "../tensor/tensor.ts";
import { transpose } from "./permute.ts";
import type { Op } from "./view.ts";

type IntList = number | readonly number[];

/** The elements seen backwards along some dimensions; only to be copied from. */
function backwards(x: Tensor, dims: readonly number[]): Tensor {
  let offset = x._offset;
  const strides = [...x._strides];
  for (const d of dims) {
    const n = x.shape[d] as number;
    offset += Math.max(n - 1, 0) * (strides[d] as number);
    strides[d] = -(strides[d] as number);
  }
  return alias(x, x.shape, strides, offset);
}

function flipRaw(x: Tensor, dims: readonly number[]): Tensor {
  const out = allocateLike(x.shape, x.dtype, [x]);
  copyRaw(out, backwards(x, dims));
  return out;
}

const flipPrimitive: Primitive<readonly number[]> = primitive<readonly number[]>({
  name: "flip",
  forward: ([x], dims) => flipRaw(x as Tensor, dims),
  grads: [{ vjp: (g, ctx) => apply1(flipPrimitive, [g], ctx.params) }],
});

/** A copy with the elements in reverse order along the given dims. */
export const flip: Op<(input: Tensor, ...dims: (number | readonly number[])[]) => Tensor> = operator(
  "flip(Tensor input, int[]... dims)",
  (x: Tensor, dims: number[]) => apply1(flipPrimitive, [x], x.ndim === 0 ? [] : wrapDims(dims, x.ndim, false)),
);

/** A copy with the columns in reverse order. */
export const fliplr: Op<(input: Tensor) => Tensor> = operator("fliplr(Tensor input)", (x: Tensor) => {
  if (x.ndim < 2) throw new TorchError("Input must be >= 2-d.");
  return flip(x, [1]);
});

/** A copy with the rows in reverse order. */
export const flipud: Op<(input: Tensor) => Tensor> = operator("flipud(Tensor input)", (x: Tensor) => {
  if (x.ndim < 1) throw new TorchError("Input must be >= 1-d.");
  return flip(x, [0]);
});

// --- roll ------------------------------------------------------------------------------------------------------------

interface RollParams {
  readonly shifts: readonly number[];
  readonly dims: readonly number[];
}

/** Copies each of the two parts along the first rolled dim to its place, and so on for the others. */
function rollInto(out: Tensor, x: Tensor, shifts: readonly number[], dims: readonly number[]): void {
  const [d, ...dimsLeft] = dims;
  if (d === undefined) {
    copyRaw(out, x);
    return;
  }
  const [by, ...shiftsLeft] = shifts as [number, ...number[]];
  const n = x.shape[d] as number;
  const shift = ((by % n) + n) % n;
  const part = (t: Tensor, start: number, length: number): Tensor =>
    alias(
      t,
      t.shape.map((m, k) => (k === d ? length : m)),
      t._strides,
      t._offset + start * (t._strides[d] as number),
    );
  rollInto(part(out, shift, n - shift), part(x, 0, n - shift), shiftsLeft, dimsLeft);
  if (shift > 0) rollInto(part(out, 0, shift), part(x, n - shift, shift), shiftsLeft, dimsLeft);
}

const rollPrimitive: Primitive<RollParams> = primitive<RollParams>({
  name: "roll",
  forward: ([input], { shifts, dims }) => {
    const x = input as Tensor;
    if (x._numel === 0) return cloneRaw(x);
    const out = allocate(x.shape, x.dtype, x._backend);
    if (dims.length === 0) {
      const dense = contiguousRaw(x);
      const flat = (t: Tensor): Tensor => alias(t, [t._numel], [1], t._offset);
      rollInto(flat(out), flat(dense), shifts, [0]);
      return out;
    }
    // A dim may be named several times: the shifts add up.
    const total = new Map<number, number>();
    dims.forEach((d, k) => total.set(d, (total.get(d) ?? 0) + (shifts[k] as number)));
    rollInto(out, x, [...total.values()], [...total.keys()]);
    return out;
  },
  grads: [
    {
      vjp: (g, ctx) => apply1(rollPrimitive, [g], { shifts: ctx.params.shifts.map((s) => -s), dims: ctx.params.dims }),
    },
  ],
});

/** A copy with the elements moved along the given dims; those pushed out at the end come in at the start. */
export const roll: Op<(input: Tensor, shifts: IntList, dims?: IntList) => Tensor> = operator(
  "roll(Tensor input, int[] shifts, int[] dims=[])",
  (x: Tensor, shifts: number[], dims: number[]) => {
    if (shifts.length === 0) throw new TorchError("`shifts` required");
    if (dims.length === 0 && shifts.length === 1) {
      return apply1(rollPrimitive, [x], { shifts, dims });
    }
    if (shifts.length !== dims.length) {
      throw new TorchError(`shifts and dimensions must align. shifts: ${shifts.length}, dims:${dims.length}`);
    }
    if (x.ndim === 0) {
      throw new IndexError(`Dimension specified as ${dims[0]} but tensor has no dimensions`);
    }
    return apply1(rollPrimitive, [x], { shifts, dims: dims.map((d) => wrapDim(d, x.ndim)) });
  },
);

// --- rot90 -----------------------------------------------------------------------------------------------------------

interface Rotation {
  /** Quarter turns, 0 to 3. */
  readonly k: number;
  readonly dims: readonly [number, number];
}

const rot90Primitive: Primitive<Rotation> = primitive<Rotation>({
  name: "rot90",
  gradName: "Rot90Backward0",
  forward: ([input], { k, dims }) => {
    const x = input as Tensor;
    const [a, b] = dims;
    if (k === 0) {
      const out = allocate(x.shape, x.dtype, x._backend);
      copyRaw(out, x);
      return out;
    }
    if (k === 2) return flipRaw(x, dims);
    const t = transpose(flipRaw(x, [k === 1 ? b : a]), a, b);
    return alias(t, t.shape, t._strides, t._offset);
  },
  grads: [
    {
      vjp: (g, ctx) => apply1(rot90Primitive, [g], { k: (4 - ctx.params.k) % 4, dims: ctx.params.dims }),
    },
  ],
});

/** A copy rotated by `k` quarter turns in the plane of two dims, from the first towards the second. */
export const rot90: Op<(input: Tensor, k?: number, dims?: readonly number[]) => Tensor> = operator(
  "rot90(Tensor input, int k=1, int[]? dims=None)",
  (x: Tensor, k: number, given: number[] | null) => {
    const dims = given ?? [0, 1];
    if (dims.length !== 2) throw new TorchError(`expected total rotation dims == 2, but got dims = ${dims.length}`);
    if (x.ndim < 2) throw new TorchError(`expected total dims >= 2, but got total dims = ${x.ndim}`);
    const [a, b] = dims as [number, number];
    if (a === b || Math.abs(a - b) === x.ndim) {
      throw new TorchError(`expected rotation dims to be different, but got dim0 = ${a} and dim1 = ${b}`);
    }
    return apply1(rot90Primitive, [x], { k: ((k % 4) + 4) % 4, dims: [wrapDim(a, x.ndim), wrapDim(b, x.ndim)] });
  },
);
