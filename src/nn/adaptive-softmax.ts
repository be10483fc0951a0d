/**
 * Softmax over very many classes.
 */
import { IndexError, TorchError, ValueError } from "../base/errors.ts";
import { cat } from "../ops/join.ts";
import { log_softmax } from "../ops/softmax.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature, type FactoryOptions } from "./arguments.ts";
import { ModuleList, Sequential } from "./containers.ts";
import { Linear } from "./linear.ts";

/** Options of {@link AdaptiveLogSoftmaxWithLoss}. */
export interface AdaptiveLogSoftmaxOptions extends FactoryOptions {
  /** By what the width of each further cluster is divided. Default: 4. */
  div_value?: number;
  head_bias?: boolean;
}

/** The log probabilities of the targets, and the loss. */
export type AdaptiveSoftmaxResult = readonly [output: Tensor, loss: Tensor] & {
  readonly output: Tensor;
  readonly loss: Tensor;
};

const signature = new ConstructorSignature(
  "AdaptiveLogSoftmaxWithLoss(int in_features, int n_classes, int[] cutoffs, Scalar div_value=4.0, bool head_bias=False, str? device=None, dtype? dtype=None)",
);

/**
 * A softmax over classes that are sorted by how frequent they are: rare ones are in clusters of their own, which are computed
 * only where they are needed (Grave and others, 2017).
 */
export class AdaptiveLogSoftmaxWithLoss extends Configured {
  declare readonly in_features: number;
  declare readonly n_classes: number;
  /** Where clusters end, the last one too. */
  declare readonly cutoffs: readonly number[];
  declare readonly div_value: number;
  declare readonly head_bias: boolean;
  head: Linear;
  tail: ModuleList<Sequential>;

  constructor(
    ...args: Args<
      [in_features: number, n_classes: number, cutoffs: readonly number[]],
      [div_value?: number, head_bias?: boolean],
      AdaptiveLogSoftmaxOptions
    >
  ) {
    super(signature, args);
    const { cutoffs, n_classes: classes, in_features: features } = this;
    if (cutoffs.length === 0) throw new ValueError("cutoffs should be a sequence of length larger than 0");
    const rising = cutoffs.every((c, i) => i === 0 || c > (cutoffs[i - 1] as number));
    if (!rising || cutoffs.some((c) => c <= 0 || c > classes - 1)) {
      throw new ValueError(
        "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value is between 1 and n_classes-1",
      );
    }
    const ends = [...cutoffs, classes];
    Reflect.set(this, "cutoffs", ends);
    const a = this._arguments;
    const factory: FactoryOptions = { device: a.get("device"), dtype: a.get("dtype") };
    const clusters = ends.length - 1;
    this.head = new Linear(features, (ends[0] as number) + clusters, { bias: this.head_bias, ...factory });
    this.tail = new ModuleList();
    for (let i = 0; i < clusters; i++) {
      const width = Math.floor(features / this.div_value ** (i + 1));
      const size = (ends[i + 1] as number) - (ends[i] as number);
      this.tail.append(
        new Sequential(
          new Linear(features, width, { bias: false, ...factory }),
          new Linear(width, size, { bias: false, ...factory }),
        ),
      );
    }
  }

  override extra_repr(): string {
    return "";
  }

  override forward(input: Tensor, target: Tensor): AdaptiveSoftmaxResult {
    const batched = target.ndim > 0;
    if (target.ndim > 1) {
      throw new TorchError("0D or 1D target tensor expected, multi-target not supported");
    }
    if (batched && input.shape[0] !== target.shape[0]) {
      throw new TorchError("Input and target should have the same size in the batch dimension.");
    }
    if (input.ndim !== (batched ? 2 : 1)) {
      throw new TorchError(
        batched
          ? "1D target tensor expects 2D input tensors, but found inputs with size"
          : "0D target tensor expects 1D input tensors, but found inputs with size",
      );
    }
    const x = batched ? input : input.unsqueeze(0);
    const wanted = batched ? target : target.unsqueeze(0);
    const classes = (wanted.tolist() as number[]).map(Number);
    const first = this.cutoffs[0] as number;
    // In the head a cluster stands for all its classes.
    const inHead = classes.map((c) => (c < first ? c : first + this.#clusterOf(c)));
    const headLog = log_softmax(this.head(x), 1);
    let output = headLog.gather(1, wanted.new_tensor(inHead).unsqueeze(1)).squeeze(1);
    for (let i = 0; i < this.tail.len; i++) {
      const rows = classes.flatMap((c, row) => (c >= first && this.#clusterOf(c) === i ? [row] : []));
      if (rows.length === 0) continue;
      const at = wanted.new_tensor(rows);
      const low = this.cutoffs[i] as number;
      const within = wanted.new_tensor(rows.map((row) => (classes[row] as number) - low));
      const log = log_softmax(this.tail.at(i)(x.index_select(0, at)) as Tensor, 1);
      const local = log.gather(1, within.unsqueeze(1)).squeeze(1);
      output = output.add(output.new_zeros(output.shape).index_copy(0, at, local));
    }
    const result = batched ? output : output.squeeze(0);
    const loss = output.neg().mean();
    return Object.assign([result, loss] as [Tensor, Tensor], { output: result, loss });
  }

  #clusterOf(target: number): number {
    const last = this.cutoffs.at(-1) as number;
    if (target < 0 || target >= last) {
      throw new IndexError(
        `Target values should be in [0, ${last - 1}], but values in range [${target}, ${target}] were found. `,
      );
    }
    return this.cutoffs.findIndex((end) => target < end) - 1;
  }

  /** The log probabilities of all classes. */
  log_prob(input: Tensor): Tensor {
    const head = log_softmax(this.head(input), 1);
    const first = this.cutoffs[0] as number;
    const parts = [head.narrow(1, 0, first)];
    for (let i = 0; i < this.tail.len; i++) {
      const cluster = log_softmax(this.tail.at(i)(input) as Tensor, 1);
      parts.push(cluster.add(head.narrow(1, first + i, 1)));
    }
    return cat(parts, 1);
  }

  /** The most probable class of each row. */
  predict(input: Tensor): Tensor {
    return this.log_prob(input).argmax(1);
  }
}
