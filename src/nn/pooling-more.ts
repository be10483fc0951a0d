/**
 * Pooling by powers and its inverse, and normalisation across channels.
 */
import { pad } from "../ops/pad.ts";
import {
  local_response_norm,
  lp_pool1d,
  lp_pool2d,
  lp_pool3d,
  max_unpool1d,
  max_unpool2d,
  max_unpool3d,
} from "../ops/unpool.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature } from "./arguments.ts";
import type { Size } from "./conv.ts";

// --- powers ----------------------------------------------------------------------------------------------------------

type LpArgs = Args<
  [norm_type: number, kernel_size: Size],
  [stride?: Size | null, ceil_mode?: boolean],
  { stride?: Size | null; ceil_mode?: boolean }
>;

const lpSignature = (name: string): ConstructorSignature =>
  new ConstructorSignature(`${name}(Scalar norm_type, any kernel_size, any stride=None, bool ceil_mode=False)`);

abstract class LPPool extends Configured {
  declare readonly norm_type: number;
  declare readonly kernel_size: Size;
  declare readonly stride: Size | null;
  declare readonly ceil_mode: boolean;

  override extra_repr(): string {
    return this._list("norm_type", "kernel_size", "stride", "ceil_mode");
  }
}

const lp1dSignature = lpSignature("LPPool1d");

/** The p-norm of each window of sequences. */
export class LPPool1d extends LPPool {
  constructor(...args: LpArgs) {
    super(lp1dSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return lp_pool1d(input, this.norm_type, this.kernel_size, this.stride, this.ceil_mode);
  }
}

const lp2dSignature = lpSignature("LPPool2d");

/** The p-norm of each window of images. */
export class LPPool2d extends LPPool {
  constructor(...args: LpArgs) {
    super(lp2dSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return lp_pool2d(input, this.norm_type, this.kernel_size, this.stride, this.ceil_mode);
  }
}

const lp3dSignature = lpSignature("LPPool3d");

/** The p-norm of each window of volumes. */
export class LPPool3d extends LPPool {
  constructor(...args: LpArgs) {
    super(lp3dSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return lp_pool3d(input, this.norm_type, this.kernel_size, this.stride, this.ceil_mode);
  }
}

// --- the inverse of maxima -------------------------------------------------------------------------------------------

type UnpoolArgs = Args<
  [kernel_size: Size],
  [stride?: Size | null, padding?: Size],
  { stride?: Size | null; padding?: Size }
>;

const unpoolSignature = (name: string): ConstructorSignature =>
  new ConstructorSignature(`${name}(any kernel_size, any stride=None, any padding=0)`);

/** The size of the output, where the windows do not tell. */
type UnpoolSize = readonly number[] | { output_size?: readonly number[] | null } | null;

const sizeOf = (size: UnpoolSize): number[] | null => {
  if (Array.isArray(size)) return [...(size as number[])];
  const given = (size as { output_size?: readonly number[] | null } | null)?.output_size ?? null;
  return given === null ? null : [...given];
};

abstract class MaxUnpool extends Configured {
  declare readonly kernel_size: readonly number[];
  declare readonly stride: readonly number[];
  declare readonly padding: readonly number[];

  constructor(signature: ConstructorSignature, args: readonly unknown[], rank: number) {
    super(signature, args);
    const all = (value: Size): number[] =>
      typeof value === "number" ? new Array<number>(rank).fill(value) : [...value];
    const stride = this.stride as Size | null;
    const kernel = all(this.kernel_size);
    Reflect.set(this, "kernel_size", kernel);
    Reflect.set(this, "stride", stride === null ? kernel : all(stride));
    Reflect.set(this, "padding", all(this.padding));
  }

  override extra_repr(): string {
    return this._list("kernel_size", "stride", "padding");
  }
}

const unpool1dSignature = unpoolSignature("MaxUnpool1d");

/** Puts maxima back to where they were in sequences. */
export class MaxUnpool1d extends MaxUnpool {
  constructor(...args: UnpoolArgs) {
    super(unpool1dSignature, args, 1);
  }

  override forward(input: Tensor, indices: Tensor, output_size: UnpoolSize = null): Tensor {
    return max_unpool1d(input, indices, this.kernel_size, this.stride, this.padding, sizeOf(output_size));
  }
}

const unpool2dSignature = unpoolSignature("MaxUnpool2d");

/** Puts maxima back to where they were in images. */
export class MaxUnpool2d extends MaxUnpool {
  constructor(...args: UnpoolArgs) {
    super(unpool2dSignature, args, 2);
  }

  override forward(input: Tensor, indices: Tensor, output_size: UnpoolSize = null): Tensor {
    return max_unpool2d(input, indices, this.kernel_size, this.stride, this.padding, sizeOf(output_size));
  }
}

const unpool3dSignature = unpoolSignature("MaxUnpool3d");

/** Puts maxima back to where they were in volumes. */
export class MaxUnpool3d extends MaxUnpool {
  constructor(...args: UnpoolArgs) {
    super(unpool3dSignature, args, 3);
  }

  override forward(input: Tensor, indices: Tensor, output_size: UnpoolSize = null): Tensor {
    return max_unpool3d(input, indices, this.kernel_size, this.stride, this.padding, sizeOf(output_size));
  }
}

// --- across channels -------------------------------------------------------------------------------------------------

/** Options of {@link LocalResponseNorm} and {@link CrossMapLRN2d}. */
export interface LocalResponseNormOptions {
  alpha?: number;
  beta?: number;
  k?: number;
}

type ResponseArgs = Args<[size: number], [alpha?: number, beta?: number, k?: number], LocalResponseNormOptions>;

const responseSignature = new ConstructorSignature(
  "LocalResponseNorm(int size, Scalar alpha=0.0001, Scalar beta=0.75, Scalar k=1.0)",
);

/** Divides by a power of the mean square over `size` neighbouring channels. */
export class LocalResponseNorm extends Configured {
  declare readonly size: number;
  declare readonly alpha: number;
  declare readonly beta: number;
  declare readonly k: number;

  constructor(...args: ResponseArgs) {
    super(responseSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return local_response_norm(input, this.size, this.alpha, this.beta, this.k);
  }

  override extra_repr(): string {
    return `${this.size}, ${this._list("alpha", "beta", "k")}`;
  }
}

const crossMapSignature = new ConstructorSignature(
  "CrossMapLRN2d(int size, Scalar alpha=0.0001, Scalar beta=0.75, Scalar k=1)",
);

/** As {@link LocalResponseNorm}, for images. */
export class CrossMapLRN2d extends Configured {
  declare readonly size: number;
  declare readonly alpha: number;
  declare readonly beta: number;
  declare readonly k: number;

  constructor(...args: ResponseArgs) {
    super(crossMapSignature, args);
  }

  override forward(input: Tensor): Tensor {
    const before = Math.floor((this.size - 1) / 2);
    // Windows of channels, padded on both sides.
    const squares = pad(input.mul(input), [0, 0, 0, 0, before, this.size - 1 - before]);
    const sums = squares.unfold(1, this.size, 1).sum(-1);
    return input.mul(
      sums
        .mul(this.alpha / this.size)
        .add(this.k)
        .pow(-this.beta),
    );
  }

  override extra_repr(): string {
    return `${this.size}, ${this._list("alpha", "beta", "k")}`;
  }
}
