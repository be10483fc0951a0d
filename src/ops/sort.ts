/**
 * Sorting along a dimension, and what is found by order: the largest ones, the k-th, the median, the most frequent.
 */
import { bool, type DType, int32, int64 } from "../base/dtype.ts";
import { IndexError, NotImplementedError, TorchError } from "../base/errors.ts";
import { contiguousStrides, wrapDim } from "../base/shape.ts";
import { allocateLike, copyRaw } from "../dispatch/elementwise.ts";
import { gatherRaw } from "../dispatch/family/indexing.ts";
import { dimBack, dimLast, keysOf, precedes, RowSorter } from "../dispatch/family/order.ts";
import { nthElement, partialSort, quickSelect, unstableSort } from "../dispatch/family/selection.ts";
import { named, type ValuesIndices } from "../dispatch/named.ts";
import type { OutOption } from "../dispatch/out.ts";
import { operator } from "../dispatch/op.ts";
import { apply, apply1, type Primitive, primitive } from "../dispatch/primitive.ts";
import { viewElements } from "../tensor/data.ts";
import { alias, allocate, type Tensor } from "../tensor/tensor.ts";
import type { Op } from "./view.ts";

/** Fills `out` with the chosen positions of one row of keys. */
type Choose = (row: { keys: Float64Array; start: number; n: number; sorter: RowSorter }, out: Int32Array) => void;

/** Positions along `dim`, `count` for each row, as int32, with `dim` where it is in the input. */
function choose(x: Tensor, dim: number, count: number, chooseRow: Choose): Tensor {
  const rows = dimLast(x, dim);
  const n = rows.shape.at(-1) as number;
  const total = n === 0 ? 0 : rows._numel / n;
  const shape = [...rows.shape.slice(0, -1), count];
  const out = allocate(shape, int32, x._backend);
  if (out._numel > 0 && n > 0) {
    const [keys] = keysOf([rows]) as [ReturnType<typeof keysOf>[number]];
    const sorter = new RowSorter(keys, n);
    const row = new Int32Array(Math.max(n, count));
    const results = new Int32Array(out._numel);
    for (let r = 0; r < total; r++) {
      chooseRow({ keys: keys.keys, start: r * n, n, sorter }, row);
      results.set(row.subarray(0, count), r * count);
    }
    (viewElements(out) as Int32Array).set(results);
  }
  return dimBack(out, dim);
}

/** The elements at chosen places, and the places as int64; without `dim` if it is to vanish. */
function pick(x: Tensor, dim: number, places: Tensor, drop: boolean): [Tensor, Tensor] {
  const values = gatherRaw(x, dim, places);
  const indices = allocate(values.shape, int64, x._backend);
  copyRaw(indices, places);
  const rest = (t: Tensor): Tensor => (drop || x.shape.length === 0 ? withoutDim(t, dim) : t);
  return [rest(values), rest(indices)];
}

function withoutDim(t: Tensor, dim: number): Tensor {
  return alias(
    t,
    t.shape.filter((_, d) => d !== dim),
    t._strides.filter((_, d) => d !== dim),
    t._offset,
  );
}

interface Params {
  readonly dim: number;
  readonly keepdim: boolean;
}

/** The gradient goes to the elements that were chosen. */
function intoChosen(g: Tensor, shape: readonly number[], indices: Tensor, { dim, keepdim }: Params): Tensor {
  const back = (t: Tensor): Tensor => (keepdim || shape.length === 0 ? t : t.unsqueeze(dim));
  return g.new_zeros(shape).scatter(dim, back(indices), back(g));
}

function choosing<P extends Params>(
  name: string,
  gradName: string,
  forward: (x: Tensor, params: P) => [Tensor, Tensor],
): Primitive<P> {
  return primitive<P>({
    name,
    gradName,
    forward: ([x], params) => forward(x as Tensor, params),
    nonDifferentiable: [1],
    grads: [{ uses: ["out1"], vjp: (g, ctx) => intoChosen(g, ctx.shape(0), ctx.output(1), ctx.params) }],
  });
}

function refuse(name: string, dtype: DType): void {
  if (dtype.is_complex) throw new NotImplementedError(`"${name}" not implemented for '${dtype.scalarName}'`);
}

// --- sort ------------------------------------------------------------------------------------------------------------

interface SortParams extends Params {
  readonly descending: boolean;
}

function sortRaw(x: Tensor, { dim, descending }: SortParams): [Tensor, Tensor] {
  const n = x.shape.length === 0 ? 1 : (x.shape[dim] as number);
  const places = choose(x, dim, n, ({ start, sorter }, out) => sorter.sort(start, descending, out.subarray(0, n)));
  const [values, indices] = pick(x, dim, places, false);
  return [inLayoutOf(x, values), inLayoutOf(x, indices)];
}

function inLayoutOf(x: Tensor, result: Tensor): Tensor {
  if (x._isContiguous) return result;
  const out = allocateLike(x.shape, result.dtype, [x]);
  copyRaw(out, result);
  return out;
}

const sortPrimitive = choosing<SortParams>("sort", "SortBackward0", sortRaw);
const stableSortPrimitive = choosing<SortParams>("sort", "SortBackward1", sortRaw);

interface SortOptions {
  dim?: number;
  descending?: boolean;
  /** Sorting is stable in any case. */
  stable?: boolean | null;
  out?: readonly Tensor[];
}

/** What {@link sort} takes. */
export type Sort = (
  input: Tensor,
  dim?: number | SortOptions,
  descending?: boolean | SortOptions,
  options?: SortOptions,
) => ValuesIndices;

/** The elements in ascending or descending order along a dimension, and where they were; NaN counts as largest. */
export const sort: Op<Sort> = operator(
  "sort(Tensor input, int dim=-1, bool descending=False, *, bool? stable=None)",
  (x: Tensor, dim: number, descending: boolean, stable: boolean | null) => {
    const d = wrapDim(dim, x.ndim);
    refuse("sort_stable", x.dtype);
    const prim = stable === null ? sortPrimitive : stableSortPrimitive;
    const [values, indices] = apply(prim, [x], { dim: d, descending, keepdim: true }) as [Tensor, Tensor];
    return named("sort", { values, indices });
  },
);

/** Where the elements are that {@link sort} gives. */
export const argsort: Op<
  (
    input: Tensor,
    dim?: number | SortOptions,
    descending?: boolean | SortOptions,
    options?: Omit<SortOptions, "out"> & OutOption,
  ) => Tensor
> = operator(
  "argsort(Tensor input, int dim=-1, bool descending=False, *, bool stable=False)",
  (x: Tensor, dim: number, descending: boolean) => {
    refuse("sort_stable", x.dtype);
    return sortRaw(x, { dim: wrapDim(dim, x.ndim), descending, keepdim: true })[1];
  },
);

/** The elements in ascending order along the first dimension. */
export const msort: Op<(input: Tensor, options?: OutOption) => Tensor> = operator(
  "msort(Tensor input)",
  (x: Tensor) => sort(x, 0, false).values,
);

// --- the largest -----------------------------------------------------------------------------------------------------

interface TopParams extends Params {
  readonly k: number;
  readonly largest: boolean;
}

const topkPrimitive = choosing<TopParams>("topk", "TopkBackward0", (x, { dim, k, largest }) => {
  const places = choose(x, dim, k, ({ keys, start, n }, out) => {
    const key = (i: number): number => keys[start + i] as number;
    const before = largest
      ? (i: number, j: number): boolean => precedes(key(j), key(i))
      : (i: number, j: number): boolean => precedes(key(i), key(j));
    for (let i = 0; i < n; i++) out[i] = i;
    if (k * 64 <= n) partialSort(out, 0, k, n, before);
    else {
      nthElement(out, 0, k - 1, n, before);
      unstableSort(out, 0, k - 1, before);
    }
  });
  return pick(x, dim, places, false);
});

interface TopOptions {
  dim?: number;
  largest?: boolean;
  sorted?: boolean;
  out?: readonly Tensor[];
}

/** The `k` largest (or smallest) elements along a dimension, in order, and where they are. */
export const topk: Op<
  (
    input: Tensor,
    k: number,
    dim?: number | TopOptions,
    largest?: boolean | TopOptions,
    sorted?: boolean | TopOptions,
    options?: TopOptions,
  ) => ValuesIndices
> = operator(
  "topk(Tensor input, int k, int dim=-1, bool largest=True, bool sorted=True)",
  (x: Tensor, k: number, dim: number, largest: boolean) => {
    const d = wrapDim(dim, x.ndim);
    if (k < 0 || k > (x.ndim === 0 ? 1 : (x.shape[d] as number))) {
      throw new TorchError("selected index k out of range");
    }
    refuse("topk_impl_loop", x.dtype);
    if (x.dtype === bool) throw new NotImplementedError("\"topk_cpu\" not implemented for 'Bool'");
    const [values, indices] = apply(topkPrimitive, [x], { dim: d, k, largest, keepdim: true }) as [Tensor, Tensor];
    return named("topk", { values, indices });
  },
);

// --- by rank ---------------------------------------------------------------------------------------------------------

interface RankParams extends Params {
  readonly k: number;
}

const kthPrimitive = choosing<RankParams>("kthvalue", "KthvalueBackward0", (x, { dim, k, keepdim }) => {
  const places = choose(x, dim, 1, ({ keys, start, n }, out) => {
    for (let i = 0; i < n; i++) out[i] = i;
    quickSelect(out, n, k - 1, (i, j) => precedes(keys[start + j] as number, keys[start + i] as number));
    out[0] = out[k - 1] as number;
  });
  return pick(x, dim, places, !keepdim);
});

/** The `k`-th smallest element along a dimension, and where it is. */
export const kthvalue: Op<
  (
    input: Tensor,
    k: number,
    dim?: number | { dim?: number; keepdim?: boolean; out?: readonly Tensor[] },
    keepdim?: boolean,
    options?: { out?: readonly Tensor[] },
  ) => ValuesIndices
> = operator(
  "kthvalue(Tensor input, int k, int dim=-1, bool keepdim=False)",
  (x: Tensor, k: number, dim: number, keepdim: boolean) => {
    const d = wrapDim(dim, x.ndim);
    checkNotEmpty("kthvalue", x, d);
    if (k < 1 || k > (x.ndim === 0 ? 1 : (x.shape[d] as number))) {
      throw new TorchError(`kthvalue(): selected number k out of range for dimension ${d}`);
    }
    refuse("kthvalue_cpu", x.dtype);
    const [values, indices] = apply(kthPrimitive, [x], { dim: d, k, keepdim }) as [Tensor, Tensor];
    return named("kthvalue", { values, indices });
  },
);

function checkNotEmpty(name: string, x: Tensor, dim: number): void {
  if (x.ndim > 0 && x.shape[dim] === 0) {
    throw new IndexError(`${name}(): Expected reduction dim ${dim} to have non-zero size.`);
  }
}

/** The position of the median in a row: the lower one of two; the first NaN if there is one and it counts. */
function medianOf(row: Parameters<Choose>[0], out: Int32Array, skipNan: boolean): void {
  const { keys, start, n } = row;
  let numbers = 0;
  for (let i = 0; i < n; i++) {
    const k = keys[start + i] as number;
    if (k === k) numbers++;
    else if (!skipNan) {
      out[0] = i;
      return;
    }
  }
  const nth = Math.max(Math.floor((numbers - 1) / 2), 0);
  for (let i = 0; i < n; i++) out[i] = i;
  nthElement(out, 0, nth, n, (i, j) => precedes(keys[start + i] as number, keys[start + j] as number));
  out[0] = out[nth] as number;
}

function medianDim(name: "median" | "nanmedian"): Primitive<Params> {
  const gradName = name === "median" ? "MedianBackward1" : "NanmedianBackward1";
  return choosing<Params>(name, gradName, (x, { dim, keepdim }) =>
    pick(
      x,
      dim,
      choose(x, dim, 1, (row, out) => medianOf(row, out, name === "nanmedian")),
      !keepdim,
    ),
  );
}

function medianAll(name: "median" | "nanmedian"): Primitive<undefined> {
  return primitive({
    name,
    forward: ([input]) => {
      const x = input as Tensor;
      if (x._numel === 0) return emptyMedian(x);
      const flat = allocate([x._numel], x.dtype, x._backend);
      copyRaw(alias(flat, x.shape, contiguousStrides(x.shape), 0), x);
      const places = choose(flat, 0, 1, (row, out) => medianOf(row, out, name === "nanmedian"));
      return pick(flat, 0, places, true)[0];
    },
    grads: [
      {
        uses: [0, "out"],
        vjp: (g, ctx) => {
          const x = ctx.input(0);
          const value = ctx.output().detach();
          const isNan = value.dtype.is_floating_point && Number.isNaN(Number(value.item()));
          const mask = isNan ? x.detach().isnan() : x.detach().eq(value);
          return g.div(mask.sum()).mul(mask);
        },
      },
    ],
  });
}

/** NaN, or the smallest integer. */
function emptyMedian(x: Tensor): Tensor {
  const lowest = x.dtype.name === "int64" ? -(2n ** 63n) : -(2 ** (8 * x.dtype.itemsize - 1));
  return x.detach().new_full([], x.dtype.is_floating_point ? Number.NaN : x.dtype.is_signed ? lowest : 0);
}

/** Without `dim` a tensor, with it values and indices. */
export interface Median {
  (input: Tensor): Tensor;
  (
    input: Tensor,
    dim: number | { dim: number; keepdim?: boolean; out?: readonly Tensor[] },
    keepdim?: boolean,
    options?: { out?: readonly Tensor[] },
  ): ValuesIndices;
}

function defineMedian(name: "median" | "nanmedian"): Op<Median> {
  const [whole, along] = [medianAll(name), medianDim(name)];
  return operator(
    `${name}(Tensor input, int? dim=None, bool keepdim=False)`,
    (x: Tensor, dim: number | null, keepdim: boolean) => {
      refuse("median_out_impl", x.dtype);
      if (x.dtype === bool) throw new NotImplementedError(`"median_out_impl" not implemented for 'Bool'`);
      if (dim === null) return apply1(whole, [x], undefined);
      const d = wrapDim(dim, x.ndim);
      checkNotEmpty(name, x, d);
      const [values, indices] = apply(along, [x], { dim: d, keepdim }) as [Tensor, Tensor];
      return named(name, { values, indices });
    },
  );
}

/** The median, the lower one of two, of all elements or along a dimension; NaN if any element is. */
export const median: Op<Median> = defineMedian("median");
/** {@link median} without regard to NaN. */
export const nanmedian: Op<Median> = defineMedian("nanmedian");

const modePrimitive = choosing<Params>("mode", "ModeBackward0", (x, { dim, keepdim }) => {
  const places = choose(x, dim, 1, ({ keys, start, n }, out) => {
    const order = out.subarray(0, n);
    for (let i = 0; i < n; i++) order[i] = i;
    unstableSort(order, 0, n, (i, j) => precedes(keys[start + i] as number, keys[start + j] as number));
    const key = (i: number): number => keys[start + (order[i] as number)] as number;
    let best = 0;
    let bestCount = 0;
    let count = 0;
    for (let i = 0; i < n; i++) {
      count++;
      if (i + 1 < n && key(i + 1) === key(i)) continue;
      // The smallest of the most frequent, at its last place.
      if (count > bestCount) [best, bestCount] = [i, count];
      count = 0;
    }
    out[0] = order[best] as number;
  });
  return pick(x, dim, places, !keepdim);
});

/** The most frequent element along a dimension, the smallest of several, and where it is. */
export const mode: Op<
  (
    input: Tensor,
    dim?: number | { dim?: number; keepdim?: boolean; out?: readonly Tensor[] },
    keepdim?: boolean,
    options?: { out?: readonly Tensor[] },
  ) => ValuesIndices
> = operator("mode(Tensor input, int dim=-1, bool keepdim=False)", (x: Tensor, dim: number, keepdim: boolean) => {
  const d = wrapDim(dim, x.ndim);
  checkNotEmpty("mode", x, d);
  refuse("mode", x.dtype);
  const [values, indices] = apply(modePrimitive, [x], { dim: d, keepdim }) as [Tensor, Tensor];
  return named("mode", { values, indices });
});
