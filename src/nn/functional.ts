/**
 * `torch.nn.functional`: what modules compute, as functions.
 */
export * from "./functional-activation.ts";
export * from "./functional-dropout.ts";
export { cross_entropy, nll_loss } from "../ops/cross-entropy.ts";
export { embedding, one_hot } from "../ops/embedding.ts";
export { linear } from "../ops/linear.ts";
export { log_softmax, softmax, softmin } from "../ops/softmax.ts";
