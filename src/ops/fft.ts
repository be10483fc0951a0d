/**
 * Discrete Fourier transforms (`torch.fft`).
 */
import { get_default_dtype, toComplex } from "../base/dtype.ts";
import { IndexError, TorchError } from "../base/errors.ts";
import { wrapDim } from "../base/shape.ts";
import { operator } from "../dispatch/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { arange, type TensorOptions } from "./create.ts";
import { c2c, c2r, padEnd, r2c, type Scaling } from "./fft-transform.ts";
import { roll } from "./flip.ts";
import type { Op } from "./view.ts";

/** How results are scaled: `"forward"` divides the forward transform by n, `"backward"` the inverse, `"ortho"` both by √n. */
export type Norm = "forward" | "backward" | "ortho" | null;

/** A transform of one dim. */
export type Transform = Op<
  (input: Tensor, n?: number | null, dim?: number, norm?: Norm, options?: { out?: Tensor | null }) => Tensor
>;
/** A transform of several dims; without `dim` of the last ones of `s`, or of all. */
export type TransformMany = Op<
  (
    input: Tensor,
    s?: readonly number[] | null,
    dim?: number | readonly number[] | null,
    norm?: Norm,
    options?: { out?: Tensor | null },
  ) => Tensor
>;

const spaced = { method: false, namespace: false } as const;

function scalingOf(norm: string | null, forward: boolean): Scaling {
  switch (norm ?? "backward") {
    case "backward":
      return forward ? "none" : "count";
    case "forward":
      return forward ? "count" : "none";
    case "ortho":
      return "root";
  }
  throw new TorchError(`Invalid normalization mode: "${norm}"`);
}

/** Integers become the default dtype; with `complex` real numbers complex ones. */
function promote(x: Tensor, complex: boolean): Tensor {
  let { dtype } = x;
  if (dtype.category < 2) dtype = get_default_dtype();
  if (dtype.itemsize < 4) throw new TorchError(`Unsupported dtype ${dtype.scalarName}`);
  if (complex) dtype = toComplex(dtype);
  return x.dtype === dtype ? x : x.to(dtype);
}

function wrap(dim: number, ndim: number): number {
  if (ndim === 0) throw new IndexError(`Dimension specified as ${dim} but tensor has no dimensions`);
  return wrapDim(dim, ndim);
}

function checkCount(n: number): void {
  if (n < 1) throw new TorchError(`Invalid number of data points (${n}) specified`);
}

/** The tensor cut off or filled up with zeros to `size` along a dim. */
function resized(x: Tensor, dim: number, size: number): Tensor {
  const n = x.shape[dim] as number;
  return size === n ? x : size < n ? x.narrow(dim, 0, size) : padEnd(x, dim, size - n);
}

function complexLine(input: Tensor, n: number | null, dim: number, norm: string | null, forward: boolean): Tensor {
  const x = promote(input, false);
  const d = wrap(dim, x.ndim);
  const count = n ?? (x.shape[d] as number);
  checkCount(count);
  return c2c(resized(x, d, count), [d], scalingOf(norm, forward), forward);
}

function realLine(
  name: string,
  input: Tensor,
  n: number | null,
  dim: number,
  norm: string | null,
  forward: boolean,
  onesided: boolean,
): Tensor {
  if (input.dtype.is_complex) {
    throw new TorchError(`${name} expects a real input tensor, but got ${input.dtype.scalarName}`);
  }
  const x = promote(input, false);
  const d = wrap(dim, x.ndim);
  const count = n ?? (x.shape[d] as number);
  checkCount(count);
  const out = r2c(resized(x, d, count), [d], scalingOf(norm, forward), onesided);
  return forward ? out : out.conj();
}

function toRealLine(input: Tensor, n: number | null, dim: number, norm: string | null, forward: boolean): Tensor {
  const x = promote(input, true);
  const d = wrap(dim, x.ndim);
  const count = n ?? 2 * ((x.shape[d] as number) - 1);
  checkCount(count);
  const half = n === null ? x : resized(x, d, Math.floor(count / 2) + 1);
  return c2r(forward ? half.conj() : half, [d], scalingOf(norm, forward), count);
}

type LineFunction = (input: Tensor, n: number | null, dim: number, norm: string | null) => Tensor;
const line = (name: string, f: LineFunction): Transform =>
  operator(`${name}(Tensor input, int? n=None, int dim=-1, str? norm=None)`, f, spaced);

/** The discrete Fourier transform of one dim. */
export const fft_fft: Transform = line("fft_fft", (x, n, dim, norm) =>
  x.dtype.is_complex ? complexLine(x, n, dim, norm, true) : realLine("fft", x, n, dim, norm, true, false),
);
/** The inverse of `fft`. */
export const fft_ifft: Transform = line("fft_ifft", (x, n, dim, norm) =>
  x.dtype.is_complex ? complexLine(x, n, dim, norm, false) : realLine("ifft", x, n, dim, norm, false, false),
);
/** The transform of real numbers: the first half, which determines the second. */
export const fft_rfft: Transform = line("fft_rfft", (x, n, dim, norm) => realLine("rfft", x, n, dim, norm, true, true));
/** The inverse of `rfft`: real numbers from half of their transform. */
export const fft_irfft: Transform = line("fft_irfft", (x, n, dim, norm) => toRealLine(x, n, dim, norm, false));
/** The transform, which is real, of a symmetric sequence given by its first half. */
export const fft_hfft: Transform = line("fft_hfft", (x, n, dim, norm) => toRealLine(x, n, dim, norm, true));
/** The inverse of `hfft`. */
export const fft_ihfft: Transform = line("fft_ihfft", (x, n, dim, norm) =>
  realLine("ihfft", x, n, dim, norm, false, true),
);

// --- several dims ----------------------------------------------------------------------------------------------------

interface Dims {
  readonly dims: number[];
  readonly sizes: number[];
}

function dimsOf(x: Tensor, s: readonly number[] | null, dim: readonly number[] | null): Dims {
  let dims: number[];
  if (dim !== null) {
    dims = dim.map((d) => wrap(d, x.ndim));
    if (new Set(dims).size !== dims.length) throw new TorchError("FFT dims must be unique");
    if (s !== null && s.length !== dims.length) {
      throw new TorchError("When given, dim and shape arguments must have the same length");
    }
  } else if (s === null) dims = x.shape.map((_, d) => d);
  else {
    if (s.length > x.ndim) {
      throw new TorchError(`Got shape with ${s.length} values but input tensor only has ${x.ndim} dimensions.`);
    }
    dims = s.map((_, i) => x.ndim - s.length + i);
  }
  const sizes = dims.map((d, i) => (s === null || s[i] === -1 ? (x.shape[d] as number) : (s[i] as number)));
  sizes.forEach(checkCount);
  return { dims, sizes };
}

function resizedAll(x: Tensor, { dims, sizes }: Dims): Tensor {
  return dims.reduce((t, d, i) => resized(t, d, sizes[i] as number), x);
}

function someDims(name: string, { dims }: Dims): void {
  if (dims.length === 0) throw new TorchError(`${name} must transform at least one axis`);
}

type ManyFunction = (
  input: Tensor,
  s: readonly number[] | null,
  dim: readonly number[] | null,
  norm: string | null,
) => Tensor;

const complexMany =
  (forward: boolean): ManyFunction =>
  (input, s, dim, norm) => {
    const given = dimsOf(input, s, dim);
    const x = resizedAll(promote(input, true), given);
    return c2c(x, given.dims, scalingOf(norm, forward), forward);
  };

const rfftn: ManyFunction = (input, s, dim, norm) => {
  if (input.dtype.is_complex) {
    throw new TorchError(`rfftn expects a real-valued input tensor, but got ${input.dtype.scalarName}`);
  }
  const given = dimsOf(input, s, dim);
  someDims("rfftn", given);
  return r2c(resizedAll(promote(input, false), given), given.dims, scalingOf(norm, true), true);
};

const ihfftn: ManyFunction = (input, s, dim, norm) => {
  if (input.dtype.is_complex) {
    throw new TorchError(`ihfftn expects a real-valued input tensor, but got ${input.dtype.scalarName}`);
  }
  const given = dimsOf(input, s, dim);
  someDims("ihfftn", given);
  const x = resizedAll(promote(input, false), given);
  const scaling = scalingOf(norm, false);
  const half = r2c(x, given.dims.slice(-1), scaling, true).conj();
  return given.dims.length === 1 ? half : c2c(half, given.dims.slice(0, -1), scaling, false);
};

/** The dims, and the size of the real result along the last. */
function halvedDims(
  name: string,
  x: Tensor,
  s: readonly number[] | null,
  dim: readonly number[] | null,
): Dims & { last: number } {
  const given = dimsOf(x, s, dim);
  someDims(name, given);
  const at = given.dims.at(-1) as number;
  const last = s === null || s.at(-1) === -1 ? 2 * ((x.shape[at] as number) - 1) : (s.at(-1) as number);
  checkCount(last);
  return { dims: given.dims, sizes: [...given.sizes.slice(0, -1), Math.floor(last / 2) + 1], last };
}

const irfftn: ManyFunction = (input, s, dim, norm) => {
  const given = halvedDims("irfftn", input, s, dim);
  const x = resizedAll(promote(input, true), given);
  return c2r(x, given.dims, scalingOf(norm, false), given.last);
};

const hfftn: ManyFunction = (input, s, dim, norm) => {
  const given = halvedDims("hfftn", input, s, dim);
  const x = resizedAll(promote(input, true), given);
  const scaling = scalingOf(norm, true);
  const others = given.dims.slice(0, -1);
  const rest = others.length === 0 ? x : c2c(x, others, scaling, true);
  return c2r(rest.conj(), given.dims.slice(-1), scaling, given.last);
};

const many = (name: string, f: ManyFunction): TransformMany =>
  operator(`${name}(Tensor input, int[]? s=None, int[]? dim=None, str? norm=None)`, f, spaced);

/** The same with the last two dims as default. */
const plane = (name: string, f: ManyFunction): TransformMany =>
  operator(
    `${name}(Tensor input, int[]? s=None, any dim=None, str? norm=None)`,
    (x: Tensor, s: readonly number[] | null, dim: number | readonly number[] | null, norm: string | null) =>
      f(x, s, dim === null ? [-2, -1] : typeof dim === "number" ? [dim] : dim, norm),
    spaced,
  );

/** The discrete Fourier transform of several dims. */
export const fft_fftn: TransformMany = many("fft_fftn", complexMany(true));
/** The inverse of `fftn`. */
export const fft_ifftn: TransformMany = many("fft_ifftn", complexMany(false));
/** The transform of real numbers over several dims; half of the last. */
export const fft_rfftn: TransformMany = many("fft_rfftn", rfftn);
/** The inverse of `rfftn`. */
export const fft_irfftn: TransformMany = many("fft_irfftn", irfftn);
/** The real transform of symmetric numbers over several dims. */
export const fft_hfftn: TransformMany = many("fft_hfftn", hfftn);
/** The inverse of `hfftn`. */
export const fft_ihfftn: TransformMany = many("fft_ihfftn", ihfftn);
/** The discrete Fourier transform of two dims. */
export const fft_fft2: TransformMany = plane("fft_fft2", complexMany(true));
/** The inverse of `fft2`. */
export const fft_ifft2: TransformMany = plane("fft_ifft2", complexMany(false));
/** The transform of real numbers over two dims. */
export const fft_rfft2: TransformMany = plane("fft_rfft2", rfftn);
/** The inverse of `rfft2`. */
export const fft_irfft2: TransformMany = plane("fft_irfft2", irfftn);
/** The real transform of symmetric numbers over two dims. */
export const fft_hfft2: TransformMany = plane("fft_hfft2", hfftn);
/** The inverse of `hfft2`. */
export const fft_ihfft2: TransformMany = plane("fft_ihfft2", ihfftn);

// --- frequencies -----------------------------------------------------------------------------------------------------

type Shift = Op<(input: Tensor, dim?: number | readonly number[] | null) => Tensor>;

const shift = (name: string, by: (n: number) => number): Shift =>
  operator(
    `${name}(Tensor input, int[]? dim=None)`,
    (x: Tensor, dim: readonly number[] | null) => {
      const dims = dim === null ? x.shape.map((_, d) => d) : dim.map((d) => wrapDim(d, x.ndim));
      return roll(
        x,
        dims.map((d) => by(x.shape[d] as number)),
        dims,
      );
    },
    spaced,
  );

/** Moves the zero frequency to the middle. */
export const fft_fftshift: Shift = shift("fft_fftshift", (n) => Math.floor(n / 2));
/** The inverse of `fftshift`. */
export const fft_ifftshift: Shift = shift("fft_ifftshift", (n) => Math.floor((n + 1) / 2));

type Frequencies = (n: number, d?: number | TensorOptions, options?: TensorOptions) => Tensor;

function frequencies(n: number, d: number | TensorOptions, options: TensorOptions, whole: boolean): Tensor {
  const [step, o] = typeof d === "number" ? [d, options] : [1, d];
  const dtype = o.dtype ?? get_default_dtype();
  if (dtype.category < 2) {
    throw new TorchError(`fftfreq requires a floating point or complex dtype`);
  }
  const half = whole ? Math.floor((n + 1) / 2) : Math.floor(n / 2) + 1;
  const positions = arange(whole ? n : half, { dtype, ...(o.device === undefined ? {} : { device: o.device }) });
  const out = whole ? positions.sub(positions.ge(half).to(dtype).mul(n)) : positions;
  const result = out.mul(1 / (n * step));
  return o.requires_grad === true ? result.requires_grad_() : result;
}

/** The frequencies of the elements of `fft`, for samples `d` apart. */
export const fft_fftfreq: Frequencies = (n, d = 1, options = {}) => frequencies(n, d, options, true);
/** The frequencies of the elements of `rfft`. */
export const fft_rfftfreq: Frequencies = (n, d = 1, options = {}) => frequencies(n, d, options, false);
