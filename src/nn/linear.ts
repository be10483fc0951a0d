/**
 * Linear maps.
 */
import { linear } from "../ops/linear.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, ConstructorSignature, type FactoryOptions } from "./arguments.ts";
import { fanIn, kaiming_uniform_, uniform_ } from "./init.ts";
import { Module } from "./module.ts";
import type { Parameter } from "./parameter.ts";

/** Gives back what it is given. */
export class Identity extends Module {
  // Takes and ignores any arguments, as PyTorch's does.
  constructor(..._args: unknown[]) {
    super();
  }

  override forward(input: Tensor): Tensor {
    return input;
  }
}

/** Options of {@link Linear}. */
export interface LinearOptions extends FactoryOptions {
  /** Whether a bias is added. Default: true. */
  bias?: boolean;
}

const linearSignature = new ConstructorSignature(
  "Linear(int in_features, int out_features, bool bias=True, str? device=None, dtype? dtype=None)",
);

/** `x @ weight.T + bias` with a learned weight and bias. */
export class Linear extends Module {
  readonly in_features: number;
  readonly out_features: number;
  declare weight: Parameter;
  declare bias: Parameter | null;

  constructor(...args: Args<[in_features: number, out_features: number], [bias?: boolean], LinearOptions>) {
    super();
    const a = linearSignature.bind(args);
    this.in_features = a.get("in_features");
    this.out_features = a.get("out_features");
    this.register_parameter("weight", a.parameter(this.out_features, this.in_features));
    this.register_parameter("bias", a.get("bias") ? a.parameter(this.out_features) : null);
    this.reset_parameters();
  }

  /** Draws new first values. */
  reset_parameters(): void {
    kaiming_uniform_(this.weight, Math.sqrt(5));
    if (this.bias === null) return;
    const bound = this.in_features > 0 ? 1 / Math.sqrt(fanIn(this.weight)) : 0;
    uniform_(this.bias, -bound, bound);
  }

  override forward(input: Tensor): Tensor {
    return linear(input, this.weight, this.bias);
  }

  override extra_repr(): string {
    return `in_features=${this.in_features}, out_features=${this.out_features}, bias=${this.bias === null ? "False" : "True"}`;
  }
}
