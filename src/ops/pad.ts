/**
 * Padding.
 */
import { NotImplementedError, TorchError, ValueError } from "../base/errors.ts";
import type { Scalar } from "../base/promote.ts";
import { formatShape } from "../base/shape.ts";
import { copyRaw, fillRaw } from "../dispatch/elementwise.ts";
import type { Taps } from "../dispatch/family/resampling.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, type Primitive, primitive } from "../dispatch/primitive.ts";
import { PyFloat, type ScalarLike } from "../dispatch/signature.ts";
import { alias, allocate, type Tensor } from "../tensor/tensor.ts";
import { channelsLast, inFormatOf } from "./pool-windows.ts";
import { resampling } from "./resample.ts";
import { clone, type Op } from "./view.ts";

// --- by a constant ---------------------------------------------------------------------------------------------------

interface PadParams {
  /** Pairs of sizes before and after, from the last dimension on; negative ones cut off. */
  readonly pad: readonly number[];
  readonly value: Scalar;
}

/** The sizes before and after each dimension. */
function bothSides(pad: readonly number[], ndim: number): { before: number[]; after: number[] } {
  const before = new Array<number>(ndim).fill(0);
  const after = new Array<number>(ndim).fill(0);
  for (let k = 0; k < pad.length / 2; k++) {
    before[ndim - 1 - k] = pad[2 * k] as number;
    after[ndim - 1 - k] = pad[2 * k + 1] as number;
  }
  return { before, after };
}

const constantPad: Primitive<PadParams> = primitive<PadParams>({
  name: "constant_pad_nd",
  forward: ([input], { pad, value }) => {
    const x = input as Tensor;
    const { before, after } = bothSides(pad, x.ndim);
    const shape = x.shape.map((n, d) => n + (before[d] as number) + (after[d] as number));
    const out = allocate(shape, x.dtype, x._backend);
    if (out._numel === 0) return out;
    fillRaw(out, value);
    // The part that both have.
    const size = x.shape.map((n, d) => n + Math.min(before[d] as number, 0) + Math.min(after[d] as number, 0));
    if (size.every((n) => n > 0)) {
      const at = (t: Tensor, side: (n: number) => number): number =>
        before.reduce((sum, n, d) => sum + Math.max(side(n), 0) * (t._strides[d] as number), t._offset);
      copyRaw(
        alias(
          out,
          size,
          out._strides,
          at(out, (n) => n),
        ),
        alias(
          x,
          size,
          x._strides,
          at(x, (n) => -n),
        ),
      );
    }
    return inFormatOf(out, channelsLast(x));
  },
  grads: [
    {
      vjp: (g, ctx) => {
        const pad = ctx.params.pad.map((n) => -n);
        return apply1(constantPad, [g], { pad, value: 0 });
      },
    },
  ],
});

function constantPadNd(x: Tensor, pad: readonly number[], value: Scalar): Tensor {
  if (pad.length % 2 !== 0) {
    throw new TorchError(`Length of pad must be even but instead it equals ${pad.length}`);
  }
  if (pad.length > 2 * x.ndim) {
    throw new TorchError(
      `Length of pad should be no more than twice the number of dimensions of the input. Pad length is ${pad.length} while the input has ${x.ndim} dimensions.`,
    );
  }
  const { before, after } = bothSides(pad, x.ndim);
  x.shape.forEach((n, d) => {
    const [b, a] = [before[d], after[d]] as [number, number];
    if (n + b + a < 0) {
      throw new TorchError(
        `The input size ${n}, plus negative padding ${b} and ${a} resulted in a negative output size, which is invalid. Check dimension ${d} of your input.`,
      );
    }
  });
  return apply1(constantPad, [x], { pad, value });
}

const valueOf = (value: ScalarLike): Scalar => (value instanceof PyFloat ? value.value : value);

/** Puts elements of one value around the input. `pad`: how many before and after, from the last dimension on. */
export const constant_pad_nd: Op<(input: Tensor, pad: readonly number[], value?: ScalarLike) => Tensor> = operator(
  "constant_pad_nd(Tensor input, int[] pad, Scalar value=0)",
  (x: Tensor, pad: number[], value: ScalarLike) => constantPadNd(x, pad, valueOf(value)),
  { method: false },
);

// --- from the input --------------------------------------------------------------------------------------------------

/** The element that stands at position `at`, which may lie outside, of `n`. */
type Source = (at: number, n: number) => number;

const sources: Readonly<Record<string, Source>> = {
  reflect: (at, n) => (at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at),
  replicate: (at, n) => Math.min(Math.max(at, 0), n - 1),
  circular: (at, n) => ((at % n) + n) % n,
};

const padded = (node: (rank: number) => string, name: string): ReturnType<typeof resampling>[] =>
  [1, 2, 3].map((rank) => resampling(`${name}${rank}d`, node(rank)));

const rules: Readonly<Record<string, ReturnType<typeof resampling>[]>> = {
  reflect: padded((rank) => `ReflectionPad${rank}DBackward0`, "reflection_pad"),
  replicate: padded((rank) => `ReplicationPad${rank}DBackward0`, "replication_pad"),
  // PyTorch writes the parts into a new tensor; what one sees is the node of the last write.
  circular: padded(() => "CopySlices", "_pad_circular"),
};

function checkReflected(x: Tensor, mode: string, d: number, b: number, a: number): void {
  const n = x.shape[d] as number;
  if (mode === "reflect" && (b >= n || a >= n)) {
    throw new TorchError(
      `Argument #4: Padding size should be less than the corresponding input dimension, but got: padding (${b}, ${a}) at dimension ${d} of input ${formatShape(x.shape)}`,
    );
  }
  if (mode === "circular") {
    if (b > n || a > n) throw new TorchError("Padding value causes wrapping around more than once.");
    if (n + b + a < 0) throw new TorchError("Negative padding value is resulting in an empty dimension");
  }
  if (mode !== "circular" && n + b + a < 1) {
    throw new TorchError(`input (size: ${n}) is too small. Calculated output size: ${n + b + a}`);
  }
}

function padFrom(x: Tensor, pad: readonly number[], mode: string): Tensor {
  const rank = pad.length / 2;
  const source = sources[mode] as Source;
  const fits = (rank === 1 || rank === 2 || rank === 3) && (x.ndim === rank + 1 || x.ndim === rank + 2);
  if (!fits) {
    throw new NotImplementedError("Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now");
  }
  const { before, after } = bothSides(pad, x.ndim);
  const taps = Array.from({ length: rank }, (_, k): Taps => {
    const d = x.ndim - rank + k;
    const [n, b, a] = [x.shape[d], before[d], after[d]] as [number, number, number];
    checkReflected(x, mode, d, b, a);
    const out = n + b + a;
    return {
      size: n,
      out,
      taps: 1,
      index: Array.from({ length: out }, (_unused, o) => source(o - b, n)),
      weight: null,
    };
  });
  const rule = (rules[mode] as ReturnType<typeof resampling>[])[rank - 1] as ReturnType<typeof resampling>;
  return rule(x, taps);
}

/** What the new elements are. */
export type PadMode = "constant" | "reflect" | "replicate" | "circular";

/** Options of {@link pad}. */
export interface PadOptions {
  mode?: PadMode;
  /** The value of the new elements, for mode `"constant"`. Default: 0. */
  value?: number | null;
}

/**
 * Puts elements around the input.
 *
 * @param pad how many before and after, from the last dimension on; negative numbers cut off
 */
export const pad: Op<
  (input: Tensor, pad: readonly number[], mode?: PadMode | PadOptions, value?: number | null | PadOptions) => Tensor
> = operator(
  "pad(Tensor input, int[] pad, str mode='constant', float? value=None)",
  (x: Tensor, sizes: number[], mode: string, value: number | null) => {
    if (sizes.length % 2 !== 0) {
      throw new TorchError("Padding length must be divisible by 2");
    }
    if (sizes.length > 2 * x.ndim) {
      throw new TorchError(
        `Padding length should be less than or equal to two times the input dimension but got padding length ${sizes.length} and input of dimension ${x.ndim}`,
      );
    }
    if (mode === "constant") return constantPadNd(x, sizes, value ?? 0);
    if (value !== null && value !== 0) {
      throw new ValueError(`Padding mode "${mode}" doesn't take in value argument`);
    }
    if (!(mode in sources)) throw new NotImplementedError(`Unrecognised padding mode ${mode}`);
    return x._numel === 0 && sizes.every((n) => n === 0) ? clone(x) : padFrom(x, sizes, mode);
  },
  { method: false, namespace: false },
);
