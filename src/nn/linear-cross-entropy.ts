/**
 * A linear layer and the cross entropy of its results in one.
 */
import { checkClasses, linear_cross_entropy, type LinearCrossEntropyOptions } from "../ops/linear-cross-entropy.ts";
import type { LossReduction } from "../ops/loss-reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature, type FactoryOptions } from "./arguments.ts";
import { Linear } from "./linear.ts";
import { pythonText } from "./text.ts";

/** Options of {@link LinearCrossEntropyLoss}. */
export interface LinearCrossEntropyLossOptions extends FactoryOptions {
  /** Further dimensions that each sample is classified in. Default: none. */
  out_features?: readonly number[];
  /** Whether a bias is added. Default: false. */
  bias?: boolean;
  reduction?: LossReduction;
  /** How much each class counts. */
  weight?: Tensor | null;
  /** A target that does not count. Default: -100. */
  ignore_index?: number | null;
  /** How much of the target is spread over all classes. Default: 0. */
  label_smoothing?: number;
  /** How the work is divided; without, all at once. */
  options?: LinearCrossEntropyOptions | null;
}

const signature = new ConstructorSignature(
  "LinearCrossEntropyLoss(int in_features, int num_classes, int[] out_features=[], bool bias=False, str? device=None, dtype? dtype=None, str reduction='mean', Tensor? weight=None, int? ignore_index=None, Scalar label_smoothing=0.0, any? options=None)",
);

function optionsText(options: LinearCrossEntropyOptions): string {
  const all = {
    allow_retain_graph: true,
    batch_chunk_size: null,
    chunking_method: "auto",
    acc_policy: "auto",
    acc_dtype: null,
    ...options,
  };
  const fields = Object.entries(all).map(([name, value]) => `${name}=${pythonText(value)}`);
  return `LinearCrossEntropyOptions(${fields.join(", ")})`;
}

/** The cross entropy of a linear layer's results, which it computes itself. */
export class LinearCrossEntropyLoss extends Configured {
  declare readonly in_features: number;
  declare readonly num_classes: number;
  declare readonly out_features: readonly number[];
  declare readonly reduction: LossReduction;
  declare readonly ignore_index: number | null;
  declare readonly label_smoothing: number;
  declare readonly options: LinearCrossEntropyOptions | null;
  declare linear: Linear;
  declare weight: Tensor | null;

  constructor(
    ...args: Args<
      [in_features: number, num_classes: number],
      [out_features?: readonly number[], bias?: boolean],
      LinearCrossEntropyLossOptions
    >
  ) {
    super(signature, args, ["weight", "bias"]);
    const weight = this._arguments.get<Tensor | null>("weight");
    checkClasses(this.num_classes, weight, this.label_smoothing);
    const rows = this.num_classes * this.out_features.reduce((a, b) => a * b, 1);
    const [bias, device, dtype] = ["bias", "device", "dtype"].map((name) => this._arguments.get(name)) as [
      boolean,
      string | null,
      FactoryOptions["dtype"],
    ];
    this.register_module("linear", new Linear(this.in_features, rows, { bias, device, dtype: dtype ?? null }));
    this.register_buffer("weight", weight);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { linear, reduction, weight, ignore_index, label_smoothing, options } = this;
    const shape = [this.num_classes, ...this.out_features];
    return linear_cross_entropy(input, linear.weight.view([...shape, this.in_features]), target, {
      linear_bias: linear.bias === null ? null : linear.bias.view(shape),
      reduction,
      weight,
      ignore_index,
      label_smoothing,
      options,
    });
  }

  override extra_repr(): string {
    const shape = this.out_features;
    const list = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
    const bias = this.linear.bias === null ? "False" : "True";
    const options = this.options === null ? "None" : optionsText(this.options);
    const rest = `reduction=${this.reduction}, ${this._list("ignore_index", "label_smoothing")}, options=${options}`;
    return `in_features=${this.in_features}, num_classes=${this.num_classes}, out_features=${list}, bias=${bias}, ${rest}`;
  }
}
