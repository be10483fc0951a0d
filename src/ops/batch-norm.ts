/**
 * Batch norm and instance norm: normalisation of channels over the batch and the positions.
 */
import { formatRepr } from "../base/decimal.ts";
import { uint8 } from "../base/dtype.ts";
import { NotImplementedError, TorchError, ValueError } from "../base/errors.ts";
import { numel } from "../base/shape.ts";
import { modes, no_grad } from "../autograd/modes.ts";
import type { MaybeTensor } from "../autograd/node.ts";
import { contiguousRaw } from "../dispatch/elementwise.ts";
import { RowsKernel } from "../dispatch/family/rows.ts";
import { operator } from "../dispatch/op.ts";
import { apply, type GradContext, type Primitive, primitive, untracked } from "../dispatch/primitive.ts";
import { E, type Expr } from "../ir/expr.ts";
import { alias, allocate, type Tensor } from "../tensor/tensor.ts";
import { torchSize } from "./loss-reduction.ts";
import { type Op, view } from "./view.ts";

interface BatchNormParams {
  readonly eps: number;
  /** Whether the statistics are those of the batch; else the running ones. */
  readonly training: boolean;
  /** Running statistics, for evaluation. */
  readonly mean: Tensor | null;
  readonly variance: Tensor | null;
}

type Affine = 0 | 1 | 2 | 3;
const affines = [0, 1, 2, 3] as const;

const rowOperands = (affine: Affine): "row"[] => [
  ...(affine & 1 ? (["row"] as const) : []),
  ...(affine & 2 ? (["row"] as const) : []),
];

/** Normalised by statistics of the channel, from the tensor, weight and bias; also mean, 1 / std and the sum of squares. */
const trainRows = affines.map(
  (affine) =>
    new RowsKernel({
      name: `batch_norm${affine}`,
      interleaved: true,
      ins: ["element", ...rowOperands(affine)],
      outs: ["element", "row", "row", "row"],
      params: 1,
      build: (r) => {
        const mean = r.let(
          E.div(
            r.sum((j) => r.at(0, j)),
            r.n,
          ),
        );
        const squares = r.sum((j) => E.square(E.sub(r.at(0, j), mean)));
        const invstd = r.let(E.div(E.const(r.type, 1), E.sqrt(E.add(E.div(squares, r.n), r.params[0] as Expr))));
        const scale = affine & 1 ? r.let(E.mul(invstd, r.at(1))) : invstd;
        const shift = affine & 2 ? r.let(r.at(affine & 1 ? 2 : 1)) : null;
        const out = (j: Expr): Expr => {
          const y = E.mul(E.sub(r.at(0, j), mean), scale);
          return shift === null ? y : E.add(y, shift);
        };
        return [out, mean, invstd, squares];
      },
    }),
);

/** The same from given statistics: the tensor, mean and variance, weight and bias. */
const evaluateRows = affines.map(
  (affine) =>
    new RowsKernel({
      name: `batch_norm_eval${affine}`,
      interleaved: true,
      ins: ["element", "row", "row", ...rowOperands(affine)],
      outs: ["element"],
      params: 1,
      build: (r) => {
        const mean = r.let(r.at(1));
        const invstd = E.div(E.const(r.type, 1), E.sqrt(E.add(r.at(2), r.params[0] as Expr)));
        const scale = r.let(affine & 1 ? E.mul(invstd, r.at(3)) : invstd);
        const shift = affine & 2 ? r.let(r.at(affine & 1 ? 4 : 3)) : null;
        const out = (j: Expr): Expr => {
          const y = E.mul(E.sub(r.at(0, j), mean), scale);
          return shift === null ? y : E.add(y, shift);
        };
        return [out];
      },
    }),
);

/** All gradients from g, x, mean and 1 / std, and the weight. */
const backwardRows = [false, true].map(
  (weighted) =>
    new RowsKernel({
      name: `batch_norm_backward${Number(weighted)}`,
      interleaved: true,
      ins: ["element", "element", "row", "row", ...rowOperands(weighted ? 1 : 0)],
      outs: ["element", "row", "row"],
      build: (r) => {
        const mean = r.let(r.at(2));
        const invstd = r.let(r.at(3));
        const total = r.sum((j) => r.at(0, j));
        const along = r.sum((j) => E.mul(r.at(0, j), E.sub(r.at(1, j), mean)));
        const dw = r.let(E.mul(along, invstd));
        const scale = r.let(weighted ? E.mul(invstd, r.at(4)) : invstd);
        const slope = r.let(E.div(E.mul(dw, invstd), r.n));
        const shift = r.let(E.div(total, r.n));
        const dx = (j: Expr): Expr =>
          E.mul(scale, E.sub(E.sub(r.at(0, j), shift), E.mul(E.sub(r.at(1, j), mean), slope)));
        return [dx, dw, total];
      },
    }),
);

/** A tensor as interleaved rows of channels. [N, C] has runs of one element only, and is turned instead. */
interface Channels {
  readonly data: Tensor;
  readonly runs: number;
  readonly turned: boolean;
}

const turn = (t: Tensor): Tensor =>
  alias(t, [t.shape[1] as number, t.shape[0] as number], [t._strides[1] as number, t._strides[0] as number], t._offset);

function channelsOf(x: Tensor): Channels {
  const turned = numel(x.shape.slice(2)) === 1 && (x.shape[0] as number) > 1;
  if (!turned) return { data: contiguousRaw(x), runs: x.shape[0] as number, turned };
  const matrix = alias(x, x.shape.slice(0, 2), x._strides.slice(0, 2), x._offset);
  return { data: contiguousRaw(turn(matrix)), runs: 1, turned };
}

/** A result in the layout of {@link channelsOf}, back in the shape of the tensor. */
function fromChannels(data: Tensor, shape: readonly number[], turned: boolean): Tensor {
  if (!turned) return data;
  const rows = contiguousRaw(turn(data));
  return alias(rows, shape, allocate(shape, data.dtype, data._backend)._strides, 0);
}

const perChannel = (x: Tensor): { channels: number; n: number } => {
  const channels = x.shape[1] as number;
  return { channels, n: channels === 0 ? 0 : x._numel / channels };
};

/** A tensor over channels in a shape that broadcasts. */
const spread = (t: Tensor, like: Tensor): Tensor => view(t, [1, -1, ...like.shape.slice(2).map(() => 1)]);

function formula(g: Tensor, ctx: GradContext<BatchNormParams>, affine: Affine): MaybeTensor[] {
  const { eps, training, mean: runningMean, variance } = ctx.params;
  const x = ctx.input(0);
  const dims = x.shape.map((_, d) => d).filter((d) => d !== 1);
  const { n } = perChannel(x);
  const mean = training ? x.mean(dims, true) : spread(runningMean as Tensor, x);
  const centred = x.sub(mean);
  const invstd = (training ? centred.square().sum(dims, true).div(n) : spread(variance as Tensor, x)).add(eps).rsqrt();
  const hat = centred.mul(invstd);
  const out: MaybeTensor[] = [null];
  if (ctx.needs(0)) {
    const gw = affine & 1 ? g.mul(spread(ctx.input(1), x)) : g;
    out[0] = training
      ? invstd.mul(gw.sub(gw.mean(dims, true)).sub(hat.mul(gw.mul(hat).mean(dims, true))))
      : gw.mul(invstd);
  }
  if (affine & 1) out.push(g.mul(hat).sum(dims));
  if (affine & 2) out.push(g.sum(dims));
  return out;
}

function fused(g: Tensor, ctx: GradContext<BatchNormParams>, affine: Affine): MaybeTensor[] {
  const x = ctx.input(0);
  const { channels, n } = perChannel(x);
  const { data, runs, turned } = channelsOf(x);
  const dx = allocate(data.shape, x.dtype, x._backend);
  const dw = allocate([channels], x.dtype, x._backend);
  const db = allocate([channels], x.dtype, x._backend);
  const ins = [channelsOf(g).data, data, ctx.output(1), ctx.output(2)];
  if (affine & 1) ins.push(contiguousRaw(ctx.input(1)));
  (backwardRows[affine & 1] as RowsKernel).run([dx, dw, db], ins, channels, n, x.dtype, [], runs);
  const out: MaybeTensor[] = [fromChannels(dx, x.shape, turned)];
  if (affine & 1) out.push(dw);
  if (affine & 2) out.push(db);
  return out;
}

const squaresOf = new WeakMap<Tensor, Tensor>();

function define(name: string, gradName: string): readonly Primitive<BatchNormParams>[] {
  return affines.map((affine) =>
    primitive<BatchNormParams>({
      name,
      gradName,
      nonDifferentiable: [1, 2],
      forward: ([x, ...others], { eps, training, mean: runningMean, variance }) => {
        const input = x as Tensor;
        const { dtype, _backend: backend } = input;
        const { channels, n } = perChannel(input);
        const { data, runs, turned } = channelsOf(input);
        const out = allocate(data.shape, dtype, backend);
        const rows = others.map(contiguousRaw);
        if (!training) {
          const ins = [data, contiguousRaw(runningMean as Tensor), contiguousRaw(variance as Tensor), ...rows];
          if (n > 0) (evaluateRows[affine] as RowsKernel).run([out], ins, channels, n, dtype, [eps], runs);
          const none = allocate([0], dtype, backend);
          return [fromChannels(out, input.shape, turned), none, allocate([0], dtype, backend)];
        }
        const statistics = [0, 1, 2].map(() => allocate([channels], dtype, backend));
        (trainRows[affine] as RowsKernel).run([out, ...statistics], [data, ...rows], channels, n, dtype, [eps], runs);
        const [mean, invstd, squares] = statistics as [Tensor, Tensor, Tensor];
        squaresOf.set(mean, squares);
        return [fromChannels(out, input.shape, turned), mean, invstd];
      },
      joint: {
        uses: (needs) => [0, "out1", "out2", ...(affine & 1 && needs(0) ? ([1] as const) : [])],
        vjp: ([g], ctx) => {
          if (g == null) return [null, null, null];
          return modes.grad || !ctx.params.training ? formula(g, ctx, affine) : fused(g, ctx, affine);
        },
      },
    }),
  );
}

const native = define("native_batch_norm", "NativeBatchNormBackward0");
const legit = define("_native_batch_norm_legit", "NativeBatchNormLegitBackward0");
const legitNoStats = define("_native_batch_norm_legit", "NativeBatchNormLegitBackward1");
const updating = define("_batch_norm_with_update", "BatchNormWithUpdateBackward0");

function checkChannels(name: string, t: Tensor | null, channels: number): void {
  if (t !== null && t._numel !== channels) {
    throw new TorchError(`${name} should contain ${channels} elements not ${t._numel}`);
  }
}

interface BatchNormArguments {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly runningMean: Tensor | null;
  readonly runningVar: Tensor | null;
  readonly training: boolean;
  readonly momentum: number;
  readonly eps: number;
}

/** Moves a running statistic, in place. */
function follow(running: Tensor | null, momentum: number, value: () => Tensor): void {
  if (running === null) return;
  no_grad(() => running.copy_(running.mul(1 - momentum).add(value().mul(momentum))));
}

function batchNorm(family: readonly Primitive<BatchNormParams>[], x: Tensor, a: BatchNormArguments): Tensor[] {
  if (x.dtype.category !== 2) throw new NotImplementedError(`"batch_norm" not implemented for '${x.dtype.scalarName}'`);
  const channels = x.shape[1] as number;
  if (!a.training) {
    if (a.runningMean === null) throw new TorchError("running_mean must be defined in evaluation mode");
    if (a.runningVar === null) throw new TorchError("running_var must be defined in evaluation mode");
  }
  checkChannels("running_mean", a.runningMean, channels);
  checkChannels("running_var", a.runningVar, channels);
  checkChannels("weight", a.weight, channels);
  checkChannels("bias", a.bias, channels);
  const affine = (a.weight === null ? 0 : 1) | (a.bias === null ? 0 : 2);
  const inputs = [x, a.weight, a.bias].filter((t) => t !== null);
  const params = {
    eps: a.eps,
    training: a.training,
    mean: a.runningMean === null || a.training ? null : untracked(a.runningMean),
    variance: a.runningVar === null || a.training ? null : untracked(a.runningVar),
  };
  const outs = apply(family[affine] as Primitive<BatchNormParams>, inputs, params) as [Tensor, Tensor, Tensor];
  if (a.training) {
    const mean = outs[1];
    const { n } = perChannel(x);
    follow(a.runningMean, a.momentum, () => mean);
    follow(a.runningVar, a.momentum, () => (squaresOf.get(mean) as Tensor).div(n - 1));
    squaresOf.delete(mean);
  }
  return outs;
}

/** Batch norm, and the means and reciprocal standard deviations of the batch. */
export const native_batch_norm: Op<
  (
    input: Tensor,
    weight: Tensor | null,
    bias: Tensor | null,
    running_mean: Tensor | null,
    running_var: Tensor | null,
    training: boolean,
    momentum: number,
    eps: number,
  ) => Tensor[]
> = operator(
  "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps)",
  (
    x: Tensor,
    weight: Tensor | null,
    bias: Tensor | null,
    runningMean: Tensor | null,
    runningVar: Tensor | null,
    training: boolean,
    momentum: number,
    eps: number,
  ) => batchNorm(native, x, { weight, bias, runningMean, runningVar, training, momentum, eps }),
  { method: false },
);

/** {@link native_batch_norm} under the name that exported graphs use; without running statistics they are left out. */
export const _native_batch_norm_legit: Op<(input: Tensor, ...args: unknown[]) => Tensor[]> = operator(
  "_native_batch_norm_legit(Tensor input, Tensor? weight, Tensor? bias, Tensor|bool? running_mean, Tensor|float? running_var, float training, float? momentum=None, float? eps=None)",
  (
    x: Tensor,
    weight: Tensor | null,
    bias: Tensor | null,
    mean: Tensor | boolean | null,
    variance: Tensor | number | null,
    training: number,
    momentum: number | null,
    eps: number | null,
  ) => {
    if (typeof mean === "boolean") {
      const none = { weight, bias, runningMean: null, runningVar: null };
      return batchNorm(legitNoStats, x, {
        ...none,
        training: mean,
        momentum: variance as number,
        eps: training,
      });
    }
    return batchNorm(legit, x, {
      weight,
      bias,
      runningMean: mean,
      runningVar: variance as Tensor | null,
      training: Boolean(training),
      momentum: momentum ?? 0.1,
      eps: eps ?? 1e-5,
    });
  },
  { method: false },
);

/** {@link native_batch_norm} in training, with a place for what a device keeps for backward (nothing here). */
export const _batch_norm_with_update: Op<(input: Tensor, ...args: unknown[]) => Tensor[]> = operator(
  "_batch_norm_with_update(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, float momentum, float eps)",
  (
    x: Tensor,
    weight: Tensor | null,
    bias: Tensor | null,
    runningMean: Tensor,
    runningVar: Tensor,
    momentum: number,
    eps: number,
  ) => {
    const outs = batchNorm(updating, x, { weight, bias, runningMean, runningVar, training: true, momentum, eps });
    return [...outs, allocate([0], uint8, x._backend)];
  },
  { method: false },
);

/** Options of {@link batch_norm}. */
export interface BatchNormOptions {
  weight?: Tensor | null;
  bias?: Tensor | null;
  /** Normalise by the statistics of the batch, and move the running ones. Default: false. */
  training?: boolean;
  /** How far the running statistics move. Default: 0.1. */
  momentum?: number;
  /** Added to the variance. Default: 1e-5. */
  eps?: number;
}

/** Normalises each channel (dim 1) over the batch and all positions, then scales by `weight` and shifts by `bias`. */
export const batch_norm: Op<
  (
    input: Tensor,
    running_mean: Tensor | null,
    running_var: Tensor | null,
    weight?: Tensor | null | BatchNormOptions,
    bias?: Tensor | null | BatchNormOptions,
    training?: boolean,
    momentum?: number,
    eps?: number,
  ) => Tensor
> = operator(
  "batch_norm(Tensor input, Tensor? running_mean, Tensor? running_var, Tensor? weight=None, Tensor? bias=None, bool training=False, float momentum=0.1, float eps=1e-05)",
  (
    x: Tensor,
    runningMean: Tensor | null,
    runningVar: Tensor | null,
    weight: Tensor | null,
    bias: Tensor | null,
    training: boolean,
    momentum: number,
    eps: number,
  ) => {
    if (training && eps <= 0) {
      throw new ValueError(`batch_norm eps must be positive during training, but got ${formatRepr(eps)}`);
    }
    if (training && (x.shape[0] ?? 0) * numel(x.shape.slice(2)) === 1) {
      throw new ValueError(
        `Expected more than 1 value per channel when training, got input size ${torchSize(x.shape)}`,
      );
    }
    if (x._numel === 0) {
      let out = x.clone();
      if (weight !== null) out = out.mul(weight.select(0, 0));
      return bias === null ? out : out.add(bias.select(0, 0));
    }
    return batchNorm(native, x, { weight, bias, runningMean, runningVar, training, momentum, eps })[0];
  },
  { method: false, namespace: false },
);

/** Options of {@link instance_norm}. */
export interface InstanceNormOptions {
  running_mean?: Tensor | null;
  running_var?: Tensor | null;
  weight?: Tensor | null;
  bias?: Tensor | null;
  /** Normalise by the statistics of the input, else by the running ones. Default: true. */
  use_input_stats?: boolean;
  momentum?: number;
  eps?: number;
}

/** Normalises each channel of each sample over its positions. */
export const instance_norm: Op<
  (input: Tensor, running_mean?: Tensor | null | InstanceNormOptions, ...args: unknown[]) => Tensor
> = operator(
  "instance_norm(Tensor input, Tensor? running_mean=None, Tensor? running_var=None, Tensor? weight=None, Tensor? bias=None, bool use_input_stats=True, float momentum=0.1, float eps=1e-05)",
  (
    x: Tensor,
    runningMean: Tensor | null,
    runningVar: Tensor | null,
    weight: Tensor | null,
    bias: Tensor | null,
    training: boolean,
    momentum: number,
    eps: number,
  ) => {
    if (training && numel(x.shape.slice(2)) === 1) {
      throw new ValueError(`Expected more than 1 spatial element when training, got input size ${torchSize(x.shape)}`);
    }
    if (!training && (runningMean === null || runningVar === null)) {
      throw new TorchError("Expected running_mean and running_var to be defined when use_input_stats is false");
    }
    const [samples, channels] = x.shape as [number, number];
    const repeated = (t: Tensor | null): Tensor | null => (t === null ? null : t.repeat(samples));
    const [mean, variance] = [repeated(runningMean), repeated(runningVar)];
    const flat = view(x.contiguous(), [1, samples * channels, ...x.shape.slice(2)]);
    const [out] = batchNorm(native, flat, {
      weight: repeated(weight),
      bias: repeated(bias),
      runningMean: mean,
      runningVar: variance,
      training,
      momentum,
      eps,
    });
    no_grad(() => {
      if (runningMean !== null) runningMean.copy_(view(mean as Tensor, [samples, channels]).mean(0));
      if (runningVar !== null) runningVar.copy_(view(variance as Tensor, [samples, channels]).mean(0));
    });
    return view(out as Tensor, x.shape);
  },
  { method: false, namespace: false },
);
