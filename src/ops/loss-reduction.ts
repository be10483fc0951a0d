/**
 * The `reduction` argument of losses, and the two that it replaced.
 */
import { ValueError } from "../base/errors.ts";
import type { LossReduction } from "../dispatch/family/loss.ts";
import type { Tensor } from "../tensor/tensor.ts";

export type { LossReduction } from "../dispatch/family/loss.ts";

/** Options of most losses. */
export interface ReductionOptions {
  /** `"mean"` (the default) or `"sum"` of the losses of all elements, or `"none"`: one loss for each. */
  reduction?: LossReduction;
  /** Deprecated: use `reduction`. */
  size_average?: boolean | null;
  /** Deprecated: use `reduction`. */
  reduce?: boolean | null;
}

/** @internal Throws unless `reduction` is one. */
export function checkReduction(reduction: string): asserts reduction is LossReduction {
  if (reduction !== "mean" && reduction !== "sum" && reduction !== "none") {
    throw new ValueError(`${reduction} is not a valid value for reduction`);
  }
}

/** @internal The reduction from all three arguments that may state it. */
export function reductionOf(reduction: string, sizeAverage: boolean | null, reduce: boolean | null): LossReduction {
  if (sizeAverage !== null || reduce !== null) {
    const legacy = (reduce ?? true) ? ((sizeAverage ?? true) ? "mean" : "sum") : "none";
    console.warn(
      `UserWarning: size_average and reduce args will be deprecated, please use reduction='${legacy}' instead.`,
    );
    return legacy;
  }
  checkReduction(reduction);
  return reduction;
}

/** @internal What `reduction` makes of the losses of single elements. */
export function reduceLoss(loss: Tensor, reduction: LossReduction): Tensor {
  return reduction === "mean" ? loss.mean() : reduction === "sum" ? loss.sum() : loss;
}

/** @internal A shape as Python prints it. */
export const torchSize = (shape: readonly number[]): string => `torch.Size([${shape.join(", ")}])`;
