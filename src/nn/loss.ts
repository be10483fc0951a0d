/**
 * Losses of classes, numbers and probabilities.
 */
import { ArgumentTypeError } from "../base/errors.ts";
import { PyFloat, pythonTypeOf } from "../dispatch/signature.ts";
import { cross_entropy, nll_loss } from "../ops/cross-entropy.ts";
import {
  binary_cross_entropy,
  binary_cross_entropy_with_logits,
  huber_loss,
  l1_loss,
  mse_loss,
  smooth_l1_loss,
  soft_margin_loss,
} from "../ops/loss.ts";
import { type LossReduction, type ReductionOptions, reductionOf } from "../ops/loss-reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Configured, ConstructorSignature } from "./arguments.ts";

/** The arguments of most losses: options, or the deprecated `size_average` and `reduce`, and `reduction` by position. */
export type LossArgs<O = ReductionOptions> =
  | [options?: O]
  | [size_average?: boolean | null, reduce?: boolean | null, reduction?: LossReduction];

/** The base of losses. */
export abstract class Loss extends Configured {
  declare reduction: LossReduction;

  constructor(signature: ConstructorSignature, args: readonly unknown[], omit: readonly string[] = []) {
    super(signature, args, omit);
    const [average = null, reduce = null] = ["size_average", "reduce"].map((name) =>
      this._arguments.get<boolean | null | undefined>(name),
    );
    if (average !== null || reduce !== null) this.reduction = reductionOf(this.reduction, average, reduce);
  }
}

/** The base of losses with a weight, which is a buffer. */
export abstract class WeightedLoss extends Loss {
  declare weight: Tensor | null;

  constructor(signature: ConstructorSignature, args: readonly unknown[], omit: readonly string[] = []) {
    super(signature, args, ["weight", ...omit]);
    this.register_buffer("weight", this._arguments.get<Tensor | null>("weight"));
  }
}

const plain = (name: string): ConstructorSignature =>
  new ConstructorSignature(`${name}(bool? size_average=None, bool? reduce=None, str reduction='mean')`);

const mseSignature = plain("MSELoss");

/** The squares of the differences. */
export class MSELoss extends Loss {
  constructor(...args: LossArgs) {
    super(mseSignature, args);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return mse_loss(input, target, { reduction: this.reduction });
  }
}

const l1Signature = plain("L1Loss");

/** The absolute values of the differences. */
export class L1Loss extends Loss {
  constructor(...args: LossArgs) {
    super(l1Signature, args);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return l1_loss(input, target, { reduction: this.reduction });
  }
}

const smoothL1Signature = new ConstructorSignature(
  "SmoothL1Loss(bool? size_average=None, bool? reduce=None, str reduction='mean', Scalar beta=1.0)",
);

/** Squares of small differences, absolute values of large ones; continuous where they meet, at `beta`. */
export class SmoothL1Loss extends Loss {
  declare readonly beta: number;

  constructor(...args: LossArgs<ReductionOptions & { beta?: number }>) {
    super(smoothL1Signature, args);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return smooth_l1_loss(input, target, { reduction: this.reduction, beta: this.beta });
  }
}

const huberSignature = new ConstructorSignature("HuberLoss(str reduction='mean', any delta=1.0)");

/** As {@link SmoothL1Loss}, times `delta`. */
export class HuberLoss extends Loss {
  declare readonly delta: number;

  constructor(...args: [options?: { reduction?: LossReduction; delta?: number }] | [LossReduction, number?]) {
    super(huberSignature, args);
    const delta: unknown = this.delta;
    if (typeof delta !== "number" && !((delta as unknown) instanceof PyFloat)) {
      throw new ArgumentTypeError(`delta must be a float or int, got: <class '${pythonTypeOf(delta).toLowerCase()}'>`);
    }
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return huber_loss(input, target, { reduction: this.reduction, delta: this.delta });
  }
}

const softMarginSignature = plain("SoftMarginLoss");

/** `log(1 + exp(-target * input))`, for targets 1 and -1. */
export class SoftMarginLoss extends Loss {
  constructor(...args: LossArgs) {
    super(softMarginSignature, args);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return soft_margin_loss(input, target, { reduction: this.reduction });
  }
}

/** Options of losses with weights. */
export interface WeightOptions extends ReductionOptions {
  /** How much each class, or each element, counts. */
  weight?: Tensor | null;
}

type WeightedArgs<O> = [options?: O] | [weight?: Tensor | null, ...rest: (boolean | number | string | null | O)[]];

const bceSignature = new ConstructorSignature(
  "BCELoss(Tensor? weight=None, bool? size_average=None, bool? reduce=None, str reduction='mean')",
);

/** The cross entropy of two classes, of probabilities. */
export class BCELoss extends WeightedLoss {
  constructor(...args: WeightedArgs<WeightOptions>) {
    super(bceSignature, args);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return binary_cross_entropy(input, target, { weight: this.weight, reduction: this.reduction });
  }
}

const logitsSignature = new ConstructorSignature(
  "BCEWithLogitsLoss(Tensor? weight=None, bool? size_average=None, bool? reduce=None, str reduction='mean', Tensor? pos_weight=None)",
);

/** Options of {@link BCEWithLogitsLoss}. */
export interface BCEWithLogitsOptions extends WeightOptions {
  /** How much positive targets count. */
  pos_weight?: Tensor | null;
}

/** The cross entropy of two classes, of the logits of probabilities. */
export class BCEWithLogitsLoss extends WeightedLoss {
  declare pos_weight: Tensor | null;

  constructor(...args: WeightedArgs<BCEWithLogitsOptions>) {
    super(logitsSignature, args, ["pos_weight"]);
    this.register_buffer("pos_weight", this._arguments.get<Tensor | null>("pos_weight"));
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { weight, pos_weight, reduction } = this;
    return binary_cross_entropy_with_logits(input, target, { weight, pos_weight, reduction });
  }
}

const nllSignature = new ConstructorSignature(
  "NLLLoss(Tensor? weight=None, bool? size_average=None, int ignore_index=-100, bool? reduce=None, str reduction='mean')",
);

/** Options of {@link NLLLoss}. */
export interface NLLLossOptions extends WeightOptions {
  /** A target that does not count. Default: -100. */
  ignore_index?: number;
}

/** The negative of the log probability of the right class. */
export class NLLLoss extends WeightedLoss {
  declare readonly ignore_index: number;

  constructor(...args: WeightedArgs<NLLLossOptions>) {
    super(nllSignature, args);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { weight, ignore_index, reduction } = this;
    return nll_loss(input, target, { weight, ignore_index, reduction });
  }
}

const crossEntropySignature = new ConstructorSignature(
  "CrossEntropyLoss(Tensor? weight=None, bool? size_average=None, int ignore_index=-100, bool? reduce=None, str reduction='mean', Scalar label_smoothing=0.0)",
);

/** Options of {@link CrossEntropyLoss}. */
export interface CrossEntropyLossOptions extends NLLLossOptions {
  /** How much of the target is spread over all classes. Default: 0. */
  label_smoothing?: number;
}

/**
 * The cross entropy of classes: of logits (N, C, …), and as the target the number of the right class (N, …), or the
 * probabilities of all (N, C, …).
 *
 * @example
 * ```ts
 * const loss = new nn.CrossEntropyLoss({ label_smoothing: 0.1 });
 * loss(torch.randn(3, 5), torch.tensor([1n, 0n, 4n]));
 * ```
 */
export class CrossEntropyLoss extends WeightedLoss {
  declare readonly ignore_index: number;
  declare readonly label_smoothing: number;

  constructor(...args: WeightedArgs<CrossEntropyLossOptions>) {
    super(crossEntropySignature, args);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { weight, ignore_index, reduction, label_smoothing } = this;
    return cross_entropy(input, target, { weight, ignore_index, reduction, label_smoothing });
  }
}
