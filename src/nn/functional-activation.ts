/**
 * Activation functions of `torch.nn.functional`.
 */
import type { Tensor } from "../tensor/tensor.ts";
import type { ScalarLike } from "../dispatch/signature.ts";
import {
  type Activation,
  celu,
  elu,
  functional,
  hardtanh,
  leaky_relu,
  relu as reluOperator,
  selu,
  threshold,
} from "../ops/activation.ts";
import { rrelu } from "../ops/gated.ts";

export {
  celu,
  elu,
  gelu,
  hardshrink,
  hardsigmoid,
  hardswish,
  hardtanh,
  leaky_relu,
  logsigmoid,
  mish,
  relu6,
  selu,
  silu,
  softplus,
  softshrink,
  threshold,
} from "../ops/activation.ts";
export { sigmoid, tanh } from "../ops/functions.ts";
export { glu, prelu, rrelu, softsign, tanhshrink } from "../ops/gated.ts";

/** `max(input, 0)`; the derivative at 0 is 0. */
export const relu: Activation = functional("relu(Tensor input, bool inplace=False)", reluOperator);

type InplaceForm<Rest extends unknown[]> = (input: Tensor, ...rest: Rest) => Tensor;

/** {@link relu} in place. */
export const relu_: InplaceForm<[]> = relu.op.inplace as InplaceForm<[]>;
/** {@link elu} in place. */
export const elu_: InplaceForm<[alpha?: ScalarLike]> = elu.op.inplace as InplaceForm<[ScalarLike?]>;
/** {@link selu} in place. */
export const selu_: InplaceForm<[]> = selu.op.inplace as InplaceForm<[]>;
/** {@link celu} in place. */
export const celu_: InplaceForm<[alpha?: ScalarLike]> = celu.op.inplace as InplaceForm<[ScalarLike?]>;
/** {@link leaky_relu} in place. */
export const leaky_relu_: InplaceForm<[negative_slope?: ScalarLike]> = leaky_relu.op.inplace as InplaceForm<
  [ScalarLike?]
>;
/** {@link hardtanh} in place. */
export const hardtanh_: InplaceForm<[min_val?: ScalarLike, max_val?: ScalarLike]> = hardtanh.op.inplace as InplaceForm<
  [ScalarLike?, ScalarLike?]
>;
/** {@link threshold} in place. */
export const threshold_: InplaceForm<[threshold: ScalarLike, value: ScalarLike]> = threshold.op.inplace as InplaceForm<
  [ScalarLike, ScalarLike]
>;
/** {@link rrelu} in place. */
export const rrelu_: InplaceForm<[lower?: number, upper?: number, training?: boolean]> = rrelu.op
  .inplace as InplaceForm<[number?, number?, boolean?]>;
