/**
 * Patches of images as columns and back, and channels as positions and back.
 */
import { TorchError } from "../base/errors.ts";
import { contiguousStrides, formatShape, numel } from "../base/shape.ts";
import { contiguousRaw, copyRaw, fillRaw } from "../dispatch/elementwise.ts";
import { addRaw, kernelOffsets } from "../dispatch/family/convolution.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, type Primitive, primitive } from "../dispatch/primitive.ts";
import { alias, allocate, type Tensor } from "../tensor/tensor.ts";
import { type Sizes, sizesFor } from "./pool-windows.ts";
import { type Op, squeeze, unsqueeze } from "./view.ts";

// --- patches ---------------------------------------------------------------------------------------------------------

type Pair = readonly [number, number];

interface FoldParams {
  readonly kernel: Pair;
  readonly dilation: Pair;
  readonly padding: Pair;
  readonly stride: Pair;
  /** Height and width of the image. */
  readonly size: Pair;
  /** Positions of the patches. */
  readonly out: Pair;
}

/** What the patches see of padded images: [N, C, kH, kW, oH, oW]. */
function patches(images: Tensor, { kernel, dilation, stride, out }: FoldParams): Tensor {
  const [n, c] = images.shape as [number, number];
  const [sn, sc, sh, sw] = images._strides as [number, number, number, number];
  return alias(
    images,
    [n, c, ...kernel, ...out],
    [sn, sc, sh * dilation[0], sw * dilation[1], sh * stride[0], sw * stride[1]],
    images._offset,
  );
}

/** The part of padded images that is not padding. */
const inside = (images: Tensor, { padding, size }: FoldParams): Tensor =>
  alias(
    images,
    [...images.shape.slice(0, 2), ...size],
    images._strides,
    images._offset + padding[0] * (images._strides[2] as number) + padding[1] * (images._strides[3] as number),
  );

const paddedShape = (n: number, c: number, { padding, size }: FoldParams): number[] => [
  n,
  c,
  size[0] + 2 * padding[0],
  size[1] + 2 * padding[1],
];

function unfoldRaw(x: Tensor, p: FoldParams): Tensor {
  const [n, c] = x.shape as [number, number];
  const out = allocate([n, c * numel(p.kernel), numel(p.out)], x.dtype, x._backend);
  if (out._numel === 0) return out;
  let images = x;
  if (p.padding.some((size) => size > 0)) {
    images = allocate(paddedShape(n, c, p), x.dtype, x._backend);
    fillRaw(images, 0);
    copyRaw(inside(images, p), x);
  }
  const seen = patches(images, p);
  copyRaw(alias(out, seen.shape, contiguousStrides(seen.shape), 0), seen);
  return out;
}

function foldRaw(columns: Tensor, p: FoldParams): Tensor {
  const n = columns.shape[0] as number;
  const c = (columns.shape[1] as number) / numel(p.kernel);
  const images = allocate(paddedShape(n, c, p), columns.dtype, columns._backend);
  fillRaw(images, 0);
  if (images._numel > 0 && columns._numel > 0) {
    const seen = patches(images, p);
    const source = contiguousRaw(columns);
    const taken = alias(source, seen.shape, contiguousStrides(seen.shape), source._offset);
    const shape = [n, c, ...p.out];
    const pick = (t: Tensor, [i, j]: readonly number[]): Tensor => {
      const [s0, s1, s2, s3, s4, s5] = t._strides as [number, number, number, number, number, number];
      return alias(t, shape, [s0, s1, s4, s5], t._offset + (i as number) * s2 + (j as number) * s3);
    };
    for (const at of kernelOffsets(p.kernel)) addRaw(pick(seen, at), pick(taken, at));
  }
  return contiguousRaw(inside(images, p));
}

function rulesOf(unfoldName: string, foldName: string): [Primitive<FoldParams>, Primitive<FoldParams>] {
  const unfolding: Primitive<FoldParams> = primitive<FoldParams>({
    name: "im2col",
    gradName: unfoldName,
    forward: ([x], p) => unfoldRaw(x as Tensor, p),
    grads: [{ vjp: (g, ctx) => apply1(folding, [g], ctx.params) }],
  });
  const folding: Primitive<FoldParams> = primitive<FoldParams>({
    name: "col2im",
    gradName: foldName,
    forward: ([x], p) => foldRaw(x as Tensor, p),
    grads: [{ vjp: (g, ctx) => apply1(unfolding, [g], ctx.params) }],
  });
  return [unfolding, folding];
}

const [im2col, col2im] = rulesOf("Im2ColBackward0", "Col2ImBackward0");

const pairOf = (value: Sizes, name: string, what: string): Pair => sizesFor(value, 2, name, what) as unknown as Pair;

const positions = (size: Pair, kernel: Pair, dilation: Pair, padding: Pair, stride: Pair): Pair =>
  size.map(
    (n, d) =>
      Math.floor(
        (n + 2 * (padding[d] as number) - (dilation[d] as number) * ((kernel[d] as number) - 1) - 1) /
          (stride[d] as number),
      ) + 1,
  ) as unknown as Pair;

function checkPositive(pairs: Readonly<Record<string, Pair>>): void {
  for (const [name, [height, width]] of Object.entries(pairs)) {
    if (height <= 0 || width <= 0) {
      throw new TorchError(
        `${name} should be greater than zero, but got ${name}_height: ${height} ${name}_width: ${width}`,
      );
    }
  }
}

/** Options of {@link unfold} and {@link fold}. */
export interface FoldOptions {
  dilation?: Sizes;
  padding?: Sizes;
  stride?: Sizes;
}

/** The patches of images (N, C, H, W) as columns (N, C * kH * kW, positions). */
export const unfold: Op<
  (
    input: Tensor,
    kernel_size: Sizes,
    dilation?: Sizes | FoldOptions,
    padding?: Sizes | FoldOptions,
    stride?: Sizes,
  ) => Tensor
> = operator(
  "unfold(Tensor input, int[] kernel_size, int[] dilation=1, int[] padding=0, int[] stride=1)",
  (x: Tensor, kernelSize: Sizes, dilations: Sizes, paddings: Sizes, strides: Sizes) => {
    const kernel = pairOf(kernelSize, "unfold", "kernel_size");
    const dilation = pairOf(dilations, "unfold", "dilation");
    const padding = pairOf(paddings, "unfold", "padding");
    const stride = pairOf(strides, "unfold", "stride");
    checkPositive({ kernel, dilation, stride });
    const single = x.ndim === 3;
    if (!single && x.ndim !== 4) {
      throw new TorchError(
        `Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: ${formatShape(x.shape)}`,
      );
    }
    const input = single ? unsqueeze(x, 0) : x;
    const size = input.shape.slice(2) as unknown as Pair;
    const out = positions(size, kernel, dilation, padding, stride);
    if (out.some((n) => n < 1)) {
      throw new TorchError(
        `Given input with spatial size (${size.join(", ")}), kernel_size=(${kernel.join(", ")}), dilation=(${dilation.join(", ")}), padding=(${padding.join(", ")}), calculated shape of the array of sliding blocks as (${out.join(", ")}), but its components must be at least one.`,
      );
    }
    const columns = apply1(im2col, [input], { kernel, dilation, padding, stride, size, out });
    return single ? squeeze(columns, 0) : columns;
  },
  { method: false, namespace: false },
);

/** Adds columns (N, C * kH * kW, positions) up to images (N, C, H, W): the transpose of {@link unfold}. */
export const fold: Op<
  (
    input: Tensor,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation?: Sizes | FoldOptions,
    padding?: Sizes | FoldOptions,
    stride?: Sizes,
  ) => Tensor
> = operator(
  "fold(Tensor input, int[] output_size, int[] kernel_size, int[] dilation=1, int[] padding=0, int[] stride=1)",
  (x: Tensor, outputSize: Sizes, kernelSize: Sizes, dilations: Sizes, paddings: Sizes, strides: Sizes) => {
    const size = pairOf(outputSize, "fold", "output_size");
    const kernel = pairOf(kernelSize, "fold", "kernel_size");
    const dilation = pairOf(dilations, "fold", "dilation");
    const padding = pairOf(paddings, "fold", "padding");
    const stride = pairOf(strides, "fold", "stride");
    checkPositive({ kernel, dilation, stride });
    const single = x.ndim === 2;
    if (!single && x.ndim !== 3) {
      throw new TorchError(
        `Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, but got: ${formatShape(x.shape)}`,
      );
    }
    const input = single ? unsqueeze(x, 0) : x;
    const [, rows, columns] = input.shape as [number, number, number];
    if (rows % numel(kernel) !== 0) {
      throw new TorchError(
        `Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)=${rows} and kernel_size=(${kernel.join(", ")}).`,
      );
    }
    const out = positions(size, kernel, dilation, padding, stride);
    if (columns !== numel(out)) {
      throw new TorchError(
        `Given output_size=(${size.join(", ")}), kernel_size=(${kernel.join(", ")}), dilation=(${dilation.join(", ")}), padding=(${padding.join(", ")}), stride=(${stride.join(", ")}), expected size of input's dimension 2 to match the calculated number of sliding blocks ${out[0]} * ${out[1]} = ${numel(out)}, but got input.size(2)=${columns}.`,
      );
    }
    const images = apply1(col2im, [input], { kernel, dilation, padding, stride, size, out });
    return single ? squeeze(images, 0) : images;
  },
  { method: false, namespace: false },
);

// --- channels and positions ------------------------------------------------------------------------------------------

/** A copy with the dims in another order, then in another shape. */
function rearranged(x: Tensor, split: readonly number[], order: readonly number[], shape: readonly number[]): Tensor {
  const source = contiguousRaw(x);
  const strides = contiguousStrides(split);
  const turned = alias(
    source,
    order.map((d) => split[d] as number),
    order.map((d) => strides[d] as number),
    source._offset,
  );
  const out = allocate(shape, x.dtype, x._backend);
  if (out._numel > 0) copyRaw(alias(out, turned.shape, contiguousStrides(turned.shape), 0), turned);
  return out;
}

const splitShape = (x: Tensor): { lead: number[]; c: number; h: number; w: number } => {
  const [c, h, w] = x.shape.slice(-3) as [number, number, number];
  return { lead: x.shape.slice(0, -3), c, h, w };
};

function shuffleRaw(x: Tensor, r: number): Tensor {
  const { lead, c, h, w } = splitShape(x);
  const n = numel(lead);
  const out = c / (r * r);
  return rearranged(x, [n, out, r, r, h, w], [0, 1, 4, 2, 5, 3], [...lead, out, h * r, w * r]);
}

function unshuffleRaw(x: Tensor, r: number): Tensor {
  const { lead, c, h, w } = splitShape(x);
  const n = numel(lead);
  return rearranged(x, [n, c, h / r, r, w / r, r], [0, 1, 3, 5, 2, 4], [...lead, c * r * r, h / r, w / r]);
}

const shuffling: Primitive<number> = primitive<number>({
  name: "pixel_shuffle",
  forward: ([x], r) => shuffleRaw(x as Tensor, r),
  grads: [{ vjp: (g, ctx) => apply1(unshuffling, [g], ctx.params) }],
});
const unshuffling: Primitive<number> = primitive<number>({
  name: "pixel_unshuffle",
  forward: ([x], r) => unshuffleRaw(x as Tensor, r),
  grads: [{ vjp: (g, ctx) => apply1(shuffling, [g], ctx.params) }],
});

function checkImage(name: string, x: Tensor, factor: number, what: string): void {
  if (x.ndim < 3) {
    throw new TorchError(
      `${name} expects input to have at least 3 dimensions, but got input with ${x.ndim} dimension(s)`,
    );
  }
  if (factor <= 0) throw new TorchError(`${name} expects a positive ${what}, but got ${factor}`);
}

/** Channels become positions: (…, C * r * r, H, W) to (…, C, H * r, W * r). */
export const pixel_shuffle: Op<(input: Tensor, upscale_factor: number) => Tensor> = operator(
  "pixel_shuffle(Tensor input, int upscale_factor)",
  (x: Tensor, r: number) => {
    checkImage("pixel_shuffle", x, r, "upscale_factor");
    const { c } = splitShape(x);
    if (c % (r * r) !== 0) {
      throw new TorchError(
        `pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but input.size(-3)=${c} is not divisible by ${r * r}`,
      );
    }
    return apply1(shuffling, [x], r);
  },
  { method: false },
);

/** Positions become channels: the inverse of {@link pixel_shuffle}. */
export const pixel_unshuffle: Op<(input: Tensor, downscale_factor: number) => Tensor> = operator(
  "pixel_unshuffle(Tensor input, int downscale_factor)",
  (x: Tensor, r: number) => {
    checkImage("pixel_unshuffle", x, r, "downscale_factor");
    const { h, w } = splitShape(x);
    for (const [name, n, d] of [
      ["height", h, -2],
      ["width", w, -1],
    ] as const) {
      if (n % r !== 0) {
        throw new TorchError(
          `pixel_unshuffle expects ${name} to be divisible by downscale_factor, but input.size(${d})=${n} is not divisible by ${r}`,
        );
      }
    }
    return apply1(unshuffling, [x], r);
  },
  { method: false },
);

const channelShuffling: Primitive<number> = primitive<number>({
  name: "channel_shuffle",
  forward: ([input], groups) => {
    const x = input as Tensor;
    const [n, c] = x.shape as [number, number];
    return rearranged(x, [n, groups, c / groups, numel(x.shape.slice(2))], [0, 2, 1, 3], x.shape);
  },
  grads: [{ vjp: (g, ctx) => apply1(channelShuffling, [g], (ctx.shape(0)[1] as number) / Math.max(ctx.params, 1)) }],
});

/** Deals the channels of (N, C, …) out to `groups` groups in turn. */
export const channel_shuffle: Op<(input: Tensor, groups: number) => Tensor> = operator(
  "channel_shuffle(Tensor input, int groups)",
  (x: Tensor, groups: number) => {
    if (x.ndim < 3) {
      throw new TorchError(
        `channel_shuffle expects input with > 2 dims, but got input with sizes ${formatShape(x.shape)}`,
      );
    }
    const c = x.shape[1] as number;
    if (groups <= 0) {
      throw new TorchError(`Number of groups to divide channels in must be positive. Value of groups:${groups}`);
    }
    if (c % groups !== 0) {
      throw new TorchError(`Number of channels must be divisible by groups. Got ${c} channels and ${groups} groups.`);
    }
    return apply1(channelShuffling, [x], groups);
  },
  { method: false },
);
