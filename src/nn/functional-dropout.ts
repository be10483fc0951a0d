/**
 * Dropout functions of `torch.nn.functional`.
 */
import { TorchError, ValueError } from "../base/errors.ts";
import { operator } from "../dispatch/op.ts";
import * as ops from "../ops/dropout.ts";
import type { Op } from "../ops/view.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { pythonText } from "./text.ts";

/** Options of the dropout functions. */
export interface DropoutOptions {
  /** The probability with which an element, or a channel, becomes zero. Default: 0.5. */
  p?: number;
  /** Whether anything happens at all. */
  training?: boolean;
  /** Whether the input itself is changed. Default: false. */
  inplace?: boolean;
}

/** A dropout function. */
export type DropoutFunction = Op<
  (
    input: Tensor,
    p?: number | DropoutOptions,
    training?: boolean | DropoutOptions,
    inplace?: boolean | DropoutOptions,
  ) => Tensor
>;

type Compute = (input: Tensor, p: number, training: boolean, inplace: boolean) => Tensor;

function define(name: string, training: "True" | "False", compute: Compute): DropoutFunction {
  return operator(
    `${name}(Tensor input, float p=0.5, bool training=${training}, bool inplace=False)`,
    (input: Tensor, p: number, train: boolean, inplace: boolean) => {
      if (p < 0 || p > 1) {
        throw new ValueError(`dropout probability has to be between 0 and 1, but got ${pythonText(p)}`);
      }
      return compute(input, p, train, inplace);
    },
    { method: false, namespace: false },
  );
}

const either =
  (plain: typeof ops.dropout, inplaceForm: typeof ops.dropout): Compute =>
  (input, p, training, inplace) =>
    (inplace ? inplaceForm : plain)(input, p, training);

const features = either(ops.feature_dropout, ops.feature_dropout_);

/** As if the input were a batch of one. */
const batched =
  (compute: Compute): Compute =>
  (input, p, training, inplace) => {
    const out = compute(inplace ? input.unsqueeze_(0) : input.unsqueeze(0), p, training, inplace);
    return inplace ? out.squeeze_(0) : out.squeeze(0);
  };

const warn = (text: string): void => console.warn(`UserWarning: ${text}`);

/** Zeroes each element with probability `p`, and divides the others by `1 - p`. */
export const dropout: DropoutFunction = define("dropout", "True", either(ops.dropout, ops.dropout_));

/** Dropout that keeps mean and variance of normal inputs, for networks of SELU units. */
export const alpha_dropout: DropoutFunction = define(
  "alpha_dropout",
  "False",
  either(ops.alpha_dropout, ops.alpha_dropout_),
);

/** {@link alpha_dropout} of whole channels. */
export const feature_alpha_dropout: DropoutFunction = define(
  "feature_alpha_dropout",
  "False",
  either(ops.feature_alpha_dropout, ops.feature_alpha_dropout_),
);

/** Dropout of whole channels of sequences (N, C, L) or (C, L). */
export const dropout1d: DropoutFunction = define("dropout1d", "True", (input, p, training, inplace) => {
  const { ndim } = input;
  if (ndim !== 2 && ndim !== 3) {
    throw new TorchError(
      `dropout1d: Expected 2D or 3D input, but received a ${ndim}D input. Note that dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs).`,
    );
  }
  return (ndim === 3 ? features : batched(features))(input, p, training, inplace);
});

/** Dropout of whole channels of images (N, C, H, W). */
export const dropout2d: DropoutFunction = define("dropout2d", "True", (input, p, training, inplace) => {
  const { ndim } = input;
  if (ndim !== 3 && ndim !== 4) {
    warn(
      `dropout2d: Received a ${ndim}-D input to dropout2d, which is deprecated and will result in an error in a future release. To retain the behavior and silence this warning, please use dropout instead. Note that dropout2d exists to provide channel-wise dropout on inputs with 2 spatial dimensions, a channel dimension, and an optional batch dimension (i.e. 3D or 4D inputs).`,
    );
  }
  if (ndim === 3) {
    warn(
      "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired - input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
    );
  }
  return features(input, p, training, inplace);
});

/** Dropout of whole channels of volumes (N, C, D, H, W) or (C, D, H, W). */
export const dropout3d: DropoutFunction = define("dropout3d", "True", (input, p, training, inplace) => {
  const { ndim } = input;
  if (ndim !== 4 && ndim !== 5) {
    warn(
      `dropout3d: Received a ${ndim}-D input to dropout3d, which is deprecated and will result in an error in a future release. To retain the behavior and silence this warning, please use dropout instead. Note that dropout3d exists to provide channel-wise dropout on inputs with 3 spatial dimensions, a channel dimension, and an optional batch dimension (i.e. 4D or 5D inputs).`,
    );
  }
  return (ndim === 5 ? features : batched(features))(input, p, training, inplace);
});
