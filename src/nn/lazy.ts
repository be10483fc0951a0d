/**
 * Modules that learn the number of their input features from their first input. They then become ordinary modules.
 */
import { ValueError } from "../base/errors.ts";
import { isOptions } from "../dispatch/signature.ts";
import { empty, ones, zeros } from "../ops/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Args, FactoryOptions } from "./arguments.ts";
import {
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  type ChannelNormOptions,
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
} from "./batch-norm.ts";
import {
  Conv1d,
  Conv2d,
  Conv3d,
  type ConvModuleOptions,
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  type ConvTransposeModuleOptions,
  type OutputSize,
  type Size,
} from "./conv.ts";
import { Linear, type LinearOptions } from "./linear.ts";
import type { Module } from "./module.ts";
import type { Parameter } from "./parameter.ts";

/** Gives a parameter its shape; it stays the same object, so that optimizers may hold it already. */
function materialize(p: Parameter, shape: readonly number[]): void {
  p.data = empty(shape, { dtype: p.dtype, device: p.device });
}

/** Makes a module one of another class. */
function become<M extends object>(module: Module, target: { readonly prototype: M }): M {
  return Object.setPrototypeOf(module, target.prototype) as M;
}

/** {@link Linear}, for inputs of any number of features. */
export class LazyLinear extends Linear {
  constructor(...args: Args<[out_features: number], [bias?: boolean], LinearOptions>) {
    const [out, ...rest] = args;
    super(0, out as number, ...(rest as []));
  }

  override reset_parameters(): void {}

  override forward(input: Tensor): Tensor {
    const features = input.shape.at(-1) as number;
    Reflect.set(this, "in_features", features);
    materialize(this.weight, [this.out_features, features]);
    const module = become(this, Linear);
    module.reset_parameters();
    return module.forward(input);
  }
}

type LazyConvArgs = Args<
  [out_channels: number, kernel_size: Size],
  [stride?: Size, padding?: Size | "same" | "valid", dilation?: Size, groups?: number, bias?: boolean],
  ConvModuleOptions
>;

type AnyConv = Conv1d | Conv2d | Conv3d | ConvTranspose1d | ConvTranspose2d | ConvTranspose3d;

/** Gives a convolution its number of input channels. */
function settle<M extends AnyConv>(module: AnyConv, input: Tensor, target: { readonly prototype: M }): M {
  const rank = module.kernel_size.length;
  if (input.ndim !== rank + 1 && input.ndim !== rank + 2) {
    throw new ValueError(
      `Expected ${rank + 1}D (unbatched) or ${rank + 2}D (batched) input to ${module._get_name()}, but got input of size: torch.Size([${input.shape.join(", ")}])`,
    );
  }
  const channels = input.shape.at(-rank - 1) as number;
  const { groups, out_channels: out, kernel_size: kernel } = module;
  if (channels % groups !== 0) throw new ValueError("in_channels must be divisible by groups");
  Reflect.set(module, "in_channels", channels);
  const transposed =
    (target as unknown) === ConvTranspose1d ||
    (target as unknown) === ConvTranspose2d ||
    (target as unknown) === ConvTranspose3d;
  const shape = transposed ? [channels, out / groups] : [out, channels / groups];
  materialize(module.weight, [...shape, ...kernel]);
  const settled = become<M>(module, target);
  settled.reset_parameters();
  return settled;
}

/** {@link Conv1d}, for inputs of any number of channels. */
export class LazyConv1d extends Conv1d {
  constructor(...args: LazyConvArgs) {
    super(0, ...(args as [number, Size]));
  }

  override reset_parameters(): void {}

  override forward(input: Tensor): Tensor {
    return settle(this, input, Conv1d).forward(input);
  }
}

/** {@link Conv2d}, for inputs of any number of channels. */
export class LazyConv2d extends Conv2d {
  constructor(...args: LazyConvArgs) {
    super(0, ...(args as [number, Size]));
  }

  override reset_parameters(): void {}

  override forward(input: Tensor): Tensor {
    return settle(this, input, Conv2d).forward(input);
  }
}

/** {@link Conv3d}, for inputs of any number of channels. */
export class LazyConv3d extends Conv3d {
  constructor(...args: LazyConvArgs) {
    super(0, ...(args as [number, Size]));
  }

  override reset_parameters(): void {}

  override forward(input: Tensor): Tensor {
    return settle(this, input, Conv3d).forward(input);
  }
}

type LazyTransposeArgs = Args<
  [out_channels: number, kernel_size: Size],
  [stride?: Size, padding?: Size, output_padding?: Size, groups?: number, bias?: boolean, dilation?: Size],
  ConvTransposeModuleOptions
>;

/** {@link ConvTranspose1d}, for inputs of any number of channels. */
export class LazyConvTranspose1d extends ConvTranspose1d {
  constructor(...args: LazyTransposeArgs) {
    super(0, ...(args as [number, Size]));
  }

  override reset_parameters(): void {}

  override forward(input: Tensor, output_size: OutputSize = null): Tensor {
    return settle(this, input, ConvTranspose1d).forward(input, output_size);
  }
}

/** {@link ConvTranspose2d}, for inputs of any number of channels. */
export class LazyConvTranspose2d extends ConvTranspose2d {
  constructor(...args: LazyTransposeArgs) {
    super(0, ...(args as [number, Size]));
  }

  override reset_parameters(): void {}

  override forward(input: Tensor, output_size: OutputSize = null): Tensor {
    return settle(this, input, ConvTranspose2d).forward(input, output_size);
  }
}

/** {@link ConvTranspose3d}, for inputs of any number of channels. */
export class LazyConvTranspose3d extends ConvTranspose3d {
  constructor(...args: LazyTransposeArgs) {
    super(0, ...(args as [number, Size]));
  }

  override reset_parameters(): void {}

  override forward(input: Tensor, output_size: OutputSize = null): Tensor {
    return settle(this, input, ConvTranspose3d).forward(input, output_size);
  }
}

type LazyNormArgs = Args<
  [],
  [eps?: number, momentum?: number | null, affine?: boolean, track_running_stats?: boolean],
  ChannelNormOptions & FactoryOptions
>;

type AnyNorm = BatchNorm1d | BatchNorm2d | BatchNorm3d | InstanceNorm1d | InstanceNorm2d | InstanceNorm3d;

/** Gives a normalisation its number of channels, in dim `channels` of the input. */
function settleNorm<M extends AnyNorm>(
  module: AnyNorm,
  input: Tensor,
  channels: number,
  target: { readonly prototype: M },
): M {
  module._check_input_dim(input);
  const n = input.shape[channels] as number;
  Reflect.set(module, "num_features", n);
  if (module.weight !== null) materialize(module.weight, [n]);
  if (module.bias !== null) materialize(module.bias, [n]);
  const { running_mean: mean, running_var: variance } = module;
  if (mean !== null) module.running_mean = zeros([n], { dtype: mean.dtype });
  if (variance !== null) module.running_var = ones([n], { dtype: variance.dtype });
  const settled = become<M>(module, target);
  settled.reset_parameters();
  return settled;
}

/** The arguments of a normalisation without its number of channels. */
const withoutChannels = (args: readonly unknown[]): [number] => {
  const last = args.at(-1);
  return [0, ...(isOptions(last) ? args : args.filter((x) => x !== undefined))] as [number];
};

/** {@link BatchNorm1d}, for inputs of any number of channels. */
export class LazyBatchNorm1d extends BatchNorm1d {
  constructor(...args: LazyNormArgs) {
    super(...withoutChannels(args));
  }

  override forward(input: Tensor): Tensor {
    return settleNorm(this, input, 1, BatchNorm1d).forward(input);
  }
}

/** {@link BatchNorm2d}, for inputs of any number of channels. */
export class LazyBatchNorm2d extends BatchNorm2d {
  constructor(...args: LazyNormArgs) {
    super(...withoutChannels(args));
  }

  override forward(input: Tensor): Tensor {
    return settleNorm(this, input, 1, BatchNorm2d).forward(input);
  }
}

/** {@link BatchNorm3d}, for inputs of any number of channels. */
export class LazyBatchNorm3d extends BatchNorm3d {
  constructor(...args: LazyNormArgs) {
    super(...withoutChannels(args));
  }

  override forward(input: Tensor): Tensor {
    return settleNorm(this, input, 1, BatchNorm3d).forward(input);
  }
}

/** {@link InstanceNorm1d}, for inputs of any number of channels. */
export class LazyInstanceNorm1d extends InstanceNorm1d {
  constructor(...args: LazyNormArgs) {
    super(...withoutChannels(args));
  }

  override forward(input: Tensor): Tensor {
    return settleNorm(this, input, input.ndim - 2, InstanceNorm1d).forward(input);
  }
}

/** {@link InstanceNorm2d}, for inputs of any number of channels. */
export class LazyInstanceNorm2d extends InstanceNorm2d {
  constructor(...args: LazyNormArgs) {
    super(...withoutChannels(args));
  }

  override forward(input: Tensor): Tensor {
    return settleNorm(this, input, input.ndim - 3, InstanceNorm2d).forward(input);
  }
}

/** {@link InstanceNorm3d}, for inputs of any number of channels. */
export class LazyInstanceNorm3d extends InstanceNorm3d {
  constructor(...args: LazyNormArgs) {
    super(...withoutChannels(args));
  }

  override forward(input: Tensor): Tensor {
    return settleNorm(this, input, input.ndim - 4, InstanceNorm3d).forward(input);
  }
}
