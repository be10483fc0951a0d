/**
 * Rearranged and resized images, and distances.
 */
import { cosine_similarity, pairwise_distance } from "../ops/distance.ts";
import { channel_shuffle, fold, pixel_shuffle, pixel_unshuffle, unfold } from "../ops/fold.ts";
import { interpolate } from "../ops/interpolate.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature } from "./arguments.ts";
import type { Size } from "./conv.ts";
import { formatRepr } from "../base/decimal.ts";

const pixelShuffleSignature = new ConstructorSignature("PixelShuffle(int upscale_factor)");

/** Turns channels into pixels: (N, C r², H, W) becomes (N, C, H r, W r). */
export class PixelShuffle extends Configured {
  declare readonly upscale_factor: number;

  constructor(upscale_factor: number) {
    super(pixelShuffleSignature, [upscale_factor]);
  }

  override forward(input: Tensor): Tensor {
    return pixel_shuffle(input, this.upscale_factor);
  }

  override extra_repr(): string {
    return this._list("upscale_factor");
  }
}

const pixelUnshuffleSignature = new ConstructorSignature("PixelUnshuffle(int downscale_factor)");

/** The inverse of {@link PixelShuffle}. */
export class PixelUnshuffle extends Configured {
  declare readonly downscale_factor: number;

  constructor(downscale_factor: number) {
    super(pixelUnshuffleSignature, [downscale_factor]);
  }

  override forward(input: Tensor): Tensor {
    return pixel_unshuffle(input, this.downscale_factor);
  }

  override extra_repr(): string {
    return this._list("downscale_factor");
  }
}

const channelShuffleSignature = new ConstructorSignature("ChannelShuffle(int groups)");

/** Deals the channels of each group out among all groups. */
export class ChannelShuffle extends Configured {
  declare readonly groups: number;

  constructor(groups: number) {
    super(channelShuffleSignature, [groups]);
  }

  override forward(input: Tensor): Tensor {
    return channel_shuffle(input, this.groups);
  }

  override extra_repr(): string {
    return this._list("groups");
  }
}

/** Options of {@link Fold} and {@link Unfold}. */
export interface FoldOptions {
  dilation?: Size;
  padding?: Size;
  stride?: Size;
}

const foldSignature = new ConstructorSignature(
  "Fold(any output_size, any kernel_size, any dilation=1, any padding=0, any stride=1)",
);

/** Adds blocks up to an image: the transpose of {@link Unfold}. */
export class Fold extends Configured {
  declare readonly output_size: Size;
  declare readonly kernel_size: Size;
  declare readonly dilation: Size;
  declare readonly padding: Size;
  declare readonly stride: Size;

  constructor(
    ...args: Args<[output_size: Size, kernel_size: Size], [dilation?: Size, padding?: Size, stride?: Size], FoldOptions>
  ) {
    super(foldSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return fold(input, this.output_size, this.kernel_size, this.dilation, this.padding, this.stride);
  }

  override extra_repr(): string {
    return this._list("output_size", "kernel_size", "dilation", "padding", "stride");
  }
}

const unfoldSignature = new ConstructorSignature(
  "Unfold(any kernel_size, any dilation=1, any padding=0, any stride=1)",
);

/** The blocks of an image that a convolution sees, each in a column. */
export class Unfold extends Configured {
  declare readonly kernel_size: Size;
  declare readonly dilation: Size;
  declare readonly padding: Size;
  declare readonly stride: Size;

  constructor(...args: Args<[kernel_size: Size], [dilation?: Size, padding?: Size, stride?: Size], FoldOptions>) {
    super(unfoldSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return unfold(input, this.kernel_size, this.dilation, this.padding, this.stride);
  }

  override extra_repr(): string {
    return this._list("kernel_size", "dilation", "padding", "stride");
  }
}

/** How values between elements are found. */
export type UpsampleMode = "nearest" | "nearest-exact" | "linear" | "bilinear" | "bicubic" | "trilinear";

/** Options of {@link Upsample}. */
export interface UpsampleOptions {
  /** The size of the output, or give `scale_factor`. */
  size?: Size | null;
  scale_factor?: Size | null;
  mode?: UpsampleMode;
  align_corners?: boolean | null;
  recompute_scale_factor?: boolean | null;
}

const upsampleSignature = new ConstructorSignature(
  "Upsample(any size=None, any scale_factor=None, str mode='nearest', bool? align_corners=None, bool? recompute_scale_factor=None)",
);

/** Resizes sequences, images and volumes. */
export class Upsample extends Configured {
  declare readonly size: Size | null;
  declare readonly scale_factor: Size | null;
  declare readonly mode: UpsampleMode;
  declare readonly align_corners: boolean | null;
  declare readonly recompute_scale_factor: boolean | null;

  constructor(
    ...args: Args<[], [size?: Size | null, scale_factor?: Size | null, mode?: UpsampleMode], UpsampleOptions>
  ) {
    super(upsampleSignature, args);
  }

  override forward(input: Tensor): Tensor {
    const { size, scale_factor, mode, align_corners, recompute_scale_factor } = this;
    return interpolate(input, { size, scale_factor, mode, align_corners, recompute_scale_factor });
  }

  override extra_repr(): string {
    const { scale_factor: scale } = this;
    const list = Array.isArray(scale)
      ? `(${scale.map((x: number) => formatRepr(x)).join(", ")})`
      : formatRepr(scale as number);
    return `${scale === null ? this._list("size") : `scale_factor=${list}`}, ${this._list("mode")}`;
  }
}

const similaritySignature = new ConstructorSignature("CosineSimilarity(int dim=1, Scalar eps=1e-08)");

/** The cosine of the angle between vectors along a dim. */
export class CosineSimilarity extends Configured {
  declare readonly dim: number;
  declare readonly eps: number;

  constructor(...args: Args<[], [dim?: number, eps?: number], { dim?: number; eps?: number }>) {
    super(similaritySignature, args);
  }

  override forward(x1: Tensor, x2: Tensor): Tensor {
    return cosine_similarity(x1, x2, this.dim, this.eps);
  }
}

const distanceSignature = new ConstructorSignature(
  "PairwiseDistance(Scalar p=2.0, Scalar eps=1e-06, bool keepdim=False)",
);

/** The distances of vectors along the last dim. */
export class PairwiseDistance extends Configured {
  declare readonly p: number;
  declare readonly eps: number;
  declare readonly keepdim: boolean;

  constructor(
    ...args: Args<[], [p?: number, eps?: number, keepdim?: boolean], { p?: number; eps?: number; keepdim?: boolean }>
  ) {
    super(distanceSignature, args);
  }

  override forward(x1: Tensor, x2: Tensor): Tensor {
    return pairwise_distance(x1, x2, this.p, this.eps, this.keepdim);
  }
}
