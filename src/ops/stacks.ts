/**
 * Joining and splitting along the dims that have names: rows, columns and depth; and tensors of at least so many dims.
 */
import { int32, int64 } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { wrapDim } from "../base/shape.ts";
import { describe, type OpInfo, operator } from "../dispatch/op.ts";
import type { OutOption } from "../dispatch/out.ts";
import { Signature } from "../dispatch/signature.ts";
import { Tensor } from "../tensor/tensor.ts";
import { cat } from "./join.ts";
import { movedim, transpose } from "./permute.ts";
import { sliceDim } from "./slice.ts";
import { type Op, reshape, unsqueeze } from "./view.ts";

// --- at least so many dims -------------------------------------------------------------------------------------------

/** One tensor for one, an array for several. */
export interface AtLeast {
  (input: Tensor): Tensor;
  (tensors: readonly Tensor[]): Tensor[];
  (...tensors: Tensor[]): Tensor[];
  readonly op: OpInfo;
}

function atLeast(name: string, raise: (x: Tensor) => Tensor): AtLeast {
  return describe(
    ((...args: unknown[]): Tensor | Tensor[] => {
      const [first] = args;
      if (args.length === 1 && first instanceof Tensor) return raise(first);
      const list = (args.length === 1 && Array.isArray(first) ? first : args) as Tensor[];
      return list.map(raise);
    }) as unknown as AtLeast,
    new Signature(`${name}(Tensor[]... tensors)`),
    { method: false },
  );
}

const raise1 = (x: Tensor): Tensor => (x.ndim === 0 ? reshape(x, [1]) : x);
const raise2 = (x: Tensor): Tensor => (x.ndim === 0 ? reshape(x, [1, 1]) : x.ndim === 1 ? unsqueeze(x, 0) : x);
const raise3 = (x: Tensor): Tensor => {
  if (x.ndim === 0) return reshape(x, [1, 1, 1]);
  if (x.ndim === 1) return unsqueeze(unsqueeze(x, 0), -1);
  return x.ndim === 2 ? unsqueeze(x, -1) : x;
};

/** With at least one dimension. */
export const atleast_1d: AtLeast = atLeast("atleast_1d", raise1);
/** With at least two dimensions: a vector becomes a row. */
export const atleast_2d: AtLeast = atLeast("atleast_2d", raise2);
/** With at least three dimensions. */
export const atleast_3d: AtLeast = atLeast("atleast_3d", raise3);

// --- joining ---------------------------------------------------------------------------------------------------------

type Joins = Op<(tensors: readonly Tensor[], options?: OutOption) => Tensor>;

function joins(name: string, join: (tensors: Tensor[]) => Tensor): Joins {
  return operator(
    `${name}(Tensor[] tensors)`,
    (tensors: Tensor[]) => {
      if (tensors.length === 0) throw new TorchError(`${name} expects a non-empty TensorList`);
      return join(tensors);
    },
    { method: false },
  );
}

/** Side by side: along the first dim for vectors, else along the second. */
export const hstack: Joins = joins("hstack", (tensors) => {
  const raised = tensors.map(raise1);
  return cat(raised, (raised[0] as Tensor).ndim === 1 ? 0 : 1);
});
/** One above the other; vectors count as rows. */
export const vstack: Joins = joins("vstack", (tensors) => cat(tensors.map(raise2), 0));
/** Another name of {@link vstack}. */
export const row_stack: Joins = joins("row_stack", (tensors) => cat(tensors.map(raise2), 0));
/** Along the third dim. */
export const dstack: Joins = joins("dstack", (tensors) => cat(tensors.map(raise3), 2));
/** Side by side; vectors count as columns. */
export const column_stack: Joins = joins("column_stack", (tensors) =>
  hstack(tensors.map((x) => (x.ndim <= 1 ? reshape(x, [x._numel, 1]) : x))),
);

type Concat = Op<(tensors: readonly Tensor[], dim?: number | OutOption, options?: OutOption) => Tensor>;
const concatAs = (name: string): Concat =>
  operator(`${name}(Tensor[] tensors, int dim=0)`, (tensors: Tensor[], dim: number) => cat(tensors, dim), {
    method: false,
  });
/** Another name of {@link cat}. */
export const concat: Concat = concatAs("concat");
/** Another name of {@link cat}. */
export const concatenate: Concat = concatAs("concatenate");

// --- splitting -------------------------------------------------------------------------------------------------------

function splitAt(x: Tensor, indices: readonly number[], dim: number): Tensor[] {
  let start: number | null = 0;
  const parts = indices.map((end) => {
    const part = sliceDim(x, dim, start, end);
    start = end;
    return part;
  });
  parts.push(sliceDim(x, dim, start, x.shape[dim] as number));
  return parts;
}

function splitEvenly(x: Tensor, sections: number, dim: number): Tensor[] {
  if (sections <= 0) throw new TorchError(`number of sections must be larger than 0, got ${sections}`);
  const n = x.shape[dim] as number;
  const size = Math.floor(n / sections);
  let start = 0;
  return Array.from({ length: sections }, (_, i) => {
    const from = start;
    start += i < n % sections ? size + 1 : size;
    return sliceDim(x, dim, from, start);
  });
}

/** Into so many parts of nearly equal size, or at the given indices, along a dimension; as views. */
export const tensor_split: Op<
  (input: Tensor, indices_or_sections: number | readonly number[] | Tensor, dim?: number) => Tensor[]
> = operator(
  "tensor_split(Tensor input, Tensor|int|int[] indices_or_sections, int dim=0)",
  (x: Tensor, given: Tensor | number | number[], dim: number) => {
    if (x.ndim === 0) {
      throw new TorchError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
    }
    const d = wrapDim(dim, x.ndim);
    let how: number | number[];
    if (given instanceof Tensor) {
      if (given.dtype !== int64 && given.dtype !== int32) {
        throw new TorchError(
          "tensor_split expected tensor_indices_or_sections to have dtype of long, but got " + given.dtype.scalarName,
        );
      }
      if (given.ndim > 1) {
        throw new TorchError(
          `tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but got a tensor with ${given.ndim} dims`,
        );
      }
      how = given.ndim === 0 ? Number(given.item()) : (given.tolist() as number[]).map(Number);
    } else how = given;
    return typeof how === "number" ? splitEvenly(x, how, d) : splitAt(x, how, d);
  },
);

type NamedSplit = Op<(input: Tensor, indices_or_sections: number | readonly number[]) => Tensor[]>;

function namedSplit(name: string, least: number, dimOf: (x: Tensor) => number): NamedSplit {
  return operator(`${name}(Tensor input, int|int[] indices_or_sections)`, (x: Tensor, how: number | number[]) => {
    if (x.ndim < least) {
      throw new TorchError(
        `torch.${name} requires a tensor with at least ${least} dimension, but got a tensor with ${x.ndim} dimensions!`,
      );
    }
    const dim = dimOf(x);
    if (typeof how !== "number") return splitAt(x, how, dim);
    const n = x.shape[dim] as number;
    if (how === 0 || n % how !== 0) {
      throw new TorchError(
        `torch.${name} attempted to split along dimension ${dim}, but the size of the dimension ${n} is not divisible by the split_size ${how}!`,
      );
    }
    return splitEvenly(x, how, dim);
  });
}

/** Into parts side by side. */
export const hsplit: NamedSplit = namedSplit("hsplit", 1, (x) => (x.ndim === 1 ? 0 : 1));
/** Into parts one above the other. */
export const vsplit: NamedSplit = namedSplit("vsplit", 2, () => 0);
/** Into parts along the third dim. */
export const dsplit: NamedSplit = namedSplit("dsplit", 3, () => 2);

// --- other names of views --------------------------------------------------------------------------------------------

type Swap = Op<(input: Tensor, axis0: number, axis1: number) => Tensor>;
/** Another name of {@link transpose}. */
export const swapaxes: Swap = operator(
  "swapaxes(Tensor input, int axis0, int axis1)",
  (x: Tensor, a: number, b: number) => transpose(x, a, b),
);
/** Another name of {@link transpose}. */
export const swapdims: Swap = operator(
  "swapdims(Tensor input, int dim0, int dim1)",
  (x: Tensor, a: number, b: number) => transpose(x, a, b),
);
/** Another name of {@link movedim}. */
export const moveaxis: typeof movedim = operator(
  "moveaxis(Tensor input, int[] source, int[] destination)",
  (x: Tensor, source: number[], destination: number[]) => movedim(x, source, destination),
);
/** The conjugate transpose of matrices; of real ones the transpose. */
export const adjoint: Op<(input: Tensor) => Tensor> = operator("adjoint(Tensor input)", (x: Tensor) =>
  transpose(x, -2, -1),
);
