/**
 * Losses that are composed of other operators: divergences, likelihoods, margins and embeddings.
 */
import { TorchError, ValueError } from "../base/errors.ts";
import { formatShape, sameShape } from "../base/shape.ts";
import { no_grad } from "../autograd/modes.ts";
import { operator } from "../dispatch/op.ts";
import { pyfloat } from "../dispatch/signature.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { logsigmoid } from "./activation.ts";
import { where } from "./clamp.ts";
import { minimum } from "./compare.ts";
import { pairwise_distance } from "./distance.ts";
import {
  checkReduction,
  type LossReduction,
  reduceLoss,
  reductionOf,
  type ReductionOptions,
  torchSize,
} from "./loss-reduction.ts";
import { xlogy } from "./special.ts";
import type { LossFunction, WeightedOptions } from "./loss.ts";
import type { Op } from "./view.ts";

const functional = { method: false, namespace: false } as const;
const choose = (condition: Tensor, a: Tensor, b: Tensor): Tensor => where(condition, a, b) as Tensor;

// --- divergences and likelihoods -------------------------------------------------------------------------------------

/** Options of {@link kl_div}. */
export interface KlDivOptions extends Omit<ReductionOptions, "reduction"> {
  /** Also `"batchmean"`: the sum over the size of the batch, which is the divergence in the mathematical sense. */
  reduction?: LossReduction | "batchmean";
  /** Whether the target is given as logarithms, too. Default: false. */
  log_target?: boolean;
}

/** The Kullback-Leibler divergence of a target distribution from an input given by its logarithms. */
export const kl_div: LossFunction<KlDivOptions> = operator(
  "kl_div(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction='mean', bool log_target=False)",
  (x: Tensor, target: Tensor, average: boolean | null, reduce: boolean | null, text: string, logarithms: boolean) => {
    const legacy = average !== null || reduce !== null;
    if (!legacy && text === "mean") {
      console.warn(
        "UserWarning: reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides only by the batch size, and aligns with the KL div math definition.'mean' will be changed to behave the same as 'batchmean' in the next major release.",
      );
    }
    const batch = !legacy && text === "batchmean";
    const reduction = batch ? "sum" : reductionOf(text, average, reduce);
    const terms = logarithms ? target.exp().mul(target.sub(x)) : xlogy(target, target).sub(target.mul(x));
    const out = reduceLoss(terms, reduction);
    return batch && x.ndim !== 0 ? out.div(x.shape[0] as number) : out;
  },
  functional,
);

/** Options of {@link poisson_nll_loss}. */
export interface PoissonNllOptions extends ReductionOptions {
  /** Whether the input is the logarithm of the rate. Default: true. */
  log_input?: boolean;
  /** Whether to add Stirling's approximation of the term that only depends on the target. */
  full?: boolean;
  /** Added to rates before their logarithm is taken. Default: 1e-8. */
  eps?: number;
}

/** The negative log likelihood of counts under a Poisson distribution. */
export const poisson_nll_loss: LossFunction<PoissonNllOptions> = operator(
  "poisson_nll_loss(Tensor input, Tensor target, bool log_input=True, bool full=False, bool? size_average=None, float eps=1e-08, bool? reduce=None, str reduction='mean')",
  (
    x: Tensor,
    target: Tensor,
    logInput: boolean,
    full: boolean,
    average: boolean | null,
    eps: number,
    reduce: boolean | null,
    text: string,
  ) => {
    const reduction = reductionOf(text, average, reduce);
    let loss = logInput ? x.exp().sub(target.mul(x)) : x.sub(target.mul(x.add(eps).log()));
    if (full) {
      const stirling = target
        .mul(target.log())
        .sub(target)
        .add(
          target
            .mul(2 * Math.PI)
            .log()
            .mul(0.5),
        );
      loss = loss.add(stirling.masked_fill(target.le(1), 0));
    }
    return reduceLoss(loss, reduction);
  },
  functional,
);

/** Options of {@link gaussian_nll_loss}. */
export interface GaussianNllOptions {
  /** Whether to add the constant term. */
  full?: boolean;
  /** The smallest variance. Default: 1e-6. */
  eps?: number;
  reduction?: LossReduction;
}

/** The negative log likelihood of values under Gaussian distributions of the given means and variances. */
export const gaussian_nll_loss: Op<
  (input: Tensor, target: Tensor, variance: Tensor | number, options?: GaussianNllOptions) => Tensor
> = operator(
  "gaussian_nll_loss(Tensor input, Tensor target, Tensor|float var, bool full=False, float eps=1e-06, str reduction='mean')",
  (x: Tensor, target: Tensor, given: Tensor | number, full: boolean, eps: number, reduction: string) => {
    if (typeof given === "number" ? given < 0 : given.lt(0).any().item()) {
      throw new ValueError("var has negative entry/entries");
    }
    let variance = typeof given === "number" ? x.detach().mul(0).add(given) : given;
    if (!sameShape(variance.shape, x.shape)) {
      const lead = x.shape.slice(0, -1);
      if (sameShape(lead, variance.shape)) variance = variance.unsqueeze(-1);
      else if (!sameShape(lead, variance.shape.slice(0, -1)) || variance.shape.at(-1) !== 1) {
        throw new ValueError("var is of incorrect size");
      }
    }
    if (reduction !== "none" && reduction !== "mean" && reduction !== "sum") {
      throw new ValueError(`${reduction} is not valid`);
    }
    const bounded = variance.clone();
    no_grad(() => bounded.clamp_({ min: eps }));
    let loss = bounded.log().add(x.sub(target).pow(2).div(bounded)).mul(0.5);
    if (full) loss = loss.add(0.5 * Math.log(2 * Math.PI));
    return reduceLoss(loss, reduction);
  },
  functional,
);

// --- margins ---------------------------------------------------------------------------------------------------------

/** Options of losses with a margin. */
export interface MarginOptions extends ReductionOptions {
  margin?: number;
}

/** The input where the target is 1, and what it lacks to `margin` where the target is -1. */
export const hinge_embedding_loss: LossFunction<MarginOptions> = operator(
  "hinge_embedding_loss(Tensor input, Tensor target, float margin=1.0, bool? size_average=None, bool? reduce=None, str reduction='mean')",
  (x: Tensor, target: Tensor, margin: number, average: boolean | null, reduce: boolean | null, text: string) => {
    const reduction = reductionOf(text, average, reduce);
    const zero = x.new_zeros([]);
    const far = x.rsub(margin).clamp_min(0);
    const loss = choose(target.ne(1), far, zero).add(choose(target.ne(-1), x, zero));
    return reduceLoss(loss, reduction);
  },
  functional,
);

/** A loss of three tensors with a margin. */
export type TripleLoss<O> = Op<(input1: Tensor, input2: Tensor, target: Tensor, options?: O) => Tensor>;

/** How much `input1` falls short of ranking above `input2` by `margin` where the target is 1, below where it is -1. */
export const margin_ranking_loss: TripleLoss<MarginOptions> = operator(
  "margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, bool? size_average=None, bool? reduce=None, str reduction='mean')",
  (
    a: Tensor,
    b: Tensor,
    target: Tensor,
    margin: number,
    average: boolean | null,
    reduce: boolean | null,
    text: string,
  ) => {
    const reduction = reductionOf(text, average, reduce);
    if (a.ndim !== b.ndim || a.ndim !== target.ndim) {
      throw new TorchError(
        `margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: ${torchSize(a.shape)}, input2: ${torchSize(b.shape)}, target: ${torchSize(target.shape)} `,
      );
    }
    return reduceLoss(target.neg().mul(a.sub(b)).add(pyfloat(margin)).clamp_min(0), reduction);
  },
  functional,
);

/** One minus the cosine of two vectors where the target is 1, and what it exceeds `margin` by where the target is -1. */
export const cosine_embedding_loss: TripleLoss<MarginOptions> = operator(
  "cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, bool? size_average=None, bool? reduce=None, str reduction='mean')",
  (
    a: Tensor,
    b: Tensor,
    target: Tensor,
    margin: number,
    average: boolean | null,
    reduce: boolean | null,
    text: string,
  ) => {
    const reduction = reductionOf(text, average, reduce);
    const dim = target.ndim;
    if (dim > 1) throw new TorchError("0D or 1D target tensor expected, multi-target not supported");
    if (a.ndim !== dim + 1 || b.ndim !== dim + 1) {
      throw new TorchError(
        `${dim}D target tensor expects ${dim + 1}D input tensors, but found inputs with sizes ${formatShape(a.shape)} and ${formatShape(b.shape)}.`,
      );
    }
    const product = a.mul(b).sum(dim);
    const size = (x: Tensor): Tensor => x.mul(x).sum(dim).add(1e-12);
    const cosine = product.div(size(a).mul(size(b)).sqrt());
    const zero = cosine.new_zeros([]);
    const near = choose(target.eq(1), cosine.rsub(1), zero);
    const far = choose(target.eq(-1), cosine.sub(margin).clamp_min(0), zero);
    return reduceLoss(near.add(far), reduction);
  },
  functional,
);

function checkTriplet(anchor: Tensor, positive: Tensor, negative: Tensor): void {
  if (anchor.ndim !== positive.ndim || positive.ndim !== negative.ndim) {
    throw new TorchError(
      `The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor ${anchor.ndim}D, positive ${positive.ndim}D, and negative ${negative.ndim}D inputs`,
    );
  }
}

/** A number as Python writes a float. */
const pythonFloat = (x: number): string => (Number.isInteger(x) ? x.toFixed(1) : String(x));

type Distance = (a: Tensor, b: Tensor) => Tensor;

function triplet(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  distance: Distance,
  margin: number,
  swap: boolean,
): Tensor {
  const near = distance(anchor, positive);
  let far = distance(anchor, negative);
  if (swap) far = minimum(far, distance(positive, negative));
  return near.add(margin).sub(far).clamp_min(0);
}

/** Options of {@link triplet_margin_loss}. */
export interface TripletOptions extends MarginOptions {
  /** The norm of distances. Default: 2. */
  p?: number;
  eps?: number;
  /** Whether the distance from positive to negative counts if it is smaller. */
  swap?: boolean;
}

/** How much the positive falls short of being nearer to the anchor than the negative, by `margin`. */
export const triplet_margin_loss: TripleLoss<TripletOptions> = operator(
  "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1.0, float p=2, float eps=1e-06, bool swap=False, bool? size_average=None, bool? reduce=None, str reduction='mean')",
  (
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: number,
    p: number,
    eps: number,
    swap: boolean,
    average: boolean | null,
    reduce: boolean | null,
    text: string,
  ) => {
    const reduction = reductionOf(text, average, reduce);
    if (margin <= 0) throw new ValueError(`margin must be greater than 0, got ${pythonFloat(margin)}`);
    checkTriplet(anchor, positive, negative);
    const distance: Distance = (a, b) => pairwise_distance(a, b, p, eps);
    return reduceLoss(triplet(anchor, positive, negative, distance, margin, swap), reduction);
  },
  functional,
);

/** Options of {@link triplet_margin_with_distance_loss}. */
export interface TripletDistanceOptions {
  /** Default: the Euclidean distance. */
  distance_function?: Distance | null;
  margin?: number;
  swap?: boolean;
  reduction?: LossReduction;
}

/** {@link triplet_margin_loss} with any distance. */
export const triplet_margin_with_distance_loss: TripleLoss<TripletDistanceOptions> = operator(
  "triplet_margin_with_distance_loss(Tensor anchor, Tensor positive, Tensor negative, *, any distance_function=None, float margin=1.0, bool swap=False, str reduction='mean')",
  (
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    given: Distance | null,
    margin: number,
    swap: boolean,
    reduction: string,
  ) => {
    checkReduction(reduction);
    if (margin <= 0) throw new ValueError(`margin must be greater than 0, got ${pythonFloat(margin)}`);
    checkTriplet(anchor, positive, negative);
    const distance: Distance = given ?? ((a, b) => pairwise_distance(a, b));
    return reduceLoss(triplet(anchor, positive, negative, distance, margin, swap), reduction);
  },
  functional,
);

/** The mean over classes of the cross entropy of each class against its target. */
export const multilabel_soft_margin_loss: LossFunction<WeightedOptions> = operator(
  "multilabel_soft_margin_loss(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, bool? reduce=None, str reduction='mean')",
  (x: Tensor, target: Tensor, weight: Tensor | null, average: boolean | null, reduce: boolean | null, text: string) => {
    const reduction = reductionOf(text, average, reduce);
    let loss = target
      .mul(logsigmoid(x))
      .add(target.rsub(1).mul(logsigmoid(x.neg())))
      .neg();
    if (weight !== null) loss = loss.mul(weight);
    const dim = x.ndim - 1;
    return reduceLoss(loss.sum(dim).div(x.shape[dim] as number), reduction);
  },
  functional,
);
