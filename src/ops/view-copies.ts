/**
 * Views as copies: `view_copy` and its relatives. Each is linear, and its gradient is that of the view itself.
 */
import type { DType } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { wrapDim } from "../base/shape.ts";
import { grad } from "../autograd/backward.ts";
import { enable_grad, modes } from "../autograd/modes.ts";
import { contiguousRaw, copyRaw } from "../dispatch/elementwise.ts";
import { operator } from "../dispatch/op.ts";
import { apply, apply1, type Primitive, primitive, untracked } from "../dispatch/primitive.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";
import { chunk, split, split_with_sizes, unbind } from "./split.ts";
import { expand } from "./expand.ts";
import { permute, t, transpose } from "./permute.ts";
import { as_strided, diagonal, unfold } from "./slice.ts";
import { aliasOf, type Op, squeeze, unsqueeze, view } from "./view.ts";

type View = (x: Tensor) => Tensor;
type Views = (x: Tensor) => Tensor[];

function copyOf(part: Tensor): Tensor {
  const out = allocate(part.shape, part.dtype, part._backend);
  if (part._numel > 0) copyRaw(out, part);
  return out;
}

/** The gradient of the input of linear views, by differentiating the views of zeros. */
function through(views: Views, grads: readonly (Tensor | null)[], shape: readonly number[]): Tensor {
  const some = grads.find((g) => g != null) as Tensor;
  const createGraph = modes.grad;
  return enable_grad(() => {
    const x = some.new_zeros(shape).requires_grad_();
    const outputs: Tensor[] = [];
    const seeds: Tensor[] = [];
    views(x).forEach((part, k) => {
      const g = grads[k];
      if (g == null) return;
      outputs.push(part);
      seeds.push(g);
    });
    return (grad(outputs, [x], { grad_outputs: seeds, create_graph: createGraph }) as Tensor[])[0] as Tensor;
  });
}

const one = (name: string, gradName: string): ((x: Tensor, of: View) => Tensor) => {
  const prim: Primitive<View> = primitive<View>({
    name,
    gradName,
    forward: ([x], of) => copyOf(of(untracked(x as Tensor))),
    grads: [{ vjp: (g, ctx) => through((x) => [ctx.params(x)], [g], ctx.shape(0)) }],
  });
  return (x, of) => apply1(prim, [x], of);
};

const several = (name: string, gradName: string): ((x: Tensor, of: Views) => Tensor[]) => {
  const prim: Primitive<Views> = primitive<Views>({
    name,
    gradName,
    forward: ([x], of) => of(untracked(x as Tensor)).map(copyOf),
    joint: {
      uses: () => [],
      vjp: (grads, ctx) => [grads.every((g) => g == null) ? null : through(ctx.params, grads, ctx.shape(0))],
    },
  });
  return (x, of) => apply(prim, [x], of) as Tensor[];
};

const onlyFunction = { method: false } as const;

const viewCopies = one("view_copy", "ViewBackward0_copy");
/** {@link view} as a copy. */
export const view_copy: Op<(input: Tensor, size: readonly number[] | DType) => Tensor> = operator(
  "view_copy(Tensor input, int[]|dtype size)",
  (x: Tensor, size: number[]) => {
    // The same errors as the view, where it does not fit.
    view(untracked(x), size);
    return viewCopies(x, (y) => view(contiguousRaw(y) === y ? y : y.contiguous(), size));
  },
  onlyFunction,
);

const aliasCopies = one("alias_copy", "AliasBackward0_copy");
/** A copy. */
export const alias_copy: Op<(input: Tensor) => Tensor> = operator(
  "alias_copy(Tensor input)",
  (x: Tensor) => aliasCopies(x, aliasOf),
  onlyFunction,
);

const permuteCopies = one("permute_copy", "PermuteBackward0_copy");
/** {@link permute} as a copy. */
export const permute_copy: Op<(input: Tensor, dims: readonly number[]) => Tensor> = operator(
  "permute_copy(Tensor input, int[] dims)",
  (x: Tensor, dims: number[]) => permuteCopies(x, (y) => permute(y, dims)),
  onlyFunction,
);

const transposeCopies = one("transpose_copy", "TransposeBackward0_copy");
/** {@link transpose} as a copy. */
export const transpose_copy: Op<(input: Tensor, dim0: number, dim1: number) => Tensor> = operator(
  "transpose_copy(Tensor input, int dim0, int dim1)",
  (x: Tensor, a: number, b: number) => transposeCopies(x, (y) => transpose(y, a, b)),
  onlyFunction,
);

const tCopies = one("t_copy", "TBackward0_copy");
/** {@link t} as a copy. */
export const t_copy: Op<(input: Tensor) => Tensor> = operator(
  "t_copy(Tensor input)",
  (x: Tensor) => tCopies(x, (y) => t(y)),
  onlyFunction,
);

const diagonalCopies = one("diagonal_copy", "DiagonalBackward0_copy");
/** {@link diagonal} as a copy. */
export const diagonal_copy: Op<(input: Tensor, offset?: number, dim1?: number, dim2?: number) => Tensor> = operator(
  "diagonal_copy(Tensor input, int offset=0, int dim1=0, int dim2=1)",
  (x: Tensor, offset: number, a: number, b: number) => diagonalCopies(x, (y) => diagonal(y, offset, a, b)),
  onlyFunction,
);

const expandCopies = one("expand_copy", "ExpandBackward0_copy");
/** {@link expand} as a copy. */
export const expand_copy: Op<(input: Tensor, size: readonly number[]) => Tensor> = operator(
  "expand_copy(Tensor input, int[] size, *, bool implicit=False)",
  (x: Tensor, size: number[]) => expandCopies(x, (y) => expand(y, size)),
  onlyFunction,
);

const stridedCopies = one("as_strided_copy", "AsStridedBackward0_copy");
/** {@link as_strided} as a copy. */
export const as_strided_copy: Op<
  (input: Tensor, size: readonly number[], stride: readonly number[], storage_offset?: number | null) => Tensor
> = operator(
  "as_strided_copy(Tensor input, int[] size, int[] stride, int? storage_offset=None)",
  (x: Tensor, size: number[], stride: number[], offset: number | null) =>
    stridedCopies(x, (y) => as_strided(y, size, stride, offset)),
  onlyFunction,
);

const unfoldCopies = one("unfold_copy", "UnfoldBackward0_copy");
/** {@link unfold} as a copy. */
export const unfold_copy: Op<(input: Tensor, dimension: number, size: number, step: number) => Tensor> = operator(
  "unfold_copy(Tensor input, int dimension, int size, int step)",
  (x: Tensor, dim: number, size: number, step: number) => unfoldCopies(x, (y) => unfold(y, dim, size, step)),
  onlyFunction,
);

const unsqueezeCopies = one("unsqueeze_copy", "UnsqueezeBackward0_copy");
/** {@link unsqueeze} as a copy. */
export const unsqueeze_copy: Op<(input: Tensor, dim: number) => Tensor> = operator(
  "unsqueeze_copy(Tensor input, int dim)",
  (x: Tensor, dim: number) => unsqueezeCopies(x, (y) => unsqueeze(y, dim)),
  onlyFunction,
);

const squeezeAllCopies = one("squeeze_copy", "SqueezeBackward0_copy");
const squeezeDimCopies = one("squeeze_copy", "SqueezeBackward1_copy");
const squeezeDimsCopies = one("squeeze_copy", "SqueezeBackward2_copy");
/** {@link squeeze} as a copy. */
export const squeeze_copy: Op<(input: Tensor, dim?: number | readonly number[] | null) => Tensor> = operator(
  "squeeze_copy(Tensor input, int|int[]? dim=None)",
  (x: Tensor, dim: number | number[] | null) => {
    const copies = dim === null ? squeezeAllCopies : typeof dim === "number" ? squeezeDimCopies : squeezeDimsCopies;
    return copies(x, (y) => squeeze(y, dim));
  },
  onlyFunction,
);

const splitCopies = several("split_with_sizes_copy", "SplitWithSizesBackward0_copy");
/** {@link split_with_sizes} as copies. */
export const split_with_sizes_copy: Op<(input: Tensor, split_sizes: readonly number[], dim?: number) => Tensor[]> =
  operator(
    "split_with_sizes_copy(Tensor input, int[] split_sizes, int dim=0)",
    (x: Tensor, sizes: number[], dim: number) => splitCopies(x, (y) => split_with_sizes(y, sizes, dim)),
    onlyFunction,
  );

const unbindCopies = several("unbind_copy", "UnbindBackward0_copy");
/** {@link unbind} as copies. */
export const unbind_copy: Op<(input: Tensor, dim?: number) => Tensor[]> = operator(
  "unbind_copy(Tensor input, int dim=0)",
  (x: Tensor, dim: number) => unbindCopies(x, (y) => unbind(y, dim)),
  onlyFunction,
);

// --- splits that are not views for autograd --------------------------------------------------------------------------

const unsafeParts = (name: string, gradName: string): ((x: Tensor, of: Views) => Tensor[]) => {
  const prim: Primitive<Views> = primitive<Views>({
    name,
    gradName,
    forward: ([x], of) => of(untracked(x as Tensor)).map(untracked),
    joint: {
      uses: () => [],
      vjp: (grads, ctx) => [grads.every((g) => g == null) ? null : through(ctx.params, grads, ctx.shape(0))],
    },
  });
  return (x, of) => apply(prim, [x], of) as Tensor[];
};

const unsafeSplits = unsafeParts("unsafe_split", "UnsafeSplitBackward0");
const unsafeSizes = unsafeParts("unsafe_split_with_sizes", "UnsafeSplitWithSizesBackward0");

/** {@link split} into parts that may be modified in place. */
export const unsafe_split: Op<(input: Tensor, split_size: number, dim?: number) => Tensor[]> = operator(
  "unsafe_split(Tensor input, int split_size, int dim=0)",
  (x: Tensor, size: number, dim: number) => unsafeSplits(x, (y) => split(y, size, dim)),
);

/** {@link split_with_sizes} into parts that may be modified in place. */
export const unsafe_split_with_sizes: Op<(input: Tensor, split_sizes: readonly number[], dim?: number) => Tensor[]> =
  operator(
    "unsafe_split_with_sizes(Tensor input, int[] split_sizes, int dim=0)",
    (x: Tensor, sizes: number[], dim: number) => unsafeSizes(x, (y) => split_with_sizes(y, sizes, dim)),
  );

/** {@link chunk} into parts that may be modified in place. */
export const unsafe_chunk: Op<(input: Tensor, chunks: number, dim?: number) => Tensor[]> = operator(
  "unsafe_chunk(Tensor input, int chunks, int dim=0)",
  (x: Tensor, chunks: number, dim: number) => {
    if (x.ndim === 0) throw new TorchError("chunk expects at least a 1-dimensional tensor");
    if (chunks <= 0) throw new TorchError(`chunk expects \`chunks\` to be greater than 0, got: ${chunks}`);
    if (x.shape[wrapDim(dim, x.ndim)] === 0) {
      return unsafeSizes(x, (y) => split_with_sizes(y, new Array<number>(chunks).fill(0), dim));
    }
    return unsafeSplits(x, (y) => chunk(y, chunks, dim));
  },
);
