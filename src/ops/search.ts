/**
 * Places in sorted sequences, and membership.
 */
import { bool, type DType, int32, int64 } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { promote_types, type Scalar, scalarType } from "../base/promote.ts";
import { formatShape, sameShape } from "../base/shape.ts";
import { castRaw, contiguousRaw } from "../dispatch/elementwise.ts";
import { keysOf } from "../dispatch/family/order.ts";
import { operator } from "../dispatch/op.ts";
import type { OutOption } from "../dispatch/out.ts";
import { untracked } from "../dispatch/primitive.ts";
import { PyFloat, type ScalarLike } from "../dispatch/signature.ts";
import { viewElements } from "../tensor/data.ts";
import { allocate, Tensor } from "../tensor/tensor.ts";
import { tensor } from "./create.ts";
import type { Op } from "./view.ts";

const plain = (x: ScalarLike): Scalar => (x instanceof PyFloat ? x.value : x);

/** A number as a tensor of the dtype that promotion with another tensor gives. */
function numberTensor(x: ScalarLike, beside: Tensor): Tensor {
  const own = x instanceof PyFloat ? scalarType(0.5) : scalarType(plain(x));
  const dtype = own.category > beside.dtype.category ? promote_types(own, beside.dtype) : beside.dtype;
  return tensor(plain(x), { dtype, device: beside.device });
}

/** The number of elements of an ascending run before (`right`: not after) a value, NaN being the largest. */
function lowerBound(
  keys: Float64Array,
  start: number,
  n: number,
  order: ArrayLike<bigint> | null,
  value: number,
  right: boolean,
): number {
  let low = 0;
  let high = n;
  while (low < high) {
    const middle = (low + high) >> 1;
    const key = keys[start + (order === null ? middle : Number(order[start + middle]))] as number;
    // As PyTorch compares: anything beside NaN is not before it.
    const before = right ? !(key > value) : !(key >= value);
    if (before) low = middle + 1;
    else high = middle;
  }
  return low;
}

function search(sequence: Tensor, values: Tensor, sorter: Tensor | null, right: boolean, outType: DType): Tensor {
  const n = sequence.shape.at(-1) as number;
  const [keys, wanted] = keysOf([sequence, values]).map((k) => k.keys) as [Float64Array, Float64Array];
  const order = sorter === null ? null : (viewElements(contiguousRaw(untracked(sorter))) as BigInt64Array);
  const out = allocate(values.shape, outType, values._backend);
  const width = values.shape.at(-1) ?? 1;
  const places = new Int32Array(out._numel);
  for (let i = 0; i < places.length; i++) {
    const start = sequence.ndim === 1 ? 0 : Math.floor(i / width) * n;
    places[i] = lowerBound(keys, start, n, order, wanted[i] as number, right);
  }
  const to = viewElements(out);
  if (to instanceof BigInt64Array) for (let i = 0; i < places.length; i++) to[i] = BigInt(places[i] as number);
  else (to as Int32Array).set(places);
  return out;
}

interface SearchOptions extends OutOption {
  /** int32 indices instead of int64. */
  out_int32?: boolean;
  /** Behind equal elements rather than before them. */
  right?: boolean;
  /** `"left"` or `"right"`; another way to say `right`. */
  side?: "left" | "right" | null;
  /** The indices that sort the sequence, where it is not sorted. */
  sorter?: Tensor | null;
}

/** Where to insert values into a sorted sequence, or into sorted rows, so that it stays sorted. */
export const searchsorted: Op<
  (sorted_sequence: Tensor, input: Tensor | ScalarLike, options?: SearchOptions) => Tensor
> = operator(
  "searchsorted(Tensor sorted_sequence, Tensor|Scalar input, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None)",
  (
    sequence: Tensor,
    input: Tensor | ScalarLike,
    short: boolean,
    right: boolean,
    side: string | null,
    sorter: Tensor | null,
  ) => {
    if (side !== null && side !== "left" && side !== "right") {
      throw new TorchError(`torch.searchsorted(): side can only be 'left' or 'right' but got ${side}`);
    }
    if (side === "left" && right) {
      throw new TorchError(
        "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True",
      );
    }
    const isTensor = input instanceof Tensor;
    if (!isTensor && sequence.ndim !== 1) {
      throw new TorchError(
        `torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but got boundaries tensor dim(${sequence.ndim}) and input value's dim(0) numel(1)`,
      );
    }
    const values = isTensor ? input : numberTensor(input, sequence);
    if (sequence.ndim === 0) {
      throw new TorchError(
        "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but got boundaries tensor dim(0)",
      );
    }
    if (isTensor && values.dtype !== sequence.dtype) {
      throw new TorchError(
        `torch.searchsorted(): boundary tensor and input value tensor should have same dtype, but got boundary tensor dtype ${sequence.dtype.scalarName} and input value tensor dtype ${values.dtype.scalarName}`,
      );
    }
    const rows = sequence.shape.slice(0, -1);
    if (sequence.ndim > 1 && !sameShape(rows, values.shape.slice(0, -1))) {
      throw new TorchError(
        `torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value tensor must match, but we got boundaries tensor ${formatShape(sequence.shape)} and input value tensor ${formatShape(values.shape)}`,
      );
    }
    if (sorter !== null) {
      if (!sameShape(sorter.shape, sequence.shape)) {
        throw new TorchError(
          `torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor ${formatShape(sequence.shape)}and got sorter tensor ${formatShape(sorter.shape)}`,
        );
      }
      if (sorter.dtype !== int64) {
        throw new TorchError(
          `torch.searchsorted(): sorter must be a tensor of long dtype but got dtype ${sorter.dtype.scalarName}`,
        );
      }
    }
    const common = isTensor ? sequence.dtype : promote_types(sequence.dtype, values.dtype);
    return search(
      castRaw(untracked(sequence), common),
      castRaw(untracked(values), common),
      sorter,
      right || side === "right",
      short ? int32 : int64,
    );
  },
  { method: false },
);

/** The number of the interval between `boundaries`, a sorted sequence, in which each value lies. */
export const bucketize: Op<
  (
    input: Tensor | ScalarLike,
    boundaries: Tensor,
    options?: OutOption & { out_int32?: boolean; right?: boolean },
  ) => Tensor
> = operator(
  "bucketize(Tensor|Scalar input, Tensor boundaries, *, bool out_int32=False, bool right=False)",
  (input: Tensor | ScalarLike, boundaries: Tensor, short: boolean, right: boolean) => {
    if (boundaries.ndim !== 1) {
      throw new TorchError(`boundaries tensor must be 1 dimension, but got dim(${boundaries.ndim})`);
    }
    const values = input instanceof Tensor ? input : numberTensor(input, boundaries);
    const common = promote_types(values.dtype, boundaries.dtype);
    return search(
      castRaw(untracked(boundaries), common),
      castRaw(untracked(values), common),
      null,
      right,
      short ? int32 : int64,
    );
  },
  { method: false },
);

/** Whether each element is among those of another tensor. */
export const isin: Op<
  (
    elements: Tensor | ScalarLike,
    test_elements: Tensor | ScalarLike,
    options?: OutOption & { assume_unique?: boolean; invert?: boolean },
  ) => Tensor
> = operator(
  "isin(Tensor|Scalar elements, Tensor|Scalar test_elements, *, bool assume_unique=False, bool invert=False)",
  (elements: Tensor | ScalarLike, tests: Tensor | ScalarLike, _unique: boolean, invert: boolean) => {
    const beside = (elements instanceof Tensor ? elements : tests) as Tensor;
    const x = elements instanceof Tensor ? elements : numberTensor(elements, beside);
    const y = tests instanceof Tensor ? tests : numberTensor(tests, beside);
    const common = promote_types(x.dtype, y.dtype);
    const [left, right] = keysOf([castRaw(untracked(x), common), castRaw(untracked(y), common)]).map((k) => k.keys) as [
      Float64Array,
      Float64Array,
    ];
    // A set finds NaN, which equals nothing.
    const known = new Set(right.filter((v) => v === v));
    const out = allocate(x.shape, bool, x._backend);
    const to = viewElements(out) as Uint8Array;
    for (let i = 0; i < to.length; i++) to[i] = known.has(left[i] as number) === invert ? 0 : 1;
    return out;
  },
  { method: false },
);
