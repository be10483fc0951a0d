/**
 * Short-time Fourier transforms: the spectrum of a signal piece by piece, and the signal back from it.
 */
import { toReal } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { viewOf } from "../dispatch/family/view.ts";
import { operator } from "../dispatch/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { view_as_real } from "./complex.ts";
import { new_arange } from "./create.ts";
import { c2c, c2r, r2c, type Scaling } from "./fft-transform.ts";
import { pad, type PadMode } from "./pad.ts";
import type { Op } from "./view.ts";

/** In-place views of the result, under the names that autograd gives them. */
const turned = viewOf<null>({
  name: "transpose_",
  gradName: "TransposeBackward1",
  geometry: (x) => {
    const [a, b, c] = x.shape as [number, number, number];
    const [p, q, r] = x._strides as [number, number, number];
    return { shape: [a, c, b], strides: [p, r, q], offset: x._offset };
  },
});
const withoutBatch = viewOf<null>({
  name: "squeeze_",
  gradName: "SqueezeBackward4",
  geometry: (x) => ({ shape: x.shape.slice(1), strides: x._strides.slice(1), offset: x._offset }),
});

/** The window, in the middle of n_fft elements; null where nothing is weighted. */
function widened(window: Tensor | null, like: Tensor, length: number, n: number): Tensor | null {
  if (length >= n) return window;
  const left = Math.floor((n - length) / 2);
  const given = window ?? like.new_ones([length]);
  return pad(given, [left, n - length - left]);
}

/** Options of `stft`. */
export interface StftOptions {
  n_fft?: number;
  hop_length?: number | null;
  win_length?: number | null;
  window?: Tensor | null;
  center?: boolean;
  pad_mode?: string;
  normalized?: boolean;
  onesided?: boolean | null;
  return_complex?: boolean | null;
}

function describeCall(name: string, x: Tensor, n: number, hop: number, length: number, window: Tensor | null): string {
  const shown = window === null ? "None" : `torch.${window.dtype.scalarName}Tensor{${formatShape(window.shape)}}`;
  return `${name}(torch.${x.dtype.scalarName}Tensor${formatShape(x.shape)}, n_fft=${n}, hop_length=${hop}, win_length=${length}, window=${shown}`;
}

/** The spectra of overlapping pieces of a signal: frequencies by pieces. */
export const stft: Op<
  (
    input: Tensor,
    n_fft: number | StftOptions,
    hop_length?: number | null | StftOptions,
    win_length?: number | null,
    window?: Tensor | null,
    options?: StftOptions,
  ) => Tensor
> = operator(
  "stft(Tensor input, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, str pad_mode='reflect', bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None)",
  (
    input: Tensor,
    n: number,
    hopLength: number | null,
    winLength: number | null,
    window: Tensor | null,
    center: boolean,
    mode: string,
    normalized: boolean,
    onesided: boolean | null,
    returnComplex: boolean | null,
  ) => {
    const hop = hopLength ?? Math.floor(n / 4);
    const length = winLength ?? n;
    const call = describeCall("stft", input, n, hop, length, window);
    const tail = `, normalized=${Number(normalized)}, onesided=${onesided === null ? "None" : Number(onesided)}, return_complex=${returnComplex === null ? "None" : Number(returnComplex)})`;
    const refuse = (what: string): never => {
      throw new TorchError(`${call}${tail}: ${what}`);
    };
    const complex = input.dtype.is_complex || window?.dtype.is_complex === true;
    if (returnComplex === null && !complex) {
      throw new TorchError(
        "stft requires the return_complex parameter be given for real inputs, and will further require that return_complex=True in a future PyTorch release.",
      );
    }
    if (input.dtype.category < 2) refuse("expected a tensor of floating point or complex values");
    if (input.ndim < 1 || input.ndim > 2) refuse("expected a 1D or 2D tensor");
    let x = input.ndim === 1 ? input.unsqueeze(0) : input;
    if (center) {
      const half = Math.floor(n / 2);
      x = pad(x.unsqueeze(0), [half, half], mode as PadMode).squeeze(0);
    }
    const [batch, size] = x.shape as [number, number];
    if (n <= 0 || n > size) refuse(`expected 0 < n_fft < ${size}, but got n_fft=${n}`);
    if (hop <= 0) refuse(`expected hop_length > 0, but got hop_length=${hop}`);
    if (length <= 0 || length > n) refuse(`expected 0 < win_length <= n_fft, but got win_length=${length}`);
    if (window !== null && (window.ndim !== 1 || window.shape[0] !== length)) {
      refuse(
        `expected a 1D window tensor of size equal to win_length=${length}, but got window with size ${formatShape(window.shape)}`,
      );
    }
    const weights = widened(window, x, length, n);
    const frames = 1 + Math.floor((size - n) / hop);
    const [s0, s1] = x._strides as [number, number];
    let pieces = x.as_strided([batch, frames, n], [s0, hop * s1, s1]);
    if (weights !== null) pieces = pieces.mul(weights);
    const scaling: Scaling = normalized ? "root" : "none";
    const half = onesided ?? !pieces.dtype.is_complex;
    if (pieces.dtype.is_complex && half) {
      throw new TorchError("Cannot have onesided output if window or input is complex");
    }
    const spectra = pieces.dtype.is_complex ? c2c(pieces, [2], scaling, true) : r2c(pieces, [2], scaling, half);
    let out = turned(spectra, null);
    if (input.ndim === 1) out = withoutBatch(out, null);
    return (returnComplex ?? complex) ? out : view_as_real(out);
  },
);

/** Options of `istft`. */
export interface IstftOptions {
  n_fft?: number;
  hop_length?: number | null;
  win_length?: number | null;
  window?: Tensor | null;
  center?: boolean;
  normalized?: boolean;
  onesided?: boolean | null;
  length?: number | null;
  return_complex?: boolean;
}

/** Overlapping pieces added up: piece p begins at p * hop. */
function overlapAdd(pieces: Tensor, hop: number, total: number): Tensor {
  const [batch, frames, n] = pieces.shape as [number, number, number];
  const starts = new_arange(pieces, frames).mul(hop).unsqueeze(1);
  const places = starts.add(new_arange(pieces, n)).reshape([-1]);
  return pieces.new_zeros([batch, total]).index_add(1, places, pieces.reshape([batch, frames * n]));
}

/** The signal whose overlapping pieces have the given spectra, the inverse of `stft`. */
export const istft: Op<
  (
    input: Tensor,
    n_fft: number | IstftOptions,
    hop_length?: number | null | IstftOptions,
    win_length?: number | null,
    window?: Tensor | null,
    options?: IstftOptions,
  ) => Tensor
> = operator(
  "istft(Tensor input, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, bool normalized=False, bool? onesided=None, int? length=None, bool return_complex=False)",
  (
    input: Tensor,
    n: number,
    hopLength: number | null,
    winLength: number | null,
    window: Tensor | null,
    center: boolean,
    normalized: boolean,
    onesided: boolean | null,
    wanted: number | null,
    returnComplex: boolean,
  ) => {
    const hop = hopLength ?? Math.floor(n / 4);
    const length = winLength ?? n;
    const call = describeCall("istft", input, n, hop, length, window);
    const refuse = (what: string): never => {
      throw new TorchError(
        `${call}, center=${Number(center)}, normalized=${Number(normalized)}, onesided=${onesided === null ? "None" : Number(onesided)}, length=${wanted ?? "None"}, return_complex=${Number(returnComplex)}) ${what}`,
      );
    };
    if (!input.dtype.is_complex) {
      throw new TorchError(
        "istft requires a complex-valued input tensor matching the output from stft with return_complex=True.",
      );
    }
    if (input._numel === 0) refuse("input tensor cannot be empty.");
    if (input.ndim !== 2 && input.ndim !== 3) {
      refuse(`expected a tensor with 2 or 3 dimensions, but got ${input.ndim}`);
    }
    const bins = input.shape.at(-2) as number;
    const frames = input.shape.at(-1) as number;
    const half = onesided ?? bins !== n;
    if (half && Math.floor(n / 2) + 1 !== bins) {
      refuse(
        `expected the frequency dimension (3rd to the last) of the input tensor to match n_fft / 2 + 1 when onesided=True, but got ${bins}`,
      );
    }
    if (!half && n !== bins) {
      refuse(
        `expected the frequency dimension (3rd to the last) of the input tensor to match n_fft when onesided=False, but got ${bins}`,
      );
    }
    if (hop <= 0 || hop > length) refuse("expected 0 < hop_length <= win_length");
    if (length <= 0 || length > n) refuse("expected 0 < win_length <= n_fft");
    if (window !== null && (window.ndim !== 1 || window.shape[0] !== length)) {
      refuse("Invalid window shape. window has to be 1D and length of `win_length`");
    }
    const plain = window ?? input.new_ones([length], { dtype: toReal(input.dtype) });
    const weights = length === n ? plain : (widened(plain, plain, length, n) as Tensor);
    let x = (input.ndim === 2 ? input.unsqueeze(0) : input).transpose(1, 2);
    const scaling: Scaling = normalized ? "root" : "count";
    if (returnComplex) {
      if (half) throw new TorchError("Cannot have onesided output if window or input is complex");
      x = c2c(x, [2], scaling, false);
    } else {
      if (weights.dtype.is_complex) {
        throw new TorchError("Complex windows are incompatible with return_complex=False");
      }
      if (!half) x = x.narrow(-1, 0, Math.floor(n / 2) + 1);
      x = c2r(x, [2], scaling, n);
    }
    const total = n + hop * (frames - 1);
    const start = center ? Math.floor(n / 2) : 0;
    const end = wanted === null ? (center ? total - Math.floor(n / 2) : total) : start + wanted;
    const kept = Math.max(Math.min(end, total) - start, 0);
    const signal = overlapAdd(x.mul(weights.view([1, 1, n])), hop, total).narrow(1, start, kept);
    const squares = weights.pow(2).expand([1, frames, n]);
    const envelope = overlapAdd(squares, hop, total).narrow(1, start, kept);
    const least = Number(envelope.detach().abs().amin().item());
    if (!(least > 1e-11)) refuse("window overlap add min: 1");
    let out = signal.div(envelope);
    if (input.ndim === 2) out = out.squeeze(0);
    if (end > total) {
      console.warn(
        "UserWarning: The length of signal is shorter than the length parameter. Result is being padded with zeros in the tail. Please check your center and hop_length settings.",
      );
      out = pad(out, [0, end - total]);
    }
    return out;
  },
);
