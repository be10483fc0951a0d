/**
 * `x[...]`: reading and writing parts of a tensor. Integers, slices and new dimensions give a chain of views; if index tensors
 * remain after that, one operation reads or writes through them.
 */
import { bool, int64 } from "../base/dtype.ts";
import { ArgumentTypeError, IndexError } from "../base/errors.ts";
import { isMask } from "../dispatch/family/index-plan.ts";
import { describe } from "../dispatch/op.ts";
import { isOptions, PyFloat, type ScalarLike, Signature } from "../dispatch/signature.ts";
import {
  dimsTaken,
  type IndexList,
  type ParsedSubscript,
  parseSubscripts,
  type Subscript,
} from "../dispatch/subscript.ts";
import { Tensor } from "../tensor/tensor.ts";
import { fill_ } from "./convert.ts";
import { tensor } from "./create.ts";
import { indexPut, indexTensors } from "./index-put.ts";
import { select, sliceDim } from "./slice.ts";
import { aliasOf, type Op, unsqueeze } from "./view.ts";

export { Slice, type Subscript } from "../dispatch/subscript.ts";

interface Viewed {
  readonly view: Tensor;
  /** One for each dimension of the view from the first on; null for those not indexed by a tensor. */
  readonly indices: (Tensor | null)[];
}

function listTensor(x: Tensor, data: IndexList | ArrayBufferView): Tensor {
  const options = { device: x.device };
  if (ArrayBuffer.isView(data)) return tensor(data, options);
  const leaves = (data as readonly unknown[]).flat(Number.POSITIVE_INFINITY);
  const dtype = leaves.length > 0 && leaves.every((v) => typeof v === "boolean") ? bool : int64;
  if (leaves.some((v) => typeof v === "number" && !Number.isInteger(v))) {
    throw new IndexError("tensors used as indices must be long, int, byte or bool tensors");
  }
  return tensor(data as never, { ...options, dtype });
}

/** A list of booleans is a mask and takes up as many dimensions as it has. */
function listsToTensors(x: Tensor, items: readonly ParsedSubscript[]): ParsedSubscript[] {
  return items.map((s) => (s.kind === "list" ? { kind: "tensor", tensor: listTensor(x, s.data) } : s));
}

function selectAt(x: Tensor, dim: number, index: number, original: number): Tensor {
  if (x.ndim === 0) {
    throw new IndexError(
      "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number",
    );
  }
  const size = x.shape[dim] as number;
  if (index < -size || index >= size) {
    throw new IndexError(`index ${index} is out of bounds for dimension ${original} with size ${size}`);
  }
  return select(x, dim, index);
}

/** The chain of views, and the index tensors that remain. */
function applyViews(x: Tensor, given: readonly ParsedSubscript[]): Viewed {
  const items = listsToTensors(x, given);
  const taken = items.reduce((n, s) => n + dimsTaken(s), 0);
  if (x.ndim === 0 && taken > 0 && items.length === 1 && items[0]?.kind === "integer") selectAt(x, 0, 0, 0);
  if (taken > x.ndim) throw new IndexError(`too many indices for tensor of dimension ${x.ndim}`);
  let view = x;
  let dim = 0;
  let original = 0;
  let ellipsis = false;
  const indices: (Tensor | null)[] = [];
  /** How many dimensions `indices` stands for: a mask for all of its own. */
  let recorded = 0;
  const record = (index: Tensor): void => {
    for (; recorded < dim; recorded++) indices.push(null);
    indices.push(index);
    const taken = isMask(index) ? Math.max(index.ndim, 1) : 1;
    recorded += taken;
    dim += taken;
    original += taken;
  };
  for (const s of items) {
    switch (s.kind) {
      case "integer":
        view = selectAt(view, dim, s.value, original);
        original++;
        break;
      case "slice":
        view = sliceDim(view, dim, s.slice.start, s.slice.stop, s.slice.step ?? 1);
        dim++;
        original++;
        break;
      case "ellipsis": {
        // Only the first stands for the rest; another one for nothing.
        const rest = ellipsis ? 0 : x.ndim - taken;
        ellipsis = true;
        dim += rest;
        original += rest;
        break;
      }
      case "new":
        view = unsqueeze(view, dim);
        dim++;
        break;
      case "boolean":
        view = unsqueeze(view, dim);
        record(truthIndex(x, s.value));
        original--;
        break;
      case "tensor": {
        const index = s.tensor;
        if (index.ndim === 0 && index.dtype.category < 2) {
          if (isMask(index)) {
            view = unsqueeze(view, dim);
            record(truthIndex(x, Number(index.item()) !== 0));
            original--;
          } else {
            view = selectAt(view, dim, Number(index.item()), original);
            original++;
          }
        } else record(index);
        break;
      }
      case "list":
        break;
    }
  }
  return { view, indices };
}

/** `True` takes everything, `False` nothing. */
function truthIndex(x: Tensor, value: boolean): Tensor {
  return tensor(value ? [0] : [], { dtype: int64, device: x.device });
}

/** @internal */
export const getItem: (x: Tensor, args: readonly unknown[]) => Tensor = (x, args) => {
  const only = args[0];
  if (args.length === 1 && typeof only === "number" && Number.isInteger(only)) return selectAt(x, 0, only, 0);
  const { view, indices } = applyViews(x, parseSubscripts(args));
  if (indices.length > 0) return indexTensors(view, indices);
  return view === x ? aliasOf(x) : view;
};

/**
 * The part of the tensor that the indices name, as `x[...]` in Python: `x.at(0)`, `x.at("1:3", "...", null)`,
 * `x.at("::2, 0")`, `x.at(mask)`, `x.at([0, 2], [1, 1])`. Integers and slices give views; masks, lists and index tensors
 * copies.
 *
 * @example
 * ```ts
 * const x = torch.arange(12).view(3, 4);
 * x.at(":", 1); // tensor([1, 5, 9])
 * ```
 */
export const at: Op<(input: Tensor, ...indices: Subscript[]) => Tensor> = describe(
  (x: Tensor, ...indices: Subscript[]): Tensor => getItem(x, indices),
  new Signature("at(Tensor input, any... indices)"),
  { namespace: false },
);

/** Another name of {@link at}. */
export const index: Op<(input: Tensor, ...indices: Subscript[]) => Tensor> = describe(
  (x: Tensor, ...indices: Subscript[]): Tensor => getItem(x, indices),
  new Signature("index(Tensor input, any... indices)"),
  { namespace: false },
);

/** {@link at} for front ends that pass all indices as one: an array is a tuple. */
export const __getitem__: Op<(input: Tensor, indices: Subscript | readonly Subscript[]) => Tensor> = describe(
  (x: Tensor, indices: unknown): Tensor => getItem(x, Array.isArray(indices) ? indices : [indices]),
  new Signature("__getitem__(Tensor input, any indices)"),
  { namespace: false },
);

/** Leading dimensions of size 1 that the target does not have are dropped. */
function withoutLeadingOnes(value: Tensor, ndim: number): Tensor {
  let lead = 0;
  while (value.ndim - lead > ndim && value.shape[lead] === 1) lead++;
  return lead === 0 ? value : value.view(value.shape.slice(lead));
}

function setItem(x: Tensor, args: readonly unknown[], value: unknown): Tensor {
  const { view, indices } = applyViews(x, parseSubscripts(args));
  if (!(value instanceof Tensor)) {
    const kind = typeof value;
    if (kind !== "number" && kind !== "boolean" && kind !== "bigint" && !(value instanceof PyFloat)) {
      throw new ArgumentTypeError(`can't assign a ${String(value)} to a ${String(x.type())}`);
    }
    const number = value as ScalarLike;
    if (indices.length === 0) fill_(view, number);
    else {
      const plain = number instanceof PyFloat ? number.value : number;
      indexPut(view, indices, tensor(plain, { dtype: view.dtype, device: x.device }), false, true);
    }
    return x;
  }
  if (indices.length === 0) {
    if (value.ndim === 0) fill_(view, value);
    else view.copy_(withoutLeadingOnes(value, view.ndim).expand(view.shape));
  } else {
    const own = value.ndim === 0 && value.dtype !== view.dtype ? value.to(view.dtype) : value;
    indexPut(view, indices, withoutLeadingOnes(own, view.ndim + indexRank(indices)), false, true);
  }
  return x;
}

/** By how many dimensions the result of an index may exceed the tensor's. */
function indexRank(indices: readonly (Tensor | null)[]): number {
  const tensors = indices.filter((t) => t !== null);
  const taken = tensors.reduce((n, t) => n + (isMask(t) ? t.ndim : 1), 0);
  return Math.max(0, ...tensors.map((t) => (isMask(t) ? 1 : t.ndim))) - taken;
}

/**
 * Writes `value`, a number or a tensor that broadcasts, to the part that the indices name: `x[...] = value` of Python. Returns
 * the tensor.
 *
 * @example
 * ```ts
 * x.set_at(["1:3", 0], 5); // x[1:3, 0] = 5
 * ```
 */
export const set_at: Op<
  (input: Tensor, indices: Subscript | readonly Subscript[], value: Tensor | ScalarLike) => Tensor
> = describe(
  (x: Tensor, indices: unknown, value: unknown): Tensor =>
    setItem(x, Array.isArray(indices) ? indices : [indices], isOptions(value) ? value["value"] : value),
  new Signature("set_at(Tensor input, any indices, Tensor|Scalar value)"),
  { namespace: false },
);

/** {@link set_at} under Python's name. */
export const __setitem__: typeof set_at = describe(
  (x: Tensor, indices: unknown, value: unknown): Tensor =>
    setItem(x, Array.isArray(indices) ? indices : [indices], value),
  new Signature("__setitem__(Tensor input, any indices, Tensor|Scalar value)"),
  { namespace: false },
);
