/**
 * Pooling: maxima and means of windows.
 */
import {
  adaptive_avg_pool1d,
  adaptive_avg_pool2d,
  adaptive_avg_pool3d,
  adaptive_max_pool1d,
  adaptive_max_pool2d,
  adaptive_max_pool3d,
  type AdaptiveMaxPool,
  avg_pool1d,
  avg_pool2d,
  avg_pool3d,
  max_pool1d,
  max_pool2d,
  max_pool3d,
  type MaxPool,
} from "../ops/pool.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature } from "./arguments.ts";
import type { Size } from "./conv.ts";

// --- maxima ----------------------------------------------------------------------------------------------------------

/** Options of the max pools. */
export interface MaxPoolModuleOptions {
  /** Default: the size of the window. */
  stride?: Size | null;
  padding?: Size;
  dilation?: Size;
  /** Whether the positions of the maxima come too, as `[output, indices]`. Default: false. */
  return_indices?: boolean;
  /** Whether windows may begin that go over the edge. Default: false. */
  ceil_mode?: boolean;
}

type MaxPoolArgs = Args<
  [kernel_size: Size],
  [stride?: Size | null, padding?: Size, dilation?: Size, return_indices?: boolean, ceil_mode?: boolean],
  MaxPoolModuleOptions
>;

const maxSignature = (name: string): ConstructorSignature =>
  new ConstructorSignature(
    `${name}(any kernel_size, any stride=None, any padding=0, any dilation=1, bool return_indices=False, bool ceil_mode=False)`,
  );

abstract class AnyMaxPool extends Configured {
  declare readonly kernel_size: Size;
  declare readonly stride: Size;
  declare readonly padding: Size;
  declare readonly dilation: Size;
  declare readonly return_indices: boolean;
  declare readonly ceil_mode: boolean;

  constructor(signature: ConstructorSignature, args: readonly unknown[]) {
    super(signature, args);
    if ((this.stride as Size | null) === null) Reflect.set(this, "stride", this.kernel_size);
  }

  /** @internal The values alone are typed; with `return_indices` it is a pair. */
  protected pool(fn: MaxPool, input: Tensor): Tensor {
    const { kernel_size: kernel, stride, padding, dilation, ceil_mode, return_indices } = this;
    const options = { stride, padding, dilation, ceil_mode };
    if (!return_indices) return fn(input, kernel, options);
    return fn(input, kernel, { ...options, return_indices: true }) as unknown as Tensor;
  }

  override extra_repr(): string {
    return this._list("kernel_size", "stride", "padding", "dilation", "ceil_mode");
  }
}

const max1dSignature = maxSignature("MaxPool1d");

/** The largest element of each window of sequences. */
export class MaxPool1d extends AnyMaxPool {
  constructor(...args: MaxPoolArgs) {
    super(max1dSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return this.pool(max_pool1d, input);
  }
}

const max2dSignature = maxSignature("MaxPool2d");

/** The largest element of each window of images. */
export class MaxPool2d extends AnyMaxPool {
  constructor(...args: MaxPoolArgs) {
    super(max2dSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return this.pool(max_pool2d, input);
  }
}

const max3dSignature = maxSignature("MaxPool3d");

/** The largest element of each window of volumes. */
export class MaxPool3d extends AnyMaxPool {
  constructor(...args: MaxPoolArgs) {
    super(max3dSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return this.pool(max_pool3d, input);
  }
}

// --- means -----------------------------------------------------------------------------------------------------------

/** Options of the average pools. */
export interface AvgPoolModuleOptions {
  /** Default: the size of the window. */
  stride?: Size | null;
  padding?: Size;
  /** Whether windows may begin that go over the edge. Default: false. */
  ceil_mode?: boolean;
  /** Whether the zeros of the padding count. Default: true. */
  count_include_pad?: boolean;
  /** What sums are divided by, instead of the size of the window. */
  divisor_override?: number | null;
}

type AvgPoolArgs = Args<
  [kernel_size: Size],
  [stride?: Size | null, padding?: Size, ceil_mode?: boolean, count_include_pad?: boolean],
  AvgPoolModuleOptions
>;

const averageSignature = (name: string, divisor: string): ConstructorSignature =>
  new ConstructorSignature(
    `${name}(any kernel_size, any stride=None, any padding=0, bool ceil_mode=False, bool count_include_pad=True${divisor})`,
  );

abstract class AnyAvgPool extends Configured {
  declare readonly kernel_size: Size;
  declare readonly stride: Size;
  declare readonly padding: Size;
  declare readonly ceil_mode: boolean;
  declare readonly count_include_pad: boolean;
  declare readonly divisor_override: number | null;

  constructor(signature: ConstructorSignature, args: readonly unknown[]) {
    super(signature, args);
    if ((this.stride as Size | null) === null) Reflect.set(this, "stride", this.kernel_size);
  }

  override extra_repr(): string {
    return this._list("kernel_size", "stride", "padding");
  }
}

const average1dSignature = averageSignature("AvgPool1d", "");

/** The mean of each window of sequences. */
export class AvgPool1d extends AnyAvgPool {
  constructor(...args: AvgPoolArgs) {
    super(average1dSignature, args);
    for (const name of ["kernel_size", "stride", "padding"] as const) {
      const value = this[name];
      if (typeof value === "number") Reflect.set(this, name, [value]);
    }
  }

  override forward(input: Tensor): Tensor {
    const { kernel_size: kernel, stride, padding, ceil_mode, count_include_pad } = this;
    return avg_pool1d(input, kernel, stride, padding, ceil_mode, count_include_pad);
  }
}

const divisor = ", int? divisor_override=None";
const average2dSignature = averageSignature("AvgPool2d", divisor);

/** The mean of each window of images. */
export class AvgPool2d extends AnyAvgPool {
  constructor(...args: AvgPoolArgs) {
    super(average2dSignature, args);
  }

  override forward(input: Tensor): Tensor {
    const { kernel_size: kernel, stride, padding, ceil_mode, count_include_pad, divisor_override } = this;
    return avg_pool2d(input, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override);
  }
}

const average3dSignature = averageSignature("AvgPool3d", divisor);

/** The mean of each window of volumes. */
export class AvgPool3d extends AnyAvgPool {
  constructor(...args: AvgPoolArgs) {
    super(average3dSignature, args);
  }

  override forward(input: Tensor): Tensor {
    const { kernel_size: kernel, stride, padding, ceil_mode, count_include_pad, divisor_override } = this;
    return avg_pool3d(input, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override);
  }
}

// --- adaptive --------------------------------------------------------------------------------------------------------

/** The size of an output; null keeps that of the input. */
export type AdaptiveSize = number | null | readonly (number | null)[];

abstract class Adaptive extends Configured {
  declare readonly output_size: AdaptiveSize;

  override extra_repr(): string {
    return this._list("output_size");
  }
}

const adaptiveAverage = (name: string): ConstructorSignature => new ConstructorSignature(`${name}(any output_size)`);
const adaptiveAverage1d = adaptiveAverage("AdaptiveAvgPool1d");

/** Means of sequences, for an output of a given length. */
export class AdaptiveAvgPool1d extends Adaptive {
  constructor(output_size: AdaptiveSize | { output_size: AdaptiveSize }) {
    super(adaptiveAverage1d, [output_size]);
  }

  override forward(input: Tensor): Tensor {
    return adaptive_avg_pool1d(input, this.output_size);
  }
}

const adaptiveAverage2d = adaptiveAverage("AdaptiveAvgPool2d");

/** Means of images, for an output of a given size. */
export class AdaptiveAvgPool2d extends Adaptive {
  constructor(output_size: AdaptiveSize | { output_size: AdaptiveSize }) {
    super(adaptiveAverage2d, [output_size]);
  }

  override forward(input: Tensor): Tensor {
    return adaptive_avg_pool2d(input, this.output_size);
  }
}

const adaptiveAverage3d = adaptiveAverage("AdaptiveAvgPool3d");

/** Means of volumes, for an output of a given size. */
export class AdaptiveAvgPool3d extends Adaptive {
  constructor(output_size: AdaptiveSize | { output_size: AdaptiveSize }) {
    super(adaptiveAverage3d, [output_size]);
  }

  override forward(input: Tensor): Tensor {
    return adaptive_avg_pool3d(input, this.output_size);
  }
}

type AdaptiveMaxArgs = Args<[output_size: AdaptiveSize], [return_indices?: boolean], { return_indices?: boolean }>;

const adaptiveMax = (name: string): ConstructorSignature =>
  new ConstructorSignature(`${name}(any output_size, bool return_indices=False)`);

abstract class AdaptiveMax extends Adaptive {
  declare readonly return_indices: boolean;

  /** @internal */
  protected pool(fn: AdaptiveMaxPool, input: Tensor): Tensor {
    if (!this.return_indices) return fn(input, this.output_size);
    return fn(input, this.output_size, true) as unknown as Tensor;
  }
}

const adaptiveMax1d = adaptiveMax("AdaptiveMaxPool1d");

/** Maxima of sequences, for an output of a given length. */
export class AdaptiveMaxPool1d extends AdaptiveMax {
  constructor(...args: AdaptiveMaxArgs) {
    super(adaptiveMax1d, args);
  }

  override forward(input: Tensor): Tensor {
    return this.pool(adaptive_max_pool1d, input);
  }
}

const adaptiveMax2d = adaptiveMax("AdaptiveMaxPool2d");

/** Maxima of images, for an output of a given size. */
export class AdaptiveMaxPool2d extends AdaptiveMax {
  constructor(...args: AdaptiveMaxArgs) {
    super(adaptiveMax2d, args);
  }

  override forward(input: Tensor): Tensor {
    return this.pool(adaptive_max_pool2d, input);
  }
}

const adaptiveMax3d = adaptiveMax("AdaptiveMaxPool3d");

/** Maxima of volumes, for an output of a given size. */
export class AdaptiveMaxPool3d extends AdaptiveMax {
  constructor(...args: AdaptiveMaxArgs) {
    super(adaptiveMax3d, args);
  }

  override forward(input: Tensor): Tensor {
    return this.pool(adaptive_max_pool3d, input);
  }
}
