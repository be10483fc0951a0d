/**
 * Activations, and the other modules that apply a function to every element or along a dim.
 */
import { TorchError } from "../base/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature, type FactoryOptions } from "./arguments.ts";
import * as F from "./functional-activation.ts";
import { fill_ } from "../ops/convert.ts";
import { no_grad } from "../autograd/modes.ts";
import { Module } from "./module.ts";
import type { Parameter } from "./parameter.ts";

/** Options of activations that can work in place. */
export interface InplaceOptions {
  /** Whether the input itself is changed. Default: false. */
  inplace?: boolean;
}

type InplaceArgs = Args<[], [inplace?: boolean], InplaceOptions>;

/** An activation without options but `inplace`. */
abstract class Inplace extends Configured {
  declare readonly inplace: boolean;

  override extra_repr(): string {
    return this.inplace ? "inplace=True" : "";
  }
}

const inplaceText = (m: { readonly inplace: boolean }): string => (m.inplace ? ", inplace=True" : "");

const inplaceSignature = (name: string): ConstructorSignature =>
  new ConstructorSignature(`${name}(bool inplace=False)`);

const reluSignature = inplaceSignature("ReLU");

/** `max(x, 0)`. */
export class ReLU extends Inplace {
  constructor(...args: InplaceArgs) {
    super(reluSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.relu(input, this.inplace);
  }
}

const siluSignature = inplaceSignature("SiLU");

/** `x * sigmoid(x)`, also called swish. */
export class SiLU extends Inplace {
  constructor(...args: InplaceArgs) {
    super(siluSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.silu(input, this.inplace);
  }
}

const mishSignature = inplaceSignature("Mish");

/** `x * tanh(softplus(x))`. */
export class Mish extends Inplace {
  constructor(...args: InplaceArgs) {
    super(mishSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.mish(input, this.inplace);
  }
}

const seluSignature = inplaceSignature("SELU");

/** The scaled exponential linear unit, which keeps mean and variance. */
export class SELU extends Inplace {
  constructor(...args: InplaceArgs) {
    super(seluSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.selu(input, this.inplace);
  }
}

const hardswishSignature = inplaceSignature("Hardswish");

/** `x * relu6(x + 3) / 6`. */
export class Hardswish extends Configured {
  declare readonly inplace: boolean;

  constructor(...args: InplaceArgs) {
    super(hardswishSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.hardswish(input, this.inplace);
  }
}

const hardsigmoidSignature = inplaceSignature("Hardsigmoid");

/** `relu6(x + 3) / 6`. */
export class Hardsigmoid extends Configured {
  declare readonly inplace: boolean;

  constructor(...args: InplaceArgs) {
    super(hardsigmoidSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.hardsigmoid(input, this.inplace);
  }
}

const hardtanhSignature = new ConstructorSignature(
  "Hardtanh(Scalar min_val=-1.0, Scalar max_val=1.0, bool inplace=False, Scalar? min_value=None, Scalar? max_value=None)",
);

/** Options of {@link Hardtanh}. */
export interface HardtanhOptions extends InplaceOptions {
  min_val?: number;
  max_val?: number;
}

/** The input, but not below `min_val` and not above `max_val`. */
export class Hardtanh extends Configured {
  declare readonly min_val: number;
  declare readonly max_val: number;
  declare readonly inplace: boolean;

  constructor(...args: Args<[], [min_val?: number, max_val?: number, inplace?: boolean], HardtanhOptions>) {
    super(hardtanhSignature, args, ["min_value", "max_value"]);
    if (!(this.max_val > this.min_val)) throw new TorchError("max_val must be greater than min_val");
  }

  override forward(input: Tensor): Tensor {
    return F.hardtanh(input, this.min_val, this.max_val, { inplace: this.inplace });
  }

  override extra_repr(): string {
    return this._list("min_val", "max_val") + inplaceText(this);
  }
}

/** `min(max(x, 0), 6)`. */
export class ReLU6 extends Hardtanh {
  constructor(...args: InplaceArgs) {
    const [first] = args;
    super(0, 6, typeof first === "object" ? (first.inplace ?? false) : (first ?? false));
  }

  override extra_repr(): string {
    return this.inplace ? "inplace=True" : "";
  }
}

const rreluSignature = new ConstructorSignature(
  "RReLU(Scalar lower=0.125, Scalar upper=0.3333333333333333, bool inplace=False)",
);

/** Options of {@link RReLU}. */
export interface RReLUOptions extends InplaceOptions {
  lower?: number;
  upper?: number;
}

/** As {@link LeakyReLU}, in training with a random slope per element. */
export class RReLU extends Configured {
  declare readonly lower: number;
  declare readonly upper: number;
  declare readonly inplace: boolean;

  constructor(...args: Args<[], [lower?: number, upper?: number, inplace?: boolean], RReLUOptions>) {
    super(rreluSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.rrelu(input, this.lower, this.upper, this.training, this.inplace);
  }

  override extra_repr(): string {
    return this._list("lower", "upper") + inplaceText(this);
  }
}

const eluSignature = new ConstructorSignature("ELU(Scalar alpha=1.0, bool inplace=False)");

/** Options of {@link ELU} and {@link CELU}. */
export interface ELUOptions extends InplaceOptions {
  alpha?: number;
}

/** The input where positive, else `alpha * (exp(x) - 1)`. */
export class ELU extends Configured {
  declare readonly alpha: number;
  declare readonly inplace: boolean;

  constructor(...args: Args<[], [alpha?: number, inplace?: boolean], ELUOptions>) {
    super(eluSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.elu(input, this.alpha, { inplace: this.inplace });
  }

  override extra_repr(): string {
    return this._list("alpha") + inplaceText(this);
  }
}

const celuSignature = new ConstructorSignature("CELU(Scalar alpha=1.0, bool inplace=False)");

/** The input where positive, else `alpha * (exp(x / alpha) - 1)`. */
export class CELU extends Configured {
  declare readonly alpha: number;
  declare readonly inplace: boolean;

  constructor(...args: Args<[], [alpha?: number, inplace?: boolean], ELUOptions>) {
    super(celuSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.celu(input, this.alpha, { inplace: this.inplace });
  }

  override extra_repr(): string {
    return this._list("alpha") + inplaceText(this);
  }
}

const leakySignature = new ConstructorSignature("LeakyReLU(Scalar negative_slope=0.01, bool inplace=False)");

/** Options of {@link LeakyReLU}. */
export interface LeakyReLUOptions extends InplaceOptions {
  negative_slope?: number;
}

/** The input where positive, else `negative_slope` times the input. */
export class LeakyReLU extends Configured {
  declare readonly negative_slope: number;
  declare readonly inplace: boolean;

  constructor(...args: Args<[], [negative_slope?: number, inplace?: boolean], LeakyReLUOptions>) {
    super(leakySignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.leaky_relu(input, this.negative_slope, { inplace: this.inplace });
  }

  override extra_repr(): string {
    return this._list("negative_slope") + inplaceText(this);
  }
}

const thresholdSignature = new ConstructorSignature("Threshold(Scalar threshold, Scalar value, bool inplace=False)");

/** The input where it is above `threshold`, else `value`. */
export class Threshold extends Configured {
  declare readonly threshold: number;
  declare readonly value: number;
  declare readonly inplace: boolean;

  constructor(...args: Args<[threshold: number, value: number], [inplace?: boolean], InplaceOptions>) {
    super(thresholdSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.threshold(input, this.threshold, this.value, { inplace: this.inplace });
  }

  override extra_repr(): string {
    return this._list("threshold", "value") + inplaceText(this);
  }
}

const softplusSignature = new ConstructorSignature("Softplus(Scalar beta=1.0, Scalar threshold=20.0)");

/** Options of {@link Softplus}. */
export interface SoftplusOptions {
  beta?: number;
  /** Above this, times `beta`, the function is the identity. */
  threshold?: number;
}

/** `log(1 + exp(beta * x)) / beta`: a smooth ReLU. */
export class Softplus extends Configured {
  declare readonly beta: number;
  declare readonly threshold: number;

  constructor(...args: Args<[], [beta?: number, threshold?: number], SoftplusOptions>) {
    super(softplusSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.softplus(input, this.beta, this.threshold);
  }

  override extra_repr(): string {
    return this._list("beta", "threshold");
  }
}

/** Options of {@link Hardshrink} and {@link Softshrink}. */
export interface ShrinkOptions {
  lambd?: number;
}

const hardshrinkSignature = new ConstructorSignature("Hardshrink(Scalar lambd=0.5)");

/** Zero between `-lambd` and `lambd`, else the input. */
export class Hardshrink extends Configured {
  declare readonly lambd: number;

  constructor(...args: Args<[], [lambd?: number], ShrinkOptions>) {
    super(hardshrinkSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.hardshrink(input, this.lambd);
  }

  override extra_repr(): string {
    return this._text("lambd");
  }
}

const softshrinkSignature = new ConstructorSignature("Softshrink(Scalar lambd=0.5)");

/** The input moved towards zero by `lambd`, at most to zero. */
export class Softshrink extends Configured {
  declare readonly lambd: number;

  constructor(...args: Args<[], [lambd?: number], ShrinkOptions>) {
    super(softshrinkSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.softshrink(input, this.lambd);
  }

  override extra_repr(): string {
    return this._text("lambd");
  }
}

const geluSignature = new ConstructorSignature("GELU(str approximate='none')");

/** Options of {@link GELU}. */
export interface GELUOptions {
  approximate?: "none" | "tanh";
}

/** `x * Φ(x)`, with the distribution function of the standard normal distribution. */
export class GELU extends Configured {
  declare readonly approximate: "none" | "tanh";

  constructor(...args: [options?: GELUOptions | "none" | "tanh"]) {
    super(geluSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.gelu(input, { approximate: this.approximate });
  }

  override extra_repr(): string {
    return this._list("approximate");
  }
}

const gluSignature = new ConstructorSignature("GLU(int dim=-1)");

/** Options of modules that work along a dim. */
export interface DimOptions {
  dim?: number | null;
}

/** The first half along `dim` times the sigmoid of the second. */
export class GLU extends Configured {
  declare readonly dim: number;

  constructor(...args: Args<[], [dim?: number], DimOptions>) {
    super(gluSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.glu(input, this.dim);
  }

  override extra_repr(): string {
    return this._list("dim");
  }
}

const preluSignature = new ConstructorSignature(
  "PReLU(int num_parameters=1, Scalar init=0.25, str? device=None, dtype? dtype=None)",
);

/** Options of {@link PReLU}. */
export interface PReLUOptions extends FactoryOptions {
  /** 1, or the number of channels. */
  num_parameters?: number;
  init?: number;
}

/** As {@link LeakyReLU} with a learned slope, for all channels or one each. */
export class PReLU extends Configured {
  declare readonly num_parameters: number;
  declare readonly init: number;
  declare weight: Parameter;

  constructor(...args: Args<[], [num_parameters?: number, init?: number], PReLUOptions>) {
    super(preluSignature, args);
    this.register_parameter("weight", this._arguments.parameter(this.num_parameters));
    this.reset_parameters();
  }

  /** Sets the slopes to what they were at first. */
  reset_parameters(): void {
    no_grad(() => fill_(this.weight, this.init));
  }

  override forward(input: Tensor): Tensor {
    return F.prelu(input, this.weight);
  }

  override extra_repr(): string {
    return this._list("num_parameters");
  }
}

/** `1 / (1 + exp(-x))`. */
export class Sigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return F.sigmoid(input);
  }
}

/** Hyperbolic tangent. */
export class Tanh extends Module {
  override forward(input: Tensor): Tensor {
    return F.tanh(input);
  }
}

/** `log(sigmoid(x))`. */
export class LogSigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return F.logsigmoid(input);
  }
}

/** `x / (1 + |x|)`. */
export class Softsign extends Module {
  override forward(input: Tensor): Tensor {
    return F.softsign(input);
  }
}

/** `x - tanh(x)`. */
export class Tanhshrink extends Module {
  override forward(input: Tensor): Tensor {
    return F.tanhshrink(input);
  }
}
