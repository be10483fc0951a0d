/**
 * Which elements the outputs of pooling see: arguments, their checks, and the windows that follow from them.
 */
import { TorchError } from "../base/errors.ts";
import { formatShape, isContiguous, numel } from "../base/shape.ts";
import { copyRaw } from "../dispatch/elementwise.ts";
import type { WindowGrid, Windows } from "../dispatch/family/pooling.ts";
import { allocateStrided, type Tensor } from "../tensor/tensor.ts";

/** A number for all spatial dimensions, or one for each. */
export type Sizes = number | readonly number[];

/** The arguments of pooling, one number for each spatial dimension. */
export interface PoolArguments {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly ceil: boolean;
}

/** One number for each of `rank` dimensions. */
export function sizesFor(value: Sizes, rank: number, name: string, what: string): readonly number[] {
  const list = typeof value === "number" ? [value] : value;
  if (list.length === rank) return list;
  if (list.length === 1) return Array.from({ length: rank }, () => list[0] as number);
  throw new TorchError(
    `${name}: ${what} must either be a single int, or a tuple of ${["one int", "two ints", "three ints"][rank - 1]}`,
  );
}

/** The arguments with defaults; the stride is the kernel's size if none is given. */
export function poolArguments(
  name: string,
  rank: number,
  kernel: Sizes,
  stride: Sizes | null,
  padding: Sizes,
  dilation: Sizes,
  ceil: boolean,
): PoolArguments {
  const k = sizesFor(kernel, rank, name, "kernel_size");
  const none = stride === null || (typeof stride !== "number" && stride.length === 0);
  return {
    kernel: k,
    stride: none ? k : sizesFor(stride, rank, name, "stride"),
    padding: sizesFor(padding, rank, name, "padding"),
    dilation: sizesFor(dilation, rank, name, "dilation"),
    ceil,
  };
}

/** Sizes of the output. */
export function pooledSizes(size: readonly number[], a: PoolArguments): number[] {
  return size.map((n, d) => {
    const [k, s, p, step] = [a.kernel[d], a.stride[d], a.padding[d], a.dilation[d]] as [number, number, number, number];
    if (s === 0) throw new TorchError("stride should not be zero");
    if (p < 0) throw new TorchError(`pad must be non-negative, but got pad: ${p}`);
    if (p > Math.floor(((k - 1) * step + 1) / 2)) {
      throw new TorchError(
        `pad should be at most half of effective kernel size, but got pad=${p}, kernel_size=${k} and dilation=${step}`,
      );
    }
    const out = Math.floor((n + 2 * p - step * (k - 1) - 1 + (a.ceil ? s - 1 : 0)) / s) + 1;
    return a.ceil && (out - 1) * s >= n + p ? out - 1 : out;
  });
}

/** Throws where a dimension of the output would be empty. */
export function checkPooled(shape: readonly number[], out: readonly number[]): void {
  if (out.every((n) => n >= 1)) return;
  const channels = shape[shape.length - out.length - 1] as number;
  throw new TorchError(
    `Given input size: (${[channels, ...shape.slice(-out.length)].join("x")}). Calculated output size: (${[channels, ...out].join("x")}). Output size is too small`,
  );
}

/** The windows along one dimension of size `n`. `countPadding`: whether padding counts in means. */
export function windowsOf(
  n: number,
  outputs: number,
  kernel: number,
  stride: number,
  padding: number,
  dilation: number,
  countPadding: boolean,
): Windows {
  const start: number[] = [];
  const count: number[] = [];
  const divisor: number[] = [];
  for (let o = 0; o < outputs; o++) {
    const from = o * stride - padding;
    const to = Math.min(from + (kernel - 1) * dilation + 1, n + padding);
    const first = from < 0 ? from + Math.ceil(-from / dilation) * dilation : from;
    const seen = Math.max(0, Math.ceil((Math.min(to, n) - first) / dilation));
    start.push(seen === 0 ? 0 : first);
    count.push(seen);
    divisor.push(countPadding ? to - from : seen);
  }
  return { start, count, divisor };
}

/** Windows that divide a dimension as evenly as possible. */
export function adaptiveWindows(n: number, outputs: number): Windows {
  const start = Array.from({ length: outputs }, (_, o) => Math.floor((o * n) / outputs));
  const count = start.map((s, o) => Math.ceil(((o + 1) * n) / outputs) - s);
  return { start, count, divisor: count };
}

const single: Windows = { start: [0], count: [1], divisor: [1] };

/** A grid of three dimensions from that of the last `rank` ones. */
export function gridOf(shape: readonly number[], windows: readonly Windows[], dilation: readonly number[]): WindowGrid {
  const rank = windows.length;
  const missing = 3 - rank;
  const fill = <T>(list: readonly T[], value: T): [T, T, T] =>
    [...Array.from({ length: missing }, () => value), ...list] as [T, T, T];
  return {
    planes: numel(shape.slice(0, shape.length - rank)),
    size: fill(shape.slice(-rank), 1),
    windows: fill(windows, single),
    step: fill(dilation, 1),
  };
}

/** The grid of {@link PoolArguments}. */
export function poolGrid(
  shape: readonly number[],
  out: readonly number[],
  a: PoolArguments,
  countPadding: boolean,
): WindowGrid {
  const rank = out.length;
  const windows = shape
    .slice(-rank)
    .map((n, d) =>
      windowsOf(
        n,
        out[d] as number,
        a.kernel[d] as number,
        a.stride[d] as number,
        a.padding[d] as number,
        a.dilation[d] as number,
        countPadding,
      ),
    );
  return gridOf(shape, windows, a.dilation);
}

/** Whether a tensor lies with its channels last, and not also row-major. */
export function channelsLast(x: Tensor): boolean {
  if (x.ndim !== 4 || x._isContiguous) return false;
  const order = [0, 2, 3, 1];
  return isContiguous(
    order.map((d) => x.shape[d] as number),
    order.map((d) => x._strides[d] as number),
  );
}

/** A result in the memory format of the input. */
export function inFormatOf(out: Tensor, last: boolean): Tensor {
  if (!last) return out;
  const [, c, h, w] = out.shape as [number, number, number, number];
  const strided = allocateStrided(out.shape, [c * h * w, 1, w * c, c], out.dtype, out._backend);
  if (out._numel > 0) copyRaw(strided, out);
  return strided;
}

/** Throws unless a tensor has `rank` spatial dimensions, a channel dimension and perhaps a batch. */
export function checkPoolInput(x: Tensor, rank: number, format: (shape: string) => string): void {
  const batch = x.ndim === rank + 2 ? 1 : 0;
  const fits = x.ndim === rank + 1 || batch === 1;
  if (!fits || x.shape.slice(batch).includes(0)) throw new TorchError(format(formatShape(x.shape)));
}
