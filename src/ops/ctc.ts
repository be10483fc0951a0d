/**
 * The connectionist temporal classification loss: the probability of a label sequence, summed over all ways to align it with
 * the frames, by forward and backward variables. A host routine: each frame depends on the one before.
 */
import { float64, int64 } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { castRaw, contiguousRaw, copyRaw } from "../dispatch/elementwise.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, type Primitive, primitive } from "../dispatch/primitive.ts";
import { viewElements } from "../tensor/data.ts";
import { allocate, Tensor } from "../tensor/tensor.ts";
import { where } from "./clamp.ts";
import { type LossReduction, checkReduction } from "./loss-reduction.ts";
import { squeeze, unsqueeze, type Op } from "./view.ts";

interface CtcParams {
  /** The labels of each sample. */
  readonly labels: readonly (readonly number[])[];
  /** The number of frames of each sample. */
  readonly frames: readonly number[];
  readonly blank: number;
  readonly zeroInfinity: boolean;
}

const never = Number.NEGATIVE_INFINITY;

function logAdd(a: number, b: number): number {
  if (a === never) return b;
  if (b === never) return a;
  return a > b ? a + Math.log1p(Math.exp(b - a)) : b + Math.log1p(Math.exp(a - b));
}

/** The labels with blanks between and around them. */
function extended(labels: readonly number[], blank: number): number[] {
  const out = [blank];
  for (const label of labels) out.push(label, blank);
  return out;
}

/** Log probabilities [T, N, C] in memory of their own, in float64. */
const values = (x: Tensor): Float64Array => (viewElements(contiguousRaw(castRaw(x, float64))) as Float64Array).slice();

/** The log probability of frame t of sample n for class c. */
type At = (t: number, c: number) => number;

/** log alpha [T][S]: of all alignments that have reached place s after frame t. */
function forwardVariables(at: At, states: readonly number[], frames: number): number[][] {
  const rows: number[][] = [];
  for (let t = 0; t < frames; t++) {
    const row = states.map((label, s): number => {
      if (t === 0) return s < 2 ? at(0, label) : never;
      const before = rows[t - 1] as number[];
      let sum = before[s] as number;
      if (s > 0) sum = logAdd(sum, before[s - 1] as number);
      if (s > 1 && states[s - 2] !== label) sum = logAdd(sum, before[s - 2] as number);
      return sum + at(t, label);
    });
    rows.push(row);
  }
  return rows;
}

/** log beta [T][S]: of all alignments that go on from place s at frame t. */
function backwardVariables(at: At, states: readonly number[], frames: number): number[][] {
  const rows = new Array<number[]>(frames);
  const last = states.length - 1;
  for (let t = frames - 1; t >= 0; t--) {
    rows[t] = states.map((label, s): number => {
      if (t === frames - 1) return s >= last - 1 ? at(t, label) : never;
      const after = rows[t + 1] as number[];
      let sum = after[s] as number;
      if (s < last) sum = logAdd(sum, after[s + 1] as number);
      if (s < last - 1 && states[s + 2] !== label) sum = logAdd(sum, after[s + 2] as number);
      return sum + at(t, label);
    });
  }
  return rows;
}

function lossOf(alpha: readonly (readonly number[])[], states: readonly number[], frames: number): number {
  if (frames === 0) return states.length === 1 ? 0 : Infinity;
  const end = alpha[frames - 1] as number[];
  const last = states.length - 1;
  return -(last > 0 ? logAdd(end[last] as number, end[last - 1] as number) : (end[last] as number));
}

function lossesRaw(x: Tensor, { labels, frames, blank }: CtcParams): Tensor {
  const [, samples, classes] = x.shape as [number, number, number];
  const data = values(x);
  const losses = labels.map((list, n) => {
    const at: At = (t, c) => data[(t * samples + n) * classes + c] as number;
    const states = extended(list, blank);
    const steps = frames[n] as number;
    return lossOf(forwardVariables(at, states, steps), states, steps);
  });
  return fromNumbers(losses, [samples], x);
}

function fromNumbers(list: readonly number[] | Float64Array, shape: readonly number[], like: Tensor): Tensor {
  const wide = allocate(shape, float64, like._backend);
  const out = allocate(shape, like.dtype, like._backend);
  (viewElements(wide) as Float64Array).set(list);
  copyRaw(out, wide);
  return out;
}

/**
 * The gradient by the log probabilities. As in PyTorch it takes them to come from a log softmax: the part that a softmax adds is
 * in it already.
 */
function gradientRaw(g: Tensor, x: Tensor, { labels, frames, blank, zeroInfinity }: CtcParams): Tensor {
  const [, samples, classes] = x.shape as [number, number, number];
  const data = values(x);
  const weights = values(g);
  const out = new Float64Array(data.length);
  labels.forEach((list, n) => {
    const steps = frames[n] as number;
    const states = extended(list, blank);
    const place = (t: number, c: number): number => (t * samples + n) * classes + c;
    const at: At = (t, c) => data[place(t, c)] as number;
    const alpha = forwardVariables(at, states, steps);
    const loss = lossOf(alpha, states, steps);
    if (loss === Infinity && zeroInfinity) return;
    const beta = backwardVariables(at, states, steps);
    const weight = weights[n] as number;
    for (let t = 0; t < steps; t++) {
      const through = new Array<number>(classes).fill(never);
      states.forEach((label, s) => {
        const both = ((alpha[t] as number[])[s] as number) + ((beta[t] as number[])[s] as number);
        through[label] = logAdd(through[label] as number, both);
      });
      for (let c = 0; c < classes; c++) {
        const p = at(t, c);
        out[place(t, c)] = (Math.exp(p) - Math.exp((through[c] as number) + loss - p)) * weight;
      }
    }
  });
  return fromNumbers(out, x.shape, x);
}

const gradientPrimitive: Primitive<CtcParams> = primitive<CtcParams>({
  name: "_ctc_loss_backward",
  gradName: "NotImplemented",
  forward: ([g, x], params) => gradientRaw(g as Tensor, x as Tensor, params),
  joint: {
    uses: () => [],
    vjp: () => {
      throw new TorchError("derivative for aten::_ctc_loss_backward is not implemented");
    },
  },
});

const ctcPrimitive: Primitive<CtcParams> = primitive<CtcParams>({
  name: "_ctc_loss",
  gradName: "CtcLossBackward0",
  forward: ([x], params) => lossesRaw(x as Tensor, params),
  grads: [
    {
      uses: [0],
      vjp: (g, ctx) => apply1(gradientPrimitive, [g, ctx.input(0)], ctx.params),
    },
  ],
});

const listOf = (lengths: Tensor | readonly number[]): number[] =>
  lengths instanceof Tensor
    ? Array.from(viewElements(contiguousRaw(castRaw(lengths, int64))) as BigInt64Array, Number)
    : [...lengths];

/** The labels of each sample, from a matrix with padding or from one long list. */
function labelsOf(targets: Tensor, lengths: readonly number[], classes: number): number[][] {
  const all = Array.from(viewElements(contiguousRaw(castRaw(targets, int64))) as BigInt64Array, Number);
  const width = targets.ndim === 2 ? (targets.shape[1] as number) : 0;
  let start = 0;
  return lengths.map((length, n) => {
    const from = targets.ndim === 2 ? n * width : start;
    start += length;
    const out = all.slice(from, from + length);
    for (const label of out) {
      if (label < 0 || label >= classes) {
        throw new TorchError(`Expected targets to be in [0, ${classes}), but got ${label}`);
      }
    }
    return out;
  });
}

/** Options of {@link ctc_loss}. */
export interface CtcLossOptions {
  /** The class that stands for no label. Default: 0. */
  blank?: number;
  /** `"mean"` divides by the lengths of the targets first. */
  reduction?: LossReduction;
  /** Whether impossible alignments count as 0. Default: false. */
  zero_infinity?: boolean;
}

/**
 * The negative log probability of label sequences, over all alignments with the frames.
 *
 * @param log_probs log probabilities (T, N, C) or (T, C)
 * @param targets labels (N, S), or those of all samples one after another
 */
export const ctc_loss: Op<
  (
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | readonly number[],
    target_lengths: Tensor | readonly number[],
    blank?: number | CtcLossOptions,
    ...args: unknown[]
  ) => Tensor
> = operator(
  "ctc_loss(Tensor log_probs, Tensor targets, Tensor|int[] input_lengths, Tensor|int[] target_lengths, int blank=0, str reduction='mean', bool zero_infinity=False)",
  (
    given: Tensor,
    targets: Tensor,
    inputLengths: Tensor | number[],
    targetLengths: Tensor | number[],
    blank: number,
    reduction: string,
    zeroInfinity: boolean,
  ) => {
    checkReduction(reduction);
    const single = given.ndim === 2;
    const x = single ? unsqueeze(given, 1) : given;
    if (x.ndim !== 3) throw new TorchError(`log_probs should have 2 or 3 dimensions, got ${formatShape(given.shape)}`);
    const [steps, samples, classes] = x.shape as [number, number, number];
    const frames = listOf(inputLengths);
    const lengths = listOf(targetLengths);
    if (blank < 0 || blank >= classes) throw new TorchError("blank must be in label range");
    if (frames.length !== samples) throw new TorchError("input_lengths must be of size batch_size");
    if (lengths.length !== samples) throw new TorchError("target_lengths must be of size batch_size");
    frames.forEach((n, b) => {
      if (n < 0 || n > steps) {
        throw new TorchError(
          `Expected input_lengths to have value at most ${steps}, but got value ${n} (while checking arguments for ctc_loss_cpu)`,
        );
      }
      const room = targets.ndim === 2 ? (targets.shape[1] as number) : targets._numel;
      if ((lengths[b] as number) < 0 || (lengths[b] as number) > room) {
        throw new TorchError(
          `Expected tensor to have size at least ${lengths[b]} at dimension 1, but got size ${room}`,
        );
      }
    });
    const labels = labelsOf(targets.ndim === 1 && single ? unsqueeze(targets, 0) : targets, lengths, classes);
    let losses = apply1(ctcPrimitive, [x], { labels, frames, blank, zeroInfinity });
    if (zeroInfinity) losses = where(losses.eq(Infinity), losses.new_zeros([]), losses) as Tensor;
    if (reduction === "mean") {
      return losses.div(losses.new_tensor(lengths.map((n) => Math.max(n, 1)))).mean();
    }
    if (reduction === "sum") return losses.sum();
    return single ? squeeze(losses, 0) : losses;
  },
  { method: false, namespace: false },
);
