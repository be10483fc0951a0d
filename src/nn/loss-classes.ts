/**
 * Losses of class margins.
 */
import { multi_margin_loss, multilabel_margin_loss } from "../ops/loss-classes.ts";
import type { ReductionOptions } from "../ops/loss-reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ConstructorSignature } from "./arguments.ts";
import { Loss, type LossArgs, WeightedLoss } from "./loss.ts";

const multiMarginSignature = new ConstructorSignature(
  "MultiMarginLoss(int p=1, Scalar margin=1.0, Tensor? weight=None, bool? size_average=None, bool? reduce=None, str reduction='mean')",
);

/** Options of {@link MultiMarginLoss}. */
export interface MultiMarginLossOptions extends ReductionOptions {
  /** 1 or 2. Default: 1. */
  p?: number;
  margin?: number;
  weight?: Tensor | null;
}

/** How much each class comes within `margin` of the right one. */
export class MultiMarginLoss extends WeightedLoss {
  declare readonly p: number;
  declare readonly margin: number;

  constructor(...args: [options?: MultiMarginLossOptions] | [p?: number, margin?: number, weight?: Tensor | null]) {
    super(multiMarginSignature, args);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { p, margin, weight, reduction } = this;
    return multi_margin_loss(input, target, { p, margin, weight, reduction });
  }
}

const multilabelSignature = new ConstructorSignature(
  "MultiLabelMarginLoss(bool? size_average=None, bool? reduce=None, str reduction='mean')",
);

/** How much each wrong class comes within 1 of each right one. */
export class MultiLabelMarginLoss extends Loss {
  constructor(...args: LossArgs) {
    super(multilabelSignature, args);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return multilabel_margin_loss(input, target, { reduction: this.reduction });
  }
}
