/**
 * The loss of sequences without alignment.
 */
import { ctc_loss } from "../ops/ctc-loss.ts";
import type { LossReduction } from "../ops/loss-reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, ConstructorSignature } from "./arguments.ts";
import { Loss } from "./loss.ts";

/** Options of {@link CTCLoss}. */
export interface CTCLossOptions {
  /** The label that stands for none. Default: 0. */
  blank?: number;
  reduction?: LossReduction;
  /** Whether losses of targets that do not fit are 0 instead of infinite. Default: false. */
  zero_infinity?: boolean;
}

const signature = new ConstructorSignature("CTCLoss(int blank=0, str reduction='mean', bool zero_infinity=False)");

/** The negative log probability of label sequences, over all ways to spread them over time. */
export class CTCLoss extends Loss {
  declare readonly blank: number;
  declare readonly zero_infinity: boolean;

  constructor(...args: Args<[], [blank?: number, reduction?: LossReduction, zero_infinity?: boolean], CTCLossOptions>) {
    super(signature, args);
  }

  override forward(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | readonly number[],
    target_lengths: Tensor | readonly number[],
  ): Tensor {
    const { blank, reduction, zero_infinity } = this;
    return ctc_loss(log_probs, targets, input_lengths, target_lengths, { blank, reduction, zero_infinity });
  }
}
