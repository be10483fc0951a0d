/**
 * Losses element by element: regression, and probabilities of two classes.
 */
import { TorchError, ValueError } from "../base/errors.ts";
import { sameShape } from "../base/shape.ts";
import { type Loss, lossOf } from "../dispatch/family/loss.ts";
import { operator } from "../dispatch/op.ts";
import { E, type Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type LossReduction, reduceLoss, reductionOf, type ReductionOptions, torchSize } from "./loss-reduction.ts";
import { broadcast_tensors } from "./repeat.ts";
import type { Op } from "./view.ts";

const functional = { method: false, namespace: false } as const;

/** A loss of an input and a target, weighted by the element if `O` says so. */
export type LossFunction<O = ReductionOptions> = Op<(input: Tensor, target: Tensor, options?: O) => Tensor>;

/** Options of losses that can weight each element. */
export interface WeightedOptions extends ReductionOptions {
  /** A weight for each element. */
  weight?: Tensor | null;
}

function warnBroadcast(x: Tensor, target: Tensor): void {
  if (sameShape(x.shape, target.shape)) return;
  console.warn(
    `UserWarning: Using a target size (${torchSize(target.shape)}) that is different to the input size (${torchSize(x.shape)}). This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.`,
  );
}

/** The operands in one shape; expanded only where they are not. */
function together(x: Tensor, target: Tensor): [Tensor, Tensor] {
  if (sameShape(x.shape, target.shape)) return [x, target];
  return broadcast_tensors(x, target) as [Tensor, Tensor];
}

/** The mean is over the weights. */
function weighted(loss: Tensor, x: Tensor, weight: Tensor, reduction: LossReduction): Tensor {
  if (!sameShape(weight.shape, x.shape)) throw new ValueError("Weights and input must have the same size.");
  const terms = loss.mul(weight);
  if (reduction === "none") return terms;
  return reduction === "sum" ? terms.sum() : terms.sum().div(weight.sum());
}

// --- regression ------------------------------------------------------------------------------------------------------

const mse: Loss = lossOf({
  name: "mse_loss",
  tensors: 2,
  value: (x, t) => E.square(E.sub(x as Expr, t as Expr)),
});

/** The squared error, averaged by default. */
export const mse_loss: LossFunction<WeightedOptions> = operator(
  "mse_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction='mean', Tensor? weight=None)",
  (x: Tensor, target: Tensor, average: boolean | null, reduce: boolean | null, text: string, weight: Tensor | null) => {
    warnBroadcast(x, target);
    const reduction = reductionOf(text, average, reduce);
    const [a, b] = together(x, target);
    if (weight !== null) return weighted(a.sub(b).pow(2), x, weight, reduction);
    return mse([a, b], reduction);
  },
  functional,
);

/** The absolute error, averaged by default. */
export const l1_loss: LossFunction<WeightedOptions> = operator(
  "l1_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction='mean', Tensor? weight=None)",
  (x: Tensor, target: Tensor, average: boolean | null, reduce: boolean | null, text: string, weight: Tensor | null) => {
    warnBroadcast(x, target);
    const reduction = reductionOf(text, average, reduce);
    const [a, b] = together(x, target);
    const error = a.sub(b).abs();
    return weight === null ? reduceLoss(error, reduction) : weighted(error, x, weight, reduction);
  },
  functional,
);

const smoothL1: Loss = lossOf({
  name: "smooth_l1_loss",
  tensors: 2,
  numbers: 1,
  value: (x, t, beta) => {
    const z = E.abs(E.sub(x as Expr, t as Expr));
    const square = E.div(E.mul(E.mul(z, 0.5), z), beta as Expr);
    return E.select(E.lt(z, beta as Expr), square, E.sub(z, E.mul(beta as Expr, 0.5)));
  },
  grad: (x, t, beta) => {
    const d = E.sub(x as Expr, t as Expr);
    const inside = E.lt(E.abs(d), beta as Expr);
    const dx = E.select(inside, E.div(d, beta as Expr), E.sign(d));
    return [dx, E.neg(dx)];
  },
});

/** Options of {@link smooth_l1_loss}. */
export interface SmoothL1Options extends ReductionOptions {
  /** The error below which the loss is quadratic. Default: 1. */
  beta?: number;
}

/** Quadratic for errors below `beta`, linear above; divided by `beta`. */
export const smooth_l1_loss: LossFunction<SmoothL1Options> = operator(
  "smooth_l1_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction='mean', float beta=1.0)",
  (x: Tensor, target: Tensor, average: boolean | null, reduce: boolean | null, text: string, beta: number) => {
    warnBroadcast(x, target);
    const reduction = reductionOf(text, average, reduce);
    const [a, b] = together(x, target);
    if (beta === 0) return reduceLoss(a.sub(b).abs(), reduction);
    if (beta < 0) throw new TorchError("smooth_l1_loss does not support negative values for beta.");
    return smoothL1([a, b], reduction, beta);
  },
  functional,
);

const huber: Loss = lossOf({
  name: "huber_loss",
  tensors: 2,
  numbers: 1,
  value: (x, t, delta) => {
    const z = E.abs(E.sub(x as Expr, t as Expr));
    const linear = E.mul(delta as Expr, E.sub(z, E.mul(delta as Expr, 0.5)));
    return E.select(E.le(z, delta as Expr), E.mul(E.mul(z, 0.5), z), linear);
  },
  grad: (x, t, delta) => {
    const d = E.sub(x as Expr, t as Expr);
    const dx = E.select(E.le(E.abs(d), delta as Expr), d, E.mul(delta as Expr, E.sign(d)));
    return [dx, E.neg(dx)];
  },
});

/** Options of {@link huber_loss}. */
export interface HuberOptions extends WeightedOptions {
  /** The error below which the loss is quadratic. Default: 1. */
  delta?: number;
}

/** Quadratic for errors up to `delta`, linear above. */
export const huber_loss: LossFunction<HuberOptions> = operator(
  "huber_loss(Tensor input, Tensor target, str reduction='mean', float delta=1.0, Tensor? weight=None)",
  (x: Tensor, target: Tensor, text: string, delta: number, weight: Tensor | null) => {
    warnBroadcast(x, target);
    const reduction = reductionOf(text, null, null);
    if (delta <= 0) throw new TorchError("huber_loss does not support non-positive values for delta.");
    const [a, b] = together(x, target);
    if (weight !== null) return weighted(huber([a, b], "none", delta), x, weight, reduction);
    return huber([a, b], reduction, delta);
  },
  functional,
);

const softMargin: Loss = lossOf({
  name: "soft_margin_loss",
  tensors: 2,
  value: (x, t) => E.log1p(E.exp(E.neg(E.mul(x as Expr, t as Expr)))),
  grad: (x, t) => [E.neg(E.mul(t as Expr, E.sigmoid(E.neg(E.mul(x as Expr, t as Expr))))), null],
});

/** `log(1 + exp(-target * input))` for targets 1 and -1. */
export const soft_margin_loss: LossFunction = operator(
  "soft_margin_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction='mean')",
  (x: Tensor, target: Tensor, average: boolean | null, reduce: boolean | null, text: string) => {
    const reduction = reductionOf(text, average, reduce);
    const [a, b] = together(x, target);
    return softMargin([a, b], reduction);
  },
  functional,
);

// --- two classes -----------------------------------------------------------------------------------------------------

const bceValue = (x: Expr, t: Expr): Expr => {
  // Logarithms are cut off at -100, so that probabilities of 0 and 1 give finite losses.
  const no = E.max(E.log1p(E.neg(x)), -100);
  return E.sub(E.mul(E.sub(t, 1), no), E.mul(t, E.max(E.log(x), -100)));
};
const bceGrad = (x: Expr, t: Expr): [Expr, Expr] => {
  const one = E.const(x.type, 1);
  return [E.div(E.sub(x, t), E.max(E.mul(E.sub(one, x), x), 1e-12)), E.sub(E.log(E.sub(one, x)), E.log(x))];
};

/** The second derivatives, which stay finite at 0 and 1. */
const bceSecond = (i: number, x: Expr, t: Expr): [Expr, Expr] | null => {
  if (i > 0) return null;
  const one = E.const(x.type, 1);
  const both = E.mul(E.add(x, 1e-12), E.add(E.sub(one, x), 1e-12));
  const top = E.add(E.sub(E.square(x), E.mul(E.mul(x, t), 2)), t);
  return [E.div(top, E.square(both)), E.neg(E.reciprocal(both))];
};

const bce: Loss = lossOf({
  name: "binary_cross_entropy",
  tensors: 2,
  value: (x, t) => bceValue(x as Expr, t as Expr),
  grad: (x, t) => bceGrad(x as Expr, t as Expr),
  second: (i, x, t) => bceSecond(i, x as Expr, t as Expr),
});
const bceWeighted: Loss = lossOf({
  name: "binary_cross_entropy",
  tensors: 3,
  value: (x, t, w) => E.mul(bceValue(x as Expr, t as Expr), w as Expr),
  grad: (x, t, w) => [...bceGrad(x as Expr, t as Expr).map((d) => E.mul(d, w as Expr)), null],
  second: (i, x, t, w) => {
    const by = bceSecond(i, x as Expr, t as Expr);
    if (by === null) return null;
    return [...by.map((e) => E.mul(e, w as Expr)), E.const((x as Expr).type, 0)];
  },
});

/**
 * The cross entropy of probabilities of a class against its targets, both between 0 and 1. From logits,
 * {@link binary_cross_entropy_with_logits} is more accurate.
 */
export const binary_cross_entropy: LossFunction<WeightedOptions> = operator(
  "binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, bool? reduce=None, str reduction='mean')",
  (x: Tensor, target: Tensor, weight: Tensor | null, average: boolean | null, reduce: boolean | null, text: string) => {
    const reduction = reductionOf(text, average, reduce);
    if (!sameShape(x.shape, target.shape)) {
      throw new ValueError(
        `Using a target size (${torchSize(target.shape)}) that is different to the input size (${torchSize(x.shape)}) is deprecated. Please ensure they have the same size.`,
      );
    }
    const values = x.detach();
    if (x._numel > 0 && !values.ge(0).logical_and(values.le(1)).all().item()) {
      throw new TorchError("all elements of input should be between 0 and 1");
    }
    return weight === null ? bce([x, target], reduction) : bceWeighted([x, target, weight.expand(x.shape)], reduction);
  },
  functional,
);

/** log(sigmoid(x)) */
const logSigmoid = (x: Expr): Expr => E.sub(E.min(x, 0), E.log1p(E.exp(E.neg(E.abs(x)))));

type Form = (x: Expr, t: Expr, weight: Expr | null, positive: Expr | null) => Expr;

const logitsValue: Form = (x, t, weight, positive) => {
  const one = E.const(x.type, 1);
  const factor = positive === null ? one : E.add(E.mul(E.sub(positive, 1), t), 1);
  const value = E.sub(E.mul(E.sub(one, t), x), E.mul(logSigmoid(x), factor));
  return weight === null ? value : E.mul(value, weight);
};
const logitsByInput: Form = (x, t, weight, positive) => {
  const p = E.sigmoid(x);
  const hit = positive === null ? t : E.mul(positive, t);
  const one = E.const(x.type, 1);
  const d = positive === null ? E.sub(p, t) : E.sub(E.mul(E.sub(E.add(hit, one), t), p), hit);
  return weight === null ? d : E.mul(d, weight);
};
const logitsByTarget: Form = (x, _t, weight, positive) => {
  const d = positive === null ? E.neg(x) : E.sub(logSigmoid(E.neg(x)), E.mul(positive, logSigmoid(x)));
  return weight === null ? d : E.mul(d, weight);
};

/** By whether there is a weight (1) and a weight of positive targets (2). */
const logitsLosses: readonly Loss[] = [0, 1, 2, 3].map((mask) => {
  const arrange = (f: Form) => (args: readonly Expr[]) =>
    f(
      args[0] as Expr,
      args[1] as Expr,
      mask & 1 ? (args[2] as Expr) : null,
      mask & 2 ? (args[mask & 1 ? 3 : 2] as Expr) : null,
    );
  const others = (mask & 1) + (mask >> 1);
  return lossOf({
    name: "binary_cross_entropy_with_logits",
    tensors: 2 + others,
    value: (...args) => arrange(logitsValue)(args),
    grad: (...args) => [
      arrange(logitsByInput)(args),
      arrange(logitsByTarget)(args),
      ...Array.from({ length: others }, () => null),
    ],
  });
});

/** Options of {@link binary_cross_entropy_with_logits}. */
export interface LogitsLossOptions extends WeightedOptions {
  /** How much more positive targets count, broadcast to the input. */
  pos_weight?: Tensor | null;
}

/** The cross entropy of logits of a class against its targets between 0 and 1. */
export const binary_cross_entropy_with_logits: LossFunction<LogitsLossOptions> = operator(
  "binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, bool? reduce=None, str reduction='mean', Tensor? pos_weight=None)",
  (
    x: Tensor,
    target: Tensor,
    weight: Tensor | null,
    average: boolean | null,
    reduce: boolean | null,
    text: string,
    positive: Tensor | null,
  ) => {
    const reduction = reductionOf(text, average, reduce);
    if (!sameShape(x.shape, target.shape)) {
      throw new ValueError(
        `Target size (${torchSize(target.shape)}) must be the same as input size (${torchSize(x.shape)})`,
      );
    }
    const tensors = [x, target];
    for (const t of [weight, positive]) if (t !== null) tensors.push(t.expand(x.shape));
    return (logitsLosses[(weight === null ? 0 : 1) | (positive === null ? 0 : 2)] as Loss)(tensors, reduction);
  },
  functional,
);
