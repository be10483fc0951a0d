/**
 * Rows of a table.
 */
import { int32, int64 } from "../base/dtype.ts";
import { TorchError, ValueError } from "../base/errors.ts";
import { contiguousStrides } from "../base/shape.ts";
import { modes } from "../autograd/modes.ts";
import { placesOf, selectRaw, writeSlices, zerosOf } from "../dispatch/family/indexing.ts";
import { describe, operator } from "../dispatch/op.ts";
import { apply1, type Primitive, primitive, untracked } from "../dispatch/primitive.ts";
import { Signature } from "../dispatch/signature.ts";
import { viewElements } from "../tensor/data.ts";
import { alias, allocate, type Tensor } from "../tensor/tensor.ts";
import { limitNorms } from "./embedding-norm.ts";
import { inSelf } from "./index-checks.ts";
import type { Op } from "./view.ts";

interface Params {
  /** The row that gets no gradient, or -1. */
  readonly padding: number;
  /** Whether the gradient of a row is divided by how often it was used. */
  readonly byFrequency: boolean;
}

function rowsOf(weight: Tensor, indices: Tensor): Tensor {
  const places = flattened(placesOf(indices, weight.shape[0] as number, inSelf));
  const out = selectRaw(weight, 0, places);
  const shape = [...indices.shape, ...weight.shape.slice(1)];
  return alias(out, shape, contiguousStrides(shape), out._offset);
}

function flattened(places: Tensor): Tensor {
  const dense = places.contiguous();
  return alias(dense, [dense._numel], [1], dense._offset);
}

/** The gradient of the table in one pass, where it is not differentiated in turn. */
function gradientRaw(g: Tensor, indices: Tensor, rows: number, { padding, byFrequency }: Params): Tensor {
  const width = g.shape.at(-1) as number;
  const out = zerosOf([rows, width], g);
  const places = flattened(placesOf(indices, rows, inSelf));
  const n = places._numel;
  const scaled = byFrequency ? g.mul(frequencies(places, rows, g).reshape([...indices.shape, 1])) : g;
  const source = scaled.contiguous();
  const flat = alias(source, [n, width], [width, 1], source._offset);
  writeSlices(out, 0, places, flat, "add");
  if (padding >= 0) out.select(0, padding).zero_();
  return out;
}

/** One over how often each row is used, for each use. */
function frequencies(places: Tensor, rows: number, like: Tensor): Tensor {
  const at = viewElements(places) as Int32Array;
  const counts = new Float64Array(rows);
  for (const row of at) counts[row] = (counts[row] as number) + 1;
  const scale = Float64Array.from(at, (row) => 1 / (counts[row] as number));
  const out = allocate([scale.length], like.dtype, like._backend);
  return out.copy_(like.new_tensor([...scale]));
}

const embeddingPrimitive: Primitive<Params> = primitive<Params>({
  name: "embedding",
  forward: ([weight, indices]) => rowsOf(weight as Tensor, indices as Tensor),
  grads: [
    {
      uses: [1],
      vjp: (g, ctx) => {
        const rows = ctx.shape(0)[0] as number;
        const indices = ctx.input(1);
        if (!modes.grad) return gradientRaw(untracked(g), indices, rows, ctx.params);
        return apply1(gradientPrimitive, [g, indices], { ...ctx.params, rows });
      },
    },
  ],
});

/** The gradient as an operation of its own; it is linear in `g`. */
const gradientPrimitive = primitive<Params & { readonly rows: number }>({
  name: "embedding_dense_backward",
  forward: ([g, indices], params) => gradientRaw(untracked(g as Tensor), indices as Tensor, params.rows, params),
  grads: [
    {
      uses: [1],
      vjp: (gg, ctx) => {
        const indices = ctx.input(1);
        const { padding, byFrequency, rows } = ctx.params;
        let out = apply1(embeddingPrimitive, [gg, indices], { padding: -1, byFrequency: false });
        if (byFrequency) {
          const places = flattened(placesOf(indices, rows, inSelf));
          out = out.mul(frequencies(places, rows, gg).reshape([...indices.shape, 1]));
        }
        return padding >= 0 ? out.masked_fill(indices.eq(padding).unsqueeze(-1), 0) : out;
      },
    },
  ],
});

/** Options of {@link embedding}. */
export interface EmbeddingOptions {
  /** The row that gets no gradient. */
  padding_idx?: number | null;
  /** Rows that are used are scaled down to this norm first, in place. */
  max_norm?: number | null;
  /** Of which norm. Default: 2. */
  norm_type?: number;
  /** Divides the gradient of each row by how often it was used. */
  scale_grad_by_freq?: boolean;
  /** Gradients are dense in any case. */
  sparse?: boolean;
}

/** The rows of `weight` that `input`, a tensor of indices, names: `torch.nn.functional.embedding`. */
export const embedding: Op<
  (
    input: Tensor,
    weight: Tensor,
    padding_idx?: number | null | EmbeddingOptions,
    max_norm?: number | null,
    norm_type?: number,
    scale_grad_by_freq?: boolean,
    sparse?: boolean,
  ) => Tensor
> = operator(
  "embedding(Tensor input, Tensor weight, int? padding_idx=None, float? max_norm=None, float norm_type=2.0, bool scale_grad_by_freq=False, bool sparse=False)",
  (
    indices: Tensor,
    weight: Tensor,
    padding_idx: number | null,
    max_norm: number | null,
    norm_type: number,
    byFrequency: boolean,
  ) => {
    const rows = weight.shape[0] as number;
    let padding = padding_idx;
    if (padding !== null && weight.ndim === 2) {
      if (padding >= rows || padding < -rows) throw new ValueError("Padding_idx must be within num_embeddings");
      if (padding < 0) padding += rows;
    }
    if (weight.ndim !== 2) throw new TorchError("'weight' must be 2-D");
    if (indices.dtype !== int64 && indices.dtype !== int32) {
      throw new TorchError(
        `Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch.${indices.dtype.scalarName}Tensor instead (while checking arguments for embedding)`,
      );
    }
    if (max_norm !== null) limitNorms(weight, indices, max_norm, norm_type);
    return apply1(embeddingPrimitive, [weight, indices], { padding: padding ?? -1, byFrequency });
  },
  { method: false, namespace: false },
);

const oneHotSignature = new Signature("one_hot(Tensor input, int num_classes=-1)");

/** A new last dimension with 1 at the index and 0 elsewhere: `torch.nn.functional.one_hot`. */
export const one_hot: Op<(input: Tensor, num_classes?: number | { num_classes?: number }) => Tensor> = describe(
  (...args: unknown[]): Tensor => {
    const [x, classes] = oneHotSignature.bind(args, {}) as [Tensor, number];
    if (x.dtype !== int64) {
      throw new TorchError(
        `one_hot is only applicable to index tensor of type LongTensor${x.dtype === int32 ? ", but got IntTensor" : ""}.`,
      );
    }
    if (x._numel === 0) {
      if (classes <= 0) throw new TorchError("Can not infer total number of classes from empty tensor.");
      return x.new_zeros([...x.shape, classes]);
    }
    if (Number(x.min().item()) < 0) throw new TorchError("Class values must be non-negative.");
    const top = Number(x.max().item());
    if (classes === 0 || classes < -1) throw new TorchError("num_classes should be positive");
    if (classes !== -1 && top >= classes) throw new TorchError("Class values must be smaller than num_classes.");
    const out = x.new_zeros([...x.shape, classes === -1 ? top + 1 : classes]);
    return out.scatter_(-1, x.unsqueeze(-1), 1);
  },
  oneHotSignature,
  { method: false, namespace: false },
);
