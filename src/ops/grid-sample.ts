/**
 * Sampling of images at given places.
 */
import { TorchError, ValueError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { int64 } from "../base/dtype.ts";
import { composed } from "../dispatch/composed.ts";
import { operator } from "../dispatch/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { cat } from "./join.ts";
import type { Op } from "./view.ts";

type GridMode = "bilinear" | "nearest" | "bicubic";
type GridPadding = "zeros" | "border" | "reflection";

interface GridParams {
  readonly mode: GridMode;
  readonly padding: GridPadding;
  readonly align: boolean;
}

/** Coordinates from -1 … 1 as positions between 0 and n - 1. */
const unnormalized = (t: Tensor, n: number, align: boolean): Tensor =>
  align ? t.add(1).mul((n - 1) / 2) : t.add(1).mul(n).sub(1).div(2);

/** Positions reflected until they lie between the bounds, given doubled. */
function reflected(t: Tensor, twiceLow: number, twiceHigh: number): Tensor {
  if (twiceLow === twiceHigh) return t.mul(0);
  const low = twiceLow / 2;
  const span = (twiceHigh - twiceLow) / 2;
  const away = t.sub(low).abs();
  const flips = away.detach().div(span).floor();
  const rest = away.sub(flips.mul(span));
  const odd = flips.remainder(2).ne(0);
  return rest.mul(odd.logical_not()).add(rest.rsub(span).mul(odd)).add(low);
}

/** Positions as the padding wants them: inside, except for zeros. */
function placed(t: Tensor, n: number, { padding, align }: GridParams): Tensor {
  if (padding === "zeros") return t;
  const inside = padding === "reflection" ? (align ? reflected(t, 0, 2 * (n - 1)) : reflected(t, -1, 2 * n - 1)) : t;
  // At the bounds themselves the gradient is 0, as in PyTorch.
  const clipped = inside.detach().clamp(0, n - 1);
  const within = inside
    .detach()
    .gt(0)
    .logical_and(inside.detach().lt(n - 1));
  return clipped.add(inside.sub(inside.detach()).mul(within));
}

interface Axis {
  readonly n: number;
  /** The elements that count, and their weights. */
  readonly taps: readonly { readonly at: Tensor; readonly weight: Tensor | null }[];
}

const cubicNear = (x: Tensor, a: number): Tensor =>
  x
    .mul(a + 2)
    .sub(a + 3)
    .mul(x)
    .mul(x)
    .add(1);
const cubicFar = (x: Tensor, a: number): Tensor =>
  x
    .mul(a)
    .sub(5 * a)
    .mul(x)
    .add(8 * a)
    .mul(x)
    .sub(4 * a);

/** What a coordinate sees of its dimension. */
function axisOf(coordinate: Tensor, n: number, p: GridParams): Axis {
  const raw = unnormalized(coordinate, n, p.align);
  if (p.mode === "bicubic") {
    const first = raw.detach().floor();
    const t = raw.sub(first);
    const weights = [
      cubicFar(t.add(1), -0.75),
      cubicNear(t, -0.75),
      cubicNear(t.rsub(1), -0.75),
      cubicFar(t.rsub(2), -0.75),
    ];
    return {
      n,
      taps: weights.map((weight, k) => ({ at: placed(first.add(k - 1), n, p), weight })),
    };
  }
  const at = placed(raw, n, p);
  if (p.mode === "nearest") return { n, taps: [{ at: at.detach().round(), weight: null }] };
  const first = at.detach().floor();
  const t = at.sub(first);
  return {
    n,
    taps: [
      { at: first, weight: t.rsub(1) },
      { at: first.add(1), weight: t },
    ],
  };
}

/** The sum over all combinations of taps. */
function sample(input: Tensor, grid: Tensor, p: GridParams): Tensor {
  const rank = input.ndim - 2;
  const [n, c, ...size] = input.shape as [number, number, ...number[]];
  const out = grid.shape.slice(1, -1);
  const flat = input.reshape([n, c, -1]);
  // The last coordinate of the grid belongs to the first spatial dimension.
  const axes = size.map((length, d) => axisOf(grid.select(-1, rank - 1 - d), length, p));
  let total: Tensor | null = null;
  const visit = (d: number, place: Tensor | null, inside: Tensor | null, weight: Tensor | null): void => {
    if (d === rank) {
      const at = place as Tensor;
      const known = inside as Tensor;
      const index = at.masked_fill(known.logical_not(), 0).to(int64).reshape([n, 1, -1]).expand(-1, c, -1);
      let value = flat.gather(2, index).reshape([n, c, ...out]);
      value = value.masked_fill(known.logical_not().unsqueeze(1), 0);
      if (weight !== null) value = value.mul(weight.unsqueeze(1));
      total = total === null ? value : total.add(value);
      return;
    }
    const { n: length, taps } = axes[d] as Axis;
    for (const tap of taps) {
      const here = tap.at.ge(0).logical_and(tap.at.le(length - 1));
      visit(
        d + 1,
        place === null ? tap.at : place.mul(length).add(tap.at),
        inside === null ? here : inside.logical_and(here),
        weight === null ? tap.weight : tap.weight === null ? weight : weight.mul(tap.weight),
      );
    }
  };
  visit(0, null, null, null);
  const result = total as unknown as Tensor;
  // Nearest elements do not depend on the grid; its gradient is zero, not missing.
  return p.mode === "nearest" ? result.add(grid.sum(-1).mul(0).unsqueeze(1)) : result;
}

const sample2d = composed<GridParams>({
  name: "grid_sampler_2d",
  gradName: "GridSampler2DBackward0",
  formula: ([input, grid], p) => sample(input as Tensor, grid as Tensor, p),
});
const sample3d = composed<GridParams>({
  name: "grid_sampler_3d",
  gradName: "GridSampler3DBackward0",
  formula: ([input, grid], p) => sample(input as Tensor, grid as Tensor, p),
});

function gridSampler(input: Tensor, grid: Tensor, p: GridParams): Tensor {
  if (input.ndim !== grid.ndim || (input.ndim !== 4 && input.ndim !== 5)) {
    throw new TorchError(
      `grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes ${formatShape(input.shape)} and grid with sizes ${formatShape(grid.shape)}`,
    );
  }
  if (input.shape[0] !== grid.shape[0]) {
    throw new TorchError(
      `grid_sampler(): expected grid and input to have same batch size, but got input with sizes ${formatShape(input.shape)} and grid with sizes ${formatShape(grid.shape)}`,
    );
  }
  if (grid.shape.at(-1) !== input.ndim - 2) {
    throw new TorchError(
      `grid_sampler(): expected grid to have size ${input.ndim - 2} in last dimension, but got grid with sizes ${formatShape(grid.shape)}`,
    );
  }
  for (let d = 2; d < input.ndim; d++) {
    if ((input.shape[d] as number) <= 0) {
      throw new TorchError(
        `grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes ${formatShape(input.shape)} with dimension ${d} being empty`,
      );
    }
  }
  if (input.ndim === 5 && p.mode === "bicubic") {
    throw new TorchError("grid_sampler(): bicubic interpolation only supports 4D input");
  }
  return (input.ndim === 4 ? sample2d : sample3d)([input, grid], p);
}

const modeNames: readonly GridMode[] = ["bilinear", "nearest", "bicubic"];
const paddingNames: readonly GridPadding[] = ["zeros", "border", "reflection"];

/** Options of {@link grid_sample}. */
export interface GridSampleOptions {
  mode?: GridMode;
  /** What lies outside of the input. Default: `"zeros"`. */
  padding_mode?: GridPadding;
  /** Whether -1 and 1 are the centres of the corner elements rather than their outer edges. */
  align_corners?: boolean | null;
}

/**
 * The input (N, C, H, W) or (N, C, D, H, W) at the places of `grid`, whose last dim holds coordinates from -1 to 1, that of the
 * last dimension first.
 */
export const grid_sample: Op<
  (
    input: Tensor,
    grid: Tensor,
    mode?: GridMode | GridSampleOptions,
    padding_mode?: GridPadding,
    align_corners?: boolean | null,
  ) => Tensor
> = operator(
  "grid_sample(Tensor input, Tensor grid, str mode='bilinear', str padding_mode='zeros', bool? align_corners=None)",
  (input: Tensor, grid: Tensor, mode: GridMode, padding: GridPadding, align: boolean | null) => {
    if (!modeNames.includes(mode)) {
      throw new ValueError(
        `nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '${mode}'`,
      );
    }
    if (!paddingNames.includes(padding)) {
      throw new ValueError(
        `nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: '${padding}'`,
      );
    }
    if (align === null) {
      console.warn(
        "UserWarning: Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify align_corners=True if the old behavior is desired. See the documentation of grid_sample for details.",
      );
    }
    return gridSampler(input, grid, { mode, padding, align: align ?? false });
  },
  { method: false, namespace: false },
);

type Sampler = Op<
  (input: Tensor, grid: Tensor, interpolation_mode: number, padding_mode: number, align_corners: boolean) => Tensor
>;

const sampler = (name: string): Sampler =>
  operator(
    `${name}(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners)`,
    (input: Tensor, grid: Tensor, mode: number, padding: number, align: boolean) =>
      gridSampler(input, grid, {
        mode: modeNames[mode] as GridMode,
        padding: paddingNames[padding] as GridPadding,
        align,
      }),
    { method: false },
  );

/** {@link grid_sample} with modes by number. */
export const grid_sampler: Sampler = sampler("grid_sampler");
/** {@link grid_sampler} of images. */
export const grid_sampler_2d: Sampler = sampler("grid_sampler_2d");
/** {@link grid_sampler} of volumes. */
export const grid_sampler_3d: Sampler = sampler("grid_sampler_3d");

/** The grid of an affine map: `theta` (N, 2, 3) or (N, 3, 4) for an output of the given size. */
export const affine_grid: Op<
  (
    theta: Tensor,
    size: readonly number[],
    align_corners?: boolean | null | { align_corners?: boolean | null },
  ) => Tensor
> = operator(
  "affine_grid(Tensor theta, int[] size, bool? align_corners=None)",
  (theta: Tensor, size: number[], align: boolean | null) => {
    if (!theta.dtype.is_floating_point) {
      throw new ValueError(`Expected theta to have floating point type, but got torch.${theta.dtype.name}`);
    }
    const rank = size.length - 2;
    if (theta.ndim !== 3 || theta.shape[1] !== rank || theta.shape[2] !== rank + 1 || (rank !== 2 && rank !== 3)) {
      throw new ValueError(
        `Expected a batch of ${rank}D affine matrices of shape Nx${rank}x${rank + 1} for size ${formatShape(size)}. Got ${formatShape(theta.shape)}.`,
      );
    }
    const [n, , ...spatial] = size as [number, number, ...number[]];
    const line = (length: number): Tensor => {
      if (length <= 1) return theta.new_zeros([length]);
      const steps = theta.new_zeros([length]).add(1).cumsum(0).sub(1);
      const ends = steps.mul(2 / (length - 1)).sub(1);
      return align === true ? ends : ends.mul((length - 1) / length);
    };
    const parts = spatial.map((length, d) => {
      const shape = spatial.map((_, k) => (k === d ? length : 1));
      return line(length).view(shape).expand(spatial);
    });
    // Coordinates come last dimension first, then a one for the translation.
    const base = parts.toReversed().map((t) => t.unsqueeze(-1));
    const points = cat([...base, theta.new_ones([...spatial, 1])], -1);
    const flat = points.reshape([1, -1, rank + 1]).expand(n, -1, -1);
    return flat.matmul(theta.transpose(1, 2)).view([n, ...spatial, rank]);
  },
  { method: false, namespace: false },
);
