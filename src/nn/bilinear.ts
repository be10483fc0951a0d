/**
 * Bilinear maps.
 */
import { bilinear } from "../ops/bilinear.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature } from "./arguments.ts";
import { uniform_ } from "./init.ts";
import type { LinearOptions } from "./linear.ts";
import type { Parameter } from "./parameter.ts";

const signature = new ConstructorSignature(
  "Bilinear(int in1_features, int in2_features, int out_features, bool bias=True, str? device=None, dtype? dtype=None)",
);

/** `x1 @ weight @ x2 + bias` with a learned weight and bias. */
export class Bilinear extends Configured {
  declare readonly in1_features: number;
  declare readonly in2_features: number;
  declare readonly out_features: number;
  declare weight: Parameter;
  declare bias: Parameter | null;

  constructor(
    ...args: Args<[in1_features: number, in2_features: number, out_features: number], [bias?: boolean], LinearOptions>
  ) {
    super(signature, args, ["bias"]);
    const a = this._arguments;
    const { in1_features, in2_features, out_features } = this;
    this.register_parameter("weight", a.parameter(out_features, in1_features, in2_features));
    this.register_parameter("bias", a.get("bias") ? a.parameter(out_features) : null);
    this.reset_parameters();
  }

  /** Draws new first values. */
  reset_parameters(): void {
    const bound = 1 / Math.sqrt(this.in1_features);
    uniform_(this.weight, -bound, bound);
    if (this.bias !== null) uniform_(this.bias, -bound, bound);
  }

  override forward(input1: Tensor, input2: Tensor): Tensor {
    return bilinear(input1, input2, this.weight, this.bias);
  }

  override extra_repr(): string {
    const bias = this.bias === null ? "False" : "True";
    return `${this._list("in1_features", "in2_features", "out_features")}, bias=${bias}`;
  }
}
