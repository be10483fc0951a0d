/**
 * Convolutions and transposed convolutions.
 */
import { type DType } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import type { MaybeTensor } from "../autograd/node.ts";
import { type ConvGeometry, convolveInputRaw, convolveRaw, convolveWeightRaw } from "../dispatch/family/convolution.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, type GradContext, type Primitive, primitive } from "../dispatch/primitive.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { complex, imag, real } from "./complex.ts";
import { type Op, squeeze, unsqueeze } from "./view.ts";

interface ConvParams {
  readonly geometry: ConvGeometry;
  /** The shape of what is computed. */
  readonly shape: readonly number[];
}

const backwardName = "ConvolutionBackwardBackward0";
const biasGradient = (g: Tensor): Tensor => g.sum(g.shape.map((_, d) => d).filter((d) => d !== 1));

const withShape = ({ geometry }: ConvParams, shape: readonly number[]): ConvParams => ({ geometry, shape });

// Note [The three convolutions]: see dispatch/family/convolution.ts. `convolve` makes the output, `convolveInput` the input and
// `convolveWeight` the weight, from the two others; the gradients of each are the others again.

const forwardRule = (gradName: string): Primitive<ConvParams> =>
  primitive<ConvParams>({
    name: "convolution",
    gradName,
    forward: ([x, w, bias], { geometry, shape }) =>
      convolveRaw(x as Tensor, w as Tensor, bias ?? null, shape, geometry),
    grads: [
      { uses: [1], vjp: (g, ctx) => inputFrom(g, ctx.input(1), ctx, 0) },
      { uses: [0], vjp: (g, ctx) => weightFrom(g, ctx.input(0), ctx, 1) },
      { vjp: biasGradient },
    ],
  });

const convolution = forwardRule("ConvolutionBackward0");
const convolve = forwardRule(backwardName);

const inputRule = (gradName: string): Primitive<ConvParams> =>
  primitive<ConvParams>({
    name: "convolution",
    gradName,
    forward: ([y, w, bias], { geometry, shape }) =>
      convolveInputRaw(y as Tensor, w as Tensor, bias ?? null, shape, geometry),
    grads: [
      {
        uses: [1],
        vjp: (g, ctx) => apply1(convolve, [g, ctx.input(1)], withShape(ctx.params, ctx.shape(0))),
      },
      { uses: [0], vjp: (g, ctx) => weightFrom(ctx.input(0), g, ctx, 1) },
      { vjp: biasGradient },
    ],
  });

const transposedConvolution = inputRule("ConvolutionBackward0");
const convolveInput = inputRule(backwardName);

const convolveWeight: Primitive<ConvParams> = primitive<ConvParams>({
  name: "convolution_backward",
  gradName: backwardName,
  forward: ([y, x], { geometry, shape }) => convolveWeightRaw(y as Tensor, x as Tensor, shape, geometry),
  grads: [
    {
      uses: [1],
      vjp: (g, ctx) => apply1(convolve, [ctx.input(1), g], withShape(ctx.params, ctx.shape(0))),
    },
    { uses: [0], vjp: (g, ctx) => inputFrom(ctx.input(0), g, ctx, 1) },
  ],
});

/** The gradient of an input: of the shape of operand i. */
function inputFrom(y: Tensor, w: Tensor, ctx: GradContext<ConvParams>, i: number): MaybeTensor {
  return apply1(convolveInput, [y, w], withShape(ctx.params, ctx.shape(i)));
}

function weightFrom(y: Tensor, x: Tensor, ctx: GradContext<ConvParams>, i: number): MaybeTensor {
  return apply1(convolveWeight, [y, x], withShape(ctx.params, ctx.shape(i)));
}

// --- arguments -------------------------------------------------------------------------------------------------------

/** A number for all spatial dimensions, or one for each. */
export type Sizes = number | readonly number[];

/** Options of {@link conv2d} and its relatives. */
export interface ConvOptions {
  bias?: Tensor | null;
  /** How far the weight moves from position to position. Default: 1. */
  stride?: Sizes;
  /** Zeros around the input: a number of them, `"valid"` for none, `"same"` for an output as large as the input. */
  padding?: Sizes | "valid" | "same";
  /** The distance between the elements of the weight. Default: 1. */
  dilation?: Sizes;
  /** Parts that the channels fall into, which do not see each other. Default: 1. */
  groups?: number;
}

/** Options of {@link conv_transpose2d} and its relatives. */
export interface ConvTransposeOptions {
  bias?: Tensor | null;
  stride?: Sizes;
  /** What is cut off at each side. Default: 0. */
  padding?: Sizes;
  /** What is added to the size at one side. Default: 0. */
  output_padding?: Sizes;
  groups?: number;
  dilation?: Sizes;
}

function perDim(value: readonly number[], rank: number, name: string): readonly number[] {
  if (value.length === rank) return value;
  if (value.length === 1) return Array.from({ length: rank }, () => value[0] as number);
  throw new TorchError(
    `expected ${name} to be a single integer value or a list of ${rank} values to match the convolution dimensions, but got ${name}=${formatShape(value)}`,
  );
}

const cNames: Readonly<Record<string, string>> = {
  float64: "double",
  float32: "float",
  float16: "c10::Half",
  bfloat16: "c10::BFloat16",
  int64: "long int",
  int32: "int",
  int16: "short int",
  int8: "signed char",
  uint8: "unsigned char",
  bool: "bool",
  complex64: "c10::complex<float>",
  complex128: "c10::complex<double>",
};

const cName = (dtype: DType): string => cNames[dtype.name] ?? dtype.name;

function checkTypes(x: Tensor, w: Tensor, bias: Tensor | null): void {
  if (x.dtype !== w.dtype) {
    throw new TorchError(`Input type (${cName(x.dtype)}) and weight type (${cName(w.dtype)}) should be the same`);
  }
  if (bias !== null && x.dtype !== bias.dtype) {
    throw new TorchError(`Input type (${cName(x.dtype)}) and bias type (${cName(bias.dtype)}) should be the same`);
  }
}

interface Geometry extends ConvGeometry {
  readonly outputPadding: readonly number[];
}

function checkShapes(
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  { stride, padding, dilation, groups, outputPadding }: Geometry,
  transposed: boolean,
): void {
  const [wShape, xShape] = [formatShape(w.shape), formatShape(x.shape)];
  if (padding.some((n) => n < 0)) throw new TorchError("negative padding is not supported");
  if (outputPadding.some((n) => n < 0)) throw new TorchError("negative output_padding is not supported");
  if (stride.some((n) => n <= 0)) throw new TorchError("non-positive stride is not supported");
  if (dilation.some((n) => n <= 0)) throw new TorchError("dilation should be greater than zero");
  if (groups <= 0) throw new TorchError("non-positive groups is not supported");
  if (w.ndim !== x.ndim) {
    throw new TorchError(
      `Expected ${w.ndim}-dimensional input for ${w.ndim}-dimensional weight${wShape}, but got ${x.ndim}-dimensional input of size ${xShape} instead`,
    );
  }
  const first = w.shape[0] as number;
  if (first < groups) {
    throw new TorchError(
      `Given groups=${groups}, expected weight to be at least ${groups} at dimension 0, but got weight of size ${wShape} instead`,
    );
  }
  if (first % groups !== 0) {
    throw new TorchError(
      `Given groups=${groups}, expected weight to be divisible by ${groups} at dimension 0, but got weight of size ${wShape} instead`,
    );
  }
  const wanted = transposed ? first : (w.shape[1] as number) * groups;
  if (x.shape[1] !== wanted) {
    throw new TorchError(
      transposed
        ? `Given transposed=1, weight of size ${wShape}, expected input${xShape} to have ${wanted} channels, but got ${x.shape[1]} channels instead`
        : `Given groups=${groups}, weight of size ${wShape}, expected input${xShape} to have ${wanted} channels, but got ${x.shape[1]} channels instead`,
    );
  }
  const outputs = transposed ? (w.shape[1] as number) * groups : first;
  if (bias !== null && (bias.ndim !== 1 || bias._numel !== outputs)) {
    throw new TorchError(
      transposed
        ? `Given transposed=1, weight of size ${wShape}, expected bias to be 1-dimensional with ${outputs} elements, but got bias of size ${formatShape(bias.shape)} instead`
        : `Given weight of size ${wShape}, expected bias to be 1-dimensional with ${outputs} elements, but got bias of size ${formatShape(bias.shape)} instead`,
    );
  }
  if (transposed) return;
  const padded = x.shape.slice(2).map((n, d) => n + 2 * (padding[d] as number));
  const kernel = w.shape.slice(2).map((n, d) => (dilation[d] as number) * (n - 1) + 1);
  if (kernel.some((n, d) => n > (padded[d] as number))) {
    throw new TorchError(
      `Calculated padded input size per channel: (${padded.join(" x ")}). Kernel size: (${kernel.join(" x ")}). Kernel size can't be greater than actual input size`,
    );
  }
}

/** A convolution of complex numbers is three of real ones. */
function overParts(x: Tensor, w: Tensor, bias: Tensor | null, run: (...inputs: Tensor[]) => Tensor): Tensor {
  if (!x.dtype.is_complex) return bias === null ? run(x, w) : run(x, w, bias);
  const [xr, xi, wr, wi] = [real(x), imag(x), real(w), imag(w)];
  const a = bias === null ? run(xr, wr) : run(xr, wr, real(bias));
  const b = run(xi, wi);
  const c = bias === null ? run(xr.add(xi), wr.add(wi)) : run(xr.add(xi), wr.add(wi), real(bias).add(imag(bias)));
  const none = a.new_zeros([]);
  return complex(a.sub(b), none.expand(a.shape)).add(complex(none.expand(a.shape), c.sub(a).sub(b)));
}

/** A batch of one around an input without a batch dimension. */
function batched(x: Tensor, rank: number, name: string): { input: Tensor; single: boolean } {
  if (x.ndim === rank + 2) return { input: x, single: false };
  if (x.ndim === rank + 1) return { input: unsqueeze(x, 0), single: true };
  throw new TorchError(
    `Expected ${rank + 1}D (unbatched) or ${rank + 2}D (batched) input to ${name}, but got input of size: ${formatShape(x.shape)}`,
  );
}

function conv(
  rank: number,
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  strides: readonly number[],
  paddings: readonly number[] | string,
  dilations: readonly number[],
  groups: number,
): Tensor {
  const name = `conv${rank}d`;
  if (w.ndim < 3) throw new TorchError("weight should have at least three dimensions");
  checkTypes(x, w, bias);
  const same = paddings === "same";
  // The weight says how many dimensions there are where the padding is a word.
  const { input, single } = same && w.ndim !== rank + 2 ? { input: x, single: false } : batched(x, rank, name);
  const stride = perDim(strides, rank, "stride");
  const dilation = perDim(dilations, rank, "dilation");
  let low: readonly number[];
  let high: readonly number[];
  if (typeof paddings === "string") {
    if (paddings !== "same" && paddings !== "valid") throw new TorchError(`Invalid padding string: '${paddings}'`);
    if (same && stride.some((n) => n !== 1)) {
      throw new TorchError("padding='same' is not supported for strided convolutions");
    }
    const total = Array.from({ length: rank }, (_, d) =>
      same ? (dilation[d] as number) * ((w.shape[d + 2] ?? 1) - 1) : 0,
    );
    low = total.map((n) => Math.floor(n / 2));
    high = total.map((n, d) => n - (low[d] as number));
  } else {
    low = perDim(paddings, rank, "padding");
    high = low;
  }
  const geometry: Geometry = { stride, padding: low, dilation, groups, outputPadding: [] };
  checkShapes(input, w, bias, geometry, false);
  const out = input.shape.slice(2).map((n, d) => {
    const reach = (dilation[d] as number) * ((w.shape[d + 2] as number) - 1) + 1;
    return Math.floor((n + (low[d] as number) + (high[d] as number) - reach) / (stride[d] as number)) + 1;
  });
  const shape = [input.shape[0] as number, w.shape[0] as number, ...out];
  const result = overParts(input, w, bias, (...inputs) => apply1(convolution, inputs, { geometry, shape }));
  return single ? squeeze(result, 0) : result;
}

function convTranspose(
  rank: number,
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  strides: readonly number[],
  paddings: readonly number[],
  outputPaddings: readonly number[],
  groups: number,
  dilations: readonly number[],
): Tensor {
  if (w.ndim < 3) throw new TorchError("weight should have at least three dimensions");
  checkTypes(x, w, bias);
  const { input, single } = batched(x, rank, `conv_transpose${rank}d`);
  const stride = perDim(strides, rank, "stride");
  const padding = perDim(paddings, rank, "padding");
  const outputPadding = perDim(outputPaddings, rank, "output_padding");
  const dilation = perDim(dilations, rank, "dilation");
  checkShapes(input, w, bias, { stride, padding, dilation, groups, outputPadding }, true);
  outputPadding.forEach((n, d) => {
    if (n >= (stride[d] as number) && n >= (dilation[d] as number)) {
      throw new TorchError(
        `output padding must be smaller than either stride or dilation, but got output_padding_height: ${outputPadding[0]} output_padding_width: ${outputPadding.at(-1)} stride_height: ${stride[0]} stride_width: ${stride.at(-1)} dilation_height: ${dilation[0]} dilation_width: ${dilation.at(-1)}`,
      );
    }
  });
  const out = input.shape
    .slice(2)
    .map(
      (n, d) =>
        (n - 1) * (stride[d] as number) -
        2 * (padding[d] as number) +
        (dilation[d] as number) * ((w.shape[d + 2] as number) - 1) +
        (outputPadding[d] as number) +
        1,
    );
  const shape = [input.shape[0] as number, (w.shape[1] as number) * groups, ...out];
  const geometry = { stride, padding, dilation, groups };
  const result = overParts(input, w, bias, (...inputs) => apply1(transposedConvolution, inputs, { geometry, shape }));
  return single ? squeeze(result, 0) : result;
}

/** A convolution over the last dimensions of the input. */
export type Conv = Op<
  (
    input: Tensor,
    weight: Tensor,
    bias?: Tensor | null | ConvOptions,
    stride?: Sizes | ConvOptions,
    padding?: Sizes | "valid" | "same" | ConvOptions,
    dilation?: Sizes,
    groups?: number,
  ) => Tensor
>;

const defineConv = (rank: number): Conv =>
  operator(
    `conv${rank}d(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[]|str padding=0, int[] dilation=1, int groups=1)`,
    (
      x: Tensor,
      w: Tensor,
      bias: Tensor | null,
      stride: Sizes,
      padding: Sizes | string,
      dilation: Sizes,
      groups: number,
    ) =>
      conv(
        rank,
        x,
        w,
        bias,
        listOf(stride),
        typeof padding === "string" ? padding : listOf(padding),
        listOf(dilation),
        groups,
      ),
    { method: false },
  );

/** Defaults of the signature are bare numbers. */
const listOf = (value: Sizes): readonly number[] => (typeof value === "number" ? [value] : value);

/** Convolves (N, C, L) with a weight (O, C / groups, k). */
export const conv1d: Conv = defineConv(1);
/** Convolves (N, C, H, W) with a weight (O, C / groups, kH, kW). */
export const conv2d: Conv = defineConv(2);
/** Convolves (N, C, D, H, W) with a weight (O, C / groups, kD, kH, kW). */
export const conv3d: Conv = defineConv(3);

/** A transposed convolution: the gradient of a convolution by its input, as an operator. */
export type ConvTranspose = Op<
  (
    input: Tensor,
    weight: Tensor,
    bias?: Tensor | null | ConvTransposeOptions,
    stride?: Sizes | ConvTransposeOptions,
    padding?: Sizes | ConvTransposeOptions,
    output_padding?: Sizes,
    groups?: number,
    dilation?: Sizes,
  ) => Tensor
>;

const defineTranspose = (rank: number): ConvTranspose =>
  operator(
    `conv_transpose${rank}d(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[] padding=0, int[] output_padding=0, int groups=1, int[] dilation=1)`,
    (
      x: Tensor,
      w: Tensor,
      bias: Tensor | null,
      stride: Sizes,
      padding: Sizes,
      outputPadding: Sizes,
      groups: number,
      dilation: Sizes,
    ) =>
      convTranspose(rank, x, w, bias, listOf(stride), listOf(padding), listOf(outputPadding), groups, listOf(dilation)),
    { method: false },
  );

/** The transposed convolution of (N, C, L) with a weight (C, O / groups, k). */
export const conv_transpose1d: ConvTranspose = defineTranspose(1);
/** The transposed convolution of (N, C, H, W) with a weight (C, O / groups, kH, kW). */
export const conv_transpose2d: ConvTranspose = defineTranspose(2);
/** The transposed convolution of (N, C, D, H, W) with a weight (C, O / groups, kD, kH, kW). */
export const conv_transpose3d: ConvTranspose = defineTranspose(3);
