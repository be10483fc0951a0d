/**
 * Normalisation of channels over the batch, or within each sample, with running statistics.
 */
import type { DType } from "../base/dtype.ts";
import { int64 } from "../base/dtype.ts";
import { NotImplementedError, ValueError } from "../base/errors.ts";
import { no_grad } from "../autograd/modes.ts";
import { batch_norm, instance_norm } from "../ops/batch-norm.ts";
import { fill_ } from "../ops/convert.ts";
import { ones, zeros } from "../ops/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature, type FactoryOptions } from "./arguments.ts";
import type { Parameter } from "./parameter.ts";
import { pythonText } from "./text.ts";

/** Options of batch and instance normalisation. */
export interface ChannelNormOptions extends FactoryOptions {
  /** Added to the variance. Default: 1e-5. */
  eps?: number;
  /** How far the running statistics move; null: they are the mean over all batches. Default: 0.1. */
  momentum?: number | null;
  /** Whether scale and shift are learned. Default: true, for instance normalisation false. */
  affine?: boolean;
  /** Whether running statistics are kept, and used in evaluation. Default: true, for instance normalisation false. */
  track_running_stats?: boolean;
  /** Whether there is a shift where there is a scale. Default: true. */
  bias?: boolean;
}

type NormArgs = Args<
  [num_features: number],
  [eps?: number, momentum?: number | null, affine?: boolean, track_running_stats?: boolean],
  ChannelNormOptions
>;

const signatureOf = (name: string, byDefault: "True" | "False"): ConstructorSignature =>
  new ConstructorSignature(
    `${name}(int num_features, Scalar eps=1e-05, Scalar? momentum=0.1, bool affine=${byDefault}, bool track_running_stats=${byDefault}, str? device=None, dtype? dtype=None, bool bias=True)`,
  );

/** Scale, shift and running statistics by channel. */
abstract class ChannelNorm extends Configured {
  declare readonly num_features: number;
  declare readonly eps: number;
  declare readonly momentum: number | null;
  declare readonly affine: boolean;
  declare readonly track_running_stats: boolean;
  declare weight: Parameter | null;
  declare bias: Parameter | null;
  declare running_mean: Tensor | null;
  declare running_var: Tensor | null;
  declare num_batches_tracked: Tensor | null;

  constructor(signature: ConstructorSignature, args: readonly unknown[]) {
    super(signature, args, ["bias"]);
    const a = this._arguments;
    const n = this.num_features;
    this.register_parameter("weight", this.affine ? a.parameter(n) : null);
    this.register_parameter("bias", this.affine && a.get<boolean>("bias") ? a.parameter(n) : null);
    const options = { dtype: a.get<DType | null>("dtype"), device: a.get<string | null>("device") };
    const tracks = this.track_running_stats;
    this.register_buffer("running_mean", tracks ? zeros([n], options) : null);
    this.register_buffer("running_var", tracks ? ones([n], options) : null);
    this.register_buffer("num_batches_tracked", tracks ? zeros([], { dtype: int64, device: options.device }) : null);
    this.reset_parameters();
  }

  override get _younger_buffers(): readonly string[] {
    return ["num_batches_tracked"];
  }

  /** Forgets the running statistics. */
  reset_running_stats(): void {
    if (!this.track_running_stats) return;
    no_grad(() => {
      if (this.running_mean !== null) fill_(this.running_mean, 0);
      if (this.running_var !== null) fill_(this.running_var, 1);
      if (this.num_batches_tracked !== null) fill_(this.num_batches_tracked, 0);
    });
  }

  /** Sets everything to what it was at first. */
  reset_parameters(): void {
    this.reset_running_stats();
    no_grad(() => {
      if (this.weight !== null) fill_(this.weight, 1);
      if (this.bias !== null) fill_(this.bias, 0);
    });
  }

  /** @internal Throws unless the input has dimensions that the module works on. */
  _check_input_dim(_input: Tensor): void {
    throw new NotImplementedError(`${this._get_name()} does not say which inputs it takes`);
  }

  override extra_repr(): string {
    const bias = `bias=${pythonText(this.bias !== null)}`;
    return `${this.num_features}, ${this._list("eps", "momentum", "affine")}, ${bias}, ${this._list("track_running_stats")}`;
  }
}

function expectDims(input: Tensor, dims: readonly number[]): void {
  if (dims.includes(input.ndim)) return;
  throw new ValueError(`expected ${dims.map((d) => `${d}D`).join(" or ")} input (got ${input.ndim}D input)`);
}

/** Batch normalisation of inputs of any dimensions that a subclass allows. */
abstract class BatchNorm extends ChannelNorm {
  override forward(input: Tensor): Tensor {
    this._check_input_dim(input);
    let factor = this.momentum ?? 0;
    if (this.training && this.track_running_stats && this.num_batches_tracked !== null) {
      const count = this.num_batches_tracked;
      no_grad(() => count.add_(1));
      if (this.momentum === null) factor = 1 / Number(count.item());
    }
    const byBatch = this.training || (this.running_mean === null && this.running_var === null);
    const keeps = !this.training || this.track_running_stats;
    return batch_norm(
      input,
      keeps ? this.running_mean : null,
      keeps ? this.running_var : null,
      this.weight,
      this.bias,
      byBatch,
      factor,
      this.eps,
    );
  }
}

const batchNorm1dSignature = signatureOf("BatchNorm1d", "True");

/** Normalises each channel of inputs (N, C) or (N, C, L) over the batch. */
export class BatchNorm1d extends BatchNorm {
  constructor(...args: NormArgs) {
    super(batchNorm1dSignature, args);
  }

  override _check_input_dim(input: Tensor): void {
    expectDims(input, [2, 3]);
  }
}

const batchNorm2dSignature = signatureOf("BatchNorm2d", "True");

/** Normalises each channel of images (N, C, H, W) over the batch. */
export class BatchNorm2d extends BatchNorm {
  constructor(...args: NormArgs) {
    super(batchNorm2dSignature, args);
  }

  override _check_input_dim(input: Tensor): void {
    expectDims(input, [4]);
  }
}

const batchNorm3dSignature = signatureOf("BatchNorm3d", "True");

/** Normalises each channel of volumes (N, C, D, H, W) over the batch. */
export class BatchNorm3d extends BatchNorm {
  constructor(...args: NormArgs) {
    super(batchNorm3dSignature, args);
  }

  override _check_input_dim(input: Tensor): void {
    expectDims(input, [5]);
  }
}

/** Instance normalisation of inputs with `dims` dimensions, or one less where there is no batch. */
abstract class InstanceNorm extends ChannelNorm {
  /** @internal Dimensions of a batch. */
  abstract get _dims(): number;

  override _check_input_dim(input: Tensor): void {
    expectDims(input, [this._dims - 1, this._dims]);
  }

  #apply(input: Tensor): Tensor {
    const byInput = this.training || !this.track_running_stats;
    const { running_mean: mean, running_var: variance } = this;
    return instance_norm(input, mean, variance, this.weight, this.bias, byInput, this.momentum ?? 0, this.eps);
  }

  override forward(input: Tensor): Tensor {
    this._check_input_dim(input);
    const channels = input.ndim - this._dims + 1;
    const size = input.shape[channels] as number;
    if (size !== this.num_features) {
      if (this.affine) {
        throw new ValueError(
          `expected input's size at dim=${channels} to match num_features (${this.num_features}), but got: ${size}.`,
        );
      }
      console.warn(
        `UserWarning: input's size at dim=${channels} does not match num_features. You can silence this warning by not passing in num_features, which is not used because affine=False`,
      );
    }
    return input.ndim === this._dims ? this.#apply(input) : this.#apply(input.unsqueeze(0)).squeeze(0);
  }
}

const instanceNorm1dSignature = signatureOf("InstanceNorm1d", "False");

/** Normalises each channel of each sequence (N, C, L) or (C, L). */
export class InstanceNorm1d extends InstanceNorm {
  constructor(...args: NormArgs) {
    super(instanceNorm1dSignature, args);
  }

  override get _dims(): number {
    return 3;
  }
}

const instanceNorm2dSignature = signatureOf("InstanceNorm2d", "False");

/** Normalises each channel of each image (N, C, H, W) or (C, H, W). */
export class InstanceNorm2d extends InstanceNorm {
  constructor(...args: NormArgs) {
    super(instanceNorm2dSignature, args);
  }

  override get _dims(): number {
    return 4;
  }
}

const instanceNorm3dSignature = signatureOf("InstanceNorm3d", "False");

/** Normalises each channel of each volume (N, C, D, H, W) or (C, D, H, W). */
export class InstanceNorm3d extends InstanceNorm {
  constructor(...args: NormArgs) {
    super(instanceNorm3dSignature, args);
  }

  override get _dims(): number {
    return 5;
  }
}
