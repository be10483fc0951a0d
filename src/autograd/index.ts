/**
 * `torch.autograd`.
 */
export { backward, grad, type BackwardOptions, type GradOptions, type TensorBackwardOptions } from "./backward.ts";
export { Function, FunctionContext, once_differentiable } from "./function.ts";
export { AccumulateGrad } from "./accumulate.ts";
export { Node, type RemovableHandle } from "./node.ts";
