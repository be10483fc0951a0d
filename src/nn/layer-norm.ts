/**
 * Normalisation within each sample: of its last dimensions, or of groups of its channels.
 */
import { ValueError } from "../base/errors.ts";
import { no_grad } from "../autograd/modes.ts";
import { fill_ } from "../ops/convert.ts";
import { group_norm } from "../ops/group-norm.ts";
import { layer_norm, rms_norm } from "../ops/layer-norm.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature, type FactoryOptions } from "./arguments.ts";
import type { Parameter } from "./parameter.ts";
import { pythonText } from "./text.ts";

function reset(weight: Parameter | null, bias: Parameter | null): void {
  no_grad(() => {
    if (weight !== null) fill_(weight, 1);
    if (bias !== null) fill_(bias, 0);
  });
}

const layerNormSignature = new ConstructorSignature(
  "LayerNorm(int[] normalized_shape, Scalar eps=1e-05, bool elementwise_affine=True, bool bias=True, str? device=None, dtype? dtype=None)",
);

/** Options of {@link LayerNorm}. */
export interface LayerNormModuleOptions extends FactoryOptions {
  /** Added to the variance. Default: 1e-5. */
  eps?: number;
  /** Whether scale and shift are learned. Default: true. */
  elementwise_affine?: boolean;
  /** Whether there is a shift where there is a scale. Default: true. */
  bias?: boolean;
}

/** Normalises the last dimensions to mean 0 and variance 1, then scales and shifts each element. */
export class LayerNorm extends Configured {
  declare readonly normalized_shape: readonly number[];
  declare readonly eps: number;
  declare readonly elementwise_affine: boolean;
  declare weight: Parameter | null;
  declare bias: Parameter | null;

  constructor(
    ...args: Args<
      [normalized_shape: number | readonly number[]],
      [eps?: number, elementwise_affine?: boolean, bias?: boolean],
      LayerNormModuleOptions
    >
  ) {
    super(layerNormSignature, args, ["bias"]);
    const a = this._arguments;
    const affine = this.elementwise_affine;
    this.register_parameter("weight", affine ? a.parameter(...this.normalized_shape) : null);
    this.register_parameter("bias", affine && a.get<boolean>("bias") ? a.parameter(...this.normalized_shape) : null);
    this.reset_parameters();
  }

  /** Sets the scale to 1 and the shift to 0. */
  reset_parameters(): void {
    reset(this.weight, this.bias);
  }

  override forward(input: Tensor): Tensor {
    return layer_norm(input, this.normalized_shape, this.weight, this.bias, this.eps);
  }

  override extra_repr(): string {
    return `${this._text("normalized_shape")}, ${this._list("eps", "elementwise_affine")}, bias=${pythonText(this.bias !== null)}`;
  }
}

const rmsNormSignature = new ConstructorSignature(
  "RMSNorm(int[] normalized_shape, Scalar? eps=None, bool elementwise_affine=True, str? device=None, dtype? dtype=None)",
);

/** Options of {@link RMSNorm}. */
export interface RMSNormOptions extends FactoryOptions {
  /** Added to the mean square. Default: the precision of the dtype. */
  eps?: number | null;
  /** Whether a scale is learned. Default: true. */
  elementwise_affine?: boolean;
}

/** Divides the last dimensions by their root mean square, then scales each element. */
export class RMSNorm extends Configured {
  declare readonly normalized_shape: readonly number[];
  declare readonly eps: number | null;
  declare readonly elementwise_affine: boolean;
  declare weight: Parameter | null;

  constructor(
    ...args: Args<
      [normalized_shape: number | readonly number[]],
      [eps?: number | null, elementwise_affine?: boolean],
      RMSNormOptions
    >
  ) {
    super(rmsNormSignature, args);
    const weight = this.elementwise_affine ? this._arguments.parameter(...this.normalized_shape) : null;
    this.register_parameter("weight", weight);
    this.reset_parameters();
  }

  /** Sets the scale to 1. */
  reset_parameters(): void {
    reset(this.weight, null);
  }

  override forward(input: Tensor): Tensor {
    return rms_norm(input, this.normalized_shape, this.weight, this.eps);
  }

  override extra_repr(): string {
    return `${this._text("normalized_shape")}, ${this._list("eps", "elementwise_affine")}`;
  }
}

const groupNormSignature = new ConstructorSignature(
  "GroupNorm(int num_groups, int num_channels, Scalar eps=1e-05, bool affine=True, str? device=None, dtype? dtype=None, bool bias=True)",
);

/** Options of {@link GroupNorm}. */
export interface GroupNormModuleOptions extends FactoryOptions {
  /** Added to the variance. Default: 1e-5. */
  eps?: number;
  /** Whether scale and shift are learned. Default: true. */
  affine?: boolean;
  /** Whether there is a shift where there is a scale. Default: true. */
  bias?: boolean;
}

/** Normalises groups of channels, then scales and shifts each channel. */
export class GroupNorm extends Configured {
  declare readonly num_groups: number;
  declare readonly num_channels: number;
  declare readonly eps: number;
  declare readonly affine: boolean;
  declare weight: Parameter | null;
  declare bias: Parameter | null;

  constructor(
    ...args: Args<[num_groups: number, num_channels: number], [eps?: number, affine?: boolean], GroupNormModuleOptions>
  ) {
    super(groupNormSignature, args, ["bias"]);
    if (this.num_channels % this.num_groups !== 0) {
      throw new ValueError(`num_channels (${this.num_channels}) must be divisible by num_groups (${this.num_groups})`);
    }
    const a = this._arguments;
    this.register_parameter("weight", this.affine ? a.parameter(this.num_channels) : null);
    this.register_parameter("bias", this.affine && a.get<boolean>("bias") ? a.parameter(this.num_channels) : null);
    this.reset_parameters();
  }

  /** Sets the scale to 1 and the shift to 0. */
  reset_parameters(): void {
    reset(this.weight, this.bias);
  }

  override forward(input: Tensor): Tensor {
    return group_norm(input, this.num_groups, this.weight, this.bias, this.eps);
  }

  override extra_repr(): string {
    return `${this.num_groups}, ${this.num_channels}, ${this._list("eps", "affine")}, bias=${pythonText(this.bias !== null)}`;
  }
}
