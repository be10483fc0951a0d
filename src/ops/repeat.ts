/**
 * Repeated elements, and grids and combinations of several tensors.
 */
import { bool, int32, int64 } from "../base/dtype.ts";
import { ArgumentTypeError, TorchError } from "../base/errors.ts";
import { broadcastAll, formatShape, wrapDim } from "../base/shape.ts";
import { copyRaw } from "../dispatch/elementwise.ts";
import { describe, type OpInfo, operator } from "../dispatch/op.ts";
import { apply1, primitive } from "../dispatch/primitive.ts";
import { isOptions, Signature } from "../dispatch/signature.ts";
import { viewElements } from "../tensor/data.ts";
import { alias, allocate, Tensor } from "../tensor/tensor.ts";
import { index_select } from "./gather.ts";
import { stack } from "./join.ts";
import { expand } from "./expand.ts";
import type { Op } from "./view.ts";

const repeatPrimitive = primitive<readonly number[]>({
  name: "repeat",
  forward: ([input], repeats) => {
    const x = input as Tensor;
    const lead = repeats.length - x.ndim;
    const size = (d: number): number => (d < lead ? 1 : (x.shape[d - lead] as number));
    const out = allocate(
      repeats.map((r, d) => r * size(d)),
      x.dtype,
      x._backend,
    );
    // The result seen with each dimension split in two: the number of the copy, and the place in it.
    const shape: number[] = [];
    const to: number[] = [];
    const from: number[] = [];
    repeats.forEach((r, d) => {
      const step = out._strides[d] as number;
      shape.push(r, size(d));
      to.push(step * size(d), step);
      from.push(0, d < lead ? 0 : (x._strides[d - lead] as number));
    });
    if (out._numel > 0) copyRaw(alias(out, shape, to, 0), alias(x, shape, from, x._offset));
    return out;
  },
  grads: [
    {
      vjp: (g, ctx) => {
        const shape = ctx.shape(0);
        const repeats = ctx.params;
        if (repeats.includes(0)) return g.new_zeros(shape);
        const lead = repeats.length - shape.length;
        const split: number[] = [];
        const copies: number[] = [];
        repeats.forEach((r, d) => {
          if (d < lead) {
            copies.push(split.length);
            split.push(r);
          } else {
            if (r !== 1) copies.push(split.length);
            if (r !== 1) split.push(r);
            split.push(shape[d - lead] as number);
          }
        });
        return copies.length === 0 ? g : g.reshape(split).sum(copies);
      },
    },
  ],
});

const flatSizes = (list: readonly (number | readonly number[])[]): readonly number[] =>
  list.length === 1 && Array.isArray(list[0]) ? (list[0] as readonly number[]) : (list as readonly number[]);

/** Copies of the tensor side by side: how many along each dim, new leading ones included. */
export const repeat: Op<(input: Tensor, ...repeats: (number | readonly number[])[]) => Tensor> = operator(
  "repeat(Tensor input, int[]... repeats)",
  (x: Tensor, list: number[]) => {
    const repeats = flatSizes(list);
    if (repeats.length < x.ndim) {
      throw new TorchError(
        "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor",
      );
    }
    for (const r of repeats) {
      if (r < 0) throw new TorchError(`Trying to create tensor with negative dimension ${r}: ${formatShape(repeats)}`);
    }
    return apply1(repeatPrimitive, [x], repeats);
  },
  { namespace: false },
);

/** {@link repeat} that takes missing leading counts as 1. */
export const tile: Op<(input: Tensor, ...dims: (number | readonly number[])[]) => Tensor> = operator(
  "tile(Tensor input, int[]... dims)",
  (x: Tensor, list: number[]) => {
    const dims = flatSizes(list);
    const missing = Math.max(x.ndim - dims.length, 0);
    return apply1(repeatPrimitive, [x], [...new Array<number>(missing).fill(1), ...dims]);
  },
);

/** 0 as often as the first count says, 1 as often as the second, and so on. */
function countedIndices(repeats: Tensor, outputSize: number | null): Tensor {
  if (repeats.ndim !== 1) throw new TorchError("repeat_interleave only accept 1D vector as repeat");
  if (repeats.dtype !== int64 && repeats.dtype !== int32) throw new TorchError("repeats has to be Long or Int tensor");
  const counts = Array.from(viewElements(repeats.detach().contiguous()) as ArrayLike<number | bigint>, Number);
  if (counts.some((c) => c < 0)) throw new TorchError("repeats can not be negative");
  const total = counts.reduce((a, b) => a + b, 0);
  if (outputSize !== null && outputSize !== total) throw new TorchError("allocated size does not match required size");
  const out = allocate([total], repeats.dtype, repeats._backend);
  const to = viewElements(out) as BigInt64Array | Int32Array;
  let at = 0;
  counts.forEach((c, i) => {
    if (to instanceof BigInt64Array) to.fill(BigInt(i), at, at + c);
    else to.fill(i, at, at + c);
    at += c;
  });
  return out;
}

interface InterleaveOptions {
  dim?: number | null;
  output_size?: number | null;
}

/**
 * Each element, or slice along `dim`, repeated as often as `repeats` says: one count for all, or one for each. With counts alone,
 * the indices that would do it.
 */
export const repeat_interleave: Op<
  (
    input: Tensor,
    repeats?: number | Tensor | InterleaveOptions | null,
    dim?: number | null | InterleaveOptions,
    options?: InterleaveOptions,
  ) => Tensor
> = operator(
  "repeat_interleave(Tensor input, Tensor|int? repeats=None, int? dim=None, *, int? output_size=None)",
  (x: Tensor, repeats: number | Tensor | null, dim: number | null, outputSize: number | null) => {
    if (repeats === null) return countedIndices(x, outputSize);
    const source = dim === null ? x.flatten() : x;
    const d = wrapDim(dim ?? 0, source.ndim);
    const n = source.shape[d] ?? 1;
    if (typeof repeats === "number") {
      if (repeats < 0) throw new TorchError("Repeats must be non-negative");
      const flat = source.ndim === 0 ? source.flatten() : source;
      const wide = flat.unsqueeze(d + 1);
      const shape = wide.shape.map((size, k) => (k === d + 1 ? repeats : size));
      return wide
        .expand(shape)
        .clone({ memory_format: "torch.contiguous_format" })
        .flatten(d, d + 1);
    }
    if (repeats.ndim > 1) throw new TorchError("repeats must be 0-dim or 1-dim tensor");
    const counts = repeats._numel === 1 ? repeats.reshape([1]).expand([n]) : repeats;
    if (counts.shape[0] !== n) {
      throw new TorchError(
        `repeats must have the same size as input along dim, but got repeats.size(0) = ${counts.shape[0]} and input.size(${d}) = ${n}`,
      );
    }
    return index_select(source, d, countedIndices(counts, outputSize));
  },
);

// --- broadcasting several --------------------------------------------------------------------------------------------

/** Tensors one by one, or in one array. */
function tensorList(name: string, args: readonly unknown[]): { tensors: Tensor[]; options: Record<string, unknown> } {
  const list = [...args];
  while (list.length > 0 && list.at(-1) === undefined) list.pop();
  const options = isOptions(list.at(-1)) ? (list.pop() as Record<string, unknown>) : {};
  const tensors = (list.length === 1 && Array.isArray(list[0]) ? list[0] : list) as unknown[];
  for (const t of tensors) {
    if (!(t instanceof Tensor)) throw new ArgumentTypeError(`${name}(): expected Tensors, but got ${typeof t}`);
  }
  return { tensors: tensors as Tensor[], options };
}

/** A function of tensors that are passed one by one, or as one array. */
export interface VariadicOperator<R> {
  (...tensors: Tensor[]): R;
  (tensors: readonly Tensor[]): R;
  readonly op: OpInfo;
}

/** The tensors expanded to their common shape, as views. */
export const broadcast_tensors: VariadicOperator<Tensor[]> = describe(
  ((...args: unknown[]): Tensor[] => {
    const { tensors } = tensorList("broadcast_tensors", args);
    const shape = broadcastAll(tensors.map((t) => t.shape));
    return tensors.map((t) => expand(t, shape));
  }) as unknown as VariadicOperator<Tensor[]>,
  new Signature("broadcast_tensors(Tensor[]... tensors)"),
  { method: false },
);

/** The common shape of shapes under broadcasting. */
export function broadcast_shapes(...shapes: (number | readonly number[])[]): readonly number[] {
  const list = shapes.map((s) => (typeof s === "number" ? [s] : s));
  const n = Math.max(0, ...list.map((s) => s.length));
  const out = new Array<number>(n).fill(1);
  for (const s of list) {
    s.forEach((size, d) => {
      const at = n - s.length + d;
      if (size < 0) {
        throw new TorchError(`Trying to create tensor with negative dimension (${size}): (${size})`);
      }
      if (size === 1 || size === out[at]) return;
      if (out[at] !== 1) {
        throw new TorchError("Shape mismatch: objects cannot be broadcast to a single shape");
      }
      out[at] = size;
    });
  }
  return out;
}

/** What {@link meshgrid} takes. */
export interface Meshgrid {
  (...tensors: (Tensor | { indexing?: "ij" | "xy" | null })[]): Tensor[];
  (tensors: readonly Tensor[], options?: { indexing?: "ij" | "xy" | null }): Tensor[];
  readonly op: OpInfo;
}

/** Grids of coordinates from tensors of one dimension: with `indexing` `"ij"`, `out[k][i][j] = tensors[k][i or j]`. */
export const meshgrid: Meshgrid = describe(
  ((...args: unknown[]): Tensor[] => {
    const { tensors, options } = tensorList("meshgrid", args);
    const indexing = (options["indexing"] ?? "ij") as string;
    if (tensors.length === 0) throw new TorchError("meshgrid expects a non-empty TensorList");
    tensors.forEach((t) => {
      if (t.ndim > 1) {
        throw new TorchError(`torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: ${String(t)}`);
      }
      if (t.dtype !== (tensors[0] as Tensor).dtype) {
        throw new TorchError("torch.meshgrid expects all tensors to have the same dtype");
      }
    });
    if (indexing !== "ij" && indexing !== "xy") {
      throw new TorchError(`torch.meshgrid: indexing must be one of "xy" or "ij", but received: ${indexing}`);
    }
    const swap = indexing === "xy" && tensors.length >= 2;
    const order = swap ? [tensors[1] as Tensor, tensors[0] as Tensor, ...tensors.slice(2)] : tensors;
    const shape = order.map((t) => t._numel);
    const grids = order.map((t, k) => expand(t.view(shape.map((_, d) => (d === k ? -1 : 1))), shape));
    return swap ? [grids[1] as Tensor, grids[0] as Tensor, ...grids.slice(2)] : grids;
  }) as unknown as Meshgrid,
  new Signature("meshgrid(Tensor[]... tensors, *, str? indexing=None)"),
  { method: false },
);

/** All tuples with one element from each of the tensors, as rows. */
export const cartesian_prod: VariadicOperator<Tensor> = describe(
  ((...args: unknown[]): Tensor => {
    const { tensors } = tensorList("cartesian_prod", args);
    for (const t of tensors) {
      if (t.ndim !== 1) throw new TorchError(`Expect a 1D vector, but got shape ${formatShape(t.shape)}`);
    }
    const [first] = tensors;
    if (first === undefined) throw new TorchError("meshgrid expects a non-empty TensorList");
    if (tensors.length === 1) return first;
    return stack(
      meshgrid(tensors, { indexing: "ij" }).map((t) => t.flatten()),
      1,
    );
  }) as unknown as VariadicOperator<Tensor>,
  new Signature("cartesian_prod(Tensor[]... tensors)"),
  { method: false },
);

/** All combinations of `r` elements of a tensor of one dimension, as rows, in order. */
export const combinations: Op<
  (input: Tensor, r?: number | { r?: number; with_replacement?: boolean }, with_replacement?: boolean) => Tensor
> = operator(
  "combinations(Tensor input, int r=2, bool with_replacement=False)",
  (x: Tensor, r: number, withReplacement: boolean) => {
    if (x.ndim !== 1) throw new TorchError(`Expect a 1D vector, but got shape ${formatShape(x.shape)}`);
    if (r < 0) throw new TorchError(`Expect a non-negative number, but got ${r}`);
    if (r === 0) return x.new_empty([0]);
    const shape = new Array<number>(r).fill(x._numel);
    let mask = x.new_ones(shape, { dtype: bool });
    const places = x.new_arange(x._numel);
    const along = (d: number): Tensor => places.view(shape.map((_, k) => (k === d ? -1 : 1)));
    for (let d = 0; d + 1 < r; d++) {
      mask = mask.logical_and(withReplacement ? along(d).le(along(d + 1)) : along(d).lt(along(d + 1)));
    }
    const grids = meshgrid(new Array<Tensor>(r).fill(x), { indexing: "ij" });
    return stack(
      grids.map((g) => g.masked_select(mask)),
      1,
    );
  },
);
