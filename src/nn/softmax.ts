/**
 * Softmax modules.
 */
import { ValueError } from "../base/errors.ts";
import { log_softmax, softmax, softmin } from "../ops/softmax.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { DimOptions } from "./activation.ts";
import { type Args, Configured, ConstructorSignature } from "./arguments.ts";
import { Module } from "./module.ts";

/** A function along a dim. */
abstract class AlongDim extends Configured {
  declare readonly dim: number | null;

  override extra_repr(): string {
    return this._list("dim");
  }
}

const softmaxSignature = new ConstructorSignature("Softmax(int? dim=None)");

/** Positive numbers that add up to 1 along `dim`. */
export class Softmax extends AlongDim {
  constructor(...args: Args<[], [dim?: number | null], DimOptions>) {
    super(softmaxSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return softmax(input, this.dim);
  }
}

const softminSignature = new ConstructorSignature("Softmin(int? dim=None)");

/** {@link Softmax} of the negated input. */
export class Softmin extends AlongDim {
  constructor(...args: Args<[], [dim?: number | null], DimOptions>) {
    super(softminSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return softmin(input, this.dim);
  }
}

const logSoftmaxSignature = new ConstructorSignature("LogSoftmax(int? dim=None)");

/** The logarithm of {@link Softmax}. */
export class LogSoftmax extends AlongDim {
  constructor(...args: Args<[], [dim?: number | null], DimOptions>) {
    super(logSoftmaxSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return log_softmax(input, this.dim);
  }
}

/** {@link Softmax} over the channels of images. */
export class Softmax2d extends Module {
  override forward(input: Tensor): Tensor {
    if (input.ndim !== 3 && input.ndim !== 4) {
      throw new ValueError(`Softmax2d: expected input to be 3D or 4D, got ${input.ndim}D instead`);
    }
    return softmax(input, -3);
  }
}
