/**
 * A linear map and the cross entropy of its results at once, so that the logits of all samples need never be in memory together.
 */
import { modes, no_grad } from "../autograd/modes.ts";
import type { MaybeTensor } from "../autograd/node.ts";
import { requiresGrad } from "../autograd/views.ts";
import { float32 } from "../base/dtype.ts";
import { IndexError, TorchError, ValueError } from "../base/errors.ts";
import { numel } from "../base/shape.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, type GradContext, type Primitive, primitive, untracked } from "../dispatch/primitive.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { cross_entropy } from "./cross-entropy.ts";
import { cat } from "./join.ts";
import { linear } from "./linear.ts";
import { checkReduction, type LossReduction, torchSize } from "./loss-reduction.ts";
import { flatten, type Op, squeeze, unsqueeze, view } from "./view.ts";

/** How {@link linear_cross_entropy} divides its work. */
export interface LinearCrossEntropyOptions {
  /** Samples that are computed at once; default: by `chunking_method`. */
  batch_chunk_size?: number | null;
  /** `"auto"`, or `"aspect_ratio:n"`: logits of a chunk take as much memory as `1 / n` of the input. */
  chunking_method?: string;
  /** Whether the gradient may be taken more than once, which it always may. */
  allow_retain_graph?: boolean;
  acc_policy?: string;
  acc_dtype?: unknown;
}

// --- in chunks -------------------------------------------------------------------------------------------------------

interface ChunkedParams {
  readonly target: Tensor;
  /** What each sample counts, in a mean already divided by the sum; 0 where it is ignored. */
  readonly counts: Tensor;
  readonly reduction: LossReduction;
  readonly chunk: number;
}

const chunksOf = (samples: number, chunk: number): [number, number][] =>
  Array.from({ length: Math.ceil(samples / chunk) }, (_, i) => [i * chunk, Math.min(chunk, samples - i * chunk)]);

/** Sums of 16-bit numbers are kept in float32. */
const wide = (t: Tensor): Tensor => (t.dtype.itemsize === 2 ? t.to(float32) : t);

function chunkedLoss(inputs: readonly Tensor[], { target, counts, reduction, chunk }: ChunkedParams): Tensor {
  const [x, w, b] = inputs.map(untracked) as [Tensor, Tensor, Tensor | undefined];
  const parts = chunksOf(x.shape[0] as number, chunk).map(([from, size]) => {
    const logits = wide(linear(x.narrow(0, from, size), w, b ?? null));
    const right = logits.gather(1, unsqueeze(target.narrow(0, from, size), 1)).squeeze(1);
    return logits
      .logsumexp(1)
      .sub(right)
      .mul(counts.narrow(0, from, size));
  });
  const all = parts.length === 0 ? wide(x).new_zeros([0]) : cat(parts);
  return (reduction === "none" ? all : all.sum()).to(x.dtype);
}

/** The gradients of logits: what the softmax has more than the target, by how much each sample counts. */
function logitGrads(logits: Tensor, target: Tensor, scale: Tensor): Tensor {
  const column = unsqueeze(scale, 1);
  const p = wide(logits).softmax(1);
  return p.mul(column).scatter_add(1, unsqueeze(target, 1), column.neg()).to(logits.dtype);
}

/**
 * The gradients of input, weight and bias by differentiable operators over all samples. PyTorch computes those of a reduced loss
 * along with it, so that to second derivatives they are constants; here they are so too.
 */
function gradients(g: Tensor, ctx: GradContext<ChunkedParams>, biased: boolean): MaybeTensor[] {
  const { target, counts, reduction } = ctx.params;
  const input = (i: number): Tensor => (reduction === "none" ? ctx.input(i) : ctx.input(i).detach());
  const [x, w] = [input(0), input(1)];
  const d = logitGrads(linear(x, w, biased ? input(2) : null), target, wide(g).mul(counts));
  return [d.matmul(w), d.t().matmul(x), biased ? d.sum(0) : null];
}

/** The same chunk by chunk. */
function chunkedGradients(g: Tensor, ctx: GradContext<ChunkedParams>, biased: boolean): MaybeTensor[] {
  const { target, counts, chunk } = ctx.params;
  const [x, w, b] = [ctx.input(0), ctx.input(1), biased ? ctx.input(2) : null];
  const scale = wide(g).mul(counts);
  const dx: Tensor[] = [];
  let dw: Tensor | null = null;
  let db: Tensor | null = null;
  for (const [from, size] of chunksOf(x.shape[0] as number, chunk)) {
    const rows = x.narrow(0, from, size);
    const d = logitGrads(linear(rows, w, b), target.narrow(0, from, size), scale.narrow(0, from, size));
    if (ctx.needs(0)) dx.push(d.matmul(w));
    if (ctx.needs(1)) {
      const part: Tensor = wide(d.t().matmul(rows));
      dw = dw === null ? part : dw.add_(part);
    }
    if (b !== null && ctx.needs(2)) {
      const part: Tensor = wide(d.sum(0));
      db = db === null ? part : db.add_(part);
    }
  }
  return [
    dx.length === 0 ? (ctx.needs(0) ? x.new_zeros(x.shape) : null) : cat(dx),
    ctx.needs(1) ? (dw?.to(w.dtype) ?? w.new_zeros(w.shape)) : null,
    b !== null && ctx.needs(2) ? (db?.to(b.dtype) ?? b.new_zeros(b.shape)) : null,
  ];
}

const chunkedPrimitive = (name: string, biased: boolean): Primitive<ChunkedParams> =>
  primitive<ChunkedParams>({
    name,
    gradName: `GeneratedBackwardFor_torch_nn_${name}_defaultBackward`,
    forward: (inputs, params) => no_grad(() => chunkedLoss(inputs, params)),
    joint: {
      uses: () => (biased ? [0, 1, 2] : [0, 1]),
      vjp: ([g], ctx) => {
        if (g == null) return [null, null, null];
        return (modes.grad ? gradients : chunkedGradients)(g, ctx, biased);
      },
    },
  });

const reduced = [false, true].map((biased) => chunkedPrimitive("_linear_cross_entropy_batch_chunked", biased));
const unreduced = [false, true].map((biased) =>
  chunkedPrimitive("_linear_cross_entropy_batch_chunked_no_reduction", biased),
);

/** How many samples are computed at once. */
function chunkSize(samples: number, features: number, classes: number, options: LinearCrossEntropyOptions): number {
  if (options.batch_chunk_size != null) return Math.max(1, options.batch_chunk_size);
  const ratio = Number(/^aspect_ratio:(\d+)$/.exec(options.chunking_method ?? "auto")?.[1] ?? 1);
  return Math.max(1, Math.ceil((samples * features) / (classes * ratio)));
}

function inChunks(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  given: Tensor,
  classWeight: Tensor | null,
  reduction: LossReduction,
  ignoreIndex: number,
  options: LinearCrossEntropyOptions,
): Tensor {
  const [samples, features] = x.shape as [number, number];
  const classes = weight.shape[0] as number;
  if (given.shape[0] !== samples) {
    throw new ValueError(`Expected input batch_size (${samples}) to match target batch_size (${given.shape[0]}).`);
  }
  const ignored = given.eq(ignoreIndex);
  const target = given.long().masked_fill(ignored, 0);
  const wrong = target.lt(0).logical_or(target.ge(classes));
  if (samples > 0 && wrong.any().item()) {
    throw new IndexError(`Target ${String(target.masked_select(wrong).at(0).item())} is out of bounds.`);
  }
  const each = classWeight === null ? wide(x).new_ones([samples]) : wide(classWeight.detach()).index_select(0, target);
  let counts = each.to(wide(x).dtype).masked_fill(ignored, 0);
  if (reduction === "mean") counts = counts.div(counts.sum());
  const params: ChunkedParams = { target, counts, reduction, chunk: chunkSize(samples, features, classes, options) };
  const inputs = bias === null ? [x, weight] : [x, weight, bias];
  const prim = (reduction === "none" ? unreduced : reduced)[bias === null ? 0 : 1] as Primitive<ChunkedParams>;
  return apply1(prim, inputs, params);
}

// --- whole -----------------------------------------------------------------------------------------------------------

/** A shape as Python prints a tuple. */
const tuple = (shape: readonly number[]): string => (shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`);

/** @internal Throws unless there is a weight for each class, and the smoothing is a part of 1. */
export function checkClasses(classes: number, classWeight: Tensor | null, smoothing: number): void {
  if (classWeight !== null && (classWeight.ndim !== 1 || classWeight.shape[0] !== classes)) {
    throw new TorchError(`expected weight shape to be ${tuple([classes])}, got ${tuple(classWeight.shape)}`);
  }
  if (smoothing < 0 || smoothing > 1) {
    const text = Number.isInteger(smoothing) ? smoothing.toFixed(1) : String(smoothing);
    throw new TorchError(`expected label_smoothing to be in range [0, 1], got ${text}`);
  }
}

function check(
  x: Tensor,
  weight: Tensor,
  target: Tensor,
  bias: Tensor | null,
  classWeight: Tensor | null,
  ignoreIndex: number | null,
  smoothing: number,
): void {
  if (x.ndim !== 1 && x.ndim !== 2) {
    throw new TorchError(`expected input with dimensionality 1 or 2, got ${x.ndim}`);
  }
  if (weight.ndim < 2) {
    throw new TorchError(`expected linear_weight with dimensionality at least 2, got ${weight.ndim}`);
  }
  const [features, columns] = [x.shape.at(-1) as number, weight.shape.at(-1) as number];
  if (features !== columns) {
    throw new TorchError(
      `expected equal input and linear_weight last dimensions (in_features), got ${features} and ${columns}, respectively`,
    );
  }
  if (weight.ndim > 2 && x.ndim === 1) {
    throw new TorchError(
      `K-dimensional loss defined by linear_weight shape ${tuple(weight.shape)} requires batched input, (N, ${features}), got unbatched input with shape ${tuple(x.shape)}`,
    );
  }
  const outputs = weight.shape.slice(0, -1);
  if (bias !== null && (bias.ndim !== outputs.length || bias.shape.some((n, d) => n !== outputs[d]))) {
    throw new TorchError(`expected linear_bias shape ${tuple(outputs)}, got ${tuple(bias.shape)}`);
  }
  checkClasses(weight.shape[0] as number, classWeight, smoothing);
  const logits = x.ndim === 1 ? outputs : [x.shape[0] as number, ...outputs];
  const probabilities = target.ndim === logits.length && target.shape.every((n, d) => n === logits[d]);
  if (probabilities && target.dtype.is_floating_point && ignoreIndex !== null) {
    throw new TorchError("ignore_index cannot be specified when target contains probabilities");
  }
  if (probabilities && !target.dtype.is_floating_point) {
    throw new TorchError(
      `Expected floating point type for target with class probabilities, got ${target.dtype.scalarName}`,
    );
  }
  if (!probabilities && x.ndim === 2 && target.shape[0] !== x.shape[0]) {
    throw new ValueError(
      `Expected input batch_size (${x.shape[0]}) to match target batch_size (${target.shape[0] ?? torchSize([])}).`,
    );
  }
}

/** Options of {@link linear_cross_entropy}. */
export interface LinearCrossEntropyArguments {
  /** What is added to the logits, in the shape of `linear_weight` without its last dimension. */
  linear_bias?: Tensor | null;
  /** A weight for each class. */
  weight?: Tensor | null;
  reduction?: LossReduction;
  /** Targets of this value count nothing. Default: -100. */
  ignore_index?: number | null;
  /** How much of each target is spread over all classes, 0 to 1. Default: 0. */
  label_smoothing?: number;
  /** How the work is divided; without, all at once. */
  options?: LinearCrossEntropyOptions | null;
}

/**
 * The cross entropy of `input @ linear_weight.T + linear_bias`. With `options` samples are computed a chunk at a time, and the
 * logits again for the gradient, so that they never are in memory together.
 *
 * @param input shape (N, in) or (in)
 * @param linear_weight shape (C, in) or (C, d1, …, in)
 * @param target class numbers (N, d1, …), or probabilities (N, C, d1, …)
 */
export const linear_cross_entropy: Op<
  (input: Tensor, linear_weight: Tensor, target: Tensor, options?: LinearCrossEntropyArguments) => Tensor
> = operator(
  "linear_cross_entropy(Tensor input, Tensor linear_weight, Tensor target, *, Tensor? linear_bias=None, Tensor? weight=None, str reduction='mean', int? ignore_index=None, float label_smoothing=0.0, any? options=None)",
  (
    x: Tensor,
    weight: Tensor,
    target: Tensor,
    bias: Tensor | null,
    classWeight: Tensor | null,
    reduction: string,
    ignoreIndex: number | null,
    smoothing: number,
    options: LinearCrossEntropyOptions | null,
  ) => {
    checkReduction(reduction);
    check(x, weight, target, bias, classWeight, ignoreIndex, smoothing);
    const ignore = ignoreIndex ?? -100;
    const chunked =
      options !== null &&
      weight.ndim === 2 &&
      smoothing === 0 &&
      !target.dtype.is_floating_point &&
      classWeightFixed(classWeight);
    if (chunked) {
      if (x.ndim === 2) return inChunks(x, weight, bias, target, classWeight, reduction, ignore, options);
      const [row, label] = [unsqueeze(x, 0), unsqueeze(target, 0)];
      return squeeze(inChunks(row, weight, bias, label, classWeight, reduction, ignore, options), 0);
    }
    const outputs = weight.shape.slice(0, -1);
    const rows = weight.ndim === 2 ? weight : flatten(weight, 0, -2);
    const logits = linear(x, rows, bias === null || bias.ndim === 1 ? bias : view(bias, [numel(outputs)]));
    const shaped = outputs.length === 1 ? logits : logits.reshape([x.shape[0] as number, ...outputs]);
    return cross_entropy(shaped, target, {
      weight: classWeight,
      reduction,
      ignore_index: ignore,
      label_smoothing: smoothing,
    });
  },
  { method: false, namespace: false },
);

const classWeightFixed = (weight: Tensor | null): boolean => weight === null || !requiresGrad(weight);
