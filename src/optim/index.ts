/**
 * `torch.optim`: algorithms that change parameters by their gradients.
 */
export {
  type Closure,
  Optimizer,
  type OptimizerStateDict,
  type ParamGroup,
  type ParamGroupInit,
  type Params,
  type ParamState,
  type StepHook,
} from "./optimizer.ts";
export { Adam, type AdamGroup, type AdamOptions, AdamW } from "./adam.ts";
export { SGD, type SGDGroup, type SGDOptions } from "./sgd.ts";
