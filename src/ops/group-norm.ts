/**
 * Group norm: normalisation of groups of channels, each sample by itself.
 */
import { NotImplementedError, TorchError, ValueError } from "../base/errors.ts";
import { formatShape, numel } from "../base/shape.ts";
import { modes } from "../autograd/modes.ts";
import type { MaybeTensor } from "../autograd/node.ts";
import { contiguousRaw } from "../dispatch/elementwise.ts";
import { RowsKernel } from "../dispatch/family/rows.ts";
import { operator } from "../dispatch/op.ts";
import { apply, type GradContext, type Primitive, primitive } from "../dispatch/primitive.ts";
import { E, type Expr } from "../ir/expr.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";
import { torchSize } from "./loss-reduction.ts";
import { type Op, view } from "./view.ts";

interface GroupNormParams {
  readonly samples: number;
  readonly channels: number;
  /** Positions per channel. */
  readonly positions: number;
  readonly groups: number;
  readonly eps: number;
}

/** Mean and 1 / std of rows. */
const statisticsRows = new RowsKernel({
  name: "group_norm_statistics",
  ins: ["element"],
  outs: ["row", "row"],
  params: 1,
  build: (r) => {
    const mean = r.let(
      E.div(
        r.sum((j) => r.at(0, j)),
        r.n,
      ),
    );
    const squares = r.sum((j) => E.square(E.sub(r.at(0, j), mean)));
    return [mean, E.div(E.const(r.type, 1), E.sqrt(E.add(E.div(squares, r.n), r.params[0] as Expr)))];
  },
});

/** x * a + b with a and b of the row. */
const affineRows = new RowsKernel({
  name: "group_norm_affine",
  ins: ["element", "row", "row"],
  outs: ["element"],
  build: (r) => {
    const [a, b] = [r.let(r.at(1)), r.let(r.at(2))];
    return [(j) => E.add(E.mul(r.at(0, j), a), b)];
  },
});

/** The sums of g * x and of g. */
const sumsRows = new RowsKernel({
  name: "group_norm_sums",
  ins: ["element", "element"],
  outs: ["row", "row"],
  build: (r) => [r.sum((j) => E.mul(r.at(0, j), r.at(1, j))), r.sum((j) => r.at(0, j))],
});

/** g * a + x * b + c with a, b and c of the row. */
const combineRows = new RowsKernel({
  name: "group_norm_combine",
  ins: ["element", "element", "row", "row", "row"],
  outs: ["element"],
  build: (r) => {
    const [a, b, c] = [r.let(r.at(2)), r.let(r.at(3)), r.let(r.at(4))];
    return [(j) => E.add(E.add(E.mul(r.at(0, j), a), E.mul(r.at(1, j), b)), c)];
  },
});

type Affine = 0 | 1 | 2 | 3;

function forward(
  input: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  { samples, channels, positions, groups, eps }: GroupNormParams,
): Tensor[] {
  const x = contiguousRaw(input);
  const { dtype, _backend: backend } = x;
  const mean = allocate([samples, groups], dtype, backend);
  const rstd = allocate([samples, groups], dtype, backend);
  const out = allocate(x.shape, dtype, backend);
  const inGroup = channels / groups;
  if (mean._numel > 0) {
    statisticsRows.run([mean, rstd], [x], samples * groups, inGroup * positions, dtype, [eps]);
  }
  if (x._numel > 0) {
    const byChannel = [samples, groups, inGroup];
    let a = view(rstd, [samples, groups, 1]).expand(byChannel);
    if (weight !== null) a = a.mul(view(weight.detach(), [1, groups, inGroup]));
    let b = a.mul(view(mean, [samples, groups, 1])).neg();
    if (bias !== null) b = b.add(view(bias.detach(), [1, groups, inGroup]));
    affineRows.run([out], [x, contiguousRaw(a), contiguousRaw(b)], samples * channels, positions, dtype);
  }
  return [out, mean, rstd];
}

function fused(g: Tensor, ctx: GradContext<GroupNormParams>, affine: Affine): MaybeTensor[] {
  const { samples, channels, positions, groups } = ctx.params;
  const x = contiguousRaw(ctx.input(0));
  const { dtype, _backend: backend } = x;
  const inGroup = channels / groups;
  const byChannel = [samples, groups, inGroup];
  const weight = affine & 1 ? view(ctx.input(1), [1, groups, inGroup]) : null;
  const mean = view(ctx.output(1), [samples, groups, 1]);
  const rstd = view(ctx.output(2), [samples, groups, 1]);
  const dy = contiguousRaw(g);
  const gx = allocate(byChannel, dtype, backend);
  const gs = allocate(byChannel, dtype, backend);
  sumsRows.run([gx, gs], [dy, x], samples * channels, positions, dtype);
  const out: MaybeTensor[] = [null];
  if (ctx.needs(0)) {
    const total = (t: Tensor): Tensor => (weight === null ? t : t.mul(weight)).sum(2, true);
    const [tx, ts] = [total(gx), total(gs)];
    const scale = 1 / (inGroup * positions);
    const a = (weight === null ? rstd : rstd.mul(weight)).expand(byChannel);
    const b = ts.mul(mean).sub(tx).mul(rstd.pow(3)).mul(scale);
    const c = b.mul(mean).add(ts.mul(rstd).mul(scale)).neg();
    const dx = allocate(x.shape, dtype, backend);
    const rows = [a, b.expand(byChannel), c.expand(byChannel)].map(contiguousRaw);
    combineRows.run([dx], [dy, x, ...rows], samples * channels, positions, dtype);
    out[0] = dx;
  }
  if (affine & 1) out.push(view(gx.sub(gs.mul(mean)).mul(rstd).sum(0), [channels]));
  if (affine & 2) out.push(view(gs.sum(0), [channels]));
  return out;
}

function formula(grads: readonly MaybeTensor[], ctx: GradContext<GroupNormParams>, affine: Affine): MaybeTensor[] {
  const { samples, channels, positions, groups, eps } = ctx.params;
  const input = ctx.input(0);
  const inGroup = channels / groups;
  const shape = [samples, groups, inGroup, positions];
  const x = input.reshape(shape);
  const dims = [2, 3];
  const centred = x.sub(x.mean(dims, true));
  const rstd = centred.square().mean(dims, true).add(eps).rsqrt();
  const hat = centred.mul(rstd);
  const n = inGroup * positions;
  const out: MaybeTensor[] = [null];
  const [g0, gMean, gRstd] = grads;
  const g = g0 == null ? null : g0.reshape(shape);
  if (ctx.needs(0)) {
    let dx: Tensor | null = null;
    if (g !== null) {
      const gw = affine & 1 ? g.mul(ctx.input(1).reshape([1, groups, inGroup, 1])) : g;
      dx = rstd.mul(gw.sub(gw.mean(dims, true)).sub(hat.mul(gw.mul(hat).mean(dims, true))));
    }
    const add = (t: Tensor): Tensor => (dx === null ? t.expand(shape) : dx.add(t));
    if (gMean != null) dx = add(gMean.reshape([samples, groups, 1, 1]).div(n));
    if (gRstd != null) dx = add(gRstd.reshape([samples, groups, 1, 1]).mul(rstd.square()).mul(hat).div(-n));
    out[0] = dx === null ? null : dx.reshape(input.shape);
  }
  if (affine & 1) out.push(g === null ? null : g.mul(hat).sum([0, 3]).reshape([channels]));
  if (affine & 2) out.push(g === null ? null : g.sum([0, 3]).reshape([channels]));
  return out;
}

const primitives: readonly Primitive<GroupNormParams>[] = ([0, 1, 2, 3] as const).map((affine) =>
  primitive<GroupNormParams>({
    name: "native_group_norm",
    forward: ([x, ...others], params) => {
      const weight = affine & 1 ? (others[0] as Tensor) : null;
      const bias = affine & 2 ? (others.at(-1) as Tensor) : null;
      return forward(x as Tensor, weight, bias, params);
    },
    joint: {
      uses: (needs) => [0, "out1", "out2", ...(affine & 1 && needs(0) ? ([1] as const) : [])],
      vjp: (grads, ctx) => {
        const [g, gMean, gRstd] = grads;
        if (modes.grad || g == null || gMean != null || gRstd != null || g._numel === 0) {
          return formula(grads, ctx, affine);
        }
        return fused(g, ctx, affine);
      },
    },
  }),
);

function groupNorm(x: Tensor, weight: Tensor | null, bias: Tensor | null, params: GroupNormParams): Tensor[] {
  if (x.dtype.category !== 2) {
    throw new NotImplementedError(`"GroupNormKernelImpl" not implemented for '${x.dtype.scalarName}'`);
  }
  const { channels, groups } = params;
  if (groups <= 0) {
    throw new TorchError(`Expected num groups to be greater than 0, got ${groups}`);
  }
  if (channels % groups !== 0) {
    throw new TorchError(
      `Expected number of channels in input to be divisible by num_groups, but got input of shape ${formatShape(x.shape)} and num_groups=${groups}`,
    );
  }
  for (const [name, t] of [
    ["weight", weight],
    ["bias", bias],
  ] as const) {
    if (t !== null && (t.ndim !== 1 || t._numel !== channels)) {
      throw new TorchError(
        `Expected ${name} to be a vector of size equal to the number of channels in input, but got ${name} of shape ${formatShape(t.shape)} and input of shape ${formatShape(x.shape)}`,
      );
    }
  }
  const affine = (weight === null ? 0 : 1) | (bias === null ? 0 : 2);
  const inputs = [x, weight, bias].filter((t) => t !== null);
  return apply(primitives[affine] as Primitive<GroupNormParams>, inputs, params) as Tensor[];
}

/** Group norm, and the means and reciprocal standard deviations of the groups. */
export const native_group_norm: Op<
  (
    input: Tensor,
    weight: Tensor | null,
    bias: Tensor | null,
    N: number,
    C: number,
    HxW: number,
    group: number,
    eps: number,
  ) => Tensor[]
> = operator(
  "native_group_norm(Tensor input, Tensor? weight, Tensor? bias, int N, int C, int HxW, int group, float eps)",
  (
    x: Tensor,
    weight: Tensor | null,
    bias: Tensor | null,
    samples: number,
    channels: number,
    positions: number,
    groups: number,
    eps: number,
  ) => {
    if (!x._isContiguous) {
      throw new TorchError(
        "Expected X.is_contiguous(memory_format) to be true, but got false.  (Could this error message be improved?  If so, please report an enhancement request to PyTorch.)",
      );
    }
    return groupNorm(x, weight, bias, { samples, channels, positions, groups, eps });
  },
  { method: false },
);

/** Options of {@link group_norm}. */
export interface GroupNormOptions {
  weight?: Tensor | null;
  bias?: Tensor | null;
  /** Added to the variance. Default: 1e-5. */
  eps?: number;
}

/** Normalises groups of channels (dim 1) over their positions, then scales by `weight` and shifts by `bias`. */
export const group_norm: Op<
  (
    input: Tensor,
    num_groups: number,
    weight?: Tensor | null | GroupNormOptions,
    bias?: Tensor | null | GroupNormOptions,
    eps?: number,
  ) => Tensor
> = operator(
  "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True)",
  (x: Tensor, groups: number, weight: Tensor | null, bias: Tensor | null, eps: number) => {
    if (x.ndim < 2) throw new TorchError(`Expected at least 2 dimensions for input tensor but received ${x.ndim}`);
    const [samples, channels] = x.shape as [number, number];
    const positions = numel(x.shape.slice(2));
    if ((samples * channels) / groups === 1 && positions === 1) {
      throw new ValueError(
        `Expected more than 1 value per channel when training, got input size ${torchSize(x.shape)}`,
      );
    }
    return groupNorm(x, weight, bias, { samples, channels, positions, groups, eps })[0];
  },
  { method: false },
);
