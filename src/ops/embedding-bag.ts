/**
 * Sums, means and maxima of bags of rows of a table.
 */
import { int32, int64 } from "../base/dtype.ts";
import { NotImplementedError, TorchError, ValueError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { placesOf, selectRaw, writeSlices, zerosOf } from "../dispatch/family/indexing.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, type Primitive, primitive, untracked } from "../dispatch/primitive.ts";
import { viewElements } from "../tensor/data.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";
import { limitNorms } from "./embedding-norm.ts";
import { index_select } from "./gather.ts";
import { inSelf } from "./index-checks.ts";
import type { Op } from "./view.ts";

/** Which rows are used, and the bag of each use. */
interface Uses {
  readonly bags: number;
  readonly rows: Tensor;
  readonly bagOf: Tensor;
  /** Positions in the input of the uses that count. */
  readonly kept: Tensor;
  /** One over the number of uses in each bag, or zero. */
  readonly share: Tensor;
}

type Mode = "sum" | "mean" | "max";

function numbers(t: Tensor): number[] {
  return Array.from(viewElements(untracked(t).contiguous()) as ArrayLike<number | bigint>, Number);
}

function usesOf(
  weight: Tensor,
  indices: Tensor,
  offsets: readonly number[],
  bags: number,
  padding: number | null,
): Uses {
  const rows: number[] = [];
  const bagOf: number[] = [];
  const kept: number[] = [];
  const counts = new Array<number>(bags).fill(0);
  const all = numbers(indices);
  for (let bag = 0; bag < bags; bag++) {
    const end = offsets[bag + 1] ?? all.length;
    for (let i = offsets[bag] as number; i < end; i++) {
      const row = all[i] as number;
      if (row === padding) continue;
      rows.push(row);
      bagOf.push(bag);
      kept.push(i);
      counts[bag] = (counts[bag] as number) + 1;
    }
  }
  const longs = (values: readonly number[]): Tensor => weight.new_tensor(values.map(BigInt), { dtype: int64 });
  return {
    bags,
    rows: longs(rows),
    bagOf: longs(bagOf),
    kept: longs(kept),
    share: weight.new_tensor(counts.map((c) => (c === 0 ? 0 : 1 / c))),
  };
}

interface Params {
  readonly uses: Uses;
  readonly mode: Mode;
}

/** What each use counts: its own weight, over the size of its bag for a mean. */
function factorsOf({ uses, mode }: Params, perSample: Tensor | null, like: Tensor): Tensor {
  const base =
    mode === "mean" ? index_select(uses.share, 0, uses.bagOf).to(like.dtype) : like.new_ones([uses.rows._numel]);
  const own = perSample === null ? base : base.mul(index_select(perSample.reshape(-1), 0, uses.kept));
  return own.unsqueeze(1);
}

function bagRaw(weight: Tensor, perSample: Tensor | null, params: Params): Tensor {
  const { uses } = params;
  const width = weight.shape[1] as number;
  const out = zerosOf([uses.bags, width], weight);
  const rows = selectRaw(weight, 0, placesOf(uses.rows, weight.shape[0] as number, inSelf));
  const scaled = rows.mul(factorsOf(params, perSample, weight));
  writeSlices(out, 0, placesOf(uses.bagOf, uses.bags, inSelf), scaled, "add");
  return out;
}

/** Inputs are the table and, if given, the weights of the samples. */
const bagPrimitive: Primitive<Params> = primitive<Params>({
  name: "embedding_bag",
  forward: ([weight, perSample], params) => bagRaw(untracked(weight as Tensor), untracked(perSample as Tensor), params),
  joint: {
    uses: (needs) => (needs(1) ? [0, 1] : [1]),
    vjp: ([g], ctx) => {
      if (g == null) return [null, null];
      const { uses } = ctx.params;
      const perSample = ctx.input(1);
      const each = index_select(g, 0, uses.bagOf);
      const table = ctx.needs(0)
        ? g.new_zeros(ctx.shape(0)).index_add(0, uses.rows, each.mul(factorsOf(ctx.params, perSample, g)))
        : null;
      if (!ctx.needs(1)) return [table, null];
      const rows = index_select(ctx.input(0), 0, uses.rows);
      const flat = perSample.new_zeros([perSample._numel]).index_add(0, uses.kept, each.mul(rows).sum(1));
      return [table, flat.reshape(perSample.shape)];
    },
  },
});

const bagAlone: Primitive<Params> = primitive<Params>({
  name: "embedding_bag",
  forward: ([weight], params) => bagRaw(untracked(weight as Tensor), null, params),
  grads: [
    {
      vjp: (g, ctx) => {
        const { uses } = ctx.params;
        const each = index_select(g, 0, uses.bagOf).mul(factorsOf(ctx.params, null, g));
        return g.new_zeros(ctx.shape(0)).index_add(0, uses.rows, each);
      },
    },
  ],
});

/** The row of the largest element of each bag and column, or -1 for empty bags. */
function largestRows(weight: Tensor, { bags, rows, bagOf }: Uses): Tensor {
  const width = weight.shape[1] as number;
  const table = viewElements(untracked(weight).double().contiguous()) as Float64Array;
  const best = new Int32Array(bags * width).fill(-1);
  const at = numbers(rows);
  numbers(bagOf).forEach((bag, k) => {
    const row = at[k] as number;
    for (let j = 0; j < width; j++) {
      const known = best[bag * width + j] as number;
      const value = table[row * width + j] as number;
      if (known < 0 || value > (table[known * width + j] as number)) best[bag * width + j] = row;
    }
  });
  const out = allocate([bags, width], int64, weight._backend);
  (viewElements(out) as BigInt64Array).set(BigInt64Array.from(best, BigInt));
  return out;
}

const bagMax = primitive({
  name: "embedding_bag",
  forward: ([weight, largest]) => {
    const [w, rows] = [untracked(weight as Tensor), largest as Tensor];
    return w.gather(0, rows.clamp(0)).masked_fill(rows.lt(0), 0);
  },
  grads: [
    {
      uses: [1],
      vjp: (g, ctx) => {
        const rows = ctx.input(1);
        return g.new_zeros(ctx.shape(0)).scatter_add(0, rows.clamp(0), g.masked_fill(rows.lt(0), 0));
      },
    },
  ],
});

/** Options of {@link embedding_bag}. */
export interface EmbeddingBagOptions {
  /** Where each bag starts, for an input of one dimension. */
  offsets?: Tensor | null;
  max_norm?: number | null;
  norm_type?: number;
  scale_grad_by_freq?: boolean;
  mode?: Mode;
  sparse?: boolean;
  /** How much each use counts, in mode `"sum"`. */
  per_sample_weights?: Tensor | null;
  /** Whether the last offset is the end of the last bag. */
  include_last_offset?: boolean;
  /** The row that does not count. */
  padding_idx?: number | null;
}

function startsOf(input: Tensor, offsets: Tensor | null, includeLast: boolean): { starts: number[]; bags: number } {
  if (input.ndim === 2) {
    if (offsets !== null) {
      throw new ValueError(
        `if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences. However, found offsets of type ${typeof offsets}`,
      );
    }
    const [bags, size] = input.shape as [number, number];
    return { starts: Array.from({ length: bags }, (_, i) => i * size), bags };
  }
  if (input.ndim !== 1)
    throw new ValueError(`input has to be 1D or 2D Tensor, but got Tensor of dimension ${input.ndim}`);
  if (offsets === null) throw new ValueError("offsets has to be a 1D Tensor but got None");
  if (offsets.ndim !== 1) throw new ValueError("offsets has to be a 1D Tensor");
  const starts = numbers(offsets);
  if (starts.length > 0 && starts[0] !== 0) {
    throw new TorchError(
      `offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got ${starts[0]}`,
    );
  }
  const last = starts.at(-1) ?? 0;
  if (last > input._numel) {
    throw new TorchError(
      `offsets[-1] can not be greater than input's length({${input._numel}}) but got offsets[-1] of {${last}}`,
    );
  }
  return { starts, bags: includeLast ? starts.length - 1 : starts.length };
}

/** The sums, means or maxima of bags of rows of `weight`: `torch.nn.functional.embedding_bag`. */
export const embedding_bag: Op<
  (
    input: Tensor,
    weight: Tensor,
    offsets?: Tensor | null | EmbeddingBagOptions,
    options?: EmbeddingBagOptions,
  ) => Tensor
> = operator(
  "embedding_bag(Tensor input, Tensor weight, Tensor? offsets=None, float? max_norm=None, float norm_type=2, bool scale_grad_by_freq=False, str mode='mean', bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int? padding_idx=None)",
  (
    given: Tensor,
    table: Tensor,
    offsets: Tensor | null,
    maxNorm: number | null,
    normType: number,
    _byFrequency: boolean,
    mode: string,
    _sparse: boolean,
    perSample: Tensor | null,
    includeLast: boolean,
    paddingIdx: number | null,
  ) => {
    // An old order of arguments has the table first.
    const swapped = table.dtype === int64 && given.dtype.is_floating_point;
    const [input, weight] = swapped ? [table, given] : [given, table];
    if (input.dtype !== int64 && input.dtype !== int32) {
      throw new TorchError(`expected indices of type Long or Int, but got ${input.dtype.scalarName}`);
    }
    if (mode !== "sum" && mode !== "mean" && mode !== "max") {
      throw new ValueError("mode has to be one of sum, mean or max");
    }
    if (perSample !== null && perSample.shape.join() !== input.shape.join()) {
      throw new ValueError(
        `embedding_bag: If per_sample_weights (torch.Size(${formatShape(perSample.shape)})) is not None, then it must have the same shape as input (torch.Size(${formatShape(input.shape)}))`,
      );
    }
    if (perSample !== null && mode !== "sum") {
      throw new NotImplementedError(
        `embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got mode='${mode}'). Please open a feature request on GitHub.`,
      );
    }
    const rows = weight.shape[0] as number;
    let padding = paddingIdx;
    if (padding !== null) {
      if (padding >= rows || padding < -rows)
        throw new ValueError("padding_idx must be within the number of embeddings");
      if (padding < 0) padding += rows;
    }
    const { starts, bags } = startsOf(input, offsets, includeLast);
    placesOf(input, rows, inSelf);
    if (maxNorm !== null) limitNorms(weight, input, maxNorm, normType);
    const uses = usesOf(untracked(weight), input, starts, bags, padding);
    if (mode === "max") return apply1(bagMax, [weight, largestRows(weight, uses)], undefined);
    if (perSample === null) return apply1(bagAlone, [weight], { uses, mode });
    return apply1(bagPrimitive, [weight, perSample], { uses, mode });
  },
  { method: false, namespace: false },
);
