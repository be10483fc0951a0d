/**
 * The loss of connectionist temporal classification: of all ways to spread a sequence of labels over time.
 */
import { float32, float64, int32, int64 } from "../base/dtype.ts";
import { NotImplementedError, TorchError } from "../base/errors.ts";
import { castRaw, contiguousRaw } from "../dispatch/elementwise.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, primitive } from "../dispatch/primitive.ts";
import { viewElements } from "../tensor/data.ts";
import { allocate, Tensor } from "../tensor/tensor.ts";
import { where } from "./clamp.ts";
import { checkReduction, type LossReduction } from "./loss-reduction.ts";
import { squeeze, unsqueeze, type Op } from "./view.ts";

/** The labels of all samples, and how long everything is. */
interface CtcParams {
  /** Of each sample: blank, label, blank, label, …, blank. */
  readonly paths: readonly Int32Array[];
  readonly lengths: readonly number[];
  readonly zeroInfinity: boolean;
}

const values = (t: Tensor): Float64Array => viewElements(contiguousRaw(castRaw(t, float64))) as Float64Array;

/** log(exp(a) + exp(b)) */
function logAdd(a: number, b: number): number {
  const top = Math.max(a, b);
  return top === -Infinity ? top : top + Math.log1p(Math.exp(Math.min(a, b) - top));
}

/**
 * The logarithms of the probabilities of all ways that lead to (forward), or start from (backward), each place of the path at
 * each time, what happens at that time included: [lengths, path].
 */
function ways(
  log: Float64Array,
  at: (time: number, label: number) => number,
  path: Int32Array,
  length: number,
  backward: boolean,
): Float64Array {
  const size = path.length;
  const out = new Float64Array(length * size).fill(-Infinity);
  const [first, step, last] = backward ? [size - 1, -1, 0] : [0, 1, size - 1];
  for (let i = 0; i < length; i++) {
    const time = backward ? length - 1 - i : i;
    const before = (time - step) * size;
    for (let s = first; s !== last + step; s += step) {
      const label = path[s] as number;
      const here = log[at(time, label)] as number;
      if (i === 0) {
        if (s === first || s === first + step) out[time * size + s] = here;
        continue;
      }
      let sum = out[before + s] as number;
      if (s !== first) sum = logAdd(sum, out[before + s - step] as number);
      // A blank may be left out between labels that differ.
      const two = s - 2 * step;
      if ((backward ? two < size : two >= 0) && path[two] !== label) sum = logAdd(sum, out[before + two] as number);
      out[time * size + s] = sum + here;
    }
  }
  return out;
}

/** log(sum of exp) of both places where a path may end. */
function endOf(alpha: Float64Array, size: number, length: number): number {
  if (length === 0) return size === 1 ? 0 : -Infinity;
  const end = length * size - 1;
  return size === 1 ? (alpha[end] as number) : logAdd(alpha[end] as number, alpha[end - 1] as number);
}

const addresses =
  (shape: readonly number[], sample: number) =>
  (time: number, label: number): number =>
    (time * (shape[1] as number) + sample) * (shape[2] as number) + label;

function losses(x: Tensor, { paths, lengths }: CtcParams): Tensor {
  const log = values(x);
  const result = new Float64Array(paths.length);
  paths.forEach((path, n) => {
    const length = lengths[n] as number;
    result[n] = -endOf(ways(log, addresses(x.shape, n), path, length, false), path.length, length);
  });
  return stored(result, [paths.length], x);
}

function stored(result: Float64Array, shape: readonly number[], like: Tensor): Tensor {
  const out = allocate(shape, float64, like._backend);
  (viewElements(out) as Float64Array).set(result);
  return castRaw(out, like.dtype);
}

/**
 * The gradient as PyTorch has it: that of the logits whose log softmax the input is, so that the sum over labels is zero for
 * each time.
 */
const backward = primitive<CtcParams>({
  name: "_ctc_loss_backward",
  gradName: "NotImplemented",
  forward: ([g, x], { paths, lengths, zeroInfinity }) => {
    const input = x as Tensor;
    const [times, , labels] = input.shape as [number, number, number];
    const log = values(input).slice();
    const scale = values(g as Tensor).slice();
    const result = new Float64Array(log.length);
    paths.forEach((path, n) => {
      const at = addresses(input.shape, n);
      const length = Math.min(lengths[n] as number, times);
      const size = path.length;
      const alpha = ways(log, at, path, length, false);
      const total = endOf(alpha, size, length);
      if (zeroInfinity && total === -Infinity) return;
      const beta = ways(log, at, path, length, true);
      const seen = new Float64Array(labels);
      for (let time = 0; time < length; time++) {
        seen.fill(-Infinity);
        for (let s = 0; s < size; s++) {
          const both = (alpha[time * size + s] as number) + (beta[time * size + s] as number);
          seen[path[s] as number] = logAdd(seen[path[s] as number] as number, both);
        }
        for (let label = 0; label < labels; label++) {
          const i = at(time, label);
          const lp = log[i] as number;
          result[i] = (Math.exp(lp) - Math.exp((seen[label] as number) - total - lp)) * (scale[n] as number);
        }
      }
    });
    return stored(result, input.shape, input);
  },
  grads: {
    vjp: () => {
      throw new TorchError("derivative for aten::_ctc_loss_backward is not implemented");
    },
  },
});

const ctc = primitive<CtcParams>({
  name: "_ctc_loss",
  gradName: "CtcLossBackward0",
  forward: ([x], params) => losses(x as Tensor, params),
  grads: [{ uses: [0], vjp: (g, ctx) => apply1(backward, [g, ctx.input(0)], ctx.params) }],
});

const checkedBy = "(while checking arguments for ctc_loss_allocate_outputs)";

/** The lengths of all samples. */
function lengthsOf(name: string, given: Tensor | readonly number[], samples: number, most: number | null): number[] {
  if (given instanceof Tensor && given.dtype.category !== 1) throw new TorchError(`${name} must be integral`);
  const list = given instanceof Tensor ? [...values(given)] : [...given];
  if (list.length !== samples) throw new TorchError(`${name} must be of size batch_size`);
  for (const n of list) {
    if (n < 0) {
      throw new TorchError(`Expected ${name} to have value at least 0, but got value ${n} ${checkedBy}`);
    }
    if (most !== null && n > most) {
      throw new TorchError(`Expected ${name} to have value at most ${most}, but got value ${n} ${checkedBy}`);
    }
  }
  return list;
}

/** The labels of each sample with blanks around them. */
function pathsOf(targets: Tensor, lengths: readonly number[], blank: number, labels: number): Int32Array[] {
  const total = lengths.reduce((a, b) => a + b, 0);
  const longest = lengths.reduce((a, b) => Math.max(a, b), 0);
  if (targets.dtype !== int64 && targets.dtype !== int32) {
    throw new TorchError(
      `Expected tensor for argument #2 'targets' to have scalar type Int; but got ${targets.type()} instead ${checkedBy}`,
    );
  }
  const rows = targets.ndim === 2;
  if (targets.ndim !== 1 && !rows) {
    throw new TorchError(
      `Expected 1 to 2 dimensions, but got ${targets.ndim}-dimensional tensor for argument #2 'targets' ${checkedBy}`,
    );
  }
  const wanted = rows ? lengths.length : total;
  if (targets.shape[0] !== wanted) {
    throw new TorchError(
      `Expected tensor to have size ${wanted} at dimension 0, but got size ${targets.shape[0]} for argument #2 'targets' ${checkedBy}`,
    );
  }
  if (rows && (targets.shape[1] as number) < longest) {
    throw new TorchError(
      `Expected tensor to have size at least ${longest} at dimension 1, but got size ${targets.shape[1]} for argument #2 'targets' ${checkedBy}`,
    );
  }
  const all = values(targets);
  let next = 0;
  return lengths.map((length, n) => {
    const from = rows ? n * (targets.shape[1] as number) : next;
    next += length;
    const path = new Int32Array(2 * length + 1).fill(blank);
    for (let i = 0; i < length; i++) {
      const label = all[from + i] as number;
      if (label < 0 || label >= labels) {
        throw new TorchError(`Expected targets to be in the range of labels [0, ${labels}), but got value ${label}`);
      }
      path[2 * i + 1] = label;
    }
    return path;
  });
}

/** Options of {@link ctc_loss}. */
export interface CtcLossOptions {
  /** The label that stands for none. Default: 0. */
  blank?: number;
  /** `"mean"` (the default) divides each loss by the length of its target, then averages. */
  reduction?: LossReduction;
  /** Whether losses of targets that do not fit are 0 instead of infinite. Default: false. */
  zero_infinity?: boolean;
}

type Lengths = Tensor | readonly number[];

/**
 * The negative log probability of label sequences, over all ways to spread them over time.
 *
 * @param log_probs shape (T, N, C) or (T, C), from a log softmax over C
 * @param targets labels, shape (N, S) or one after another
 * @param input_lengths how many times of each sample count
 * @param target_lengths how many labels of each sample count
 */
export const ctc_loss: Op<
  (
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank?: number | CtcLossOptions,
    options?: CtcLossOptions,
  ) => Tensor
> = operator(
  "ctc_loss(Tensor log_probs, Tensor targets, Tensor|int[] input_lengths, Tensor|int[] target_lengths, int blank=0, str reduction='mean', bool zero_infinity=False)",
  (
    input: Tensor,
    targets: Tensor,
    inputLengths: Lengths,
    targetLengths: Lengths,
    blank: number,
    reduction: string,
    zeroInfinity: boolean,
  ) => {
    checkReduction(reduction);
    if (input.ndim !== 2 && input.ndim !== 3) {
      throw new TorchError(
        `Expected 3-dimensional tensor, but got ${input.ndim}-dimensional tensor for argument #1 'log_probs' ${checkedBy}`,
      );
    }
    const batched = input.ndim === 3;
    const x = batched ? input : unsqueeze(input, 1);
    if (x.dtype !== float32 && x.dtype !== float64) {
      throw new NotImplementedError(`"ctc_loss_cpu" not implemented for '${x.dtype.scalarName}'`);
    }
    const [times, samples, labels] = x.shape as [number, number, number];
    if (blank < 0 || blank >= labels) throw new TorchError("blank must be in label range");
    const lengths = lengthsOf("input_lengths", inputLengths, samples, times);
    const sizes = lengthsOf("target_lengths", targetLengths, samples, null);
    const params: CtcParams = { paths: pathsOf(targets, sizes, blank, labels), lengths, zeroInfinity };
    let loss = apply1(ctc, [x], params);
    if (zeroInfinity) loss = where(loss.eq(Infinity), loss.new_zeros([]), loss) as Tensor;
    if (reduction === "sum") return loss.sum();
    if (reduction === "none") return batched ? loss : squeeze(loss, 0);
    const divisors = allocate([samples], float64, x._backend);
    (viewElements(divisors) as Float64Array).set(sizes.map((n) => Math.max(n, 1)));
    return loss.div(castRaw(divisors, x.dtype)).mean();
  },
  { method: false, namespace: false },
);
