/**
 * Negative log likelihood and cross entropy.
 */
import { int64, uint8 } from "../base/dtype.ts";
import { IndexError, TorchError, ValueError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { castRaw, contiguousRaw } from "../dispatch/elementwise.ts";
import { type RowContext, RowsKernel } from "../dispatch/family/rows.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, primitive } from "../dispatch/primitive.ts";
import { E, type Expr } from "../ir/expr.ts";
import { readElement } from "../tensor/data.ts";
import { alias, allocate, type Tensor } from "../tensor/tensor.ts";
import { log_softmax } from "./softmax.ts";
import { type LossReduction, reductionOf, type ReductionOptions } from "./loss-reduction.ts";
import { divNumber } from "./number-forms.ts";
import { type Op, view } from "./view.ts";

interface NllParams {
  readonly reduction: LossReduction;
  readonly ignoreIndex: number;
  /** Shape of the input, classes second. */
  readonly shape: readonly number[];
  /** The sum of the rows' weights, once the mean has been computed: parameters belong to one call. */
  total: Tensor | null;
  /** The class weights, which take no gradient. */
  readonly weight: Tensor | null;
}

// Operands of the row kernels: the input (or nothing), the target, the weight by class, and for backward the gradient.

/** The class of a row, its weight (0 where it is ignored), and a guard against classes out of range. */
function classOf(r: RowContext, target: number, weight: number | null, n: Expr): { index: Expr; weight: Expr } {
  const raw = r.let(E.cast("i32", r.integer(target)));
  const ignored = r.let(E.eq(E.cast(r.type, raw), r.params[0] as Expr));
  const inRange = E.and(E.ge(raw, 0), E.lt(raw, n));
  r.guard(E.or(ignored, inRange), E.add(E.index(0), 1));
  const index = r.let(E.select(ignored, E.const("i32", 0), raw));
  const one = E.const(r.type, 1);
  const w = r.let(E.select(ignored, E.const(r.type, 0), weight === null ? one : r.at(weight, index)));
  return { index, weight: w };
}

const width: Expr = E.scalar("i32", 1);

const forwardKernel = (weighted: boolean): RowsKernel =>
  new RowsKernel({
    name: "nll_loss",
    ins: weighted ? ["element", "row", "column"] : ["element", "row"],
    outs: ["row", "row"],
    params: 1,
    build: (r) => {
      const { index, weight } = classOf(r, 1, weighted ? 2 : null, width);
      const loss = E.neg(E.mul(weight, r.pick(0, index)));
      // An ignored row is 0 whatever its values.
      return [E.select(E.eq(weight, 0), E.const(r.type, 0), loss), weight];
    },
  });

const backwardKernel = (weighted: boolean): RowsKernel =>
  new RowsKernel({
    name: "nll_loss_backward",
    ins: weighted ? ["row", "row", "column"] : ["row", "row"],
    outs: ["element"],
    params: 1,
    build: (r) => {
      const { index, weight } = classOf(r, 0, weighted ? 2 : null, width);
      const g = r.let(E.neg(E.mul(weight, r.at(1))));
      return [(j) => E.select(E.eq(j, index), g, E.const(r.type, 0))];
    },
  });

const forwardKernels = [forwardKernel(false), forwardKernel(true)] as const;
const backwardKernels = [backwardKernel(false), backwardKernel(true)] as const;

/** [N, C, d1, …] as rows of classes. */
function rowsOf(x: Tensor): Tensor {
  if (x.ndim === 1) return contiguousRaw(alias(x, [1, x._numel], [0, x._strides[0] as number], x._offset));
  if (x.ndim === 2) return contiguousRaw(x);
  const order = [0, ...x.shape.map((_, d) => d).slice(2), 1];
  return contiguousRaw(
    alias(
      x,
      order.map((d) => x.shape[d] as number),
      order.map((d) => x._strides[d] as number),
      x._offset,
    ),
  );
}

function outOfBounds(target: Tensor, row: number): never {
  const host = target._backend.host;
  const value = host === null ? "" : String(readElement(host, target.dtype, target._ptr / target.dtype.itemsize + row));
  throw new IndexError(`Target ${value} is out of bounds.`);
}

/** The losses of the rows and their weights. */
function nllRows(x: Tensor, target: Tensor, weight: Tensor | null, p: NllParams): { loss: Tensor; weights: Tensor } {
  const classes = x.ndim === 1 ? (x.shape[0] as number) : (x.shape[1] as number);
  const rows = classes === 0 ? 0 : x._numel / classes;
  const labels = contiguousRaw(target);
  const loss = allocate(target.shape, x.dtype, x._backend);
  const weights = allocate(target.shape, x.dtype, x._backend);
  const ins = [rowsOf(x), labels];
  if (weight !== null) ins.push(contiguousRaw(weight));
  const kernel = forwardKernels[weight === null ? 0 : 1];
  const failed = rows === 0 ? 0 : kernel.run([loss, weights], ins, rows, classes, x.dtype, [p.ignoreIndex]);
  if (failed !== 0) outOfBounds(labels, failed - 1);
  return { loss, weights };
}

/** Gradient of the input from that of each row's loss. */
function spread(g: Tensor, target: Tensor, weight: Tensor | null, p: NllParams): Tensor {
  const classes = p.shape.length === 1 ? (p.shape[0] as number) : (p.shape[1] as number);
  const rows = target._numel;
  const flatShape = p.shape.length <= 2 ? p.shape : [p.shape[0] as number, ...p.shape.slice(2), classes];
  const out = allocate(flatShape, g.dtype, g._backend);
  const ins = [contiguousRaw(target), contiguousRaw(g)];
  if (weight !== null) ins.push(contiguousRaw(weight));
  if (rows > 0) backwardKernels[weight === null ? 0 : 1].run([out], ins, rows, classes, g.dtype, [p.ignoreIndex]);
  if (p.shape.length <= 2) return out;
  const last = flatShape.length - 1;
  const order = [0, last, ...Array.from({ length: last - 1 }, (_, i) => i + 1)];
  return contiguousRaw(
    alias(
      out,
      order.map((d) => out.shape[d] as number),
      order.map((d) => out._strides[d] as number),
      0,
    ),
  );
}

/** Rows' gradients into the input; linear, so its own gradient is the loss of the incoming one without reduction. */
const spreadPrimitive = primitive<{ nll: NllParams; target: Tensor; weight: Tensor | null }>({
  name: "nll_loss_backward",
  gradName: "NllLossBackwardBackward0",
  forward: ([g], { nll, target, weight }) => spread(g as Tensor, target, weight, nll),
  grads: [
    {
      vjp: (gg, { params }) => {
        const none: NllParams = { ...params.nll, reduction: "none" };
        return apply1(
          params.nll.shape.length > 2 ? nll2dPrimitive : nllPrimitive,
          nllInputs(gg, params.target, params.weight),
          none,
        );
      },
    },
  ],
});

const nllInputs = (x: Tensor, target: Tensor, weight: Tensor | null): Tensor[] =>
  weight === null ? [x, target] : [x, target, weight];

const define = (name: string, gradName: string): ReturnType<typeof primitive<NllParams>> =>
  primitive<NllParams>({
    name,
    gradName,
    forward: ([x, target, weight], p) => {
      const { loss, weights } = nllRows(x as Tensor, target as Tensor, weight ?? null, p);
      if (p.reduction === "none") return loss;
      const sum = loss.sum();
      if (p.reduction === "sum") return sum;
      p.total = weights.sum();
      return sum.div(p.total);
    },
    joint: {
      uses: () => [1],
      vjp: ([g], ctx) => {
        const p = ctx.params;
        if (g === null || g === undefined || !ctx.needs(0)) return [null, null, null];
        const target = ctx.input(1);
        const { weight } = p;
        let rows = g;
        if (p.reduction !== "none") {
          const scale = p.reduction === "sum" ? g : g.div(p.total as Tensor);
          rows = scale.expand(target.shape);
        }
        return [apply1(spreadPrimitive, [rows], { nll: p, target, weight }), null, null];
      },
    },
  });

const nllPrimitive = define("nll_loss", "NllLossBackward0");
const nll2dPrimitive = define("nll_loss2d", "NllLoss2DBackward0");

/** Options of {@link nll_loss}. */
export interface NllLossOptions extends ReductionOptions {
  /** A weight for each class, shape (C). */
  weight?: Tensor | null;
  /** Targets of this value count nothing. Default: -100. */
  ignore_index?: number;
}

function checkNll(x: Tensor, target: Tensor, weight: Tensor | null): void {
  if (x.ndim < 1) throw new ValueError(`Expected 1 or more dimensions (got ${x.ndim})`);
  if (x.ndim === 1 ? target.ndim > 0 : x.shape[0] !== target.shape[0]) {
    if (x.ndim !== 1) {
      throw new ValueError(
        `Expected input batch_size (${x.shape[0]}) to match target batch_size (${target.shape[0]}).`,
      );
    }
  }
  if (target.dtype !== int64 && target.dtype !== uint8) {
    throw new TorchError(`expected scalar type Long but found ${target.dtype.scalarName}`);
  }
  const classes = (x.ndim === 1 ? x.shape[0] : x.shape[1]) as number;
  if (weight !== null && (weight.ndim !== 1 || weight._numel !== classes)) {
    throw new TorchError(
      `weight tensor should be defined either for all ${classes} classes or no classes but got weight tensor of shape: ${formatShape(weight.shape)}`,
    );
  }
  const spatial = x.ndim > 2 ? [x.shape[0], ...x.shape.slice(2)] : x.ndim === 2 ? [x.shape[0]] : [];
  if (target.ndim !== spatial.length || target.shape.some((n, d) => n !== spatial[d])) {
    if (x.ndim > 2) {
      throw new TorchError(
        `Expected target size ${formatShape(spatial as number[])}, got ${formatShape(target.shape)}`,
      );
    }
    throw new TorchError(`size mismatch (got input: ${formatShape(x.shape)}, target: ${formatShape(target.shape)})`);
  }
}

/**
 * The negative log likelihood of classes: minus the log probability of each target, weighted and reduced.
 *
 * @param input log probabilities, shape (C), (N, C) or (N, C, d1, …)
 * @param target class numbers, int64, shape (), (N) or (N, d1, …)
 */
export const nll_loss: Op<
  (input: Tensor, target: Tensor, weight?: Tensor | null | NllLossOptions, options?: NllLossOptions) => Tensor
> = operator(
  "nll_loss(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, int ignore_index=-100, bool? reduce=None, str reduction='mean')",
  (
    x: Tensor,
    target: Tensor,
    weight: Tensor | null,
    average: boolean | null,
    ignoreIndex: number,
    reduce: boolean | null,
    text: string,
  ) => {
    const reduction = reductionOf(text, average, reduce);
    checkNll(x, target, weight);
    const w = weight === null ? null : castRaw(weight.detach(), x.dtype);
    const params: NllParams = { reduction, ignoreIndex, shape: x.shape, weight: w, total: null };
    const loss = apply1(x.ndim > 2 ? nll2dPrimitive : nllPrimitive, nllInputs(x, target, w), params);
    // PyTorch computes other numbers of dims as images, and views the result in their shape.
    return reduction === "none" && x.ndim > 2 && x.ndim !== 4 ? view(loss, loss.shape) : loss;
  },
  { method: false, namespace: false },
);

/** Options of {@link cross_entropy}. */
export interface CrossEntropyOptions extends NllLossOptions {
  /** How much of each target is spread over all classes, 0 to 1. Default: 0. */
  label_smoothing?: number;
}

/** Targets as probabilities of the classes. */
function probabilityLoss(
  x: Tensor,
  target: Tensor,
  weight: Tensor | null,
  reduction: LossReduction,
  smoothing: number,
): Tensor {
  const dim = x.ndim === 1 ? 0 : 1;
  const classes = x.shape[dim] as number;
  const log = log_softmax(x, dim);
  let p = target;
  if (smoothing > 0) p = p.mul(1 - smoothing).add(smoothing / classes);
  let terms = log.mul(p);
  if (weight !== null) {
    const shape = x.shape.map((_, d) => (d === dim ? classes : 1));
    terms = terms.mul(weight.view(shape));
  }
  if (reduction === "none") return terms.sum(dim).neg();
  const total = terms.sum().neg();
  return reduction === "sum" ? total : divNumber(total, x._numel / classes);
}

/** Class targets with a part of the weight on all classes. */
function smoothedLoss(
  x: Tensor,
  target: Tensor,
  weight: Tensor | null,
  ignoreIndex: number,
  reduction: LossReduction,
  smoothing: number,
): Tensor {
  const dim = x.ndim === 1 ? 0 : 1;
  const classes = x.shape[dim] as number;
  const log = log_softmax(x, dim);
  const nll = nll_loss(log, target, { weight, ignore_index: ignoreIndex, reduction });
  const shape = x.shape.map((_, d) => (d === dim ? classes : 1));
  let smooth = (weight === null ? log : log.mul(weight.view(shape))).sum(dim).neg();
  const ignored = target.eq(ignoreIndex);
  smooth = smooth.masked_fill(ignored, 0);
  let reduced = smooth;
  if (reduction === "sum") reduced = smooth.sum();
  if (reduction === "mean") {
    const counted =
      weight === null
        ? ignored.logical_not().sum().to(x.dtype)
        : weight.gather(0, target.masked_fill(ignored, 0).flatten()).masked_fill(ignored.flatten(), 0).sum();
    reduced = smooth.sum().div(counted);
  }
  return nll.mul(1 - smoothing).add(reduced.mul(smoothing / classes));
}

/**
 * The cross entropy between logits and targets: {@link log_softmax} over the classes, then {@link nll_loss}.
 *
 * @param input logits, shape (C), (N, C) or (N, C, d1, …)
 * @param target class numbers (int64, without the class dim), or probabilities in the shape of the input
 */
export const cross_entropy: Op<
  (input: Tensor, target: Tensor, weight?: Tensor | null | CrossEntropyOptions, options?: CrossEntropyOptions) => Tensor
> = operator(
  "cross_entropy(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, int ignore_index=-100, bool? reduce=None, str reduction='mean', float label_smoothing=0.0)",
  (
    x: Tensor,
    target: Tensor,
    weight: Tensor | null,
    average: boolean | null,
    ignoreIndex: number,
    reduce: boolean | null,
    text: string,
    smoothing: number,
  ) => {
    const reduction = reductionOf(text, average, reduce);
    if (smoothing < 0 || smoothing > 1) {
      throw new TorchError(`label_smoothing must be between 0.0 and 1.0. Got: ${smoothing}`);
    }
    if (x.ndim === target.ndim && x.shape.every((n, d) => n === target.shape[d]) && target.dtype.is_floating_point) {
      return probabilityLoss(x, target, weight, reduction, smoothing);
    }
    if (smoothing > 0) return smoothedLoss(x, target, weight, ignoreIndex, reduction, smoothing);
    const log = log_softmax(x, x.ndim === 1 ? 0 : 1);
    return nll_loss(log, target, { weight, ignore_index: ignoreIndex, reduction });
  },
  { method: false, namespace: false },
);
