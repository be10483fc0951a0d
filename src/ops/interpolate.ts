/**
 * Interpolation: tensors at other resolutions.
 */
import type { DType } from "../base/dtype.ts";
import { NotImplementedError, TorchError, ValueError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import type { Taps } from "../dispatch/family/resampling.ts";
import { operator } from "../dispatch/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d } from "./pool.ts";
import { resampling } from "./resample.ts";
import type { Op } from "./view.ts";

/** How values between elements are found. */
export type InterpolationMode = "nearest" | "nearest-exact" | "linear" | "bilinear" | "bicubic" | "trilinear" | "area";

// --- tables ----------------------------------------------------------------------------------------------------------

/** Positions are computed in the precision of the elements, float32 at least, as PyTorch does. */
type Round = (x: number) => number;

const roundOf = (dtype: DType): Round =>
  dtype.name === "float64" || dtype.name === "complex128" ? (x) => x : Math.fround;

/** How far apart in the input neighbours of the output are. */
function scaleOf(size: number, out: number, align: boolean, factor: number | null, round: Round): number {
  if (align) return out > 1 ? round((size - 1) / (out - 1)) : 0;
  return round(factor !== null && factor > 0 ? 1 / factor : size / out);
}

const each = (out: number): number[] => Array.from({ length: out }, (_, o) => o);

function nearestTaps(size: number, out: number, factor: number | null, exact: boolean, round: Round): Taps {
  const scale = scaleOf(size, out, false, factor, round);
  const index = each(out).map((o) => Math.min(Math.floor(round((exact ? o + 0.5 : o) * scale)), size - 1));
  return { size, out, taps: 1, index, weight: null };
}

/** The position in the input of output `o`. */
const positionOf = (o: number, scale: number, align: boolean, round: Round): number =>
  align ? round(scale * o) : round(round(scale * (o + 0.5)) - 0.5);

function linearTaps(size: number, out: number, align: boolean, factor: number | null, round: Round): Taps {
  const scale = scaleOf(size, out, align, factor, round);
  const index: number[] = [];
  const weight: number[] = [];
  for (const o of each(out)) {
    if (out === size) {
      index.push(o, o);
      weight.push(1, 0);
      continue;
    }
    const at = Math.max(positionOf(o, scale, align, round), 0);
    const first = Math.min(Math.floor(at), size - 1);
    const part = Math.min(Math.max(round(at - first), 0), 1);
    index.push(first, Math.min(first + 1, size - 1));
    weight.push(round(1 - part), part);
  }
  return { size, out, taps: 2, index, weight };
}

/** The cubic kernel of Keys with parameter `a`, near (|x| <= 1) and far (1 < |x| < 2). */
const cubicNear = (x: number, a: number): number => ((a + 2) * x - (a + 3)) * x * x + 1;
const cubicFar = (x: number, a: number): number => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;

function cubicTaps(size: number, out: number, align: boolean, factor: number | null, round: Round): Taps {
  const scale = scaleOf(size, out, align, factor, round);
  const index: number[] = [];
  const weight: number[] = [];
  for (const o of each(out)) {
    const at = positionOf(o, scale, align, round);
    const first = Math.floor(at);
    const part = round(at - first);
    const a = -0.75;
    for (let k = -1; k <= 2; k++) index.push(Math.min(Math.max(first + k, 0), size - 1));
    weight.push(cubicFar(part + 1, a), cubicNear(part, a), cubicNear(1 - part, a), cubicFar(2 - part, a));
  }
  return { size, out, taps: 4, index, weight: weight.map(round) };
}

/** Weighted by a filter that is as wide as an output where that is larger than an element: nothing is skipped. */
function antialiasedTaps(
  size: number,
  out: number,
  align: boolean,
  factor: number | null,
  support: number,
  filter: (x: number) => number,
  round: Round,
): Taps {
  const scale = scaleOf(size, out, align, factor, round);
  const reach = scale >= 1 ? support * scale : support;
  const inverse = scale >= 1 ? 1 / scale : 1;
  const taps = Math.ceil(reach) * 2 + 1;
  const index: number[] = [];
  const weight: number[] = [];
  for (const o of each(out)) {
    const centre = scale * (o + 0.5);
    const from = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const count = Math.min(Math.min(Math.trunc(centre + reach + 0.5), size) - from, taps);
    const raw = Array.from({ length: Math.max(count, 0) }, (_, k) => filter((k + from - centre + 0.5) * inverse));
    const total = raw.reduce((a, b) => a + b, 0);
    for (let k = 0; k < taps; k++) {
      index.push(Math.min(from + k, size - 1));
      weight.push(k < raw.length ? round((raw[k] as number) / (total === 0 ? 1 : total)) : 0);
    }
  }
  return { size, out, taps, index, weight };
}

const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x));
const cubic = (x: number): number => {
  const t = Math.abs(x);
  return t < 1 ? cubicNear(t, -0.5) : t < 2 ? cubicFar(t, -0.5) : 0;
};

// --- operators -------------------------------------------------------------------------------------------------------

type Resample = ReturnType<typeof resampling>;

const nearest: readonly Resample[] = [1, 2, 3].map((n) =>
  resampling(`upsample_nearest${n}d`, `UpsampleNearest${n}DBackward0`),
);
const nearestExact: readonly Resample[] = [1, 2, 3].map((n) =>
  resampling(`_upsample_nearest_exact${n}d`, `UpsampleNearestExact${n}DBackward0`),
);
const linear: readonly Resample[] = [
  resampling("upsample_linear1d", "UpsampleLinear1DBackward0"),
  resampling("upsample_bilinear2d", "UpsampleBilinear2DBackward0"),
  resampling("upsample_trilinear3d", "UpsampleTrilinear3DBackward0"),
];
const bicubic = resampling("upsample_bicubic2d", "UpsampleBicubic2DBackward0");
const bilinearAntialiased = resampling("_upsample_bilinear2d_aa", "UpsampleBilinear2DAaBackward0");
const bicubicAntialiased = resampling("_upsample_bicubic2d_aa", "UpsampleBicubic2DAaBackward0");

/** A size or factor for all spatial dimensions, or one for each. */
type PerDim = number | readonly number[];

/** Options of {@link interpolate}. */
export interface InterpolateOptions {
  /** The sizes of the output. */
  size?: PerDim | null;
  /** Instead of sizes: what those of the input are multiplied by. */
  scale_factor?: PerDim | null;
  mode?: InterpolationMode;
  /** Whether the corner elements of input and output coincide, rather than their outer edges. */
  align_corners?: boolean | null;
  /** Whether to work with the ratio of the sizes rather than with the given factor. */
  recompute_scale_factor?: boolean | null;
  /** Whether to smooth before making smaller; for `"bilinear"` and `"bicubic"`. */
  antialias?: boolean;
}

const expand = (value: PerDim, rank: number): readonly number[] =>
  typeof value === "number" ? Array.from({ length: rank }, () => value) : value;

/** The sizes of the output, and the factors that positions go by. */
function targetOf(
  x: Tensor,
  size: PerDim | null,
  factor: PerDim | null,
  recompute: boolean | null,
): { out: number[]; factors: (number | null)[] } {
  const rank = x.ndim - 2;
  if (size !== null && factor !== null) throw new ValueError("only one of size or scale_factor should be defined");
  if (size !== null) {
    const list = expand(size, rank);
    if (list.length !== rank) {
      throw new ValueError(
        `Input and output must have the same number of spatial dimensions, but got input with spatial dimensions of ${formatShape(x.shape.slice(2))} and output size of ${formatShape(list)}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and output size in (o1, o2, ...,oK) format.`,
      );
    }
    if (recompute === true) {
      throw new ValueError("recompute_scale_factor is not meaningful with an explicit size.");
    }
    return { out: [...list], factors: list.map(() => null) };
  }
  if (factor === null) throw new ValueError("either size or scale_factor should be defined");
  const list = expand(factor, rank);
  if (list.length !== rank) {
    throw new ValueError(
      `Input and scale_factor must have the same number of spatial dimensions, but got input with spatial dimensions of ${formatShape(x.shape.slice(2))} and scale_factor of shape ${formatShape(list)}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and scale_factor in (s1, s2, ...,sK) format.`,
    );
  }
  const out = list.map((f, d) => Math.floor((x.shape[d + 2] as number) * f));
  return { out, factors: list.map((f) => (recompute === true ? null : f)) };
}

function checkInput(x: Tensor, out: readonly number[]): void {
  const sizes = x.shape.slice(2);
  if (sizes.includes(0) || out.some((n) => n <= 0)) {
    throw new TorchError(
      `Input and output sizes should be greater than 0, but got input (${["D", "H", "W"]
        .slice(-sizes.length)
        .map((name, d) => `${name}: ${sizes[d]}`)
        .join(", ")}) output (${["D", "H", "W"]
        .slice(-sizes.length)
        .map((name, d) => `${name}: ${out[d]}`)
        .join(", ")})`,
    );
  }
}

const linearRank: Readonly<Record<string, number>> = { linear: 1, bilinear: 2, trilinear: 3, bicubic: 2 };

function interpolateTo(
  x: Tensor,
  mode: InterpolationMode,
  out: readonly number[],
  factors: readonly (number | null)[],
  align: boolean,
  antialias: boolean,
): Tensor {
  const rank = x.ndim - 2;
  const sizes = x.shape.slice(2);
  const round = roundOf(x.dtype);
  const taps = (make: (size: number, out: number, factor: number | null) => Taps): Taps[] =>
    sizes.map((n, d) => make(n, out[d] as number, factors[d] ?? null));
  if (mode === "nearest" || mode === "nearest-exact") {
    if (rank < 1 || rank > 3) {
      throw new NotImplementedError(
        `Input Error: Only 3D, 4D and 5D input Tensors supported (got ${x.ndim}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | area | nearest-exact (got ${mode})`,
      );
    }
    checkInput(x, out);
    const exact = mode === "nearest-exact";
    const rule = (exact ? nearestExact : nearest)[rank - 1] as Resample;
    return rule(
      x,
      taps((n, o, f) => nearestTaps(n, o, f, exact, round)),
    );
  }
  if (mode === "area") {
    if (rank === 1) return adaptive_avg_pool1d(x, out as number[]);
    return rank === 2 ? adaptive_avg_pool2d(x, out as number[]) : adaptive_avg_pool3d(x, out as number[]);
  }
  if (rank !== linearRank[mode]) {
    const [got, needs] = [`${x.ndim}D`, mode];
    const wanted = ({ linear: "3D", bilinear: "4D", bicubic: "4D", trilinear: "5D" } as Record<string, string>)[mode];
    throw new NotImplementedError(
      wanted === undefined
        ? `Input Error: Only 3D, 4D and 5D input Tensors supported (got ${got}) for the modes: nearest | linear | bilinear | bicubic | trilinear | area | nearest-exact (got ${mode})`
        : `Got ${got} input, but ${needs} mode needs ${wanted} input`,
    );
  }
  checkInput(x, out);
  if (x.dtype.category !== 2) {
    throw new NotImplementedError(`"compute_indices_weights_linear" not implemented for '${x.dtype.scalarName}'`);
  }
  if (mode === "bicubic") {
    return antialias
      ? bicubicAntialiased(
          x,
          taps((n, o, f) => antialiasedTaps(n, o, align, f, 2, cubic, round)),
        )
      : bicubic(
          x,
          taps((n, o, f) => cubicTaps(n, o, align, f, round)),
        );
  }
  if (antialias) {
    return bilinearAntialiased(
      x,
      taps((n, o, f) => antialiasedTaps(n, o, align, f, 1, triangle, round)),
    );
  }
  return (linear[rank - 1] as Resample)(
    x,
    taps((n, o, f) => linearTaps(n, o, align, f, round)),
  );
}

/** The input (N, C, …) at another resolution: of the given size, or scaled by the given factor. */
export const interpolate: Op<
  (
    input: Tensor,
    size?: PerDim | null | InterpolateOptions,
    scale_factor?: PerDim | null,
    mode?: InterpolationMode,
    align_corners?: boolean | null,
    recompute_scale_factor?: boolean | null,
    antialias?: boolean,
  ) => Tensor
> = operator(
  "interpolate(Tensor input, int[]? size=None, float[]|float? scale_factor=None, str mode='nearest', bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False)",
  (
    x: Tensor,
    size: PerDim | null,
    factor: PerDim | null,
    mode: InterpolationMode,
    align: boolean | null,
    recompute: boolean | null,
    antialias: boolean,
  ) => {
    if (mode === "nearest" || mode === "area" || mode === "nearest-exact") {
      if (align !== null) {
        throw new ValueError(
          "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear",
        );
      }
    }
    if (antialias && (!(mode === "bilinear" || mode === "bicubic") || x.ndim !== 4)) {
      throw new ValueError(
        "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input",
      );
    }
    const list = typeof size === "number" || size === null || size.length !== 1 ? size : (size[0] as number);
    const { out, factors } = targetOf(x, list, factor, recompute);
    return interpolateTo(x, mode, out, factors, align ?? false, antialias);
  },
  { method: false, namespace: false },
);

/** Options of {@link upsample_nearest} and {@link upsample_bilinear}. */
export interface UpsampleOptions {
  size?: PerDim | null;
  scale_factor?: PerDim | null;
}

type Upsample = Op<(input: Tensor, size?: PerDim | null | UpsampleOptions, scale_factor?: PerDim | null) => Tensor>;

/** {@link interpolate} of mode `"nearest"`, under its old name. */
export const upsample_nearest: Upsample = operator(
  "upsample_nearest(Tensor input, int[]? size=None, float[]|float? scale_factor=None)",
  (x: Tensor, size: PerDim | null, scale_factor: PerDim | null) => interpolate(x, { size, scale_factor }),
  { method: false, namespace: false },
);

/** {@link interpolate} of mode `"bilinear"` with aligned corners, under its old name. */
export const upsample_bilinear: Upsample = operator(
  "upsample_bilinear(Tensor input, int[]? size=None, float[]|float? scale_factor=None)",
  (x: Tensor, size: PerDim | null, scale_factor: PerDim | null) =>
    interpolate(x, { size, scale_factor, mode: "bilinear", align_corners: true }),
  { method: false, namespace: false },
);

/** {@link interpolate}, under its old name. */
export const upsample: Op<
  (
    input: Tensor,
    size?: PerDim | null | InterpolateOptions,
    scale_factor?: PerDim | null,
    mode?: InterpolationMode,
    align_corners?: boolean | null,
  ) => Tensor
> = operator(
  "upsample(Tensor input, int[]? size=None, float[]|float? scale_factor=None, str mode='nearest', bool? align_corners=None)",
  (
    x: Tensor,
    size: PerDim | null,
    scale_factor: PerDim | null,
    mode: InterpolationMode,
    align_corners: boolean | null,
  ) => interpolate(x, { size, scale_factor, mode, align_corners }),
  { method: false, namespace: false },
);

/** @internal The operator behind `interpolate` with `antialias`, of mode `"bilinear"`. */
export const _upsample_bilinear2d_aa: Op<
  (input: Tensor, output_size: PerDim | null, align_corners: boolean, ...args: unknown[]) => Tensor
> = operator(
  "_upsample_bilinear2d_aa(Tensor input, int[]? output_size, bool align_corners, float[]|float? scale_factors=None)",
  (x: Tensor, size: PerDim | null, align_corners: boolean, scale_factor: PerDim | null) =>
    interpolate(x, { size, scale_factor, mode: "bilinear", align_corners, antialias: true }),
  { method: false },
);
