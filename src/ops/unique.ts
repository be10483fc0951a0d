/**
 * Distinct elements and slices.
 */
import { int32, int64 } from "../base/dtype.ts";
import { IndexError, NotImplementedError, TorchError } from "../base/errors.ts";
import { formatShape, wrapDim } from "../base/shape.ts";
import { contiguousRaw } from "../dispatch/elementwise.ts";
import { selectRaw, takeRaw } from "../dispatch/family/indexing.ts";
import { keysOf, precedes, RowSorter } from "../dispatch/family/order.ts";
import { operator } from "../dispatch/op.ts";
import { untracked } from "../dispatch/primitive.ts";
import { viewElements } from "../tensor/data.ts";
import { alias, allocate, type Tensor } from "../tensor/tensor.ts";
import type { Op } from "./view.ts";

/** Groups of equal items: which item stands for each, the group of each item, and how many are in each. */
interface Groups {
  readonly first: number[];
  readonly of: Int32Array;
  readonly counts: number[];
}

/** Runs of equal neighbours in the order given; `same` compares two items. */
function runs(order: Int32Array, same: (a: number, b: number) => boolean): Groups {
  const first: number[] = [];
  const counts: number[] = [];
  const of = new Int32Array(order.length);
  for (let i = 0; i < order.length; i++) {
    const item = order[i] as number;
    const starts = i === 0 || !same(order[i - 1] as number, item);
    if (starts) {
      first.push(item);
      counts.push(0);
    }
    const group = first.length - 1;
    of[item] = group;
    counts[group] = (counts[group] as number) + 1;
  }
  return { first, of, counts };
}

const natural = (n: number): Int32Array => Int32Array.from({ length: n }, (_, i) => i);

function elementGroups(x: Tensor, sorted: boolean): Groups {
  const [keys] = keysOf([x]) as [ReturnType<typeof keysOf>[number]];
  const n = x._numel;
  const order = natural(n);
  if (sorted && n > 0) new RowSorter(keys, n).sort(0, false, order);
  return runs(order, (a, b) => keys.keys[a] === keys.keys[b]);
}

/** Slices along the first dimension of rows, in lexicographic order if sorted. */
function sliceGroups(rows: Tensor, sorted: boolean): Groups {
  const n = rows.shape[0] as number;
  const width = n === 0 ? 0 : rows._numel / n;
  const [{ keys }] = keysOf([rows]) as [ReturnType<typeof keysOf>[number]];
  const compare = (a: number, b: number): number => {
    for (let j = 0; j < width; j++) {
      const p = keys[a * width + j] as number;
      const q = keys[b * width + j] as number;
      if (precedes(p, q)) return -1;
      if (precedes(q, p)) return 1;
    }
    return 0;
  };
  const order = natural(n);
  if (sorted) order.sort((a, b) => compare(a, b) || a - b);
  const same = (a: number, b: number): boolean => {
    for (let j = 0; j < width; j++) if (keys[a * width + j] !== keys[b * width + j]) return false;
    return true;
  };
  return runs(order, same);
}

function longs(values: ArrayLike<number>, shape: readonly number[], like: Tensor): Tensor {
  const out = allocate(shape, int64, like._backend);
  const to = viewElements(out) as BigInt64Array;
  for (let i = 0; i < values.length; i++) to[i] = BigInt(values[i] as number);
  return out;
}

function places(values: readonly number[], like: Tensor): Tensor {
  const out = allocate([values.length], int32, like._backend);
  (viewElements(out) as Int32Array).set(values);
  return out;
}

/** What is returned: the distinct ones, and what else was asked for. */
export type UniqueResult = Tensor & readonly [Tensor, Tensor, Tensor];

function gathered(
  input: Tensor,
  dim: number | null,
  sorted: boolean,
  inverse: boolean,
  counts: boolean,
): Tensor | Tensor[] {
  const x = untracked(input);
  if (x.dtype.is_complex) throw new NotImplementedError(`"unique" not implemented for '${x.dtype.scalarName}'`);
  let groups: Groups;
  let values: Tensor;
  let inverseShape: readonly number[];
  if (dim === null) {
    const dense = contiguousRaw(x);
    groups = elementGroups(dense, sorted);
    values = takeRaw(dense, places(groups.first, x));
    inverseShape = x.shape;
  } else {
    const d = wrapDim(dim, x.ndim);
    const n = x.ndim === 0 ? 1 : (x.shape[d] as number);
    if (x._numel === 0 && x.ndim > 0) {
      if (n !== 0) {
        throw new TorchError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied");
      }
      if (x.shape.filter((size, k) => k !== d && size === 0).length > 0) {
        throw new TorchError(
          `Number of zero sized dimensions is more than one, so unique cannot be applied, got ${formatShape(x.shape)}`,
        );
      }
    }
    const order = [d, ...x.shape.map((_, k) => k).filter((k) => k !== d)];
    const front = alias(
      x,
      x.ndim === 0 ? [1] : order.map((k) => x.shape[k] as number),
      x.ndim === 0 ? [1] : order.map((k) => x._strides[k] as number),
      x._offset,
    );
    groups = sliceGroups(contiguousRaw(front), sorted);
    values = selectRaw(x, d, places(groups.first, x));
    inverseShape = [n];
  }
  const out = [values];
  if (inverse) out.push(longs(groups.of, inverseShape, x));
  if (counts) out.push(longs(groups.counts, [groups.counts.length], x));
  return out.length === 1 ? values : out;
}

interface UniqueOptions {
  /** Ignored: the result is always sorted. */
  sorted?: boolean;
  /** Also give, for each element, where it is in the result. */
  return_inverse?: boolean;
  /** Also give how often each occurs. */
  return_counts?: boolean;
  /** Distinct slices along this dimension instead of elements. */
  dim?: number | null;
}

/** The distinct elements, or slices along `dim`, in ascending order; with the inverse and counts an array of them. */
export const unique: Op<
  (
    input: Tensor,
    sorted?: boolean | UniqueOptions,
    return_inverse?: boolean,
    return_counts?: boolean,
    dim?: number | null,
  ) => UniqueResult
> = operator(
  "unique(Tensor input, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None)",
  (x: Tensor, _sorted: boolean, inverse: boolean, counts: boolean, dim: number | null) =>
    gathered(x, dim, true, inverse, counts),
);

/** The first of each run of equal neighbours; with the inverse and counts an array of them. */
export const unique_consecutive: Op<
  (
    input: Tensor,
    return_inverse?: boolean | Omit<UniqueOptions, "sorted">,
    return_counts?: boolean,
    dim?: number | null,
  ) => UniqueResult
> = operator(
  "unique_consecutive(Tensor input, bool return_inverse=False, bool return_counts=False, int? dim=None)",
  (x: Tensor, inverse: boolean, counts: boolean, dim: number | null) => {
    if (dim !== null && x.ndim === 0 && dim !== 0 && dim !== -1) {
      throw new IndexError(`Dimension out of range (expected to be in range of [-1, 0], but got ${dim})`);
    }
    return gathered(x, dim, false, inverse, counts);
  },
);
