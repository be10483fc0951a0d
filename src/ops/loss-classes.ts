/**
 * Losses over several classes with margins.
 */
import { int64 } from "../base/dtype.ts";
import { TorchError, ValueError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { composed } from "../dispatch/composed.ts";
import { contiguousRaw } from "../dispatch/elementwise.ts";
import { operator } from "../dispatch/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { viewElements } from "../tensor/data.ts";
import { type LossReduction, reduceLoss, reductionOf, type ReductionOptions } from "./loss-reduction.ts";
import type { LossFunction } from "./loss.ts";

const functional = { method: false, namespace: false } as const;

/** One row per sample. */
const asRows = (x: Tensor): Tensor => (x.ndim < 2 ? x.reshape([1, -1]) : x);

function checkTarget(target: Tensor, classes: number, least: number): void {
  for (const t of viewElements(contiguousRaw(target)) as BigInt64Array) {
    if (t < BigInt(least) || t >= BigInt(classes)) {
      throw new TorchError("target out of range");
    }
  }
}

function checkInput(x: Tensor): void {
  const fits = (x.ndim === 2 && x.shape[1] !== 0) || (x.ndim === 1 && x.shape[0] !== 0) || x.ndim === 0;
  if (!fits) {
    throw new TorchError(
      `Expected non-empty vector or matrix with optional 0-dim batch size, but got: ${formatShape(x.shape)}`,
    );
  }
}

interface MultiMarginParams {
  readonly target: Tensor;
  readonly p: number;
  readonly margin: number;
  readonly weight: Tensor | null;
  readonly reduction: LossReduction;
}

const multiMargin = composed<MultiMarginParams>({
  name: "multi_margin_loss",
  formula: ([input], { target, p, margin, weight, reduction }) => {
    const x = asRows(input as Tensor);
    const classes = x.shape[1] as number;
    const index = target.reshape([-1, 1]);
    const own = x.gather(1, index);
    let z = x.sub(own).add(margin).clamp_min(0);
    if (p === 2) z = z.mul(z);
    if (weight !== null) z = z.mul(weight.gather(0, target.reshape([-1])).reshape([-1, 1]));
    const others = z.scatter(1, index, 0);
    const loss = others.sum(1).div(classes);
    const single = target.ndim === 0 && (input as Tensor).ndim < 2;
    return reduceLoss(single ? loss.reshape([]) : loss, reduction);
  },
});

/** Options of {@link multi_margin_loss}. */
export interface MultiMarginOptions extends ReductionOptions {
  /** 1 or 2. Default: 1. */
  p?: number;
  margin?: number;
  /** A weight for each class. */
  weight?: Tensor | null;
}

/** How much each class comes within `margin` of the class of the target. */
export const multi_margin_loss: LossFunction<MultiMarginOptions> = operator(
  "multi_margin_loss(Tensor input, Tensor target, int p=1, float margin=1.0, Tensor? weight=None, bool? size_average=None, bool? reduce=None, str reduction='mean')",
  (
    x: Tensor,
    target: Tensor,
    p: number,
    margin: number,
    weight: Tensor | null,
    average: boolean | null,
    reduce: boolean | null,
    text: string,
  ) => {
    const reduction = reductionOf(text, average, reduce);
    if (p !== 1 && p !== 2) throw new ValueError("only p == 1 and p == 2 supported");
    if (weight !== null && weight.ndim !== 1) throw new ValueError("weight must be one-dimensional");
    checkInput(x);
    const [samples, classes] = x.ndim < 2 ? [1, x._numel] : (x.shape as [number, number]);
    if (target.ndim > 1 || target._numel !== samples) {
      throw new TorchError(
        `multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch size). Expected target size [${samples}], but got ${formatShape(target.shape)}. Input has shape ${formatShape(x.shape)}.`,
      );
    }
    if (weight !== null && weight._numel !== classes) {
      throw new TorchError(`inconsistent weight size, expected ${classes} but got ${formatShape(weight.shape)}`);
    }
    const labels = target.to(int64);
    checkTarget(labels, classes, 0);
    return multiMargin([x], { target: labels, p, margin, weight, reduction });
  },
  functional,
);

const multilabelMargin = composed<{ readonly target: Tensor; readonly reduction: LossReduction }>({
  name: "multilabel_margin_loss",
  formula: ([input], { target, reduction }) => {
    const x = asRows(input as Tensor);
    const labels = asRows(target);
    const classes = x.shape[1] as number;
    // Labels count up to the first negative one.
    const counts = labels.ge(0).to(int64).cumprod(1);
    const index = labels.clamp_min(0);
    const among = x.new_zeros(x.shape).scatter_add(1, index, counts.to(x.dtype)).gt(0);
    const own = x.gather(1, index);
    const z = x.unsqueeze(1).sub(own.unsqueeze(2)).add(1).clamp_min(0);
    const kept = z.mul(counts.unsqueeze(2)).masked_fill(among.unsqueeze(1), 0);
    const loss = kept.sum([1, 2]).div(classes);
    return reduceLoss((input as Tensor).ndim < 2 ? loss.reshape([]) : loss, reduction);
  },
});

/** How much classes that are no targets come near those that are; targets are class numbers, ended by -1. */
export const multilabel_margin_loss: LossFunction = operator(
  "multilabel_margin_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction='mean')",
  (x: Tensor, target: Tensor, average: boolean | null, reduce: boolean | null, text: string) => {
    const reduction = reductionOf(text, average, reduce);
    checkInput(x);
    const same =
      x.ndim === 2
        ? target.ndim === 2 && target.shape[0] === x.shape[0] && target.shape[1] === x.shape[1]
        : target.ndim <= 1 && target._numel === x._numel;
    if (!same) {
      throw new TorchError(
        `inconsistent target size: ${formatShape(target.shape)} for input of size: ${formatShape(x.shape)}`,
      );
    }
    const labels = target.to(int64);
    checkTarget(labels, x.ndim === 2 ? (x.shape[1] as number) : x._numel, -1);
    return multilabelMargin([x], { target: labels, reduction });
  },
  functional,
);
