/**
 * Losses of distances, margins, likelihoods and divergences.
 */
import {
  cosine_embedding_loss,
  gaussian_nll_loss,
  hinge_embedding_loss,
  kl_div,
  margin_ranking_loss,
  multilabel_soft_margin_loss,
  poisson_nll_loss,
  triplet_margin_loss,
  triplet_margin_with_distance_loss,
} from "../ops/loss-composite.ts";
import type { LossReduction, ReductionOptions } from "../ops/loss-reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ConstructorSignature } from "./arguments.ts";
import { Loss, type LossArgs, WeightedLoss, type WeightOptions } from "./loss.ts";

const legacy = "bool? size_average=None, bool? reduce=None, str reduction='mean'";

/** Arguments of losses whose first one is a margin. */
type MarginArgs<O> = [options?: O] | [margin?: number, ...rest: (boolean | string | number | null | O)[]];

const klSignature = new ConstructorSignature(`KLDivLoss(${legacy}, bool log_target=False)`);

/** The Kullback-Leibler divergence of targets from inputs that are logarithms of probabilities. */
export class KLDivLoss extends Loss {
  declare readonly log_target: boolean;

  constructor(
    ...args: LossArgs<
      Omit<ReductionOptions, "reduction"> & { reduction?: LossReduction | "batchmean"; log_target?: boolean }
    >
  ) {
    super(klSignature, args);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return kl_div(input, target, { reduction: this.reduction, log_target: this.log_target });
  }
}

const poissonSignature = new ConstructorSignature(
  "PoissonNLLLoss(bool log_input=True, bool full=False, bool? size_average=None, Scalar eps=1e-08, bool? reduce=None, str reduction='mean')",
);

/** Options of {@link PoissonNLLLoss}. */
export interface PoissonNLLLossOptions extends ReductionOptions {
  log_input?: boolean;
  full?: boolean;
  eps?: number;
}

/** The negative log likelihood of counts. */
export class PoissonNLLLoss extends Loss {
  declare readonly log_input: boolean;
  declare readonly full: boolean;
  declare readonly eps: number;

  constructor(...args: [options?: PoissonNLLLossOptions] | [log_input?: boolean, full?: boolean]) {
    super(poissonSignature, args);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { log_input, full, eps, reduction } = this;
    return poisson_nll_loss(input, target, { log_input, full, eps, reduction });
  }
}

const gaussianSignature = new ConstructorSignature(
  "GaussianNLLLoss(*, bool full=False, Scalar eps=1e-06, str reduction='mean')",
);

/** The negative log likelihood of normal numbers. */
export class GaussianNLLLoss extends Loss {
  declare readonly full: boolean;
  declare readonly eps: number;

  constructor(options: { full?: boolean; eps?: number; reduction?: LossReduction } = {}) {
    super(gaussianSignature, [options]);
  }

  override forward(input: Tensor, target: Tensor, variance: Tensor | number): Tensor {
    const { full, eps, reduction } = this;
    return gaussian_nll_loss(input, target, variance, { full, eps, reduction });
  }
}

const hingeSignature = new ConstructorSignature(`HingeEmbeddingLoss(Scalar margin=1.0, ${legacy})`);

/** Distances where the target is 1, and how far they are below the margin where it is -1. */
export class HingeEmbeddingLoss extends Loss {
  declare readonly margin: number;

  constructor(...args: MarginArgs<ReductionOptions & { margin?: number }>) {
    super(hingeSignature, args);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return hinge_embedding_loss(input, target, { margin: this.margin, reduction: this.reduction });
  }
}

const rankingSignature = new ConstructorSignature(`MarginRankingLoss(Scalar margin=0.0, ${legacy})`);

/** How far two inputs are from the order that the target, 1 or -1, asks for. */
export class MarginRankingLoss extends Loss {
  declare readonly margin: number;

  constructor(...args: MarginArgs<ReductionOptions & { margin?: number }>) {
    super(rankingSignature, args);
  }

  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return margin_ranking_loss(input1, input2, target, { margin: this.margin, reduction: this.reduction });
  }
}

const cosineSignature = new ConstructorSignature(`CosineEmbeddingLoss(Scalar margin=0.0, ${legacy})`);

/** How far the directions of two inputs are from being alike, or unlike where the target is -1. */
export class CosineEmbeddingLoss extends Loss {
  declare readonly margin: number;

  constructor(...args: MarginArgs<ReductionOptions & { margin?: number }>) {
    super(cosineSignature, args);
  }

  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return cosine_embedding_loss(input1, input2, target, { margin: this.margin, reduction: this.reduction });
  }
}

const tripletSignature = new ConstructorSignature(
  `TripletMarginLoss(Scalar margin=1.0, Scalar p=2.0, Scalar eps=1e-06, bool swap=False, ${legacy})`,
);

/** Options of {@link TripletMarginLoss}. */
export interface TripletMarginLossOptions extends ReductionOptions {
  margin?: number;
  p?: number;
  eps?: number;
  swap?: boolean;
}

/** How much farther an anchor should be from the negative than from the positive example. */
export class TripletMarginLoss extends Loss {
  declare readonly margin: number;
  declare readonly p: number;
  declare readonly eps: number;
  declare readonly swap: boolean;

  constructor(...args: MarginArgs<TripletMarginLossOptions>) {
    super(tripletSignature, args);
  }

  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    const { margin, p, eps, swap, reduction } = this;
    return triplet_margin_loss(anchor, positive, negative, { margin, p, eps, swap, reduction });
  }
}

const tripletDistanceSignature = new ConstructorSignature(
  "TripletMarginWithDistanceLoss(*, any distance_function=None, Scalar margin=1.0, bool swap=False, str reduction='mean')",
);

/** {@link TripletMarginLoss} with any distance. */
export class TripletMarginWithDistanceLoss extends Loss {
  declare readonly distance_function: ((a: Tensor, b: Tensor) => Tensor) | null;
  declare readonly margin: number;
  declare readonly swap: boolean;

  constructor(
    options: {
      distance_function?: ((a: Tensor, b: Tensor) => Tensor) | null;
      margin?: number;
      swap?: boolean;
      reduction?: LossReduction;
    } = {},
  ) {
    super(tripletDistanceSignature, [options]);
  }

  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    const { distance_function, margin, swap, reduction } = this;
    return triplet_margin_with_distance_loss(anchor, positive, negative, {
      distance_function,
      margin,
      swap,
      reduction,
    });
  }
}

const multilabelSignature = new ConstructorSignature(`MultiLabelSoftMarginLoss(Tensor? weight=None, ${legacy})`);

/** The cross entropy of several labels at once, each yes or no. */
export class MultiLabelSoftMarginLoss extends WeightedLoss {
  constructor(...args: [options?: WeightOptions] | [weight?: Tensor | null]) {
    super(multilabelSignature, args);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return multilabel_soft_margin_loss(input, target, { weight: this.weight, reduction: this.reduction });
  }
}
